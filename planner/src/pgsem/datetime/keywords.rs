//! The words of date and interval input and of `extract`, as in PostgreSQL's `datetktbl` and `deltatktbl`.

/// A unit or field of a date, a time or an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Epoch,
    Julian,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    TimeZone,
    TimeZoneHour,
    TimeZoneMinute,
}

/// A word that stands for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    NegInfinity,
    Infinity,
    Epoch,
    Now,
    Today,
    Tomorrow,
    Yesterday,
    /// `allballs`: 00:00:00 UTC.
    AllBalls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    Reserved(Reserved),
    Bc(bool),
    Pm(bool),
    Month(i32),
    Weekday,
    Unit(Unit),
    /// `at`, `on`, `@`: says nothing.
    Ignore,
    /// `dst` after a zone's abbreviation.
    Daylight,
    /// `t` before a time.
    IsoTime,
    Ago,
}

/// PostgreSQL compares words by their first ten characters.
fn key(word: &str) -> &str {
    word.get(..10).unwrap_or(word)
}

/// A word of date input, lower case.
pub fn date_keyword(word: &str) -> Option<Keyword> {
    use Keyword as K;
    Some(match key(word) {
        "-infinity" => K::Reserved(Reserved::NegInfinity),
        "infinity" => K::Reserved(Reserved::Infinity),
        "epoch" => K::Reserved(Reserved::Epoch),
        "now" => K::Reserved(Reserved::Now),
        "today" => K::Reserved(Reserved::Today),
        "tomorrow" => K::Reserved(Reserved::Tomorrow),
        "yesterday" => K::Reserved(Reserved::Yesterday),
        "allballs" => K::Reserved(Reserved::AllBalls),
        "ad" => K::Bc(false),
        "bc" => K::Bc(true),
        "am" => K::Pm(false),
        "pm" => K::Pm(true),
        "at" | "on" => K::Ignore,
        "dst" => K::Daylight,
        "t" => K::IsoTime,
        "jan" | "january" => K::Month(1),
        "feb" | "february" => K::Month(2),
        "mar" | "march" => K::Month(3),
        "apr" | "april" => K::Month(4),
        "may" => K::Month(5),
        "jun" | "june" => K::Month(6),
        "jul" | "july" => K::Month(7),
        "aug" | "august" => K::Month(8),
        "sep" | "sept" | "september" => K::Month(9),
        "oct" | "october" => K::Month(10),
        "nov" | "november" => K::Month(11),
        "dec" | "december" => K::Month(12),
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "thu"
        | "thur" | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" => K::Weekday,
        "y" => K::Unit(Unit::Year),
        "m" => K::Unit(Unit::Month),
        "d" => K::Unit(Unit::Day),
        "h" => K::Unit(Unit::Hour),
        "mm" => K::Unit(Unit::Minute),
        "s" => K::Unit(Unit::Second),
        "j" | "jd" | "julian" => K::Unit(Unit::Julian),
        "dow" => K::Unit(Unit::DayOfWeek),
        "isodow" => K::Unit(Unit::IsoDayOfWeek),
        "doy" => K::Unit(Unit::DayOfYear),
        "isoyear" => K::Unit(Unit::IsoYear),
        _ => return None,
    })
}

/// A word of interval input, lower case.
pub fn interval_keyword(word: &str) -> Option<Keyword> {
    let unit = match key(word) {
        "@" => return Some(Keyword::Ignore),
        "ago" => return Some(Keyword::Ago),
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "qtr" | "quarter" => Unit::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        "timezone" => Unit::TimeZone,
        "timezone_h" => Unit::TimeZoneHour,
        "timezone_m" => Unit::TimeZoneMinute,
        _ => return None,
    };
    Some(Keyword::Unit(unit))
}

/// The field named in `extract`, `date_part` or `date_trunc`, lower case.
pub fn field_keyword(word: &str) -> Option<Unit> {
    match interval_keyword(word).or_else(|| date_keyword(word)) {
        Some(Keyword::Unit(unit)) => Some(unit),
        Some(Keyword::Reserved(Reserved::Epoch)) => Some(Unit::Epoch),
        _ => None,
    }
}
