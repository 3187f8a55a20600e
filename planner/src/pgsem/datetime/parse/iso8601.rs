//! ISO 8601 intervals: `P1Y2M3DT4H5M6.7S`, `P0001-02-03T04:05:06`, `P00010203T040506` (`DecodeISO8601Interval`).

use super::DecodeError;
use super::interval::Parts;
use super::number::leading_float;
use crate::pgsem::datetime::calendar::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};

/// A number split into whole part and fraction, its count of whole digits, and what follows it.
struct Number<'a> {
    whole: i64,
    fraction: f64,
    width: usize,
    rest: &'a str,
}

fn number(text: &str) -> Result<Number<'_>, DecodeError> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') {
        return Err(DecodeError::BadFormat);
    }
    let (value, rest) = leading_float(text).ok_or(DecodeError::BadFormat)?;
    if value.is_nan() || value.abs() > 1.0e15 {
        return Err(DecodeError::FieldOverflow);
    }
    let width = text.trim_start_matches('-').bytes().take_while(u8::is_ascii_digit).count();
    Ok(Number { whole: value.trunc() as i64, fraction: value - value.trunc(), width, rest })
}

fn char_of(text: &str) -> Option<u8> {
    text.as_bytes().first().copied()
}

pub fn decode(text: &str) -> Result<Parts, DecodeError> {
    let mut parts = Parts::default();
    let mut rest = match text.strip_prefix('P') {
        Some(rest) if !rest.is_empty() => rest,
        _ => return Err(DecodeError::BadFormat),
    };
    let mut date = true;
    let mut have_field = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (date, have_field) = (false, false);
            rest = after;
            continue;
        }
        let n = number(rest)?;
        let unit = char_of(n.rest);
        rest = n.rest.get(1..).unwrap_or("");
        if date {
            match unit {
                Some(b'Y') => parts.add_years(n.whole, n.fraction, 1)?,
                Some(b'M') => parts.add_months(n.whole, n.fraction)?,
                Some(b'W') => {
                    parts.add_days(n.whole, 7)?;
                    parts.add_fraction_days(n.fraction, 7)?;
                }
                Some(b'D') => days(&mut parts, &n)?,
                Some(b'T') | None if n.width == 8 && !have_field => {
                    parts.add_years(n.whole / 10000, 0.0, 1)?;
                    parts.add_months(n.whole / 100 % 100, 0.0)?;
                    parts.add_days(n.whole % 100, 1)?;
                    parts.add_fraction_micros(n.fraction, MICROS_PER_DAY)?;
                    date = false;
                    continue;
                }
                Some(b'T' | b'-') | None => {
                    if have_field {
                        return Err(DecodeError::BadFormat);
                    }
                    rest = extended_date(&mut parts, &n, unit, rest)?;
                    date = false;
                    continue;
                }
                _ => return Err(DecodeError::BadFormat),
            }
        } else {
            match unit {
                Some(b'H') => parts.add_micros(n.whole, n.fraction, MICROS_PER_HOUR)?,
                Some(b'M') => parts.add_micros(n.whole, n.fraction, MICROS_PER_MINUTE)?,
                Some(b'S') => parts.add_micros(n.whole, n.fraction, MICROS_PER_SECOND)?,
                None if n.width == 6 && !have_field => {
                    parts.add_micros(n.whole / 10000, 0.0, MICROS_PER_HOUR)?;
                    parts.add_micros(n.whole / 100 % 100, 0.0, MICROS_PER_MINUTE)?;
                    parts.add_micros(n.whole % 100, 0.0, MICROS_PER_SECOND)?;
                    parts.add_fraction_micros(n.fraction, 1)?;
                    return Ok(parts);
                }
                Some(b':') | None if !have_field => return extended_time(parts, &n, unit, rest),
                _ => return Err(DecodeError::BadFormat),
            }
        }
        have_field = true;
    }
    Ok(parts)
}

fn days(parts: &mut Parts, n: &Number<'_>) -> Result<(), DecodeError> {
    parts.add_days(n.whole, 1)?;
    parts.add_fraction_micros(n.fraction, MICROS_PER_DAY)
}

/// `yyyy[-mm[-dd]]`, the year being read; returns the time part behind `T`, or nothing.
fn extended_date<'a>(
    parts: &mut Parts,
    year: &Number<'_>,
    unit: Option<u8>,
    rest: &'a str,
) -> Result<&'a str, DecodeError> {
    parts.add_years(year.whole, year.fraction, 1)?;
    if unit != Some(b'-') {
        return Ok(rest);
    }
    let month = number(rest)?;
    parts.add_months(month.whole, month.fraction)?;
    let rest = match month.rest.strip_prefix('-') {
        None => month.rest,
        Some(after) => {
            let day = number(after)?;
            days(parts, &day)?;
            day.rest
        }
    };
    match rest.strip_prefix('T') {
        Some(time) => Ok(time),
        None if rest.is_empty() => Ok(rest),
        None => Err(DecodeError::BadFormat),
    }
}

/// `hh[:mm[:ss]]`, the hours being read.
fn extended_time(mut parts: Parts, hours: &Number<'_>, unit: Option<u8>, rest: &str) -> Result<Parts, DecodeError> {
    parts.add_micros(hours.whole, hours.fraction, MICROS_PER_HOUR)?;
    if unit.is_none() {
        return Ok(parts);
    }
    let minutes = number(rest)?;
    parts.add_micros(minutes.whole, minutes.fraction, MICROS_PER_MINUTE)?;
    if minutes.rest.is_empty() {
        return Ok(parts);
    }
    let seconds = number(minutes.rest.strip_prefix(':').ok_or(DecodeError::BadFormat)?)?;
    parts.add_micros(seconds.whole, seconds.fraction, MICROS_PER_SECOND)?;
    if seconds.rest.is_empty() { Ok(parts) } else { Err(DecodeError::BadFormat) }
}
