//! Elements found, removed and replaced; containment and overlap. Elements are equal if their keys are (see [`super::key`]).

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::builder::{Int32Builder, ListBuilder};
use arrow::array::{Array, ArrayRef, ListArray};

use super::construct::of_array;
use super::list::Assembler;
use crate::error::{Error, Result, SqlState};
use crate::pgsem::array_key::ElementKeys;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::io::{self, span};
use crate::pgsem::kernel::{Bool, Call, I32};
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

const INT4_ARRAY: u32 = 1007;
const NULL_VALUE_NOT_ALLOWED: SqlState = SqlState::new("22004");

pub fn signatures() -> Vec<Signature> {
    const A: u32 = oid::ANYARRAY;
    const E: u32 = oid::ANYELEMENT;
    const BOOL: u32 = oid::BOOL;
    vec![
        Signature::func("array_position", &[A, E], oid::INT4, &POSITION),
        Signature::func("array_position", &[A, E, oid::INT4], oid::INT4, &POSITION_FROM),
        Signature::func("array_positions", &[A, E], INT4_ARRAY, &POSITIONS),
        Signature::build("array_remove", &[A, E], A, |_, args| of_array(&REMOVE, args)),
        Signature::build("array_replace", &[A, E, E], A, |_, args| of_array(&REPLACE, args)),
        Signature::func("@>", &[A, A], BOOL, &CONTAINS),
        Signature::func("<@", &[A, A], BOOL, &CONTAINED),
        Signature::func("&&", &[A, A], BOOL, &OVERLAPS),
    ]
}

static POSITION: FuncDef = FuncDef::new("array_position", SqlForm::Call("array_position"), position).not_strict();
static POSITION_FROM: FuncDef =
    FuncDef::failing("array_position_start", SqlForm::Call("array_position"), position).not_strict();
static POSITIONS: FuncDef = FuncDef::new("array_positions", SqlForm::Call("array_positions"), positions).not_strict();
static REMOVE: FuncDef = FuncDef::new("array_remove", SqlForm::Call("array_remove"), remove).not_strict();
static REPLACE: FuncDef = FuncDef::new("array_replace", SqlForm::Call("array_replace"), replace).not_strict();
static CONTAINS: FuncDef =
    FuncDef::new("arraycontains", SqlForm::Infix("@>"), |c| compare_sets(c, |left, right| left.contains(right)));
static CONTAINED: FuncDef =
    FuncDef::new("arraycontained", SqlForm::Infix("<@"), |c| compare_sets(c, |left, right| right.contains(left)));
static OVERLAPS: FuncDef = FuncDef::new("arrayoverlap", SqlForm::Infix("&&"), |c| {
    compare_sets(c, |left, right| !left.keys.is_disjoint(&right.keys))
});

/// The keys of an array's elements, or of an argument that is one element.
fn keys_of(call: &Call<'_>, arg: usize) -> Result<ElementKeys> {
    let ty = call.func.arg_types[arg];
    let (element, values) = match ty.element() {
        Some(element) => (element, io::list(call.args[arg].as_ref())?.values()),
        None => (ty, &call.args[arg]),
    };
    ElementKeys::new(element, values)
}

/// Positions of the elements equal to the second argument.
fn found(
    call: &Call<'_>,
    list: &ListArray,
    elements: &ElementKeys,
    wanted: &ElementKeys,
    row: usize,
) -> Result<Vec<i32>> {
    let wanted = wanted.of(call.row(1, row));
    let mut positions = Vec::new();
    for (at, position) in span(list, call.row(0, row)).zip(call.func.arg_types[0].lower_bound()..) {
        if elements.of(at) == wanted {
            positions.push(position);
        }
    }
    Ok(positions)
}

fn position(call: &Call<'_>) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let (elements, wanted) = (keys_of(call, 0)?, keys_of(call, 1)?);
    let starts = if call.args.len() > 2 { Some(call.column::<I32>(2)?) } else { None };
    call.build::<I32>(|row| {
        if call.is_null(0, row) {
            return Ok(None);
        }
        let start = match &starts {
            None => i32::MIN,
            Some(starts) => call
                .get::<I32>(starts, 2, row)
                .ok_or_else(|| Error::new(NULL_VALUE_NOT_ALLOWED, "initial position must not be null"))?,
        };
        Ok(found(call, list, &elements, &wanted, row)?.into_iter().find(|&p| p >= start))
    })
}

fn positions(call: &Call<'_>) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let (elements, wanted) = (keys_of(call, 0)?, keys_of(call, 1)?);
    let mut builder = ListBuilder::new(Int32Builder::new());
    for row in 0..call.rows {
        if call.is_null(0, row) {
            builder.append_null();
            continue;
        }
        builder.values().append_slice(&found(call, list, &elements, &wanted, row)?);
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

fn remove(call: &Call<'_>) -> Result<ArrayRef> {
    edit(call, vec![io::list(call.args[0].as_ref())?.values().as_ref()], |_, _| {})
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let sources = vec![io::list(call.args[0].as_ref())?.values().as_ref(), call.args[2].as_ref()];
    edit(call, sources, |out, row| out.push(1, call.row(2, row)))
}

/// The elements that differ from the second argument, and `instead` where one does not.
fn edit<'a>(
    call: &'a Call<'_>,
    sources: Vec<&'a dyn Array>,
    instead: impl Fn(&mut Assembler<'a>, usize),
) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let (elements, wanted) = (keys_of(call, 0)?, keys_of(call, 1)?);
    let mut out = Assembler::new(sources);
    for row in 0..call.rows {
        if call.is_null(0, row) {
            out.null();
            continue;
        }
        let wanted = wanted.of(call.row(1, row));
        for at in span(list, call.row(0, row)) {
            if elements.of(at) == wanted {
                instead(&mut out, row);
            } else {
                out.push(0, at);
            }
        }
        out.end();
    }
    out.finish()
}

fn compare_sets(call: &Call<'_>, decide: fn(&Set<'_>, &Set<'_>) -> bool) -> Result<ArrayRef> {
    let lists = [io::list(call.args[0].as_ref())?, io::list(call.args[1].as_ref())?];
    let keys = [keys_of(call, 0)?, keys_of(call, 1)?];
    let set = |arg: usize, row: usize| {
        let mut set = Set { keys: HashSet::new(), has_null: false };
        for at in span(lists[arg], call.row(arg, row)) {
            if lists[arg].values().is_null(at) {
                set.has_null = true;
            } else {
                set.keys.insert(keys[arg].of(at));
            }
        }
        set
    };
    call.build::<Bool>(|row| {
        if call.is_null(0, row) || call.is_null(1, row) {
            return Ok(None);
        }
        Ok(Some(decide(&set(0, row), &set(1, row))))
    })
}

/// The elements of an array; NULL is in no relation to anything.
struct Set<'a> {
    keys: HashSet<&'a [u8]>,
    has_null: bool,
}

impl Set<'_> {
    fn contains(&self, other: &Self) -> bool {
        !other.has_null && other.keys.is_subset(&self.keys)
    }
}
