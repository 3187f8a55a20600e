//! The patterns that templates are made of.

use super::super::calendar::Civil;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Upper,
    Capital,
    Lower,
}

impl Case {
    /// An English name in this case.
    pub fn apply(self, name: &str) -> String {
        match self {
            Self::Upper => name.to_ascii_uppercase(),
            Self::Capital => name.to_string(),
            Self::Lower => name.to_ascii_lowercase(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    Era {
        dots: bool,
        case: Case,
    },
    Meridiem {
        dots: bool,
        case: Case,
    },
    Century,
    DayName(Case),
    DayAbbreviation(Case),
    DayOfYear,
    DayOfMonth,
    DayOfWeek,
    /// `FF1` … `FF6`.
    Fraction(u32),
    FixedFormat,
    Hour24,
    Hour12,
    IsoDayOfYear,
    IsoDayOfWeek,
    IsoWeek,
    /// Digits shown, 4 to 1.
    IsoYear(u32),
    Julian,
    Minute,
    Month,
    MonthName(Case),
    MonthAbbreviation(Case),
    Millisecond,
    Microsecond,
    /// `OF`.
    Offset,
    Quarter,
    RomanMonth(Case),
    SecondOfDay,
    Second,
    OffsetHour,
    OffsetMinute,
    ZoneAbbreviation(Case),
    Week,
    WeekOfMonth,
    /// `Y,YYY`.
    YearWithComma,
    /// Digits shown, 4 to 1.
    Year(u32),
}

/// Which kind of date a pattern belongs to; a template to read may have only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    Gregorian,
    IsoWeek,
}

#[derive(Debug)]
pub struct Keyword {
    pub name: &'static str,
    pub pattern: Pattern,
    /// Reads and writes digits: a number before it must have a fixed width.
    pub digits: bool,
    pub convention: Option<Convention>,
}

const fn word(name: &'static str, pattern: Pattern) -> Keyword {
    Keyword { name, pattern, digits: false, convention: None }
}

const fn number(name: &'static str, pattern: Pattern) -> Keyword {
    Keyword { name, pattern, digits: true, convention: None }
}

const fn gregorian(keyword: Keyword) -> Keyword {
    Keyword { convention: Some(Convention::Gregorian), ..keyword }
}

const fn iso(name: &'static str, pattern: Pattern) -> Keyword {
    Keyword { convention: Some(Convention::IsoWeek), ..number(name, pattern) }
}

use Case::{Capital, Lower, Upper};
use Pattern as P;

/// Patterns that begin alike stand longest first.
pub static KEYWORDS: &[Keyword] = &[
    word("A.D.", P::Era { dots: true, case: Upper }),
    word("A.M.", P::Meridiem { dots: true, case: Upper }),
    word("AD", P::Era { dots: false, case: Upper }),
    word("AM", P::Meridiem { dots: false, case: Upper }),
    word("B.C.", P::Era { dots: true, case: Upper }),
    word("BC", P::Era { dots: false, case: Upper }),
    number("CC", P::Century),
    word("DAY", P::DayName(Upper)),
    gregorian(number("DDD", P::DayOfYear)),
    gregorian(number("DD", P::DayOfMonth)),
    word("DY", P::DayAbbreviation(Upper)),
    word("Day", P::DayName(Capital)),
    word("Dy", P::DayAbbreviation(Capital)),
    gregorian(number("D", P::DayOfWeek)),
    number("FF1", P::Fraction(1)),
    number("FF2", P::Fraction(2)),
    number("FF3", P::Fraction(3)),
    number("FF4", P::Fraction(4)),
    number("FF5", P::Fraction(5)),
    number("FF6", P::Fraction(6)),
    word("FX", P::FixedFormat),
    number("HH24", P::Hour24),
    number("HH12", P::Hour12),
    number("HH", P::Hour12),
    iso("IDDD", P::IsoDayOfYear),
    iso("ID", P::IsoDayOfWeek),
    iso("IW", P::IsoWeek),
    iso("IYYY", P::IsoYear(4)),
    iso("IYY", P::IsoYear(3)),
    iso("IY", P::IsoYear(2)),
    iso("I", P::IsoYear(1)),
    number("J", P::Julian),
    number("MI", P::Minute),
    gregorian(number("MM", P::Month)),
    gregorian(word("MONTH", P::MonthName(Upper))),
    gregorian(word("MON", P::MonthAbbreviation(Upper))),
    number("MS", P::Millisecond),
    gregorian(word("Month", P::MonthName(Capital))),
    gregorian(word("Mon", P::MonthAbbreviation(Capital))),
    word("OF", P::Offset),
    word("P.M.", P::Meridiem { dots: true, case: Upper }),
    word("PM", P::Meridiem { dots: false, case: Upper }),
    number("Q", P::Quarter),
    gregorian(word("RM", P::RomanMonth(Upper))),
    number("SSSSS", P::SecondOfDay),
    number("SSSS", P::SecondOfDay),
    number("SS", P::Second),
    word("TZH", P::OffsetHour),
    number("TZM", P::OffsetMinute),
    word("TZ", P::ZoneAbbreviation(Upper)),
    number("US", P::Microsecond),
    gregorian(number("WW", P::Week)),
    gregorian(number("W", P::WeekOfMonth)),
    gregorian(number("Y,YYY", P::YearWithComma)),
    gregorian(number("YYYY", P::Year(4))),
    gregorian(number("YYY", P::Year(3))),
    gregorian(number("YY", P::Year(2))),
    gregorian(number("Y", P::Year(1))),
    word("a.d.", P::Era { dots: true, case: Lower }),
    word("a.m.", P::Meridiem { dots: true, case: Lower }),
    word("ad", P::Era { dots: false, case: Lower }),
    word("am", P::Meridiem { dots: false, case: Lower }),
    word("b.c.", P::Era { dots: true, case: Lower }),
    word("bc", P::Era { dots: false, case: Lower }),
    number("cc", P::Century),
    word("day", P::DayName(Lower)),
    gregorian(number("ddd", P::DayOfYear)),
    gregorian(number("dd", P::DayOfMonth)),
    word("dy", P::DayAbbreviation(Lower)),
    gregorian(number("d", P::DayOfWeek)),
    number("ff1", P::Fraction(1)),
    number("ff2", P::Fraction(2)),
    number("ff3", P::Fraction(3)),
    number("ff4", P::Fraction(4)),
    number("ff5", P::Fraction(5)),
    number("ff6", P::Fraction(6)),
    word("fx", P::FixedFormat),
    number("hh24", P::Hour24),
    number("hh12", P::Hour12),
    number("hh", P::Hour12),
    iso("iddd", P::IsoDayOfYear),
    iso("id", P::IsoDayOfWeek),
    iso("iw", P::IsoWeek),
    iso("iyyy", P::IsoYear(4)),
    iso("iyy", P::IsoYear(3)),
    iso("iy", P::IsoYear(2)),
    iso("i", P::IsoYear(1)),
    number("j", P::Julian),
    number("mi", P::Minute),
    gregorian(number("mm", P::Month)),
    gregorian(word("month", P::MonthName(Lower))),
    gregorian(word("mon", P::MonthAbbreviation(Lower))),
    number("ms", P::Millisecond),
    word("of", P::Offset),
    word("p.m.", P::Meridiem { dots: true, case: Lower }),
    word("pm", P::Meridiem { dots: false, case: Lower }),
    number("q", P::Quarter),
    gregorian(word("rm", P::RomanMonth(Lower))),
    number("sssss", P::SecondOfDay),
    number("ssss", P::SecondOfDay),
    number("ss", P::Second),
    word("tzh", P::OffsetHour),
    number("tzm", P::OffsetMinute),
    word("tz", P::ZoneAbbreviation(Lower)),
    number("us", P::Microsecond),
    gregorian(number("ww", P::Week)),
    gregorian(number("w", P::WeekOfMonth)),
    gregorian(number("y,yyy", P::YearWithComma)),
    gregorian(number("yyyy", P::Year(4))),
    gregorian(number("yyy", P::Year(3))),
    gregorian(number("yy", P::Year(2))),
    gregorian(number("y", P::Year(1))),
];

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// December first: a longer numeral stands before the shorter ones it begins with.
pub const ROMAN_MONTHS: [&str; 12] = ["XII", "XI", "X", "IX", "VIII", "VII", "VI", "V", "IV", "III", "II", "I"];

/// First three letters.
pub fn abbreviation(name: &str) -> &str {
    &name[..3]
}

/// What a template shows of a value (`TmToChar`).
#[derive(Clone, Debug, Default)]
pub struct Shown {
    pub date: Civil,
    pub hour: i64,
    pub minute: i32,
    pub second: i32,
    pub micros: i32,
    pub weekday: i32,
    pub day_of_year: i32,
    /// Seconds east of UTC and the zone's abbreviation; none for a timestamp without zone.
    pub offset: i32,
    pub zone: Option<String>,
    pub interval: bool,
}
