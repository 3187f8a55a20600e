//! `value op ANY (array)` and `value op ALL (array)`: the operator over each element, and three-valued OR or AND over the answers.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;

use super::list::{element_of, visible};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgsem::array_key::ElementKeys;
use crate::pgsem::evaluate::{column, evaluate};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::io::{self, span};
use crate::pgsem::kernel::{Bool, Call};
use crate::pgsem::registry::Target;
use crate::pgsem::resolve;
use crate::pgtype::PgType;

/// `value op ANY (array)`, or `ALL`. Value and elements already have the types the operator takes.
pub fn quantified(ctx: &QueryContext, op: &str, all: bool, value: Typed, array: Typed) -> Result<Typed> {
    // Refuses what cannot be computed before the query runs.
    comparison(ctx, op, column("value", value.ty, value.repr.clone()), &array)?;
    let session = io::session_detail(ctx);
    let def = if all { &ALL } else { &ANY };
    Ok(def.call(vec![value, array], PgType::BOOL, PgType::BOOL.repr(), &format!("{session} {op}")))
}

/// The operator as the emitter must write it.
pub fn operator_of(detail: &str) -> &str {
    detail.rsplit(' ').next().unwrap_or("")
}

static ANY: FuncDef = FuncDef::failing("array_any", SqlForm::Special("any"), |c| each(c, false)).not_strict();
static ALL: FuncDef = FuncDef::failing("array_all", SqlForm::Special("all"), |c| each(c, true)).not_strict();

/// `value op element`, over the column `element`.
fn comparison(ctx: &QueryContext, op: &str, value: Typed, array: &Typed) -> Result<Typed> {
    let element = array.ty.element().ok_or_else(|| Error::internal("ANY over something that is no array"))?;
    let element = column("element", element, element_of(&array.repr));
    let choice = resolve::infix(op, value.ty.oid, element.ty.oid)?;
    let signature =
        choice.scalar().ok_or_else(|| Error::unsupported(format!("{} over an array", choice.described())))?;
    match signature.target {
        Target::Func(def) => Ok(def.apply(vec![value, element], PgType::BOOL)),
        Target::Build(build) => build(ctx, vec![value, element]),
    }
}

fn each(call: &Call<'_>, all: bool) -> Result<ArrayRef> {
    let op = operator_of(&call.func.detail);
    if let Some(result) = constant_set(call, op, all)? {
        return Ok(result);
    }
    let list = io::list(call.args[1].as_ref())?;
    // A constant array is compared with every row's value.
    let (offsets, elements) = visible(list)?;
    let (mut values_at, mut elements_at, mut ends) = (Vec::new(), Vec::new(), vec![0]);
    for row in 0..call.rows {
        let at = call.row(1, row);
        for element in offsets[at] as u32..offsets[at + 1] as u32 {
            values_at.push(call.row(0, row) as u32);
            elements_at.push(element);
        }
        ends.push(values_at.len());
    }
    let rows = values_at.len();
    let values = take(&call.args[0], &UInt32Array::from(values_at), None)?;
    let elements = take(&elements, &UInt32Array::from(elements_at), None)?;
    let func = call.func;
    let array = column("array", func.arg_types[1], func.arg_reprs[1].clone());
    let value = column("value", func.arg_types[0], func.arg_reprs[0].clone());
    let compared = comparison(&io::context_of(&func.detail), op, value, &array)?;
    let answers = evaluate(&compared.expr, &[("value", values), ("element", elements)], rows)?;
    let answers = answers.as_boolean();
    call.build::<Bool>(|row| {
        if call.is_null(1, row) {
            return Ok(None);
        }
        let mut result = Some(all);
        for at in ends[row]..ends[row + 1] {
            if answers.is_null(at) {
                result = None;
            } else if answers.value(at) != all {
                return Ok(Some(!all));
            }
        }
        Ok(result)
    })
}

/// `= ANY` and `<> ALL` of a constant array of the value's own type: one look-up a row.
fn constant_set(call: &Call<'_>, op: &str, all: bool) -> Result<Option<ArrayRef>> {
    let func = call.func;
    let (value, array) = (func.arg_types[0], func.arg_types[1]);
    let applies =
        matches!((op, all), ("=", false) | ("<>", true)) && array.element().is_some_and(|e| e.oid == value.oid);
    if !applies || !call.scalars[1] || call.is_null(1, 0) {
        return Ok(None);
    }
    let list = io::list(call.args[1].as_ref())?;
    let elements = ElementKeys::new(value, list.values())?;
    let values = ElementKeys::new(value, &call.args[0])?;
    let all_elements = span(list, 0);
    let empty = all_elements.is_empty();
    let has_null = all_elements.clone().any(|at| list.values().is_null(at));
    let set: HashSet<&[u8]> = all_elements.map(|at| elements.of(at)).collect();
    let found = call.build::<Bool>(|row| {
        Ok(if empty {
            Some(all)
        } else if call.is_null(0, row) {
            None
        } else if set.contains(values.of(call.row(0, row))) {
            Some(!all)
        } else if has_null {
            None
        } else {
            Some(all)
        })
    })?;
    Ok(Some(found))
}
