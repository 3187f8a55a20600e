//! The proleptic Gregorian calendar from 4714-11-24 BC to 5874897-12-31 AD, as PostgreSQL counts it.
//!
//! Own arithmetic, because the calendars of `chrono` and Arrow end long before PostgreSQL's. Years are astronomical: 0 is 1 BC.

use crate::error::{Error, Result, state};

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
pub const SECONDS_PER_DAY: i64 = 86_400;

/// Julian day number of 1970-01-01, day 0 of our carriers.
pub const EPOCH_JULIAN: i32 = 2_440_588;

/// Carriers' infinities (date: days, timestamp: microseconds).
pub const DATE_NEG_INFINITY: i32 = i32::MIN;
pub const DATE_INFINITY: i32 = i32::MAX;
pub const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;

/// First and last finite date: 4714-11-24 BC and 5874897-12-31.
pub const MIN_DATE: i32 = -EPOCH_JULIAN;
pub const MAX_DATE: i32 = 2_147_483_494 - 1 - EPOCH_JULIAN;

/// First finite timestamp, 4714-11-24 00:00:00 BC.
pub const MIN_TIMESTAMP: i64 = -210_866_803_200_000_000;
/// PostgreSQL's timestamps end before 294277-01-01.
const END_TIMESTAMP: i128 = 9_224_318_016_000_000_000;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Civil {
    pub year: i32,
    pub month: i32,
    pub day: i32,
}

/// A timestamp broken down, as `struct pg_tm` with microseconds. Input that is being decoded may hold values out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tm {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    pub micros: i32,
}

pub fn date_out_of_range() -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, "date out of range")
}

pub fn timestamp_out_of_range() -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// Julian day number; the caller has checked [`is_valid_julian`].
pub fn date2j(year: i32, month: i32, day: i32) -> i32 {
    let (month, year) = if month > 2 { (month + 1, year + 4800) } else { (month + 13, year + 4799) };
    let century = year / 100;
    // Wraps in between for the last years, as two's complement arithmetic may.
    year.wrapping_mul(365)
        .wrapping_sub(32167)
        .wrapping_add(year / 4 - century + century / 4)
        .wrapping_add(7834 * month / 256)
        .wrapping_add(day)
}

/// The day of a Julian day number.
pub fn j2date(jd: i32) -> Civil {
    let mut julian = (jd as u32).wrapping_add(32044);
    let mut quad = julian / 146_097;
    let extra = (julian - quad * 146_097) * 4 + 3;
    julian = julian.wrapping_add(60 + quad * 3 + extra / 146_097);
    quad = julian / 1461;
    julian -= quad * 1461;
    let mut y = julian * 4 / 1461;
    julian = if y != 0 { (julian + 305) % 365 } else { (julian + 306) % 366 } + 123;
    y += quad * 4;
    quad = julian * 2141 / 65536;
    Civil { year: y as i32 - 4800, month: ((quad + 10) % 12 + 1) as i32, day: (julian - 7834 * quad / 256) as i32 }
}

/// Whether [`date2j`] works for that month: 4714-11 BC to 5874898-05 (`IS_VALID_JULIAN`).
pub fn is_valid_julian(year: i32, month: i32) -> bool {
    (year > -4713 || (year == -4713 && month >= 11)) && (year < 5_874_898 || (year == 5_874_898 && month < 6))
}

pub fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// `month` is 1 to 12.
pub fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 to calendar day; finite dates only.
pub fn civil(days: i32) -> Civil {
    j2date(days + EPOCH_JULIAN)
}

/// Day of the week of a Julian day, 0 Sunday to 6 Saturday (`j2day`).
pub fn weekday(jd: i32) -> i32 {
    jd.wrapping_add(1).rem_euclid(7)
}

pub fn is_finite_date(days: i32) -> bool {
    days != DATE_INFINITY && days != DATE_NEG_INFINITY
}

pub fn is_finite_timestamp(micros: i64) -> bool {
    micros != TIMESTAMP_INFINITY && micros != TIMESTAMP_NEG_INFINITY
}

/// A finite date from a day count, checked.
pub fn checked_date(days: i64) -> Result<i32> {
    i32::try_from(days).ok().filter(|d| (MIN_DATE..=MAX_DATE).contains(d)).ok_or_else(date_out_of_range)
}

/// A finite timestamp from a count of microseconds, checked.
pub fn checked_timestamp(micros: i128) -> Result<i64> {
    if micros < MIN_TIMESTAMP as i128 || micros >= END_TIMESTAMP {
        return Err(timestamp_out_of_range());
    }
    match i64::try_from(micros) {
        Ok(v) if v != TIMESTAMP_INFINITY => Ok(v),
        // PostgreSQL counts from the year 2000 and so reaches thirty years further.
        _ => Err(Error::unsupported("a timestamp after 294247-01-10")),
    }
}

/// Whole days and microseconds within the day; finite timestamps only.
pub fn split_timestamp(micros: i64) -> (i32, i64) {
    // A finite timestamp is within ±110 million days.
    (micros.div_euclid(MICROS_PER_DAY) as i32, micros.rem_euclid(MICROS_PER_DAY))
}

