//! Sums and differences of dates, times and timestamps.

use super::calendar::{
    Civil, EPOCH_JULIAN, MICROS_PER_DAY, checked_date, checked_timestamp, civil, date2j, days_in_month, is_finite_date,
    is_finite_timestamp, is_valid_julian, split_timestamp, timestamp_out_of_range,
};
use super::convert::{date_to_timestamp, local_micros};
use super::interval_arithmetic::justify_hours;
use super::session::{self, Zoned, sig, zoned};
use super::span::{Span, interval_out_of_range};
use super::zone;
use crate::context::{QueryContext, TimeZone};
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Date, I32, Interval, Time, Timestamp};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};
use datafusion_common::ScalarValue;

const PLUS: SqlForm = SqlForm::Infix("+");
const MINUS: SqlForm = SqlForm::Infix("-");

pub fn add_days(date: i32, days: i64) -> Result<i32> {
    if is_finite_date(date) { checked_date(i64::from(date) + days) } else { Ok(date) }
}

fn subtract_dates(a: i32, b: i32) -> Result<i32> {
    if !is_finite_date(a) || !is_finite_date(b) {
        return Err(Error::new(state::DATETIME_FIELD_OVERFLOW, "cannot subtract infinite dates"));
    }
    Ok(a - b)
}

fn date_and_time(date: i32, time: i64) -> Result<i64> {
    let midnight = date_to_timestamp(date)?;
    if is_finite_timestamp(midnight) {
        checked_timestamp(i128::from(midnight) + i128::from(time))
    } else {
        Ok(midnight)
    }
}

/// The day `months` later, on the month's last day if it has no such day.
fn add_months(date: Civil, months: i32) -> Result<i32> {
    let month = date.month.checked_add(months).ok_or_else(timestamp_out_of_range)?;
    let year = date.year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    if !is_valid_julian(year, month) {
        return Err(timestamp_out_of_range());
    }
    Ok(date2j(year, month, date.day.min(days_in_month(year, month))) - EPOCH_JULIAN)
}

fn join(days: i64, time: i64) -> i128 {
    i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(time)
}

/// Months, then days, then time.
pub fn timestamp_plus(micros: i64, span: Span) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let mut result = i128::from(micros);
    if span.months != 0 || span.days != 0 {
        let (mut day, time) = split_timestamp(micros);
        if span.months != 0 {
            day = add_months(civil(day), span.months)?;
            checked_timestamp(join(day.into(), time))?;
        }
        result = i128::from(checked_timestamp(join(i64::from(day) + i64::from(span.days), time))?);
    }
    checked_timestamp(result + i128::from(span.micros))
}

/// The interval to add instead of subtracting this one. The most negative numbers stay themselves, as in PostgreSQL.
fn reversed(span: Span) -> Span {
    Span::new(span.months.wrapping_neg(), span.days.wrapping_neg(), span.micros.wrapping_neg())
}

/// The same on the session's clock: a day later is the same local time, an hour later is an hour.
pub fn timestamptz_plus(micros: i64, span: Span, zone: TimeZone) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let mut utc = micros;
    if span.months != 0 {
        let (day, time) = split_timestamp(local_micros(utc, zone)?);
        utc = checked_timestamp(zone::to_utc(zone, join(add_months(civil(day), span.months)?.into(), time)))?;
    }
    if span.days != 0 {
        let (day, time) = split_timestamp(local_micros(utc, zone)?);
        let day = i64::from(day) + i64::from(span.days);
        if day < i64::from(-EPOCH_JULIAN) - 1 || day > i64::from(i32::MAX) {
            return Err(timestamp_out_of_range());
        }
        utc = checked_timestamp(zone::to_utc(zone, join(day, time)))?;
    }
    checked_timestamp(i128::from(utc) + i128::from(span.micros))
}

