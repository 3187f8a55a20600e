//! What is written is read back as the same value, in any zone.

use arrow::datatypes::IntervalMonthDayNano;
use proptest::prelude::*;

use super::calendar::{MAX_DATE, MICROS_PER_DAY, MIN_DATE, MIN_TIMESTAMP};
use super::{
    format_date, format_interval, format_time, format_timestamp, format_timestamptz, parse_date, parse_interval,
    parse_time, parse_timestamp, parse_timestamptz,
};
use crate::context::{QueryContext, TimeZone};

fn written(write: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    write(&mut text);
    text
}

proptest! {
    #[test]
    fn dates(days in prop_oneof![MIN_DATE..=MAX_DATE, -800_000..80_000, Just(i32::MIN), Just(i32::MAX)]) {
        let text = written(|out| format_date(days, out));
        prop_assert_eq!(parse_date(&text, &QueryContext::default()).unwrap(), days, "{}", text);
    }

    #[test]
    fn times(micros in 0..=MICROS_PER_DAY) {
        let text = written(|out| format_time(micros, out));
        prop_assert_eq!(parse_time(&text, -1, &QueryContext::default()).unwrap(), micros, "{}", text);
    }

    #[test]
    fn timestamps(micros in prop_oneof![MIN_TIMESTAMP..=i64::MAX, Just(i64::MIN)]) {
        let text = written(|out| format_timestamp(micros, out));
        prop_assert_eq!(parse_timestamp(&text, -1, &QueryContext::default()).unwrap(), micros, "{}", text);
    }

    // A local time that the clocks show twice names its own offset, so the instant is never in doubt.
    #[test]
    fn timestamptzs(
        micros in prop_oneof![MIN_TIMESTAMP + MICROS_PER_DAY..i64::MAX - MICROS_PER_DAY, -4_000_000_000_000_000..8_000_000_000_000_000_i64],
        zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
    ) {
        let zone = TimeZone::Named(zone);
        let text = written(|out| format_timestamptz(micros, zone, out));
        let ctx = QueryContext { time_zone: zone, ..QueryContext::default() };
        prop_assert_eq!(parse_timestamptz(&text, -1, &ctx).unwrap(), micros, "{}", text);
    }

    #[test]
    fn intervals(months: i32, days: i32, micros in i64::MIN / 1000 + 1..i64::MAX / 1000) {
        let value = IntervalMonthDayNano::new(months, days, micros * 1000);
        let text = written(|out| format_interval(value, out));
        prop_assert_eq!(parse_interval(&text, -1).unwrap(), value, "{}", text);
    }
}
