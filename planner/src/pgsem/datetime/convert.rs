//! Conversions among date, time, timestamp and timestamptz, value by value.

use super::calendar::{
    DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_DAY, MICROS_PER_SECOND, MIN_TIMESTAMP, SECONDS_PER_DAY,
    TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, checked_date, checked_timestamp, is_finite_timestamp, split_timestamp,
    timestamp_out_of_range,
};
use super::zone;
use crate::context::TimeZone;
use crate::error::{Error, Result, state};

/// First day after PostgreSQL's timestamps: 294277-01-01.
const END_OF_TIMESTAMP_DAYS: i32 = 106_762_940;

fn date_out_of_range_for_timestamp() -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, "date out of range for timestamp")
}

/// The infinity of a timestamp for that of a date.
fn infinite_date(days: i32) -> Option<i64> {
    match days {
        DATE_INFINITY => Some(TIMESTAMP_INFINITY),
        DATE_NEG_INFINITY => Some(TIMESTAMP_NEG_INFINITY),
        _ => None,
    }
}

pub fn date_to_timestamp(days: i32) -> Result<i64> {
    if let Some(infinity) = infinite_date(days) {
        return Ok(infinity);
    }
    if days >= END_OF_TIMESTAMP_DAYS {
        return Err(date_out_of_range_for_timestamp());
    }
    checked_timestamp(i128::from(days) * i128::from(MICROS_PER_DAY))
}

pub fn date_to_timestamptz(days: i32, zone: TimeZone) -> Result<i64> {
    if let Some(infinity) = infinite_date(days) {
        return Ok(infinity);
    }
    if days >= END_OF_TIMESTAMP_DAYS {
        return Err(date_out_of_range_for_timestamp());
    }
    let offset = zone::offset_of_local(zone, i64::from(days) * SECONDS_PER_DAY);
    let utc = i128::from(days) * i128::from(MICROS_PER_DAY) - i128::from(offset) * i128::from(MICROS_PER_SECOND);
    checked_timestamp(utc)
        .map_err(|e| if e.sqlstate() == state::DATETIME_FIELD_OVERFLOW { date_out_of_range_for_timestamp() } else { e })
}

/// For comparison: a date after all timestamps is just below infinity.
pub fn date_as_timestamp_key(days: i32) -> i64 {
    infinite_date(days).unwrap_or_else(|| date_to_timestamp(days).unwrap_or(TIMESTAMP_INFINITY - 1))
}

pub fn date_as_timestamptz_key(days: i32, zone: TimeZone) -> i64 {
    let beyond = if days < 0 { TIMESTAMP_NEG_INFINITY + 1 } else { TIMESTAMP_INFINITY - 1 };
    date_to_timestamptz(days, zone).unwrap_or(beyond)
}

pub fn timestamp_as_timestamptz_key(micros: i64, zone: TimeZone) -> i64 {
    let beyond = if micros < 0 { TIMESTAMP_NEG_INFINITY + 1 } else { TIMESTAMP_INFINITY - 1 };
    timestamp_to_timestamptz(micros, zone).unwrap_or(beyond)
}

pub fn timestamp_to_timestamptz(micros: i64, zone: TimeZone) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    checked_timestamp(zone::to_utc(zone, micros.into()))
}

pub fn timestamptz_to_timestamp(micros: i64, zone: TimeZone) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    checked_timestamp(zone::to_local(zone, micros).0)
}

pub fn timestamp_to_date(micros: i64) -> Result<i32> {
    match micros {
        TIMESTAMP_INFINITY => Ok(DATE_INFINITY),
        TIMESTAMP_NEG_INFINITY => Ok(DATE_NEG_INFINITY),
        _ => checked_date(split_timestamp(micros).0.into()),
    }
}

/// The session's local time of a finite timestamptz. May lie a day before the first timestamp, as PostgreSQL allows.
pub fn local_micros(micros: i64, zone: TimeZone) -> Result<i64> {
    let (local, _) = zone::to_local(zone, micros);
    if local < i128::from(MIN_TIMESTAMP) - i128::from(MICROS_PER_DAY) {
        return Err(timestamp_out_of_range());
    }
    i64::try_from(local).map_err(|_| Error::unsupported("a timestamp after 294247-01-10"))
}

pub fn timestamptz_to_date(micros: i64, zone: TimeZone) -> Result<i32> {
    match micros {
        TIMESTAMP_INFINITY => Ok(DATE_INFINITY),
        TIMESTAMP_NEG_INFINITY => Ok(DATE_NEG_INFINITY),
        // PostgreSQL lets a local date one day before its calendar pass.
        _ => Ok(split_timestamp(local_micros(micros, zone)?).0),
    }
}

/// Time of day; NULL for an infinite timestamp.
pub fn timestamp_to_time(micros: i64) -> Option<i64> {
    is_finite_timestamp(micros).then(|| split_timestamp(micros).1)
}
