//! Arrays from values and other arrays: `ARRAY[…]`, `||`, append, prepend, fill, trim, and series of numbers.

use arrow::array::{Array, ArrayRef};

use super::cast::dynamic_elements;
use super::list::{Assembler, list_of};
use crate::error::{Error, Result, SqlState, state};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::io::{self, span};
use crate::pgsem::kernel::{Call, I32, Value};
use crate::pgsem::numeric::carrier::{to_dynamic, unify_repr};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

pub fn signatures() -> Vec<Signature> {
    const A: u32 = oid::ANYARRAY;
    const E: u32 = oid::ANYELEMENT;
    vec![
        Signature::build("||", &[A, A], A, |_, args| of_array(&ARRAY_CAT_OP, args)),
        Signature::build("||", &[A, E], A, |_, args| of_array(&ARRAY_APPEND_OP, args)),
        Signature::build("||", &[E, A], A, |_, args| of_array(&ARRAY_PREPEND_OP, args)),
        Signature::build("array_cat", &[A, A], A, |_, args| of_array(&ARRAY_CAT, args)),
        Signature::build("array_append", &[A, E], A, |_, args| of_array(&ARRAY_APPEND, args)),
        Signature::build("array_prepend", &[E, A], A, |_, args| of_array(&ARRAY_PREPEND, args)),
        Signature::build("array_fill", &[E, INT4_ARRAY], A, |_, args| array_fill(args)),
        Signature::build("trim_array", &[A, oid::INT4], A, |_, args| of_array(&TRIM_ARRAY, args)),
    ]
}

const INT4_ARRAY: u32 = 1007;

fn array_fill(args: Vec<Typed>) -> Result<Typed> {
    let ty = args[0].ty.array_of().ok_or_else(|| Error::internal("array_fill of something that has no array type"))?;
    let repr = list_of(args[0].repr.clone());
    Ok(FILL.call(args, ty, repr, ""))
}

/// As many copies as the one dimension says; no dimension is the empty array.
static FILL: FuncDef = FuncDef::failing("array_fill", SqlForm::Call("array_fill"), |c| {
    let dimensions = io::list(c.args[1].as_ref())?;
    let lengths = I32::column(dimensions.values().as_ref())?;
    let mut out = Assembler::new(vec![c.args[0].as_ref()]);
    for row in 0..c.rows {
        if c.is_null(1, row) {
            return Err(Error::new(SqlState::new("22004"), "dimension array or low bound array cannot be null"));
        }
        let span = span(dimensions, c.row(1, row));
        if span.len() > 1 {
            return Err(Error::unsupported("an array of more than one dimension"));
        }
        for at in span {
            if lengths.is_null(at) {
                return Err(Error::new(SqlState::new("22004"), "dimension values cannot be null"));
            }
            let length = usize::try_from(lengths.value(at)).unwrap_or(0);
            if length > MAX_ELEMENTS {
                return Err(Error::new(
                    state::PROGRAM_LIMIT_EXCEEDED,
                    format!("array size exceeds the maximum allowed ({MAX_ELEMENTS})"),
                ));
            }
            out.extend(0, std::iter::repeat_n(c.row(0, row), length));
        }
        out.end();
    }
    out.finish()
})
.not_strict();

/// `MaxArraySize`
const MAX_ELEMENTS: usize = 134_217_727;

/// `ARRAY[…]` of values of one type.
pub fn array_construct(element: PgType, elements: Vec<Typed>) -> Result<Typed> {
    let ty = element.array_of().ok_or_else(|| {
        Error::new(state::UNDEFINED_OBJECT, format!("could not find array type for data type {element}"))
    })?;
    if element.is_array() {
        return Err(Error::unsupported("an array of more than one dimension"));
    }
    let elements = if element.oid == oid::NUMERIC { unify_repr(elements) } else { elements };
    let repr = elements.first().map_or_else(|| element.repr(), |e| e.repr.clone());
    Ok(CONSTRUCT.call(elements, ty, list_of(repr), ""))
}

