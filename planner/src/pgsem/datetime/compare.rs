//! Comparisons across date, timestamp and timestamptz: DataFusion's own operators over one carrier.
//!
//! The smaller type is widened without error: what lies beyond the other type's range sorts just inside infinity, as in
//! PostgreSQL. Engines compare the unwidened values themselves. A date compared with a constant stays bare, so that engines and
//! Parquet statistics can use it: `d < timestamp '1995-01-01 12:00'` is `d < date '1995-01-02'`.

use datafusion_common::ScalarValue;
use datafusion_expr::{Operator, binary_expr};

use super::calendar::{MICROS_PER_DAY, is_finite_timestamp};
use super::convert::{date_as_timestamp_key, date_as_timestamptz_key, timestamp_as_timestamptz_key};
use super::session::{self, Zoned, zoned};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Date, Timestamp};
use crate::pgsem::registry::{Build, Signature};
use crate::pgtype::{PgType, oid};

static DATE_KEY: FuncDef = FuncDef::new("date_as_timestamp", SqlForm::Transparent, |c| {
    c.map1::<Date, Timestamp>(|d| Ok(date_as_timestamp_key(d)))
});

fn date_key_in_zone() -> Zoned {
    zoned!(new, "date_as_timestamptz", SqlForm::Transparent, |c| {
        let zone = session::zone(c.func)?;
        c.map1::<Date, Timestamp>(|d| Ok(date_as_timestamptz_key(d, zone)))
    })
}

fn timestamp_key_in_zone() -> Zoned {
    zoned!(new, "timestamp_as_timestamptz", SqlForm::Transparent, |c| {
        let zone = session::zone(c.func)?;
        c.map1::<Timestamp, Timestamp>(|t| Ok(timestamp_as_timestamptz_key(t, zone)))
    })
}

fn widened(ctx: &QueryContext, value: Typed, to: u32) -> Typed {
    match (value.ty.oid, to) {
        (oid::DATE, oid::TIMESTAMP) => DATE_KEY.apply(vec![value], PgType::TIMESTAMP),
        (oid::DATE, oid::TIMESTAMPTZ) => date_key_in_zone().call(ctx, vec![value], PgType::TIMESTAMPTZ),
        (oid::TIMESTAMP, oid::TIMESTAMPTZ) => timestamp_key_in_zone().call(ctx, vec![value], PgType::TIMESTAMPTZ),
        _ => value,
    }
}

/// Widest last.
fn rank(ty: u32) -> usize {
    [oid::DATE, oid::TIMESTAMP, oid::TIMESTAMPTZ].iter().position(|t| *t == ty).unwrap_or(0)
}

/// `date op constant` as `date op' day`, where some day tells the same dates apart. `midnight` never goes down.
fn day_for(op: Operator, constant: i64, midnight: impl Fn(i32) -> i64) -> Option<(Operator, i32)> {
    let near = constant.div_euclid(MICROS_PER_DAY) as i32;
    let first = |reached: &dyn Fn(i64) -> bool| (near - 2..=near + 3).find(|day| reached(midnight(*day)));
    let (not_before, after) = (first(&|m| m >= constant)?, first(&|m| m > constant)?);
    // Exactly one date begins at that instant.
    if after == not_before + 1 {
        return Some((op, not_before));
    }
    match op {
        Operator::Lt => Some((Operator::Lt, not_before)),
        Operator::LtEq => Some((Operator::Lt, after)),
        Operator::Gt => Some((Operator::GtEq, after)),
        Operator::GtEq => Some((Operator::GtEq, not_before)),
        _ => None,
    }
}

/// The operator and the day that replace a constant beside a date.
fn day_beside(ctx: &QueryContext, op: Operator, date: &Typed, constant: &Typed) -> Option<(Operator, Typed)> {
    let &ScalarValue::TimestampMicrosecond(Some(micros), _) = constant.as_literal()? else { return None };
    if date.ty.oid != oid::DATE || date.as_literal().is_some() || !is_finite_timestamp(micros) {
        return None;
    }
    let (op, day) = match constant.ty.oid {
        oid::TIMESTAMP => day_for(op, micros, date_as_timestamp_key)?,
        _ => day_for(op, micros, |day| date_as_timestamptz_key(day, ctx.time_zone))?,
    };
    Some((op, Typed::literal(ScalarValue::Date32(Some(day)), PgType::DATE)))
}

