//! Writing a value by a template (`DCH_to_char`).

use super::pattern::{Case, DAYS, MONTHS, Pattern, ROMAN_MONTHS, Shown, abbreviation};
use super::{Field, Node, Ordinal};
use crate::error::{Error, Result, state};
use crate::pgsem::datetime::calendar::{date2j, iso_week, iso_week_to_julian};

pub fn write(nodes: &[Node], value: &Shown, out: &mut String) -> Result<()> {
    for node in nodes {
        match node {
            Node::Field(field) => write_field(field, value, out)?,
            Node::Char(c) | Node::Separator(c) | Node::Space(c) => out.push(*c),
        }
    }
    Ok(())
}

/// `%0*d`: zeros after the sign, up to the width.
fn padded(value: i64, width: usize) -> String {
    format!("{value:0width$}")
}

/// A number with the field's padding; a sign takes one more place where `signed` says so.
fn number(field: &Field, value: i64, width: usize, negative: bool) -> String {
    padded(value, if field.fill { 0 } else { width + usize::from(negative) })
}

fn name(field: &Field, case: Case, name: &str, width: usize) -> String {
    let name = case.apply(name);
    if field.fill || field.translated { name } else { format!("{name:<width$}") }
}

/// `1st`, `12TH`.
fn with_ordinal(mut number: String, ordinal: Option<Ordinal>) -> String {
    let Some(ordinal) = ordinal else { return number };
    let mut digits = number.bytes().rev();
    let (last, before) = (digits.next(), digits.next());
    let suffix = match last {
        _ if before == Some(b'1') => "th",
        Some(b'1') => "st",
        Some(b'2') => "nd",
        Some(b'3') => "rd",
        _ => "th",
    };
    match ordinal {
        Ordinal::Upper => number.push_str(&suffix.to_ascii_uppercase()),
        Ordinal::Lower => number.push_str(suffix),
    }
    number
}

/// Patterns that an interval has no value for.
fn needs_calendar(pattern: Pattern) -> bool {
    matches!(
        pattern,
        Pattern::Era { .. }
            | Pattern::MonthName(_)
            | Pattern::MonthAbbreviation(_)
            | Pattern::DayName(_)
            | Pattern::DayAbbreviation(_)
            | Pattern::DayOfWeek
            | Pattern::IsoDayOfWeek
            | Pattern::ZoneAbbreviation(_)
            | Pattern::OffsetHour
            | Pattern::OffsetMinute
            | Pattern::Offset
    )
}

fn write_field(field: &Field, value: &Shown, out: &mut String) -> Result<()> {
    let pattern = field.keyword.pattern;
    if value.interval && needs_calendar(pattern) {
        return Err(Error::new(state::INVALID_DATETIME_FORMAT, "invalid format specification for an interval value")
            .with_hint("Intervals are not tied to specific calendar dates."));
    }
    match word(field, pattern, value) {
        Some(text) => out.push_str(&text),
        None => out.push_str(&with_ordinal(numeral(field, pattern, value), field.ordinal)),
    }
    Ok(())
}

/// Patterns that make words, to which no ordinal is appended.
fn word(field: &Field, pattern: Pattern, value: &Shown) -> Option<String> {
    let date = value.date;
    let offset = value.offset.unsigned_abs();
    let sign = if value.offset >= 0 { '+' } else { '-' };
    let pick = |dots: bool, case: Case, plain: &str, dotted: &str| case.apply(if dots { dotted } else { plain });
    Some(match pattern {
        Pattern::Meridiem { dots, case } => {
            let (plain, dotted) = if value.hour % 24 >= 12 { ("PM", "P.M.") } else { ("AM", "A.M.") };
            pick(dots, case, plain, dotted)
        }
        Pattern::Era { dots, case } => {
            let (plain, dotted) = if date.year <= 0 { ("BC", "B.C.") } else { ("AD", "A.D.") };
            pick(dots, case, plain, dotted)
        }
        Pattern::MonthName(case) => name(field, case, MONTHS[(date.month - 1) as usize], 9),
        Pattern::MonthAbbreviation(case) => case.apply(abbreviation(MONTHS[(date.month - 1) as usize])),
        Pattern::DayName(case) => name(field, case, DAYS[value.weekday as usize], 9),
        Pattern::DayAbbreviation(case) => case.apply(abbreviation(DAYS[value.weekday as usize])),
        Pattern::RomanMonth(case) => match roman_month(value) {
            None => String::new(),
            Some(numeral) if field.fill => case.apply(numeral),
            Some(numeral) => format!("{:<4}", case.apply(numeral)),
        },
        Pattern::ZoneAbbreviation(case) => match &value.zone {
            None => String::new(),
            Some(zone) if case == Case::Lower => zone.to_ascii_lowercase(),
            Some(zone) => zone.clone(),
        },
        Pattern::OffsetHour => format!("{sign}{:02}", offset / 3600),
        Pattern::OffsetMinute => format!("{:02}", offset % 3600 / 60),
        Pattern::Offset => {
            let hours = padded((offset / 3600).into(), if field.fill { 0 } else { 2 });
            match offset % 3600 {
                0 => format!("{sign}{hours}"),
                rest => format!("{sign}{hours}:{:02}", rest / 60),
            }
        }
        Pattern::Quarter if date.month == 0 => String::new(),
        Pattern::FixedFormat => String::new(),
        _ => return None,
    })
}