/// A function whose result has the type of its array arguments, with numbers in one carrier.
pub fn of_array(def: &'static FuncDef, args: Vec<Typed>) -> Result<Typed> {
    let numeric = args.iter().any(|a| a.ty.element().is_some_and(|e| e.oid == oid::NUMERIC));
    let one_carrier = |arg: Typed| match arg.ty.oid {
        oid::NUMERIC if numeric => to_dynamic(arg),
        _ => dynamic_elements(arg),
    };
    let args: Vec<Typed> = args.into_iter().map(one_carrier).collect();
    let array = args.iter().find(|a| a.ty.is_array()).ok_or_else(|| Error::internal("no array among the arguments"))?;
    let (ty, repr) = (array.ty, array.repr.clone());
    let same = args.iter().all(|a| !a.ty.is_array() || a.ty == ty);
    Ok(def.call(args, if same { ty } else { ty.without_typmod() }, repr, ""))
}

static CONSTRUCT: FuncDef = FuncDef::new("array_construct", SqlForm::Special("array"), |c| {
    if c.args.is_empty() {
        let empty = arrow::array::new_empty_array(&super::list::element_of(&c.func.repr));
        let mut out = Assembler::new(vec![empty.as_ref()]);
        (0..c.rows).for_each(|_| out.end());
        return out.finish();
    }
    let mut out = Assembler::new(c.args.iter().map(AsRef::as_ref).collect());
    for row in 0..c.rows {
        for arg in 0..c.args.len() {
            out.push(arg, c.row(arg, row));
        }
        out.end();
    }
    out.finish()
})
.not_strict();

static ARRAY_CAT: FuncDef = FuncDef::new("array_cat", SqlForm::Call("array_cat"), join).not_strict();
static ARRAY_CAT_OP: FuncDef = FuncDef::new("array_cat_op", SqlForm::Infix("||"), join).not_strict();
static ARRAY_APPEND: FuncDef = FuncDef::new("array_append", SqlForm::Call("array_append"), join).not_strict();
static ARRAY_APPEND_OP: FuncDef = FuncDef::new("array_append_op", SqlForm::Infix("||"), join).not_strict();
static ARRAY_PREPEND: FuncDef = FuncDef::new("array_prepend", SqlForm::Call("array_prepend"), join).not_strict();
static ARRAY_PREPEND_OP: FuncDef = FuncDef::new("array_prepend_op", SqlForm::Infix("||"), join).not_strict();

/// Arrays and single elements one after the other. A NULL array is nothing, a NULL element is an element; two NULL arrays
/// are NULL.
fn join(call: &Call<'_>) -> Result<ArrayRef> {
    let is_list = |arg: usize| call.func.arg_types[arg].is_array();
    let mut sources: Vec<&dyn Array> = Vec::with_capacity(2);
    for arg in 0..2 {
        sources.push(if is_list(arg) { io::list(call.args[arg].as_ref())?.values().as_ref() } else { &call.args[arg] });
    }
    let mut out = Assembler::new(sources);
    for row in 0..call.rows {
        if (0..2).all(|arg| is_list(arg) && call.is_null(arg, row)) {
            out.null();
            continue;
        }
        for arg in 0..2 {
            let at = call.row(arg, row);
            if !is_list(arg) {
                out.push(arg, at);
            } else if !call.is_null(arg, row) {
                out.extend(arg, span(io::list(call.args[arg].as_ref())?, at));
            }
        }
        out.end();
    }
    out.finish()
}

static TRIM_ARRAY: FuncDef = FuncDef::failing("trim_array", SqlForm::Call("trim_array"), |c| {
    let list = io::list(c.args[0].as_ref())?;
    let counts = c.column::<I32>(1)?;
    let mut out = Assembler::new(vec![list.values().as_ref()]);
    for row in 0..c.rows {
        match c.get::<I32>(&counts, 1, row) {
            Some(count) if !c.is_null(0, row) => {
                let all = span(list, c.row(0, row));
                let kept = usize::try_from(count).ok().and_then(|count| all.len().checked_sub(count));
                let kept = kept.ok_or_else(|| {
                    Error::new(
                        state::ARRAY_SUBSCRIPT_ERROR,
                        format!("number of elements to trim must be between 0 and {}", all.len()),
                    )
                })?;
                out.extend(0, all.take(kept));
                out.end();
            }
            _ => out.null(),
        }
    }
    out.finish()
});
