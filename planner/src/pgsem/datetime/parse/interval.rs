//! PostgreSQL's and SQL's interval input (`DecodeInterval`); read from the end, because units stand behind their numbers.

use super::DecodeError;
use super::fields::{clock, mask};
use super::number::{fraction, leading_int, leading_int64};
use super::token::{Field, Kind};
use crate::pgsem::datetime::calendar::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::pgsem::datetime::keywords::{Keyword, Unit, interval_keyword};
use crate::pgsem::datetime::typmod::IntervalFields;

/// An interval that is being read (`struct pg_itm_in`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    pub years: i32,
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

type Checked = Result<(), DecodeError>;

fn checked<T>(value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::FieldOverflow)
}

impl Parts {
    /// Adds `value * scale` microseconds and the fraction of it (`AdjustMicroseconds`).
    pub fn add_micros(&mut self, value: i64, fraction: f64, scale: i64) -> Checked {
        let whole = checked(value.checked_mul(scale))?;
        self.micros = checked(self.micros.checked_add(whole))?;
        self.add_fraction_micros(fraction, scale)
    }

    /// Adds a fraction of `scale` microseconds, half away from zero excluded (`AdjustFractMicroseconds`).
    pub fn add_fraction_micros(&mut self, fraction: f64, scale: i64) -> Checked {
        let scaled = fraction * scale as f64;
        let mut micros = scaled as i64;
        let rest = scaled - micros as f64;
        if rest > 0.5 {
            micros += 1;
        } else if rest < -0.5 {
            micros -= 1;
        }
        self.micros = checked(self.micros.checked_add(micros))?;
        Ok(())
    }

    pub fn add_days(&mut self, value: i64, scale: i32) -> Checked {
        let value = checked(i32::try_from(value).ok())?;
        self.days = checked(value.checked_mul(scale).and_then(|d| self.days.checked_add(d)))?;
        Ok(())
    }

    /// Adds a fraction of `scale` days, and what is less than a day as time.
    pub fn add_fraction_days(&mut self, fraction: f64, scale: i32) -> Checked {
        let scaled = fraction * f64::from(scale);
        let days = scaled as i32;
        self.days = checked(self.days.checked_add(days))?;
        self.add_fraction_micros(scaled - f64::from(days), MICROS_PER_DAY)
    }

    /// Adds months, and a fraction of a month as days and time.
    pub fn add_months(&mut self, value: i64, fraction: f64) -> Checked {
        let value = checked(i32::try_from(value).ok())?;
        self.months = checked(self.months.checked_add(value))?;
        self.add_fraction_days(fraction, 30)
    }

    /// Adds `value * scale` years, and a fraction as whole months.
    pub fn add_years(&mut self, value: i64, fraction: f64, scale: i32) -> Checked {
        let value = checked(i32::try_from(value).ok())?;
        self.years = checked(value.checked_mul(scale).and_then(|y| self.years.checked_add(y)))?;
        let months = (fraction * f64::from(scale) * 12.0).round_ties_even() as i32;
        self.months = checked(self.months.checked_add(months))?;
        Ok(())
    }

    /// Takes a time of day; what was there is overwritten.
    fn set_clock(&mut self, text: &str, fields: IntervalFields) -> Checked {
        let clock = clock(text, fields == IntervalFields::MINUTE_TO_SECOND)?;
        let mut parts = Parts { micros: clock.micros.into(), ..*self };
        parts.add_micros(clock.hours, 0.0, MICROS_PER_HOUR)?;
        parts.add_micros(clock.minutes.into(), 0.0, MICROS_PER_MINUTE)?;
        parts.add_micros(clock.seconds.into(), 0.0, MICROS_PER_SECOND)?;
        *self = parts;
        Ok(())
    }

    fn negate(&mut self) -> Checked {
        self.years = checked(self.years.checked_neg())?;
        self.months = checked(self.months.checked_neg())?;
        self.days = checked(self.days.checked_neg())?;
        self.micros = checked(self.micros.checked_neg())?;
        Ok(())
    }
}