fn subtract_timestamps(a: i64, b: i64) -> Result<Span> {
    if !is_finite_timestamp(a) || !is_finite_timestamp(b) {
        return Err(Error::new(state::DATETIME_FIELD_OVERFLOW, "cannot subtract infinite timestamps"));
    }
    let micros = a.checked_sub(b).ok_or_else(interval_out_of_range)?;
    justify_hours(Span::new(0, 0, micros))
}

/// Times wrap at midnight.
fn time_plus(time: i64, micros: i64) -> i64 {
    (i128::from(time) + i128::from(micros)).rem_euclid(i128::from(MICROS_PER_DAY)) as i64
}

pub const DATETIME_TIMESTAMP: FuncDef =
    FuncDef::failing("datetime_timestamp", PLUS, |c| c.map2::<Date, Time, Timestamp>(date_and_time));

static TIMESTAMPTZ_PL_INTERVAL: FuncDef = FuncDef::failing("timestamptz_pl_clock", PLUS, |c| {
    c.map2::<Timestamp, Interval, Timestamp>(|t, i| timestamp_plus(t, i.into()))
});
static TIMESTAMPTZ_MI_INTERVAL: FuncDef = FuncDef::failing("timestamptz_mi_clock", MINUS, |c| {
    c.map2::<Timestamp, Interval, Timestamp>(|t, i| timestamp_plus(t, reversed(i.into())))
});

fn timestamptz_pl_interval() -> Zoned {
    zoned!("timestamptz_pl_interval", PLUS, |c| {
        let zone = session::zone(c.func)?;
        c.map2::<Timestamp, Interval, Timestamp>(|t, i| timestamptz_plus(t, i.into(), zone))
    })
}

fn timestamptz_mi_interval() -> Zoned {
    zoned!("timestamptz_mi_interval", MINUS, |c| {
        let zone = session::zone(c.func)?;
        c.map2::<Timestamp, Interval, Timestamp>(|t, i| timestamptz_plus(t, reversed(i.into()), zone))
    })
}

/// Hours and less are the same in every zone.
fn is_clock_interval(interval: &Typed) -> bool {
    match interval.as_literal() {
        Some(ScalarValue::IntervalMonthDayNano(Some(v))) => v.months == 0 && v.days == 0,
        _ => false,
    }
}

/// `timestamptz + interval`, also in this order for `interval + timestamptz`.
pub fn add_to_timestamptz(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    if is_clock_interval(&args[1]) {
        return Ok(TIMESTAMPTZ_PL_INTERVAL.apply(args, PgType::TIMESTAMPTZ));
    }
    Ok(timestamptz_pl_interval().call(ctx, args, PgType::TIMESTAMPTZ))
}

fn subtract_from_timestamptz(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    if is_clock_interval(&args[1]) {
        return Ok(TIMESTAMPTZ_MI_INTERVAL.apply(args, PgType::TIMESTAMPTZ));
    }
    Ok(timestamptz_mi_interval().call(ctx, args, PgType::TIMESTAMPTZ))
}

