//! `= <> < <= > >=` over every type that PostgreSQL orders: DataFusion's own operators over keys.

use datafusion_expr::{BinaryExpr, Expr, Operator};

use super::float;
use super::func::Typed;
use super::key::comparable_typed;
use super::registry::{Build, CastDef, Signature};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgtype::PgType;
use crate::pgtype::oid::*;

/// The comparison of two values of comparable types.
pub fn compare(op: Operator, left: Typed, right: Typed) -> Result<Typed> {
    let (l, r) = match op {
        // A float column and a constant that is neither zero nor NaN: bits decide, the column stays bare.
        Operator::Eq | Operator::NotEq if bare_floats(&left, &right) => (left, right),
        _ => comparable_typed(left, right)?,
    };
    let expr = Expr::BinaryExpr(BinaryExpr::new(Box::new(l.expr), op, Box::new(r.expr)));
    Ok(Typed::new(expr, PgType::BOOL))
}

fn bare_floats(left: &Typed, right: &Typed) -> bool {
    left.ty.oid == right.ty.oid && (float::is_plain_literal(left) || float::is_plain_literal(right))
}

macro_rules! operators {
    ($($build:ident $name:literal $op:ident;)*) => {
        $(fn $build(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
            let [left, right] = two(args)?;
            compare(Operator::$op, left, right)
        })*
        const OPERATORS: &[(&str, Build)] = &[$(($name, $build)),*];
    };
}

operators! {
    eq "=" Eq;
    ne "<>" NotEq;
    lt "<" Lt;
    le "<=" LtEq;
    gt ">" Gt;
    ge ">=" GtEq;
}

fn two(args: Vec<Typed>) -> Result<[Typed; 2]> {
    args.try_into().map_err(|_| crate::error::Error::internal("a comparison has two sides"))
}

/// `pg_operator`'s pairs. Those across date, timestamp and timestamptz are in `datetime`.
const PAIRS: &[&[u32; 2]] = &[
    &[BOOL, BOOL],
    &[BYTEA, BYTEA],
    &[CHAR, CHAR],
    &[NAME, NAME],
    &[NAME, TEXT],
    &[TEXT, NAME],
    &[TEXT, TEXT],
    &[BPCHAR, BPCHAR],
    &[INT2, INT2],
    &[INT2, INT4],
    &[INT2, INT8],
    &[INT4, INT2],
    &[INT4, INT4],
    &[INT4, INT8],
    &[INT8, INT2],
    &[INT8, INT4],
    &[INT8, INT8],
    &[OID, OID],
    &[FLOAT4, FLOAT4],
    &[FLOAT4, FLOAT8],
    &[FLOAT8, FLOAT4],
    &[FLOAT8, FLOAT8],
    &[NUMERIC, NUMERIC],
    &[DATE, DATE],
    &[TIMESTAMP, TIMESTAMP],
    &[TIMESTAMPTZ, TIMESTAMPTZ],
    &[TIME, TIME],
    &[INTERVAL, INTERVAL],
    &[UUID, UUID],
    &[JSONB, JSONB],
    &[ANYARRAY, ANYARRAY],
];

pub fn area() -> (Vec<Signature>, Vec<CastDef>) {
    let all = OPERATORS.iter().flat_map(|(name, build)| {
        PAIRS.iter().map(|pair| Signature::build(name, pair.as_slice(), BOOL, *build).exact())
    });
    (all.collect(), Vec::new())
}
