//! Comparisons across date, timestamp and timestamptz: DataFusion's own operators over one carrier.
//!
//! The smaller type is widened without error: what lies beyond the other type's range sorts just inside infinity, as in
//! PostgreSQL. Engines compare the unwidened values themselves.

use datafusion_expr::{Expr, Operator, binary_expr};

use super::convert::{date_as_timestamp_key, date_as_timestamptz_key, timestamp_as_timestamptz_key};
use super::session::{self, Zoned, zoned};
use crate::context::QueryContext;
use crate::error::Result;
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

fn widened(ctx: &QueryContext, value: Typed, to: u32) -> Expr {
    let typed = match (value.ty.oid, to) {
        (oid::DATE, oid::TIMESTAMP) => DATE_KEY.apply(vec![value], PgType::TIMESTAMP),
        (oid::DATE, oid::TIMESTAMPTZ) => date_key_in_zone().call(ctx, vec![value], PgType::TIMESTAMPTZ),
        (oid::TIMESTAMP, oid::TIMESTAMPTZ) => timestamp_key_in_zone().call(ctx, vec![value], PgType::TIMESTAMPTZ),
        _ => value,
    };
    typed.expr
}

/// Widest last.
fn rank(ty: u32) -> usize {
    [oid::DATE, oid::TIMESTAMP, oid::TIMESTAMPTZ].iter().position(|t| *t == ty).unwrap_or(0)
}

fn compare(ctx: &QueryContext, args: Vec<Typed>, op: Operator) -> Result<Typed> {
    let to = args.iter().map(|a| a.ty.oid).max_by_key(|ty| rank(*ty)).unwrap_or(oid::TIMESTAMPTZ);
    let mut sides = args.into_iter().map(|a| widened(ctx, a, to));
    let (Some(left), Some(right)) = (sides.next(), sides.next()) else {
        return Err(crate::error::Error::internal("a comparison has two sides"));
    };
    Ok(Typed::new(binary_expr(left, op, right), PgType::BOOL))
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
