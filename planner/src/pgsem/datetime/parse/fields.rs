//! The fields of a date and time: what a number means depends on what has been read before it.

use super::number::{digits, fraction_micros, int_field, leading_int};
use super::{DecodeError, Input};
use crate::context::DateOrder;
use crate::pgsem::datetime::calendar::{Tm, date2j, days_in_month, j2date};
use crate::pgsem::datetime::keywords::{Keyword, date_keyword};

/// Which fields have been seen, as bits.
pub mod mask {
    pub const RESERVED: u32 = 1;
    pub const MONTH: u32 = 1 << 1;
    pub const YEAR: u32 = 1 << 2;
    pub const DAY: u32 = 1 << 3;
    pub const ZONE: u32 = 1 << 5;
    pub const DAYLIGHT_ZONE: u32 = 1 << 6;
    pub const DYNAMIC_ZONE: u32 = 1 << 7;
    pub const MERIDIEM: u32 = 1 << 9;
    pub const HOUR: u32 = 1 << 10;
    pub const MINUTE: u32 = 1 << 11;
    pub const SECOND: u32 = 1 << 12;
    pub const MILLISECOND: u32 = 1 << 13;
    pub const MICROSECOND: u32 = 1 << 14;
    pub const DAY_OF_YEAR: u32 = 1 << 15;
    pub const WEEKDAY: u32 = 1 << 16;
    pub const ERA: u32 = 1 << 18;
    pub const WEEK: u32 = 1 << 24;
    pub const DECADE: u32 = 1 << 25;
    pub const CENTURY: u32 = 1 << 26;
    pub const MILLENNIUM: u32 = 1 << 27;
    pub const DAYLIGHT_MODIFIER: u32 = 1 << 28;
    pub const DATE: u32 = YEAR | MONTH | DAY;
    pub const SECONDS: u32 = SECOND | MILLISECOND | MICROSECOND;
    pub const TIME: u32 = HOUR | MINUTE | SECONDS;
}

/// What has been decoded so far.
#[derive(Debug, Default)]
pub struct Decoded {
    pub tm: Tm,
    pub day_of_year: i32,
    pub two_digit_year: bool,
    pub julian: bool,
    pub bc: bool,
    /// Seconds west of UTC, as PostgreSQL counts while decoding.
    pub west: i32,
}

impl Decoded {
    pub fn set_julian(&mut self, day: i32) {
        let date = j2date(day);
        (self.tm.year, self.tm.month, self.tm.day) = (date.year, date.month, date.day);
        self.julian = true;
    }

    /// A date with delimiters (`DecodeDate`); returns the fields found.
    pub fn date(&mut self, text: &str, seen: u32, input: &Input<'_>) -> Result<u32, DecodeError> {
        let mut parts: Vec<&str> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() && parts.len() < 25 {
            rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
            if rest.is_empty() {
                return Err(DecodeError::BadFormat);
            }
            let digit = rest.as_bytes()[0].is_ascii_digit();
            let length =
                rest.bytes().take_while(|b| if digit { b.is_ascii_digit() } else { b.is_ascii_alphabetic() }).count();
            parts.push(&rest[..length]);
            // The character after a part is dropped whatever it is.
            rest = rest.get(length + 1..).unwrap_or("");
        }
        let mut seen = seen;
        let mut found = 0;
        let mut text_month = false;
        for part in parts.iter_mut().filter(|p| p.as_bytes()[0].is_ascii_alphabetic()) {
            match date_keyword(part) {
                Some(Keyword::Ignore) => continue,
                Some(Keyword::Month(month)) => {
                    self.tm.month = month;
                    text_month = true;
                }
                _ => return Err(DecodeError::BadFormat),
            }
            if seen & mask::MONTH != 0 {
                return Err(DecodeError::BadFormat);
            }
            seen |= mask::MONTH;
            found |= mask::MONTH;
            *part = "";
        }
        for part in parts.into_iter().filter(|p| !p.is_empty()) {
            let field = self.number(part, text_month, seen, input)?;
            if seen & field != 0 {
                return Err(DecodeError::BadFormat);
            }
            seen |= field;
            found |= field;
        }
        if seen & !(mask::DAY_OF_YEAR | mask::ZONE) != mask::DATE {
            return Err(DecodeError::BadFormat);
        }
        Ok(found)
    }