/// The month's numeral; an interval's whole years count as December or January.
fn roman_month(value: &Shown) -> Option<&'static str> {
    let (year, month) = (value.date.year, value.date.month);
    let index = match month {
        0 if year == 0 => return None,
        0 => {
            if year >= 0 {
                0
            } else {
                11
            }
        }
        i32::MIN..0 => -(month + 1),
        _ => 12 - month,
    };
    ROMAN_MONTHS.get(index as usize).copied()
}

/// Patterns that make numbers.
fn numeral(field: &Field, pattern: Pattern, value: &Shown) -> String {
    let date = value.date;
    let micros = i64::from(value.micros);
    // There is no year zero but for intervals.
    let year_shown = |year: i32| i64::from(if value.interval || year > 0 { year } else { 1 - year });
    let year = year_shown(date.year);
    match pattern {
        Pattern::Hour12 => {
            let hour = if value.hour % 12 == 0 { 12 } else { value.hour % 12 };
            number(field, hour, 2, value.hour < 0)
        }
        Pattern::Hour24 => number(field, value.hour, 2, value.hour < 0),
        Pattern::Minute => number(field, value.minute.into(), 2, value.minute < 0),
        Pattern::Second => number(field, value.second.into(), 2, value.second < 0),
        Pattern::Millisecond => padded(micros / 1000, 3),
        Pattern::Microsecond => padded(micros, 6),
        Pattern::Fraction(digits) => padded(micros / 10_i64.pow(6 - digits), digits as usize),
        Pattern::SecondOfDay => {
            (value.hour * 3600 + i64::from(value.minute) * 60 + i64::from(value.second)).to_string()
        }
        Pattern::Month => number(field, date.month.into(), 2, date.month < 0),
        Pattern::DayOfYear => number(field, value.day_of_year.into(), 3, false),
        Pattern::IsoDayOfYear => number(field, iso_day_of_year(value).into(), 3, false),
        Pattern::DayOfMonth => number(field, date.day.into(), 2, false),
        Pattern::DayOfWeek => (value.weekday + 1).to_string(),
        Pattern::IsoDayOfWeek => (if value.weekday == 0 { 7 } else { value.weekday }).to_string(),
        Pattern::Week => number(field, i64::from(value.day_of_year.wrapping_sub(1) / 7 + 1), 2, false),
        Pattern::WeekOfMonth => (date.day.wrapping_sub(1) / 7 + 1).to_string(),
        Pattern::IsoWeek => number(field, iso_week(date).0.into(), 2, false),
        Pattern::Quarter => ((date.month - 1) / 3 + 1).to_string(),
        Pattern::Century => {
            let century = match date.year {
                year if value.interval => year / 100,
                year if year > 0 => (year - 1) / 100 + 1,
                year => year / 100 - 1,
            };
            if century.abs() <= 99 { number(field, century.into(), 2, century < 0) } else { century.to_string() }
        }
        Pattern::YearWithComma => format!("{},{}", year / 1000, padded(year % 1000, 3)),
        Pattern::Year(4) => number(field, year, 4, year < 0),
        Pattern::IsoYear(4) => number(field, year_shown(iso_week(date).1), 4, year < 0),
        Pattern::Year(1) => (year % 10).to_string(),
        Pattern::IsoYear(1) => (year_shown(iso_week(date).1) % 10).to_string(),
        Pattern::Year(digits) => number(field, year % 10_i64.pow(digits), digits as usize, year < 0),
        Pattern::IsoYear(digits) => {
            number(field, year_shown(iso_week(date).1) % 10_i64.pow(digits), digits as usize, year < 0)
        }
        Pattern::Julian => date2j(date.year, date.month, date.day).to_string(),
        _ => String::new(),
    }
}

fn iso_day_of_year(value: &Shown) -> i32 {
    let date = value.date;
    date2j(date.year, date.month, date.day).wrapping_sub(iso_week_to_julian(iso_week(date).1, 1)).wrapping_add(1)
}
