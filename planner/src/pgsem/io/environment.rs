//! What input and output functions need of the session, packed into a function's detail: a kernel has nothing else, and two
//! calls in different time zones are different expressions.

use std::str::FromStr;

use chrono_tz::Tz;

use crate::context::{DateOrder, Now, QueryContext, TimeZone};
use crate::pgsem::datetime::is_utc;
use crate::pgsem::func::{PgFunc, SqlForm};
use crate::pgtype::{PgType, oid};

fn is_zoned(ty: PgType) -> bool {
    ty.oid == oid::TIMESTAMPTZ || ty.element().is_some_and(is_zoned)
}

fn is_temporal(ty: PgType) -> bool {
    matches!(ty.oid, oid::DATE | oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIMETZ | oid::INTERVAL)
        || ty.element().is_some_and(is_temporal)
}

/// What output of these types depends on: the time zone, or nothing.
pub fn output_detail(ctx: &QueryContext, types: impl IntoIterator<Item = PgType>) -> String {
    if types.into_iter().any(is_zoned) { zone_name(ctx.time_zone) } else { String::new() }
}

/// What a cast depends on: the session if one side is a time, and always the target with its modifier, because `x::varchar(3)`
/// and `x::varchar(4)` are told apart by it.
pub fn cast_detail(ctx: &QueryContext, from: PgType, to: PgType) -> String {
    let target = to.sql_name();
    if is_temporal(to) {
        format!("{} {target}", session_detail(ctx))
    } else if is_temporal(from) {
        // Printing reads no clock.
        format!("{} 0 {target}", zone_and_order(ctx))
    } else {
        target
    }
}

/// Whether only the session's own settings make a function's result right. Engines are pinned to UTC and ISO, so what prints a
/// timestamptz elsewhere stays here, and so does what reads a time from text (DateStyle, TimeZone, now).
pub fn needs_session(func: &PgFunc) -> bool {
    let reads = is_temporal(func.ty) && func.def.sql == SqlForm::Cast && func.arg_types.iter().any(|ty| ty.is_string());
    let prints = func.arg_types.iter().any(|ty| is_zoned(*ty)) && func.detail == zone_name(zone_of(&func.detail));
    reads || prints && !is_utc(zone_of(&func.detail))
}

/// All that input and output may depend on.
pub fn session_detail(ctx: &QueryContext) -> String {
    format!("{} {}", zone_and_order(ctx), ctx.now.micros())
}

fn zone_and_order(ctx: &QueryContext) -> String {
    let order = match ctx.date_order {
        DateOrder::Mdy => "mdy",
        DateOrder::Dmy => "dmy",
        DateOrder::Ymd => "ymd",
    };
    format!("{} {order}", zone_name(ctx.time_zone))
}

fn zone_name(zone: TimeZone) -> String {
    match zone {
        TimeZone::Named(tz) => tz.name().to_string(),
        TimeZone::Fixed(seconds) => seconds.to_string(),
    }
}

/// The time zone in a function's detail.
pub fn zone_of(detail: &str) -> TimeZone {
    let name = detail.split(' ').next().unwrap_or("");
    match name.parse() {
        Ok(seconds) => TimeZone::Fixed(seconds),
        Err(_) => TimeZone::Named(Tz::from_str(name).unwrap_or(Tz::UTC)),
    }
}

/// The part of the session in a function's detail.
pub fn context_of(detail: &str) -> QueryContext {
    let mut parts = detail.split(' ').skip(1);
    QueryContext {
        time_zone: zone_of(detail),
        date_order: match parts.next() {
            Some("dmy") => DateOrder::Dmy,
            Some("ymd") => DateOrder::Ymd,
            _ => DateOrder::Mdy,
        },
        now: Now::at(parts.next().and_then(|now| now.parse().ok()).unwrap_or(0)),
        ..QueryContext::default()
    }
}