    /// A plain number (`DecodeNumber`).
    pub fn number(&mut self, text: &str, text_month: bool, seen: u32, input: &Input<'_>) -> Result<u32, DecodeError> {
        let length = text.len();
        let (value, rest) = int_field(text)?;
        if rest.len() == length {
            return Err(DecodeError::BadFormat);
        }
        if rest.starts_with('.') {
            // More than two digits before the point: a date or a time run together.
            if length - rest.len() > 2 {
                return self.run_together(text, seen | mask::DATE);
            }
            self.tm.micros = fraction_micros(rest)?;
        } else if !rest.is_empty() {
            return Err(DecodeError::BadFormat);
        }
        if length == 3 && seen & mask::DATE == mask::YEAR && (1..=366).contains(&value) {
            self.day_of_year = value;
            return Ok(mask::DAY_OF_YEAR | mask::MONTH | mask::DAY);
        }
        const YEAR_MONTH: u32 = mask::YEAR | mask::MONTH;
        const MONTH_DAY: u32 = mask::MONTH | mask::DAY;
        let year_first = length >= 3 || input.order == DateOrder::Ymd;
        let field = match seen & mask::DATE {
            0 if year_first => mask::YEAR,
            0 if input.order == DateOrder::Dmy => mask::DAY,
            0 => mask::MONTH,
            mask::YEAR => mask::MONTH,
            mask::MONTH if text_month && year_first => mask::YEAR,
            mask::MONTH => mask::DAY,
            YEAR_MONTH => {
                if text_month && length >= 3 && self.two_digit_year {
                    // The first number was the day after all.
                    self.tm.day = self.tm.year;
                    self.tm.year = value;
                    self.two_digit_year = false;
                } else {
                    self.tm.day = value;
                }
                return Ok(mask::DAY);
            }
            mask::DAY => mask::MONTH,
            MONTH_DAY => mask::YEAR,
            mask::DATE => return self.run_together(text, seen),
            _ => return Err(DecodeError::BadFormat),
        };
        match field {
            mask::YEAR => {
                self.tm.year = value;
                self.two_digit_year = length <= 2;
            }
            mask::MONTH => self.tm.month = value,
            _ => self.tm.day = value,
        }
        Ok(field)
    }

    /// Digits run together: `20011225`, `040506.789` (`DecodeNumberField`).
    pub fn run_together(&mut self, text: &str, seen: u32) -> Result<u32, DecodeError> {
        let mut whole = text;
        if let Some(point) = text.find('.') {
            let digits = text[point + 1..].bytes().take_while(u8::is_ascii_digit).count();
            self.tm.micros = fraction_micros(&text[point..point + 1 + digits])?;
            whole = &text[..point];
        } else if seen & mask::DATE != mask::DATE && text.len() >= 6 {
            let (rest, day) = text.split_at(text.len() - 2);
            let (year, month) = rest.split_at(rest.len() - 2);
            self.tm.day = digits(day);
            self.tm.month = digits(month);
            self.tm.year = digits(year);
            self.two_digit_year |= year.len() == 2;
            return Ok(mask::DATE);
        }
        if seen & mask::TIME != mask::TIME && matches!(whole.len(), 4 | 6) {
            self.tm.hour = digits(&whole[..2]);
            self.tm.minute = digits(&whole[2..4]);
            self.tm.second = if whole.len() == 6 { digits(&whole[4..]) } else { 0 };
            return Ok(mask::TIME);
        }
        Err(DecodeError::BadFormat)
    }

    /// `hh:mm[:ss[.fff]]` or `mm:ss.fff` (`DecodeTime`).
    pub fn time(&mut self, text: &str) -> Result<(), DecodeError> {
        let clock = clock(text, false)?;
        self.tm.hour = i32::try_from(clock.hours).map_err(|_| DecodeError::FieldOverflow)?;
        (self.tm.minute, self.tm.second, self.tm.micros) = (clock.minutes, clock.seconds, clock.micros);
        Ok(())
    }