pub fn signatures() -> Vec<Signature> {
    vec![
        sig!("+", [DATE, INT4] -> DATE, FuncDef::failing("date_pli", PLUS, |c| {
            c.map2::<Date, I32, Date>(|d, n| add_days(d, n.into()))
        })),
        sig!("+", [INT4, DATE] -> DATE, FuncDef::failing("integer_pl_date", PLUS, |c| {
            c.map2::<I32, Date, Date>(|n, d| add_days(d, n.into()))
        })),
        sig!("-", [DATE, INT4] -> DATE, FuncDef::failing("date_mii", MINUS, |c| {
            c.map2::<Date, I32, Date>(|d, n| add_days(d, -i64::from(n)))
        })),
        sig!("-", [DATE, DATE] -> INT4, FuncDef::failing("date_mi", MINUS, |c| {
            c.map2::<Date, Date, I32>(subtract_dates)
        })),
        sig!("+", [DATE, INTERVAL] -> TIMESTAMP, FuncDef::failing("date_pl_interval", PLUS, |c| {
            c.map2::<Date, Interval, Timestamp>(|d, i| timestamp_plus(date_to_timestamp(d)?, i.into()))
        })),
        sig!("+", [INTERVAL, DATE] -> TIMESTAMP, FuncDef::failing("interval_pl_date", PLUS, |c| {
            c.map2::<Interval, Date, Timestamp>(|i, d| timestamp_plus(date_to_timestamp(d)?, i.into()))
        })),
        sig!("-", [DATE, INTERVAL] -> TIMESTAMP, FuncDef::failing("date_mi_interval", MINUS, |c| {
            c.map2::<Date, Interval, Timestamp>(|d, i| timestamp_plus(date_to_timestamp(d)?, reversed(i.into())))
        })),
        sig!("+", [DATE, TIME] -> TIMESTAMP, DATETIME_TIMESTAMP),
        sig!("+", [TIME, DATE] -> TIMESTAMP, FuncDef::failing("timedate_pl", PLUS, |c| {
            c.map2::<Time, Date, Timestamp>(|t, d| date_and_time(d, t))
        })),
        sig!("+", [TIMESTAMP, INTERVAL] -> TIMESTAMP, FuncDef::failing("timestamp_pl_interval", PLUS, |c| {
            c.map2::<Timestamp, Interval, Timestamp>(|t, i| timestamp_plus(t, i.into()))
        })),
        sig!("+", [INTERVAL, TIMESTAMP] -> TIMESTAMP, FuncDef::failing("interval_pl_timestamp", PLUS, |c| {
            c.map2::<Interval, Timestamp, Timestamp>(|i, t| timestamp_plus(t, i.into()))
        })),
        sig!("-", [TIMESTAMP, INTERVAL] -> TIMESTAMP, FuncDef::failing("timestamp_mi_interval", MINUS, |c| {
            c.map2::<Timestamp, Interval, Timestamp>(|t, i| timestamp_plus(t, reversed(i.into())))
        })),
        sig!("-", [TIMESTAMP, TIMESTAMP] -> INTERVAL, FuncDef::failing("timestamp_mi", MINUS, |c| {
            c.map2::<Timestamp, Timestamp, Interval>(|a, b| subtract_timestamps(a, b)?.carrier())
        })),
        sig!("-", [TIMESTAMPTZ, TIMESTAMPTZ] -> INTERVAL, FuncDef::failing("timestamptz_mi", MINUS, |c| {
            c.map2::<Timestamp, Timestamp, Interval>(|a, b| subtract_timestamps(a, b)?.carrier())
        })),
        Signature::build("+", &[oid::TIMESTAMPTZ, oid::INTERVAL], oid::TIMESTAMPTZ, add_to_timestamptz),
        Signature::build("+", &[oid::INTERVAL, oid::TIMESTAMPTZ], oid::TIMESTAMPTZ, |ctx, mut args| {
            args.reverse();
            add_to_timestamptz(ctx, args)
        }),
        Signature::build("-", &[oid::TIMESTAMPTZ, oid::INTERVAL], oid::TIMESTAMPTZ, subtract_from_timestamptz),
        sig!("+", [TIME, INTERVAL] -> TIME, FuncDef::new("time_pl_interval", PLUS, |c| {
            c.map2::<Time, Interval, Time>(|t, i| Ok(time_plus(t, Span::from(i).micros)))
        })),
        sig!("+", [INTERVAL, TIME] -> TIME, FuncDef::new("interval_pl_time", PLUS, |c| {
            c.map2::<Interval, Time, Time>(|i, t| Ok(time_plus(t, Span::from(i).micros)))
        })),
        sig!("-", [TIME, INTERVAL] -> TIME, FuncDef::new("time_mi_interval", MINUS, |c| {
            c.map2::<Time, Interval, Time>(|t, i| Ok(time_plus(t, -Span::from(i).micros)))
        })),
        sig!("-", [TIME, TIME] -> INTERVAL, FuncDef::new("time_mi_time", MINUS, |c| {
            c.map2::<Time, Time, Interval>(|a, b| Span::new(0, 0, a - b).carrier())
        })),
    ]
}
