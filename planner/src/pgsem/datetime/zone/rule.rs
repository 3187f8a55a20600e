//! A zone's last rule, as POSIX writes it: `EST5EDT,M3.2.0,M11.1.0`.

use super::table::Kind;
use crate::pgsem::datetime::calendar::{EPOCH_JULIAN, SECONDS_PER_DAY, date2j, days_in_month, j2date, weekday};

/// A day of each year and a time of that day: the `week`th (5: last) `weekday` of `month`.
#[derive(Clone, Copy, Debug)]
struct Change {
    month: i32,
    week: i32,
    weekday: i32,
    seconds: i64,
}

/// Standard time, and if clocks change, daylight time and when it begins and ends.
#[derive(Clone, Debug)]
pub struct Rule {
    standard: Kind,
    daylight: Option<(Kind, Change, Change)>,
}

impl Rule {
    pub fn parse(text: &'static str) -> Option<Self> {
        let mut parts = text.split(',');
        let (standard, rest) = parse_name(parts.next()?)?;
        let (west, rest) = parse_time(rest)?;
        let standard = Kind { east: -(west as i32), abbreviation: standard };
        if rest.is_empty() {
            return Some(Self { standard, daylight: None });
        }
        let (name, rest) = parse_name(rest)?;
        let east = match rest {
            "" => standard.east + 3600,
            rest => -(parse_time(rest)?.0 as i32),
        };
        let daylight = Kind { east, abbreviation: name };
        let (start, end) = (Change::parse(parts.next()?)?, Change::parse(parts.next()?)?);
        Some(Self { standard, daylight: Some((daylight, start, end)) })
    }

    pub fn fixed(standard: Kind) -> Self {
        Self { standard, daylight: None }
    }

    pub fn is_fixed(&self) -> bool {
        self.daylight.is_none()
    }

    /// The last change up to an instant, and what began with it.
    pub fn last_change(&self, utc: i64) -> Option<(i64, &Kind)> {
        self.changes_around(utc).filter(|(at, _)| *at <= utc).max_by_key(|(at, _)| *at)
    }

    /// The first change after an instant, and what begins with it.
    pub fn next_change(&self, utc: i64) -> Option<(i64, &Kind)> {
        self.changes_around(utc).filter(|(at, _)| *at > utc).min_by_key(|(at, _)| *at)
    }

    /// The changes of the year of an instant and of the years beside it, and what begins with each.
    fn changes_around(&self, utc: i64) -> impl Iterator<Item = (i64, &Kind)> {
        let julian = utc.div_euclid(SECONDS_PER_DAY) + i64::from(EPOCH_JULIAN);
        let year = j2date(julian as i32).year;
        self.daylight.iter().flat_map(move |(daylight, start, end)| {
            (year - 1..=year + 1).flat_map(move |year| {
                [
                    (start.of_year(year) - i64::from(self.standard.east), daylight),
                    (end.of_year(year) - i64::from(daylight.east), &self.standard),
                ]
            })
        })
    }
}

impl Change {
    /// `M3.2.0/2`.
    fn parse(text: &str) -> Option<Self> {
        let (day, seconds) = match text.split_once('/') {
            Some((day, time)) => (day, parse_time(time)?.0),
            None => (text, 7200),
        };
        let mut numbers = day.strip_prefix('M')?.split('.').map(|n| n.parse().ok());
        Some(Self { month: numbers.next()??, week: numbers.next()??, weekday: numbers.next()??, seconds })
    }

    /// Local seconds since 1970.
    fn of_year(self, year: i32) -> i64 {
        let first = date2j(year, self.month, 1);
        let mut day = (self.weekday - weekday(first)).rem_euclid(7) + 7 * (self.week - 1);
        if day >= days_in_month(year, self.month) {
            day -= 7;
        }
        (i64::from(first) + i64::from(day) - i64::from(EPOCH_JULIAN)) * SECONDS_PER_DAY + self.seconds
    }
}

/// Letters, or anything in angle brackets.
fn parse_name(text: &'static str) -> Option<(&'static str, &'static str)> {
    match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>'),
        None => Some(text.split_at(text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len()))),
    }
}

/// `[+-]hh[:mm]` in seconds, and the rest.
fn parse_time(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '+' | '-'))).unwrap_or(text.len());
    let (time, rest) = text.split_at(end);
    let (sign, digits) = match time.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, time.trim_start_matches('+')),
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    Some((sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60), rest))
}
