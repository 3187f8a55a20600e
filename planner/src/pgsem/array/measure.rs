//! Sizes and bounds. Arrays have one dimension that starts at 1; the empty array has none.

use arrow::array::ArrayRef;

use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::io::{self, span};
use crate::pgsem::kernel::{Call, I32, Text};
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

pub fn signatures() -> Vec<Signature> {
    const A: u32 = oid::ANYARRAY;
    const I4: u32 = oid::INT4;
    vec![
        Signature::func("cardinality", &[A], I4, &CARDINALITY),
        Signature::func("array_length", &[A, I4], I4, &LENGTH),
        Signature::func("array_upper", &[A, I4], I4, &UPPER),
        Signature::func("array_lower", &[A, I4], I4, &LOWER),
        Signature::func("array_ndims", &[A], I4, &NDIMS),
        Signature::func("array_dims", &[A], oid::TEXT, &DIMS),
    ]
}

static CARDINALITY: FuncDef = FuncDef::new("cardinality", SqlForm::Call("cardinality"), |c| of_length(c, Some));
static LENGTH: FuncDef = FuncDef::new("array_length", SqlForm::Call("array_length"), |c| of_dimension(c, |_, n| n));
static UPPER: FuncDef =
    FuncDef::new("array_upper", SqlForm::Call("array_upper"), |c| of_dimension(c, |first, n| first + n - 1));
static LOWER: FuncDef =
    FuncDef::new("array_lower", SqlForm::Call("array_lower"), |c| of_dimension(c, |first, _| first));
static NDIMS: FuncDef =
    FuncDef::new("array_ndims", SqlForm::Call("array_ndims"), |c| of_length(c, |n| (n > 0).then_some(1)));
static DIMS: FuncDef = FuncDef::new("array_dims", SqlForm::Call("array_dims"), |c| {
    let list = io::list(c.args[0].as_ref())?;
    let first = c.func.arg_types[0].lower_bound();
    c.build::<Text>(|row| {
        let length = if c.is_null(0, row) { 0 } else { span(list, c.row(0, row)).len() as i32 };
        Ok((length > 0).then(|| format!("[{first}:{}]", first + length - 1)))
    })
});

fn of_length(call: &Call<'_>, f: fn(i32) -> Option<i32>) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    call.build::<I32>(|row| {
        if call.is_null(0, row) {
            return Ok(None);
        }
        Ok(f(span(list, call.row(0, row)).len() as i32))
    })
}

/// `f` gets the number of the first element and how many there are.
fn of_dimension(call: &Call<'_>, f: fn(i32, i32) -> i32) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let dimensions = call.column::<I32>(1)?;
    call.build::<I32>(|row| match call.get::<I32>(&dimensions, 1, row) {
        Some(1) if !call.is_null(0, row) => {
            let length = span(list, call.row(0, row)).len() as i32;
            Ok((length > 0).then(|| f(call.func.arg_types[0].lower_bound(), length)))
        }
        _ => Ok(None),
    })
}
