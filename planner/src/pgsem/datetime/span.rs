//! `interval` as PostgreSQL stores it: months, days and microseconds that never carry into each other.
//!
//! The Arrow carrier counts nanoseconds, so its time part ends at ±292 years where PostgreSQL's ends at ±292 000: beyond that a
//! value is refused, never changed.

use arrow::datatypes::IntervalMonthDayNano;

use super::calendar::{MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::error::{Error, Result, state};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

pub fn interval_out_of_range() -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

impl Span {
    pub const fn new(months: i32, days: i32, micros: i64) -> Self {
        Self { months, days, micros }
    }

    /// The carrier, or 0A000 where it cannot hold the time part.
    pub fn carrier(self) -> Result<IntervalMonthDayNano> {
        let nanos = self
            .micros
            .checked_mul(1000)
            .ok_or_else(|| Error::unsupported("an interval with more than 292 years of hours"))?;
        Ok(IntervalMonthDayNano::new(self.months, self.days, nanos))
    }

    /// What orders intervals: microseconds with 30-day months and 24-hour days (`interval_cmp_value`).
    pub fn cmp_value(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// Years, months, days, hours, minutes, seconds, microseconds, each with the sign of its part (`interval2itm`).
    pub fn fields(self) -> Fields {
        Fields {
            years: self.months / 12,
            months: self.months % 12,
            days: self.days,
            hours: self.micros / MICROS_PER_HOUR,
            minutes: (self.micros / MICROS_PER_MINUTE % 60) as i32,
            seconds: (self.micros / MICROS_PER_SECOND % 60) as i32,
            micros: (self.micros % MICROS_PER_SECOND) as i32,
        }
    }
}

impl From<IntervalMonthDayNano> for Span {
    fn from(v: IntervalMonthDayNano) -> Self {
        Self { months: v.months, days: v.days, micros: v.nanoseconds / 1000 }
    }
}

/// An interval broken down (`struct pg_itm`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub years: i32,
    pub months: i32,
    pub days: i32,
    pub hours: i64,
    pub minutes: i32,
    pub seconds: i32,
    pub micros: i32,
}
