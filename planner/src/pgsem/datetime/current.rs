//! `now()` and what SQL derives from it: constants, fixed when the statement is bound.

use std::time::{SystemTime, UNIX_EPOCH};

use datafusion_common::ScalarValue;

use super::calendar::{MICROS_PER_DAY, checked_timestamp};
use super::session::sig;
use super::{typmod, zone};
use crate::context::QueryContext;
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::Timestamp;
use crate::pgsem::registry::{Build, Signature};
use crate::pgtype::{PgType, oid};

/// The digits asked for in `current_timestamp(3)`.
fn precision(args: &[Typed]) -> Result<i32> {
    match args.first().map(Typed::as_literal) {
        None => Ok(-1),
        Some(Some(ScalarValue::Int32(Some(digits)))) if *digits >= 0 => Ok((*digits).min(6)),
        _ => Err(Error::new(state::SYNTAX_ERROR, "the precision must be a number that is not negative")),
    }
}

fn with_precision(ty: PgType, typmod: i32) -> PgType {
    PgType { typmod, ..ty }
}

fn local_now(ctx: &QueryContext) -> i128 {
    zone::to_local(ctx.time_zone, ctx.now_micros).0
}

fn current_timestamp(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let digits = precision(&args)?;
    let now = typmod::round_timestamp(ctx.now_micros, digits);
    let value = ScalarValue::TimestampMicrosecond(Some(now), Some("UTC".into()));
    Ok(Typed::literal(value, with_precision(PgType::TIMESTAMPTZ, digits)))
}

fn localtimestamp(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let digits = precision(&args)?;
    let now = typmod::round_timestamp(checked_timestamp(local_now(ctx))?, digits);
    let value = ScalarValue::TimestampMicrosecond(Some(now), None);
    Ok(Typed::literal(value, with_precision(PgType::TIMESTAMP, digits)))
}

fn localtime(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let digits = precision(&args)?;
    let now = local_now(ctx).rem_euclid(MICROS_PER_DAY.into()) as i64;
    let value = ScalarValue::Time64Microsecond(Some(typmod::round_time(now, digits)));
    Ok(Typed::literal(value, with_precision(PgType::TIME, digits)))
}

fn current_date(ctx: &QueryContext, _args: Vec<Typed>) -> Result<Typed> {
    let days = local_now(ctx).div_euclid(MICROS_PER_DAY.into()) as i32;
    Ok(Typed::literal(ScalarValue::Date32(Some(days)), PgType::DATE))
}

fn current_time(_ctx: &QueryContext, _args: Vec<Typed>) -> Result<Typed> {
    Err(Error::unsupported("type time with time zone"))
}

/// The only clock that is read while a query runs.
fn wall_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX - 1))
}

pub fn signatures() -> Vec<Signature> {
    let mut list: Vec<Signature> = ["now", "transaction_timestamp", "statement_timestamp"]
        .into_iter()
        .map(|name| Signature::build(name, &[], oid::TIMESTAMPTZ, current_timestamp))
        .collect();
    const PRECISE: &[(&str, u32, Build)] = &[
        ("current_timestamp", oid::TIMESTAMPTZ, current_timestamp),
        ("localtimestamp", oid::TIMESTAMP, localtimestamp),
        ("localtime", oid::TIME, localtime),
        ("current_time", oid::TIMETZ, current_time),
    ];
    for &(name, ret, build) in PRECISE {
        list.push(Signature::build(name, &[], ret, build));
        list.push(Signature::build(name, &[oid::INT4], ret, build));
    }
    list.push(Signature::build("current_date", &[], oid::DATE, current_date));
    list.push(sig!("clock_timestamp", [] -> TIMESTAMPTZ, FuncDef::new("clock_timestamp", SqlForm::Local, |c| {
        c.build::<Timestamp>(|_| Ok(Some(wall_clock())))
    }).volatile()));
    list
}
