//! Output: DateStyle ISO and IntervalStyle postgres, the only ones Narrows speaks.

use arrow::datatypes::IntervalMonthDayNano;

use super::calendar::{
    self, Civil, DATE_INFINITY, DATE_NEG_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, split_time,
    split_timestamp,
};
use super::span::Span;
use super::zone;
use crate::context::TimeZone;

/// `2024-02-29`, `0044-03-15 BC`, `infinity`.
pub fn format_date(days: i32, out: &mut String) {
    match days {
        DATE_INFINITY => out.push_str("infinity"),
        DATE_NEG_INFINITY => out.push_str("-infinity"),
        _ => {
            let date = calendar::civil(days);
            push_date(date, out);
            push_era(date, out);
        }
    }
}

/// `23:59:59.5`, `24:00:00`.
pub fn format_time(micros: i64, out: &mut String) {
    let (hour, minute, second, fraction) = split_time(micros);
    push_two(hour as u32, out);
    out.push(':');
    push_two(minute as u32, out);
    out.push(':');
    push_seconds(second as u32, fraction as u32, out);
}

/// `2024-02-29 23:59:59.5`.
pub fn format_timestamp(micros: i64, out: &mut String) {
    if push_infinity(micros, out) {
        return;
    }
    let (days, time) = split_timestamp(micros);
    let date = calendar::civil(days);
    push_date(date, out);
    out.push(' ');
    format_time(time, out);
    push_era(date, out);
}

/// `2024-02-29 23:59:59.5+05:30` in the given zone.
pub fn format_timestamptz(micros: i64, zone: TimeZone, out: &mut String) {
    if push_infinity(micros, out) {
        return;
    }
    let (local, east) = zone::to_local(zone, micros);
    let days = local.div_euclid(i128::from(calendar::MICROS_PER_DAY)) as i32;
    let date = calendar::civil(days);
    push_date(date, out);
    out.push(' ');
    format_time(local.rem_euclid(i128::from(calendar::MICROS_PER_DAY)) as i64, out);
    push_offset(east, out);
    push_era(date, out);
}

/// `1 year 2 mons 3 days 04:05:06.789`, `-1 days +02:00:00`.
pub fn format_interval(value: IntervalMonthDayNano, out: &mut String) {
    let fields = Span::from(value).fields();
    let mut empty = true;
    let mut negative_before = false;
    for (value, unit) in [(fields.years, "year"), (fields.months, "mon"), (fields.days, "day")] {
        if value == 0 {
            continue;
        }
        if !empty {
            out.push(' ');
        }
        if negative_before && value > 0 {
            out.push('+');
        }
        push_signed(value.into(), out);
        out.push(' ');
        out.push_str(unit);
        if value != 1 {
            out.push('s');
        }
        negative_before = value < 0;
        empty = false;
    }
    let negative = fields.hours < 0 || fields.minutes < 0 || fields.seconds < 0 || fields.micros < 0;
    let positive = fields.hours > 0 || fields.minutes > 0 || fields.seconds > 0 || fields.micros > 0;
    if !empty && !negative && !positive {
        return;
    }
    if !empty {
        out.push(' ');
    }
    if negative {
        out.push('-');
    } else if negative_before {
        out.push('+');
    }
    push_padded(fields.hours.unsigned_abs(), 2, out);
    out.push(':');
    push_two(fields.minutes.unsigned_abs(), out);
    out.push(':');
    push_seconds(fields.seconds.unsigned_abs(), fields.micros.unsigned_abs(), out);
}

/// `+05:30`, `-08`, `+05:53:28`: seconds east of UTC.
pub fn push_offset(seconds: i32, out: &mut String) {
    out.push(if seconds < 0 { '-' } else { '+' });
    let seconds = seconds.unsigned_abs();
    push_two(seconds / 3600, out);
    if !seconds.is_multiple_of(3600) {
        out.push(':');
        push_two(seconds / 60 % 60, out);
    }
    if !seconds.is_multiple_of(60) {
        out.push(':');
        push_two(seconds % 60, out);
    }
}

