//! Sums, multiples and normal forms of intervals.

use super::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, SECONDS_PER_DAY};
use super::session::sig;
use super::span::{Span, interval_out_of_range};
use crate::error::Result;
use crate::pgsem::errors::division_by_zero;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{F64, Interval};
use crate::pgsem::registry::Signature;

const DAYS_PER_MONTH: i32 = 30;

fn checked(months: Option<i32>, days: Option<i32>, micros: Option<i64>) -> Result<Span> {
    match (months, days, micros) {
        (Some(months), Some(days), Some(micros)) => Ok(Span { months, days, micros }),
        _ => Err(interval_out_of_range()),
    }
}

pub fn add(a: Span, b: Span) -> Result<Span> {
    checked(a.months.checked_add(b.months), a.days.checked_add(b.days), a.micros.checked_add(b.micros))
}

pub fn subtract(a: Span, b: Span) -> Result<Span> {
    checked(a.months.checked_sub(b.months), a.days.checked_sub(b.days), a.micros.checked_sub(b.micros))
}

pub fn negate(a: Span) -> Result<Span> {
    checked(a.months.checked_neg(), a.days.checked_neg(), a.micros.checked_neg())
}

fn to_i32(value: f64) -> Result<i32> {
    if (-2_147_483_648.0..2_147_483_648.0).contains(&value) { Ok(value as i32) } else { Err(interval_out_of_range()) }
}

/// Rounds to microseconds what is meant to be whole (`TSROUND`).
fn round_to_micros(value: f64) -> f64 {
    (value * 1_000_000.0).round_ties_even() / 1_000_000.0
}

/// Scales each part by `scale` and lets fractions of months and days cascade down (`interval_mul`, `interval_div`).
fn scaled(span: Span, scale: impl Fn(f64) -> f64) -> Result<Span> {
    let (whole_months, whole_days) = (scale(f64::from(span.months)), scale(f64::from(span.days)));
    let months = to_i32(whole_months)?;
    let mut days = to_i32(whole_days)?;
    let month_days = round_to_micros((whole_months - f64::from(months)) * f64::from(DAYS_PER_MONTH));
    let day_seconds = SECONDS_PER_DAY as f64;
    let mut seconds = round_to_micros((whole_days - f64::from(days) + month_days - month_days.trunc()) * day_seconds);
    if seconds.abs() >= day_seconds {
        let carried = (seconds / day_seconds) as i32;
        days = days.checked_add(carried).ok_or_else(interval_out_of_range)?;
        seconds -= f64::from(carried) * day_seconds;
    }
    days = days.checked_add(month_days as i32).ok_or_else(interval_out_of_range)?;
    let micros = (scale(span.micros as f64) + seconds * MICROS_PER_SECOND as f64).round_ties_even();
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&micros) {
        return Err(interval_out_of_range());
    }
    Ok(Span { months, days, micros: micros as i64 })
}

pub fn multiply(span: Span, factor: f64) -> Result<Span> {
    scaled(span, |part| part * factor)
}

pub fn divide(span: Span, divisor: f64) -> Result<Span> {
    if divisor == 0.0 {
        return Err(division_by_zero());
    }
    scaled(span, |part| part / divisor)
}

/// A part of a mixed-sign interval takes the sign of the part above it.
fn align(upper: &mut i64, lower: &mut i64, lower_is_zero_and: i64, size: i64) {
    let below = if *lower == 0 { lower_is_zero_and } else { *lower };
    if *upper > 0 && below < 0 {
        *lower += size;
        *upper -= 1;
    } else if *upper < 0 && below > 0 {
        *lower -= size;
        *upper += 1;
    }
}

fn narrowed(months: i64, days: i64, micros: i64) -> Result<Span> {
    checked(i32::try_from(months).ok(), i32::try_from(days).ok(), Some(micros))
}

/// Whole days of the time part become days.
pub fn justify_hours(span: Span) -> Result<Span> {
    let mut days = i64::from(span.days) + span.micros / MICROS_PER_DAY;
    let mut micros = span.micros % MICROS_PER_DAY;
    align(&mut days, &mut micros, 0, MICROS_PER_DAY);
    narrowed(span.months.into(), days, micros)
}

/// Each 30 days become a month.
fn justify_days(span: Span) -> Result<Span> {
    let size = i64::from(DAYS_PER_MONTH);
    let mut months = i64::from(span.months) + i64::from(span.days) / size;
    let mut days = i64::from(span.days) % size;
    align(&mut months, &mut days, 0, size);
    narrowed(months, days, span.micros)
}

/// Both, and all parts of one sign.
fn justify_interval(span: Span) -> Result<Span> {
    let size = i64::from(DAYS_PER_MONTH);
    let mut days = i64::from(span.days) + span.micros / MICROS_PER_DAY;
    let mut micros = span.micros % MICROS_PER_DAY;
    let mut months = i64::from(span.months) + days / size;
    days %= size;
    align(&mut months, &mut days, micros, size);
    align(&mut days, &mut micros, 0, MICROS_PER_DAY);
    narrowed(months, days, micros)
}

pub fn signatures() -> Vec<Signature> {
    vec![
        sig!("+", [INTERVAL, INTERVAL] -> INTERVAL, FuncDef::failing("interval_pl", SqlForm::Infix("+"), |c| {
            c.map2::<Interval, Interval, Interval>(|a, b| add(a.into(), b.into())?.carrier())
        })),
        sig!("-", [INTERVAL, INTERVAL] -> INTERVAL, FuncDef::failing("interval_mi", SqlForm::Infix("-"), |c| {
            c.map2::<Interval, Interval, Interval>(|a, b| subtract(a.into(), b.into())?.carrier())
        })),
        sig!("-", [INTERVAL] -> INTERVAL, FuncDef::failing("interval_um", SqlForm::Prefix("-"), |c| {
            c.map1::<Interval, Interval>(|a| negate(a.into())?.carrier())
        })),
        sig!("*", [INTERVAL, FLOAT8] -> INTERVAL, FuncDef::failing("interval_mul", SqlForm::Infix("*"), |c| {
            c.map2::<Interval, F64, Interval>(|a, b| multiply(a.into(), b)?.carrier())
        })),
        sig!("*", [FLOAT8, INTERVAL] -> INTERVAL, FuncDef::failing("mul_d_interval", SqlForm::Infix("*"), |c| {
            c.map2::<F64, Interval, Interval>(|a, b| multiply(b.into(), a)?.carrier())
        })),
        sig!("/", [INTERVAL, FLOAT8] -> INTERVAL, FuncDef::failing("interval_div", SqlForm::Infix("/"), |c| {
            c.map2::<Interval, F64, Interval>(|a, b| divide(a.into(), b)?.carrier())
        })),
        sig!("justify_hours", [INTERVAL] -> INTERVAL, FuncDef::failing("justify_hours", SqlForm::Call("justify_hours"), |c| {
            c.map1::<Interval, Interval>(|a| justify_hours(a.into())?.carrier())
        })),
        sig!("justify_days", [INTERVAL] -> INTERVAL, FuncDef::failing("justify_days", SqlForm::Call("justify_days"), |c| {
            c.map1::<Interval, Interval>(|a| justify_days(a.into())?.carrier())
        })),
        sig!("justify_interval", [INTERVAL] -> INTERVAL, FuncDef::failing("justify_interval", SqlForm::Call("justify_interval"), |c| {
            c.map1::<Interval, Interval>(|a| justify_interval(a.into())?.carrier())
        })),
    ]
}
