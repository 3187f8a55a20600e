//! Elements and slices: outside the array there is NULL, and the empty array.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;

use super::construct::of_array;
use super::list::{Assembler, element_of};
use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::io::{self, span};
use crate::pgsem::kernel::{Call, I32};

/// `array[index]`; the index is an int4.
pub fn array_subscript(array: Typed, index: Typed) -> Result<Typed> {
    let ty = array.ty.element().ok_or_else(|| Error::internal("a subscript of something that is no array"))?;
    let repr = element_of(&array.repr);
    Ok(SUBSCRIPT.call(vec![array, index], ty, repr, ""))
}

/// `array[lower:upper]`; the bounds are int4. A bound that is left out is 1 or the largest integer.
pub fn array_slice(array: Typed, lower: Typed, upper: Typed) -> Result<Typed> {
    of_array(&SLICE, vec![array, lower, upper])
}

static SUBSCRIPT: FuncDef = FuncDef::new("array_subscript", SqlForm::Special("subscript"), subscript);
static SLICE: FuncDef = FuncDef::new("array_slice", SqlForm::Special("slice"), slice);

fn subscript(call: &Call<'_>) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let indexes = call.column::<I32>(1)?;
    let first = i64::from(call.func.arg_types[0].lower_bound());
    let picks: UInt32Array = (0..call.rows)
        .map(|row| {
            let index = call.get::<I32>(&indexes, 1, row)?;
            let at = usize::try_from(i64::from(index) - first).ok()?;
            if call.is_null(0, row) {
                return None;
            }
            span(list, call.row(0, row)).nth(at).map(|at| at as u32)
        })
        .collect();
    Ok(take(list.values(), &picks, None)?)
}

fn slice(call: &Call<'_>) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let (lowers, uppers) = (call.column::<I32>(1)?, call.column::<I32>(2)?);
    let mut out = Assembler::new(vec![list.values().as_ref()]);
    for row in 0..call.rows {
        match (call.get::<I32>(&lowers, 1, row), call.get::<I32>(&uppers, 2, row)) {
            (Some(lower), Some(upper)) if !call.is_null(0, row) => {
                let skip = lower.max(1) as usize - 1;
                let take = (upper.max(0) as usize).saturating_sub(skip);
                out.extend(0, span(list, call.row(0, row)).skip(skip).take(take));
                out.end();
            }
            _ => out.null(),
        }
    }
    out.finish()
}
