//! `age`: a difference in years, months and days as a person would count them.

use datafusion_common::ScalarValue;

use super::calendar::{
    MICROS_PER_DAY, TIMESTAMP_NEG_INFINITY, Tm, days_in_month, is_finite_timestamp, timestamp_out_of_range,
    timestamp_to_tm,
};
use super::convert::local_micros;
use super::session::{self, Zoned, zoned, zoned_sig};
use super::span::Span;
use super::{interval_arithmetic, zone};
use crate::context::{QueryContext, TimeZone};
use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::Interval;
use crate::pgsem::kernel::Timestamp;
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

/// `earlier` marks whether the first is the earlier instant, which local clocks alone do not tell.
fn age(a: &Tm, b: &Tm, earlier: bool) -> Result<Span> {
    let (from, to) = if earlier { (a, b) } else { (b, a) };
    let mut months = (to.year - from.year) * 12 + to.month - from.month;
    let mut days = to.day - from.day;
    let mut micros = to.time_micros() - from.time_micros();
    while micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    while days < 0 {
        days += days_in_month(from.year, from.month);
        months -= 1;
    }
    let span = Span::new(months, days, micros);
    if earlier { interval_arithmetic::negate(span) } else { Ok(span) }
}

fn finite(a: i64, b: i64) -> Result<()> {
    if a == TIMESTAMP_NEG_INFINITY || b == TIMESTAMP_NEG_INFINITY {
        return Err(timestamp_out_of_range());
    }
    // PostgreSQL 15 takes infinity for a date in the year 294277.
    if is_finite_timestamp(a) && is_finite_timestamp(b) { Ok(()) } else { Err(Error::unsupported("age of infinity")) }
}

fn age_of_timestamps(a: i64, b: i64) -> Result<Span> {
    finite(a, b)?;
    age(&timestamp_to_tm(a), &timestamp_to_tm(b), a < b)
}

fn age_of_timestamptzs(a: i64, b: i64, zone: TimeZone) -> Result<Span> {
    finite(a, b)?;
    age(&timestamp_to_tm(local_micros(a, zone)?), &timestamp_to_tm(local_micros(b, zone)?), a < b)
}

fn timestamptz_age() -> Zoned {
    zoned!("timestamptz_age", SqlForm::Call("age"), |c| {
        let zone = session::zone(c.func)?;
        c.map2::<Timestamp, Timestamp, Interval>(|a, b| age_of_timestamptzs(a, b, zone)?.carrier())
    })
}

/// Midnight at which the transaction's day began, local clock.
fn today(ctx: &QueryContext) -> i128 {
    let (local, _) = zone::to_local(ctx.time_zone, ctx.now.micros());
    local - local.rem_euclid(MICROS_PER_DAY.into())
}

static TIMESTAMP_AGE: FuncDef = FuncDef::failing("timestamp_age", SqlForm::Call("age"), |c| {
    c.map2::<Timestamp, Timestamp, Interval>(|a, b| age_of_timestamps(a, b)?.carrier())
});

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::func("age", &[oid::TIMESTAMP, oid::TIMESTAMP], oid::INTERVAL, &TIMESTAMP_AGE),
        zoned_sig!("age", [TIMESTAMPTZ, TIMESTAMPTZ] -> INTERVAL, timestamptz_age()),
        Signature::build("age", &[oid::TIMESTAMP], oid::INTERVAL, |ctx, mut args| {
            let today = ScalarValue::TimestampMicrosecond(Some(today(ctx) as i64), None);
            args.insert(0, Typed::literal(today, PgType::TIMESTAMP));
            Ok(TIMESTAMP_AGE.apply(args, PgType::INTERVAL))
        }),
        Signature::build("age", &[oid::TIMESTAMPTZ], oid::INTERVAL, |ctx, mut args| {
            let today = zone::to_utc(ctx.time_zone, today(ctx)) as i64;
            let today = ScalarValue::TimestampMicrosecond(Some(today), Some("UTC".into()));
            args.insert(0, Typed::literal(today, PgType::TIMESTAMPTZ));
            Ok(timestamptz_age().call(ctx, args, PgType::INTERVAL))
        }),
    ]
}