pub fn decode(input: &[Field], fields: IntervalFields) -> Result<Parts, DecodeError> {
    let mut parts = Parts::default();
    let mut seen = 0;
    // The unit of the next number to the left.
    let mut unit: Option<Unit> = None;
    // Some(None) after `ago`: PostgreSQL then takes no default for the number left of it.
    let mut unit_known = false;
    let mut before = false;
    for field in input.iter().rev() {
        let text = field.text.as_str();
        let found = match field.kind {
            Kind::Time => {
                parts.set_clock(text, fields)?;
                (unit, unit_known) = (Some(Unit::Day), true);
                mask::TIME
            }
            Kind::Offset if text[1..].contains(':') && signed_clock(&mut parts, text, fields)? => {
                (unit, unit_known) = (Some(Unit::Day), true);
                mask::TIME
            }
            Kind::Offset | Kind::Date | Kind::Number => {
                if !unit_known {
                    (unit, unit_known) = (Some(fields.rightmost_unit()), true);
                }
                number(&mut parts, text, &mut unit)?
            }
            Kind::Text | Kind::Special => match interval_keyword(text) {
                Some(Keyword::Ignore) => {
                    unit_known = false;
                    continue;
                }
                Some(Keyword::Unit(named)) => {
                    (unit, unit_known) = (Some(named), true);
                    0
                }
                Some(Keyword::Ago) => {
                    before = true;
                    (unit, unit_known) = (None, true);
                    0
                }
                _ => return Err(DecodeError::BadFormat),
            },
        };
        if seen & found != 0 {
            return Err(DecodeError::BadFormat);
        }
        seen |= found;
    }
    if seen == 0 {
        return Err(DecodeError::BadFormat);
    }
    if before {
        parts.negate()?;
    }
    Ok(parts)
}

/// `+hh:mm` or `-hh:mm:ss`; false if it is no time.
fn signed_clock(parts: &mut Parts, text: &str, fields: IntervalFields) -> Result<bool, DecodeError> {
    if parts.set_clock(&text[1..], fields).is_err() {
        return Ok(false);
    }
    if text.starts_with('-') {
        parts.micros = checked(parts.micros.checked_neg())?;
    }
    Ok(true)
}

/// A number and its unit; a number left of hours without a unit is days.
fn number(parts: &mut Parts, text: &str, unit: &mut Option<Unit>) -> Result<u32, DecodeError> {
    let (value, rest) = leading_int64(text);
    let mut value = checked(value)?;
    let mut part = 0.0;
    if let Some(months) = rest.strip_prefix('-') {
        // SQL's years-months.
        let (months, rest) = leading_int(months);
        let months = checked(months.filter(|m| (0..12).contains(m)))?;
        if !rest.is_empty() {
            return Err(DecodeError::BadFormat);
        }
        *unit = Some(Unit::Month);
        let months = i64::from(if text.starts_with('-') { -months } else { months });
        value = checked(value.checked_mul(12).and_then(|v| v.checked_add(months)))?;
    } else if rest.starts_with('.') {
        part = fraction(rest)?;
        if text.starts_with('-') {
            part = -part;
        }
    } else if !rest.is_empty() {
        return Err(DecodeError::BadFormat);
    }
    match unit.ok_or(DecodeError::BadFormat)? {
        Unit::Microsecond => parts.add_micros(value, part, 1).map(|()| mask::MICROSECOND),
        Unit::Millisecond => parts.add_micros(value, part, 1000).map(|()| mask::MILLISECOND),
        Unit::Second => {
            parts.add_micros(value, part, MICROS_PER_SECOND)?;
            Ok(if part == 0.0 { mask::SECOND } else { mask::SECONDS })
        }
        Unit::Minute => parts.add_micros(value, part, MICROS_PER_MINUTE).map(|()| mask::MINUTE),
        Unit::Hour => {
            parts.add_micros(value, part, MICROS_PER_HOUR)?;
            *unit = Some(Unit::Day);
            Ok(mask::HOUR)
        }
        Unit::Day => {
            parts.add_days(value, 1)?;
            parts.add_fraction_micros(part, MICROS_PER_DAY)?;
            Ok(mask::DAY)
        }
        Unit::Week => {
            parts.add_days(value, 7)?;
            parts.add_fraction_days(part, 7)?;
            Ok(mask::WEEK)
        }
        Unit::Month => parts.add_months(value, part).map(|()| mask::MONTH),
        Unit::Year => parts.add_years(value, part, 1).map(|()| mask::YEAR),
        Unit::Decade => parts.add_years(value, part, 10).map(|()| mask::DECADE),
        Unit::Century => parts.add_years(value, part, 100).map(|()| mask::CENTURY),
        Unit::Millennium => parts.add_years(value, part, 1000).map(|()| mask::MILLENNIUM),
        _ => Err(DecodeError::BadFormat),
    }
}
