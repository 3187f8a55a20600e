//! UTC offsets of a time zone at an instant or a local time.
//!
//! `chrono-tz` has the transitions up to 2099. Beyond, a zone follows its last rule for ever: the offset is that of a year in
//! 2072..=2099 with the same calendar (28 years hold all of them), unless the zone had stopped changing by then.

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::{OffsetComponents, OffsetName, Tz};

use super::calendar::{EPOCH_JULIAN, MICROS_PER_SECOND, SECONDS_PER_DAY, date2j, is_leap, j2date, weekday};
use super::format::push_offset;
use crate::context::TimeZone;

/// What a zone says at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// East of UTC.
    pub seconds: i32,
    pub daylight: bool,
}

/// First instant of 2100 and of 2072 UTC.
const END_OF_TABLE: i64 = 4_102_444_800;
const REFERENCE_YEARS: std::ops::RangeInclusive<i32> = 2072..=2099;

/// Offset at an instant, seconds since 1970 UTC.
pub fn offset_at(zone: TimeZone, utc: i64) -> Offset {
    match zone {
        TimeZone::Fixed(seconds) => Offset { seconds, daylight: false },
        TimeZone::Named(tz) => {
            let offset = lookup(tz, utc);
            Offset { seconds: offset.fix().local_minus_utc(), daylight: !offset.dst_offset().is_zero() }
        }
    }
}

/// The zone's abbreviation at an instant (`EST`), as `to_char`'s TZ prints it.
pub fn abbreviation_at(zone: TimeZone, utc: i64) -> String {
    match zone {
        TimeZone::Fixed(seconds) => {
            let mut text = String::new();
            push_offset(seconds, &mut text);
            text
        }
        TimeZone::Named(tz) => {
            let offset = lookup(tz, utc);
            match offset.abbreviation() {
                Some(name) => name.to_string(),
                None => numeric_abbreviation(offset.fix().local_minus_utc()),
            }
        }
    }
}

/// `+0530`, `-03`: how zones without letters are abbreviated.
fn numeric_abbreviation(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    if minutes % 60 == 0 {
        format!("{sign}{:02}", minutes / 60)
    } else {
        format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

fn lookup(tz: Tz, utc: i64) -> chrono_tz::TzOffset {
    let utc = if utc < END_OF_TABLE { utc } else { equivalent(tz, utc) };
    // Before chrono's first year every zone is at its first offset.
    let at = DateTime::from_timestamp(utc, 0).unwrap_or(DateTime::<chrono::Utc>::MIN_UTC);
    tz.offset_from_utc_datetime(&at.naive_utc())
}

/// The instant in the reference years, or the table's last, with the same offset as an instant after the table.
fn equivalent(tz: Tz, utc: i64) -> i64 {
    let last = END_OF_TABLE - 1;
    if !changes_for_ever(tz) {
        return last;
    }
    let days = utc.div_euclid(SECONDS_PER_DAY);
    let Ok(julian) = i32::try_from(days + i64::from(EPOCH_JULIAN)) else { return last };
    let year = j2date(julian).year;
    let first = date2j(year, 1, 1);
    let same = REFERENCE_YEARS.map(|y| (y, date2j(y, 1, 1)));
    for (reference, start) in same {
        if is_leap(reference) == is_leap(year) && weekday(start) == weekday(first) {
            return utc - i64::from(first - start) * SECONDS_PER_DAY;
        }
    }
    last
}

/// Whether the zone still changes its clocks in the table's last years (Morocco's table ends in 2087).
fn changes_for_ever(tz: Tz) -> bool {
    let offset = |utc: i64| {
        let at = DateTime::from_timestamp(utc, 0).unwrap_or_default();
        tz.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
    };
    // 1 January and 1 July 2099.
    offset(END_OF_TABLE - 365 * SECONDS_PER_DAY) != offset(END_OF_TABLE - 184 * SECONDS_PER_DAY)
}

/// The local clock at an instant: local microseconds (may leave the range of timestamps by a day) and the offset.
pub fn to_local(zone: TimeZone, micros: i64) -> (i128, Offset) {
    let offset = offset_at(zone, micros.div_euclid(MICROS_PER_SECOND));
    (i128::from(micros) + i128::from(offset.seconds) * i128::from(MICROS_PER_SECOND), offset)
}

/// The offset that applies to a local time, seconds of the local clock since 1970 (`DetermineTimeZoneOffset`).
///
/// A time that the clocks skip is read with the offset before the change, one that they show twice with the offset after it.
pub fn offset_of_local(zone: TimeZone, local: i64) -> Offset {
    let previous = local - SECONDS_PER_DAY;
    let before = offset_at(zone, previous);
    let Some(boundary) = next_change(zone, previous, previous + 2 * SECONDS_PER_DAY, before.seconds) else {
        return before;
    };
    let after = offset_at(zone, boundary);
    let before_time = local - i64::from(before.seconds);
    let after_time = local - i64::from(after.seconds);
    if before_time < boundary && after_time < boundary {
        before
    } else if before_time > boundary && after_time >= boundary {
        after
    } else if before_time > after_time {
        before
    } else {
        after
    }
}

/// First instant in `(from, to]` at which the offset is another, given the offset at `from`. Changes are days apart.
fn next_change(zone: TimeZone, from: i64, to: i64, offset: i32) -> Option<i64> {
    let (mut low, mut high) = (from, to);
    if offset_at(zone, high).seconds == offset {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset_at(zone, middle).seconds == offset {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(high)
}

/// Local clock (microseconds) to the instant it names, unchecked.
pub fn to_utc(zone: TimeZone, local: i128) -> i128 {
    let seconds = local.div_euclid(i128::from(MICROS_PER_SECOND)) as i64;
    local - i128::from(offset_of_local(zone, seconds).seconds) * i128::from(MICROS_PER_SECOND)
}

/// Whether a zone never changes its clocks and never did (`pg_get_timezone_offset`).
pub fn is_fixed(zone: TimeZone) -> bool {
    match zone {
        TimeZone::Fixed(_) => true,
        TimeZone::Named(tz) => {
            let name = tz.name();
            name.starts_with("Etc/")
                || matches!(
                    name,
                    "UTC" | "UCT" | "GMT" | "GMT0" | "GMT+0" | "GMT-0" | "Greenwich" | "Universal" | "Zulu"
                )
        }
    }
}