    /// Makes the date's fields final: era, two-digit years, day of year; checks the day (`ValidateDate`).
    pub fn validate_date(&mut self, seen: u32) -> Result<(), DecodeError> {
        let tm = &mut self.tm;
        if seen & mask::YEAR != 0 && !self.julian {
            if self.bc {
                if tm.year <= 0 {
                    return Err(DecodeError::FieldOverflow);
                }
                tm.year = 1 - tm.year;
            } else if self.two_digit_year {
                match tm.year {
                    i32::MIN..0 => return Err(DecodeError::FieldOverflow),
                    0..70 => tm.year += 2000,
                    70..100 => tm.year += 1900,
                    _ => {}
                }
            } else if tm.year <= 0 {
                return Err(DecodeError::FieldOverflow);
            }
        }
        if seen & mask::DAY_OF_YEAR != 0 {
            let date = j2date(date2j(tm.year, 1, 1).wrapping_add(self.day_of_year - 1));
            (tm.year, tm.month, tm.day) = (date.year, date.month, date.day);
        }
        if seen & mask::MONTH != 0 && !(1..=12).contains(&tm.month)
            || seen & mask::DAY != 0 && !(1..=31).contains(&tm.day)
        {
            return Err(DecodeError::MonthDayOverflow);
        }
        if seen & mask::DATE == mask::DATE && tm.day > days_in_month(tm.year, tm.month) {
            return Err(DecodeError::FieldOverflow);
        }
        Ok(())
    }
}

/// A time of day, or of an interval, where hours have no upper limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    pub hours: i64,
    pub minutes: i32,
    pub seconds: i32,
    pub micros: i32,
}

/// `DecodeTimeCommon`; `minutes_first`: two fields are mm:ss (`interval minute to second`).
pub fn clock(text: &str, minutes_first: bool) -> Result<Clock, DecodeError> {
    let (hours, rest) = super::number::leading_int64(text);
    let hours = hours.ok_or(DecodeError::FieldOverflow)?;
    let rest = rest.strip_prefix(':').ok_or(DecodeError::BadFormat)?;
    let (minutes, rest) = int_field(rest)?;
    let mut clock = Clock { hours, minutes, ..Clock::default() };
    let shifted = if rest.is_empty() {
        minutes_first
    } else if rest.starts_with('.') {
        // mm:ss.fff
        clock.micros = fraction_micros(rest)?;
        true
    } else {
        let rest = rest.strip_prefix(':').ok_or(DecodeError::BadFormat)?;
        let (seconds, rest) = int_field(rest)?;
        clock.seconds = seconds;
        if !rest.is_empty() {
            clock.micros = fraction_micros(rest)?;
        }
        false
    };
    if shifted {
        clock.seconds = clock.minutes;
        clock.minutes = i32::try_from(clock.hours).map_err(|_| DecodeError::FieldOverflow)?;
        clock.hours = 0;
    }
    let valid = clock.hours >= 0
        && (0..60).contains(&clock.minutes)
        && (0..=60).contains(&clock.seconds)
        && (0..=1_000_000).contains(&clock.micros);
    if valid { Ok(clock) } else { Err(DecodeError::FieldOverflow) }
}

/// `+hh`, `+hhmm`, `+hh:mm[:ss]`: seconds *west* of UTC (`DecodeTimezone`).
pub fn offset_west(text: &str) -> Result<i32, DecodeError> {
    let negative = match text.as_bytes().first() {
        Some(b'+') => false,
        Some(b'-') => true,
        _ => return Err(DecodeError::BadFormat),
    };
    let number = |text| match leading_int(text) {
        (Some(value), rest) => Ok((value, rest)),
        (None, _) => Err(DecodeError::ZoneOverflow),
    };
    let (mut hours, mut rest) = number(&text[1..])?;
    let (mut minutes, mut seconds) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        (minutes, rest) = number(after)?;
        if let Some(after) = rest.strip_prefix(':') {
            (seconds, rest) = number(after)?;
        }
    } else if rest.is_empty() && text.len() > 3 {
        minutes = hours % 100;
        hours /= 100;
    }
    if !(0..=15).contains(&hours) || !(0..60).contains(&minutes) || !(0..60).contains(&seconds) {
        return Err(DecodeError::ZoneOverflow);
    }
    if !rest.is_empty() {
        return Err(DecodeError::BadFormat);
    }
    let east = (hours * 60 + minutes) * 60 + seconds;
    Ok(if negative { east } else { -east })
}
