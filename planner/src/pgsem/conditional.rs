//! COALESCE, GREATEST and LEAST over arguments of one type and carrier.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, make_comparator};
use arrow::compute::{SortOptions, interleave};

use super::func::{FuncDef, SqlForm, Typed};
use super::kernel::Call;
use super::{PgFunc, key};
use crate::error::{Error, Result};

/// The first argument that is not NULL. All arguments are computed: see the binder for those that may fail.
pub fn coalesce(args: Vec<Typed>) -> Typed {
    let Some((ty, repr)) = args.first().map(|a| (a.ty, a.repr.clone())) else {
        return Typed::null(crate::pgtype::PgType::TEXT);
    };
    COALESCE.call(args, ty, repr, "")
}

static COALESCE: FuncDef = FuncDef::new("coalesce", SqlForm::Call("coalesce"), |call| {
    let last = call.args.len() - 1;
    pick(call, call.args, |row| (0..last).find(|&arg| !call.is_null(arg, row)).unwrap_or(last))
})
.not_strict();

/// The largest or smallest argument that is not NULL; of equal ones the first.
pub fn extreme(args: Vec<Typed>, greatest: bool) -> Result<Typed> {
    let Some((ty, repr)) = args.first().map(|a| (a.ty, a.repr.clone())) else {
        return Err(Error::internal("GREATEST of nothing"));
    };
    let plain = args.iter().all(key::key_is_identity);
    let def = match (greatest, plain) {
        (true, true) => &GREATEST,
        (false, true) => &LEAST,
        (true, false) => &GREATEST_BY_KEY,
        (false, false) => &LEAST_BY_KEY,
    };
    let mut all = args;
    if !plain {
        let keys = all.iter().cloned().map(key::key).collect::<Result<Vec<_>>>()?;
        all.extend(keys);
    }
    Ok(def.call(all, ty, repr, ""))
}

static GREATEST: FuncDef = FuncDef::new("greatest", SqlForm::Call("greatest"), |c| by_key(c, 0)).not_strict();
static LEAST: FuncDef = FuncDef::new("least", SqlForm::Call("least"), |c| by_key(c, 0)).not_strict();
/// Arguments, then their keys.
static GREATEST_BY_KEY: FuncDef =
    FuncDef::new("greatest_by_key", SqlForm::Local, |c| by_key(c, c.args.len() / 2)).not_strict();
static LEAST_BY_KEY: FuncDef =
    FuncDef::new("least_by_key", SqlForm::Local, |c| by_key(c, c.args.len() / 2)).not_strict();

fn is_greatest(func: &PgFunc) -> bool {
    func.def.name.starts_with("greatest")
}

/// Keys stand behind `first_key` arguments.
fn by_key(call: &Call<'_>, first_key: usize) -> Result<ArrayRef> {
    let keys = &call.args[first_key..];
    let values = if first_key == 0 { call.args } else { &call.args[..first_key] };
    let wanted = if is_greatest(call.func) { Ordering::Greater } else { Ordering::Less };
    let mut comparators = Vec::with_capacity(keys.len() * keys.len());
    for a in keys {
        for b in keys {
            comparators.push(make_comparator(a, b, SortOptions::default())?);
        }
    }
    pick(call, values, |row| {
        let mut best: Option<usize> = None;
        for arg in 0..keys.len() {
            if call.is_null(first_key + arg, row) {
                continue;
            }
            let wins = best.is_none_or(|b| {
                let (at, best_at) = (call.row(first_key + arg, row), call.row(first_key + b, row));
                comparators[arg * keys.len() + b](at, best_at) == wanted
            });
            if wins {
                best = Some(arg);
            }
        }
        best.unwrap_or(0)
    })
}

/// For each row the value of the chosen argument.
fn pick(call: &Call<'_>, values: &[ArrayRef], choose: impl Fn(usize) -> usize) -> Result<ArrayRef> {
    let sources: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    let picks: Vec<(usize, usize)> = (0..call.rows)
        .map(|row| {
            let arg = choose(row);
            (arg, call.row(arg, row))
        })
        .collect();
    Ok(interleave(&sources, &picks)?)
}
