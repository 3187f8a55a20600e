//! UTC offsets of a time zone at an instant or a local time.
//!
//! The tables are our own (`zones.tsv`) because `chrono-tz` merges zones that agree since 1970, while PostgreSQL keeps each
//! zone's older history, and because its tables end in 2099, while PostgreSQL follows each zone's last rule for ever.

mod rule;
mod table;

use table::Table;

use super::calendar::{MICROS_PER_SECOND, SECONDS_PER_DAY};
use super::format::push_offset;
use crate::context::TimeZone;

/// Seconds east of UTC at an instant, seconds since 1970 UTC.
pub fn offset_at(zone: TimeZone, utc: i64) -> i32 {
    match zone {
        TimeZone::Fixed(east) => east,
        TimeZone::Named(tz) => Table::of(tz).at(utc).east,
    }
}

/// The zone's abbreviation at an instant (`EST`), as `to_char`'s TZ prints it.
pub fn abbreviation_at(zone: TimeZone, utc: i64) -> String {
    match zone {
        TimeZone::Fixed(east) => {
            let mut text = String::new();
            push_offset(east, &mut text);
            text
        }
        TimeZone::Named(tz) => Table::of(tz).at(utc).abbreviation.to_string(),
    }
}

/// The local clock at an instant: local microseconds (may leave the range of timestamps by a day) and seconds east.
pub fn to_local(zone: TimeZone, micros: i64) -> (i128, i32) {
    let east = offset_at(zone, micros.div_euclid(MICROS_PER_SECOND));
    (i128::from(micros) + i128::from(east) * i128::from(MICROS_PER_SECOND), east)
}

/// Seconds east that apply to a local time, seconds of the local clock since 1970 (`DetermineTimeZoneOffset`).
///
/// A time that the clocks skip is read with the offset before the change, one that they show twice with the offset after it.
pub fn offset_of_local(zone: TimeZone, local: i64) -> i32 {
    let TimeZone::Named(tz) = zone else { return offset_at(zone, local) };
    let table = Table::of(tz);
    // Changes are more than two days apart.
    let previous = local - SECONDS_PER_DAY;
    let before = table.at(previous).east;
    let Some((boundary, after)) = table.next_change(previous) else { return before };
    let after = after.east;
    let (before_time, after_time) = (local - i64::from(before), local - i64::from(after));
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

/// Local clock (microseconds) to the instant it names, unchecked.
pub fn to_utc(zone: TimeZone, local: i128) -> i128 {
    let seconds = local.div_euclid(i128::from(MICROS_PER_SECOND)) as i64;
    local - i128::from(offset_of_local(zone, seconds)) * i128::from(MICROS_PER_SECOND)
}

/// Whether a zone never changes its clocks and never did (`pg_get_timezone_offset`).
pub fn is_fixed(zone: TimeZone) -> bool {
    match zone {
        TimeZone::Fixed(_) => true,
        TimeZone::Named(tz) => Table::of(tz).is_fixed(),
    }
}

/// Seconds east that an abbreviation meant in a zone at an instant, if the zone ever used it
/// (`pg_interpret_timezone_abbrev`).
pub fn meaning_of_abbreviation(zone: TimeZone, abbreviation: &str, utc: i64) -> Option<i32> {
    match zone {
        TimeZone::Fixed(_) => None,
        TimeZone::Named(tz) => Table::of(tz).meaning(abbreviation, utc),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn named(name: &str) -> TimeZone {
        TimeZone::Named(name.parse().unwrap())
    }

    #[test]
    fn zones_keep_their_own_history() {
        // Amsterdam before 1940; chrono-tz has Brussels' clock there.
        assert_eq!(offset_at(named("Europe/Amsterdam"), -1_262_304_000), 1172);
        assert_eq!(offset_at(named("Africa/Accra"), -2_500_000_000), -52);
        assert_eq!(abbreviation_at(named("Asia/Kolkata"), i64::MIN / 2), "LMT");
    }

    #[test]
    fn the_last_rule_holds_for_ever() {
        // July and January 2500.
        for (name, summer, winter) in [
            ("America/New_York", -14_400, -18_000),
            ("Australia/Sydney", 36_000, 39_600),
            ("Europe/Dublin", 3600, 0),
            ("Africa/Casablanca", 3600, 3600),
        ] {
            let zone = named(name);
            assert_eq!((offset_at(zone, 16_740_000_000), offset_at(zone, 16_725_300_000)), (summer, winter), "{name}");
        }
    }

    #[test]
    fn skipped_and_repeated_local_times() {
        let zone = named("America/New_York");
        // 2024-03-10 02:30 does not exist, 2024-11-03 01:30 happens twice.
        assert_eq!(offset_of_local(zone, 1_710_037_800), -18_000);
        assert_eq!(offset_of_local(zone, 1_730_597_400), -18_000);
    }

    #[test]
    fn fixed_zones() {
        assert!(is_fixed(TimeZone::Named(Tz::Etc__GMTPlus5)) && !is_fixed(named("Europe/Berlin")));
    }
}
