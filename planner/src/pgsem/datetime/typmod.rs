//! Type modifiers: `timestamp(3)`, `time(0)`, `interval day to second(2)`.

use super::calendar::{MICROS_PER_HOUR, MICROS_PER_MINUTE, is_finite_timestamp};
use super::keywords::Unit;
use super::span::{Span, interval_out_of_range};
use crate::error::{Error, Result};

/// Microseconds from 1970 to 2000, where PostgreSQL starts to count: rounding goes away from that point.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Microseconds in a unit of the last digit kept; `None` if all are kept.
fn scale(digits: i32) -> Option<i64> {
    u32::try_from(digits).ok().filter(|d| *d < 6).map(|d| 10_i64.pow(6 - d))
}

fn round_half_away(value: i64, scale: i64) -> Option<i64> {
    let half = scale / 2;
    Some(if value >= 0 { value.checked_add(half)? / scale * scale } else { value.checked_sub(half)? / scale * scale })
}

/// `time(digits)`; may give 24:00:00.
pub fn round_time(micros: i64, typmod: i32) -> i64 {
    scale(typmod).and_then(|s| round_half_away(micros, s)).unwrap_or(micros)
}

/// `timestamp(digits)` and `timestamptz(digits)`.
pub fn round_timestamp(micros: i64, typmod: i32) -> i64 {
    let rounded = |scale| {
        let since_2000 = micros.checked_sub(POSTGRES_EPOCH)?;
        round_half_away(since_2000, scale)?.checked_add(POSTGRES_EPOCH)
    };
    match scale(typmod) {
        Some(scale) if is_finite_timestamp(micros) => rounded(scale).unwrap_or(micros),
        _ => micros,
    }
}

/// The fields of an interval type (`YEAR TO MONTH`), as the bits of its typmod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalFields(i32);

impl IntervalFields {
    const MONTH: i32 = 1 << 1;
    const YEAR: i32 = 1 << 2;
    const DAY: i32 = 1 << 3;
    const HOUR: i32 = 1 << 10;
    const MINUTE: i32 = 1 << 11;
    const SECOND: i32 = 1 << 12;
    const ALL: i32 = 0x7fff;
    pub const MINUTE_TO_SECOND: Self = Self(Self::MINUTE | Self::SECOND);

    /// The unit of a number without one at the end of a text.
    pub fn rightmost_unit(self) -> Unit {
        let has = |bit| self.0 != Self::ALL && self.0 & bit != 0;
        if has(Self::SECOND) {
            Unit::Second
        } else if has(Self::MINUTE) {
            Unit::Minute
        } else if has(Self::HOUR) {
            Unit::Hour
        } else if has(Self::DAY) {
            Unit::Day
        } else if has(Self::MONTH) {
            Unit::Month
        } else if has(Self::YEAR) {
            Unit::Year
        } else {
            Unit::Second
        }
    }
}

pub fn interval_fields(typmod: i32) -> IntervalFields {
    IntervalFields(if typmod < 0 { IntervalFields::ALL } else { typmod >> 16 & IntervalFields::ALL })
}

/// Drops what the fields do not hold and rounds the seconds (`AdjustIntervalForTypmod`).
pub fn round_interval(span: Span, typmod: i32) -> Result<Span> {
    if typmod < 0 {
        return Ok(span);
    }
    let Span { months, days, micros } = span;
    let truncated = |unit| Span::new(months, days, micros / unit * unit);
    let fields = interval_fields(typmod);
    let mut span = match fields.rightmost_unit() {
        Unit::Year => Span::new(months / 12 * 12, 0, 0),
        Unit::Month => Span::new(months, 0, 0),
        Unit::Day => Span::new(months, days, 0),
        Unit::Hour => truncated(MICROS_PER_HOUR),
        Unit::Minute => truncated(MICROS_PER_MINUTE),
        _ => span,
    };
    let precision = typmod & 0xffff;
    if precision != 0xffff {
        if precision > 6 {
            return Err(Error::internal(format!("interval precision {precision}")));
        }
        if let Some(scale) = scale(precision) {
            span.micros = round_half_away(span.micros, scale).ok_or_else(interval_out_of_range)?;
        }
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_away_from_the_year_2000() {
        // 1969-12-31 23:59:59.5 and 2024-02-29 23:59:59.5
        assert_eq!(round_timestamp(-500_000, 0), -1_000_000);
        assert_eq!(round_timestamp(1_709_251_199_500_000, 0), 1_709_251_200_000_000);
        assert_eq!(round_timestamp(i64::MAX, 0), i64::MAX);
        assert_eq!(round_time(86_399_950_000, 1), 86_400_000_000);
        assert_eq!(round_time(86_399_950_000, 6), 86_399_950_000);
    }
}