fn push_infinity(micros: i64, out: &mut String) -> bool {
    match micros {
        TIMESTAMP_INFINITY => out.push_str("infinity"),
        TIMESTAMP_NEG_INFINITY => out.push_str("-infinity"),
        _ => return false,
    }
    true
}

fn push_date(date: Civil, out: &mut String) {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    push_padded(year.unsigned_abs().into(), 4, out);
    out.push('-');
    push_two(date.month as u32, out);
    out.push('-');
    push_two(date.day as u32, out);
}

fn push_era(date: Civil, out: &mut String) {
    if date.year <= 0 {
        out.push_str(" BC");
    }
}

fn push_seconds(seconds: u32, micros: u32, out: &mut String) {
    push_two(seconds, out);
    if micros != 0 {
        out.push('.');
        let mut divisor = 100_000;
        let mut rest = micros;
        while rest != 0 {
            out.push(digit(rest / divisor));
            rest %= divisor;
            divisor /= 10;
        }
    }
}

fn digit(value: u32) -> char {
    char::from(b'0' + (value % 10) as u8)
}

fn push_two(value: u32, out: &mut String) {
    out.push(digit(value / 10));
    out.push(digit(value));
}

fn push_padded(value: u64, width: usize, out: &mut String) {
    let mut buffer = [b'0'; 20];
    let mut at = buffer.len();
    let mut rest = value;
    while rest != 0 {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    at = at.min(buffer.len() - width);
    out.extend(buffer[at..].iter().map(|&b| char::from(b)));
}

fn push_signed(value: i64, out: &mut String) {
    if value < 0 {
        out.push('-');
    }
    push_padded(value.unsigned_abs(), 1, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgsem::datetime::calendar::MAX_DATE;

    fn text(f: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        f(&mut out);
        out
    }

    #[test]
    fn dates() {
        assert_eq!(text(|o| format_date(0, o)), "1970-01-01");
        assert_eq!(text(|o| format_date(19782, o)), "2024-02-29");
        assert_eq!(text(|o| format_date(-719_163, o)), "0001-12-31 BC");
        assert_eq!(text(|o| format_date(MAX_DATE, o)), "5874897-12-31");
        assert_eq!(text(|o| format_date(i32::MIN, o)), "-infinity");
    }

    #[test]
    fn times_and_timestamps() {
        assert_eq!(text(|o| format_time(86_400_000_000, o)), "24:00:00");
        assert_eq!(text(|o| format_time(1, o)), "00:00:00.000001");
        assert_eq!(text(|o| format_time(45_045_050_000, o)), "12:30:45.05");
        assert_eq!(text(|o| format_timestamp(-500_000, o)), "1969-12-31 23:59:59.5");
        assert_eq!(text(|o| format_timestamp(i64::MAX, o)), "infinity");
        let year_one = -62_135_596_800_000_000;
        assert_eq!(text(|o| format_timestamp(year_one - 1, o)), "0001-12-31 23:59:59.999999 BC");
        let kolkata = TimeZone::Named(chrono_tz::Asia::Kolkata);
        assert_eq!(text(|o| format_timestamptz(year_one, kolkata, o)), "0001-01-01 05:53:28+05:53:28");
        assert_eq!(text(|o| format_timestamptz(0, TimeZone::Fixed(-16_200), o)), "1969-12-31 19:30:00-04:30");
        assert_eq!(text(|o| format_timestamptz(0, TimeZone::Fixed(0), o)), "1970-01-01 00:00:00+00");
    }

    #[test]
    fn intervals() {
        let show = |months, days, micros| {
            let value = Span::new(months, days, micros).carrier().expect("in range");
            text(|o| format_interval(value, o))
        };
        assert_eq!(show(14, 3, 14_706_789_000), "1 year 2 mons 3 days 04:05:06.789");
        assert_eq!(show(0, -1, 7_200_000_000), "-1 days +02:00:00");
        assert_eq!(show(0, 0, 0), "00:00:00");
        assert_eq!(show(1, 0, 0), "1 mon");
        assert_eq!(show(-14, 1, -1), "-1 years -2 mons +1 day -00:00:00.000001");
        assert_eq!(show(0, 0, 3_600_000_000 * 123), "123:00:00");
    }
}