/// `dt2time`: time of day to hour, minute, second, microsecond. Also 24:00:00.
pub fn split_time(micros: i64) -> (i32, i32, i32, i32) {
    (
        (micros / MICROS_PER_HOUR) as i32,
        (micros / MICROS_PER_MINUTE % 60) as i32,
        (micros / MICROS_PER_SECOND % 60) as i32,
        (micros % MICROS_PER_SECOND) as i32,
    )
}

/// Finite timestamp (local or UTC) to its fields.
pub fn timestamp_to_tm(micros: i64) -> Tm {
    let (days, time) = split_timestamp(micros);
    tm(days, time)
}

/// Fields of a day and a time of day.
pub fn tm(days: i32, time: i64) -> Tm {
    let Civil { year, month, day } = civil(days);
    let (hour, minute, second, micros) = split_time(time);
    Tm { year, month, day, hour, minute, second, micros }
}

impl Tm {
    pub fn civil(&self) -> Civil {
        Civil { year: self.year, month: self.month, day: self.day }
    }

    pub fn julian(&self) -> i32 {
        date2j(self.year, self.month, self.day)
    }

    /// Hours to microseconds as one count.
    pub fn time_micros(&self) -> i64 {
        i64::from(self.hour) * MICROS_PER_HOUR
            + i64::from(self.minute) * MICROS_PER_MINUTE
            + i64::from(self.second) * MICROS_PER_SECOND
            + i64::from(self.micros)
    }

    /// Microseconds since 1970 of these fields read as UTC, unchecked beyond the calendar's range (`None`).
    pub fn epoch_micros(&self) -> Option<i128> {
        if !is_valid_julian(self.year, self.month) {
            return None;
        }
        let days = i128::from(self.julian()) - i128::from(EPOCH_JULIAN);
        Some(days * i128::from(MICROS_PER_DAY) + i128::from(self.time_micros()))
    }

    /// `tm2timestamp` without a zone.
    pub fn timestamp(&self) -> Result<i64> {
        checked_timestamp(self.epoch_micros().ok_or_else(timestamp_out_of_range)?)
    }
}

/// Julian day on which ISO year `year`'s week 1 begins plus `week - 1` weeks: a Monday (`isoweek2j`).
pub fn iso_week_to_julian(year: i32, week: i32) -> i32 {
    let day4 = date2j(year, 1, 4);
    let day0 = weekday(day4 - 1);
    (week - 1) * 7 + (day4 - day0)
}

/// ISO 8601 week number and the year it belongs to (`date2isoweek`, `date2isoyear`). Templates ask it of intervals too, whose
/// fields may be anything: it wraps like PostgreSQL's.
pub fn iso_week(date: Civil) -> (i32, i32) {
    let dayn = date2j(date.year, date.month, date.day);
    let monday_of_week_1 = |year| {
        let day4 = date2j(year, 1, 4);
        day4 - weekday(day4 - 1)
    };
    let mut year = date.year;
    let mut start = monday_of_week_1(year);
    if dayn < start {
        year -= 1;
        start = monday_of_week_1(year);
    }
    let mut week = dayn.wrapping_sub(start) / 7 + 1;
    if week >= 53 && dayn >= monday_of_week_1(year + 1) {
        week = dayn.wrapping_sub(monday_of_week_1(year + 1)) / 7 + 1;
        year += 1;
    }
    (week, year)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_calendars_ends_are_postgres_ends() {
        assert_eq!(civil(MIN_DATE), Civil { year: -4713, month: 11, day: 24 });
        assert_eq!(civil(MAX_DATE), Civil { year: 5_874_897, month: 12, day: 31 });
        assert_eq!(date2j(5_874_897, 12, 31) - EPOCH_JULIAN, MAX_DATE);
        assert_eq!(timestamp_to_tm(MIN_TIMESTAMP).civil(), civil(MIN_DATE));
        assert_eq!(i128::from(date2j(294_277, 1, 1) - EPOCH_JULIAN) * i128::from(MICROS_PER_DAY), END_TIMESTAMP);
    }

    #[test]
    fn iso_weeks() {
        for (y, m, d, week, year) in [
            (2024, 12, 30, 1, 2025),
            (2021, 1, 3, 53, 2020),
            (2000, 1, 1, 52, 1999),
            (2020, 12, 31, 53, 2020),
            (1, 1, 1, 1, 1),
        ] {
            assert_eq!(iso_week(Civil { year: y, month: m, day: d }), (week, year));
        }
    }

    proptest! {
        #[test]
        fn days_round_trip(days in MIN_DATE..=MAX_DATE) {
            let c = civil(days);
            prop_assert!((1..=12).contains(&c.month) && c.day >= 1 && c.day <= days_in_month(c.year, c.month));
            prop_assert_eq!(date2j(c.year, c.month, c.day) - EPOCH_JULIAN, days);
        }
    }
}
