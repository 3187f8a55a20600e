//! `(start, end) OVERLAPS (start, end)`, with SQL's treatment of NULL and of ends given as lengths.

use arrow::array::ArrayRef;

use super::arithmetic::add_to_timestamptz;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Bool, Call, Time, Timestamp, Value};
use crate::pgsem::registry::{Signature, Target, registry};
use crate::pgtype::{PgType, oid};

/// One period: its known end first, the other one perhaps unknown.
fn period<T: Ord + Copy>(start: Option<T>, end: Option<T>) -> Option<(T, Option<T>)> {
    match (start, end) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some((one, None)),
        (Some(a), Some(b)) => Some((a.min(b), Some(a.max(b)))),
    }
}

fn overlaps<T: Ord + Copy>(first: (T, Option<T>), second: (T, Option<T>)) -> Option<bool> {
    if first.0 == second.0 {
        return first.1.and(second.1).map(|_| true);
    }
    let (earlier, later) = if first.0 < second.0 { (first, second) } else { (second, first) };
    let end = earlier.1?;
    if later.0 < end {
        return Some(true);
    }
    later.1.map(|_| false)
}

fn kernel<V>(call: &Call<'_>) -> Result<ArrayRef>
where
    V: for<'a> Value<Ref<'a> = i64>,
{
    let columns = [call.column::<V>(0)?, call.column::<V>(1)?, call.column::<V>(2)?, call.column::<V>(3)?];
    call.build::<Bool>(|row| {
        let value = |arg: usize| call.get::<V>(&columns[arg], arg, row);
        Ok(match (period(value(0), value(1)), period(value(2), value(3))) {
            (Some(first), Some(second)) => overlaps(first, second),
            _ => None,
        })
    })
}

static OVERLAPS_TIME: FuncDef =
    FuncDef::new("overlaps_time", SqlForm::Special("overlaps"), kernel::<Time>).not_strict();
static OVERLAPS_TIMESTAMP: FuncDef =
    FuncDef::new("overlaps_timestamp", SqlForm::Special("overlaps"), kernel::<Timestamp>).not_strict();

/// Ends given as intervals become points: `start + interval`.
fn build(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let mut points: Vec<Typed> = Vec::with_capacity(4);
    for arg in args {
        match points.last() {
            Some(start) if arg.ty.oid == oid::INTERVAL => points.push(add(ctx, start.clone(), arg)?),
            _ => points.push(arg),
        }
    }
    let def = if points[0].ty.oid == oid::TIME { &OVERLAPS_TIME } else { &OVERLAPS_TIMESTAMP };
    Ok(def.apply(points, PgType::BOOL))
}

fn add(ctx: &QueryContext, start: Typed, length: Typed) -> Result<Typed> {
    let ty = start.ty.without_typmod();
    if ty == PgType::TIMESTAMPTZ {
        return add_to_timestamptz(ctx, vec![start, length]);
    }
    let plus = registry().functions["+"].iter().find(|s| s.args == [ty.oid, oid::INTERVAL]).map(|s| s.target);
    match plus {
        Some(Target::Func(def)) => Ok(def.apply(vec![start, length], ty)),
        _ => Err(Error::internal("no sum of time and interval")),
    }
}

pub fn signatures() -> Vec<Signature> {
    const I: u32 = oid::INTERVAL;
    macro_rules! of {
        ($($ty:ident)*) => {
            [$(
                &[oid::$ty, oid::$ty, oid::$ty, oid::$ty] as &[u32],
                &[oid::$ty, oid::$ty, oid::$ty, I],
                &[oid::$ty, I, oid::$ty, oid::$ty],
                &[oid::$ty, I, oid::$ty, I],
            )*]
        };
    }
    const OVERLOADS: &[&[u32]] = &of!(TIME TIMESTAMP TIMESTAMPTZ);
    OVERLOADS.iter().map(|args| Signature::build("overlaps", args, oid::BOOL, build)).collect()
}