fn compare(ctx: &QueryContext, args: Vec<Typed>, op: Operator) -> Result<Typed> {
    let Ok([left, right]) = <[Typed; 2]>::try_from(args) else {
        return Err(Error::internal("a comparison has two sides"));
    };
    let boolean = |left: Typed, op, right: Typed| Ok(Typed::new(binary_expr(left.expr, op, right.expr), PgType::BOOL));
    if let Some((op, day)) = day_beside(ctx, op, &left, &right) {
        return boolean(left, op, day);
    }
    if let Some((op, day)) = op.swap().and_then(|op| day_beside(ctx, op, &right, &left)) {
        return boolean(day, op.swap().unwrap_or(op), right);
    }
    let to = if rank(left.ty.oid) > rank(right.ty.oid) { left.ty.oid } else { right.ty.oid };
    boolean(widened(ctx, left, to), op, widened(ctx, right, to))
}

pub fn signatures() -> Vec<Signature> {
    const OPERATORS: &[(&str, Build)] = &[
        ("=", |ctx, args| compare(ctx, args, Operator::Eq)),
        ("<>", |ctx, args| compare(ctx, args, Operator::NotEq)),
        ("<", |ctx, args| compare(ctx, args, Operator::Lt)),
        ("<=", |ctx, args| compare(ctx, args, Operator::LtEq)),
        (">", |ctx, args| compare(ctx, args, Operator::Gt)),
        (">=", |ctx, args| compare(ctx, args, Operator::GtEq)),
    ];
    const PAIRS: &[&[u32]] = &[
        &[oid::DATE, oid::TIMESTAMP],
        &[oid::TIMESTAMP, oid::DATE],
        &[oid::DATE, oid::TIMESTAMPTZ],
        &[oid::TIMESTAMPTZ, oid::DATE],
        &[oid::TIMESTAMP, oid::TIMESTAMPTZ],
        &[oid::TIMESTAMPTZ, oid::TIMESTAMP],
    ];
    let of = |&(name, build): &(&'static str, Build)| {
        PAIRS.iter().map(move |args| Signature::build(name, args, oid::BOOL, build))
    };
    OPERATORS.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::TimeZone;

    /// The rewritten comparison says of every date near the constant what the comparison itself says.
    #[test]
    fn a_day_stands_for_a_constant() {
        const OPS: [Operator; 6] =
            [Operator::Eq, Operator::NotEq, Operator::Lt, Operator::LtEq, Operator::Gt, Operator::GtEq];
        let holds = |l: i64, op, r: i64| match op {
            Operator::Eq => l == r,
            Operator::NotEq => l != r,
            Operator::Lt => l < r,
            Operator::LtEq => l <= r,
            Operator::Gt => l > r,
            _ => l >= r,
        };
        let mut rewritten = 0;
        for zone in ["UTC", "America/New_York", "Pacific/Apia", "Asia/Kolkata"] {
            let zone = TimeZone::Named(zone.parse().unwrap());
            // Apia had no 30 December 2011.
            for day in [0, 15_337, 15_338, 15_339, 15_340, -500_000, 106_700_000] {
                let midnight = |day| date_as_timestamptz_key(day, zone);
                for constant in [midnight(day) - 1, midnight(day), midnight(day) + 1, midnight(day) + 43_200_000_000] {
                    for op in OPS {
                        let Some((new_op, new_day)) = day_for(op, constant, midnight) else { continue };
                        rewritten += 1;
                        for d in day - 4..day + 5 {
                            let expected = holds(midnight(d), op, constant);
                            assert_eq!(holds(d.into(), new_op, new_day.into()), expected, "{d} {op} {constant}");
                        }
                    }
                }
            }
        }
        assert!(rewritten > 400);
    }
}
