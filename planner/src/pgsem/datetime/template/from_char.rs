//! Reading a text by a template (`DCH_from_char`).

use super::pattern::{DAYS, MONTHS, Pattern, ROMAN_MONTHS, abbreviation};
use super::said::{Read, Said, invalid};
use super::{Field, Node, is_separator};
use crate::error::{Error, Result, state};

struct Reader<'a> {
    nodes: &'a [Node],
    rest: &'a str,
    fixed: bool,
    /// Characters skipped beyond what the template has.
    extra: i32,
    /// The character before `rest`.
    previous: Option<char>,
    said: Said,
}

pub fn read(nodes: &[Node], text: &str) -> Result<Read> {
    let mut reader = Reader { nodes, rest: text, fixed: false, extra: 0, previous: None, said: Said::default() };
    for i in 0..nodes.len() {
        if reader.rest.is_empty() {
            break;
        }
        reader.node(i)?;
    }
    reader.said.finish(text)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

impl Reader<'_> {
    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        self.previous = chars.next().or(self.previous);
        self.rest = chars.as_str();
    }

    fn skip_spaces(&mut self) {
        while self.rest.starts_with(is_space) {
            self.skip();
            self.extra += 1;
        }
    }

    fn advance(&mut self, to: usize) {
        self.previous = self.rest[..to].chars().next_back().or(self.previous);
        self.rest = &self.rest[to..];
    }

    fn node(&mut self, i: usize) -> Result<()> {
        let node = &self.nodes[i];
        let fixed_format = matches!(node, Node::Field(f) if f.keyword.pattern == Pattern::FixedFormat);
        if !self.fixed && !fixed_format && (i == 0 || matches!(node, Node::Field(_))) {
            self.skip_spaces();
        }
        match node {
            // One separator of the template matches one of the text, or none.
            Node::Space(_) | Node::Separator(_) if !self.fixed => {
                self.extra -= 1;
                if self.rest.starts_with(|c| is_space(c) || is_separator(c)) {
                    self.skip();
                    self.extra += 1;
                }
            }
            Node::Char(_) if !self.fixed && self.extra > 0 => self.extra -= 1,
            Node::Space(_) | Node::Separator(_) | Node::Char(_) => self.skip(),
            Node::Field(field) => {
                self.said.set_convention(field.keyword)?;
                self.field(field, i)?;
                if !self.fixed {
                    self.extra = 0;
                    self.skip_spaces();
                }
            }
        }
        Ok(())
    }

    /// Whether a number may take as many digits as there are.
    fn ends_at_separator(&self, field: &Field, i: usize) -> bool {
        if field.ordinal.is_some() {
            return true;
        }
        match self.nodes.get(i + 1) {
            None => true,
            Some(Node::Field(next)) => !next.keyword.digits,
            Some(Node::Char(c) | Node::Separator(c) | Node::Space(c)) => !c.is_ascii_digit(),
        }
    }

    /// A number of at most `width` characters, or any if it ends at a separator; also how many characters it took.
    fn int(&mut self, field: &Field, i: usize, width: usize) -> Result<(i32, usize)> {
        let name = field.keyword.name;
        let start = self.rest;
        let trimmed = start.trim_start_matches(is_space);
        let mut end = width.min(trimmed.len());
        while !trimmed.is_char_boundary(end) {
            end -= 1;
        }
        let shown = &trimmed[..end];
        let (value, after) = if field.fill || self.ends_at_separator(field, i) {
            let (value, digits) = leading_number(trimmed);
            (value, if digits == 0 { start } else { &trimmed[digits..] })
        } else {
            let hint = "If your source string is not fixed-width, try using the \"FM\" modifier.";
            if trimmed.len() < width {
                return Err(invalid(format!("source string too short for \"{name}\" formatting field"))
                    .with_detail(format!("Field requires {width} characters, but only {} remain.", trimmed.len()))
                    .with_hint(hint));
            }
            let (value, used) = leading_number(shown);
            if used > 0 && used < width {
                return Err(invalid(format!("invalid value \"{shown}\" for \"{name}\""))
                    .with_detail(format!("Field requires {width} characters, but only {used} could be parsed."))
                    .with_hint(hint));
            }
            (value, &trimmed[used..])
        };
        let taken = start.len() - after.len();
        if taken == 0 {
            return Err(
                invalid(format!("invalid value \"{shown}\" for \"{name}\"")).with_detail("Value must be an integer.")
            );
        }
        let Some(value) = value else {
            let message = format!("value for \"{name}\" in source string is out of range");
            return Err(Error::new(state::DATETIME_FIELD_OVERFLOW, message).with_detail(format!(
                "Value must be in the range {} to {}.",
                i32::MIN,
                i32::MAX
            )));
        };
        self.advance(taken);
        Ok((value, taken))
    }

    /// One of the names, whatever its case; its index.
    fn name(&mut self, field: &Field, names: &[&str]) -> Result<i32> {
        let found = names
            .iter()
            .position(|name| self.rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
        let Some(index) = found else {
            let word = self.rest.split([' ', '\t', '\n', '\r', '\x0c']).next().unwrap_or("");
            return Err(invalid(format!("invalid value \"{word}\" for \"{}\"", field.keyword.name))
                .with_detail("The given value did not match any of the allowed values for this field."));
        };
        self.advance(names[index].len());
        Ok(index as i32)
    }

    fn field(&mut self, field: &Field, i: usize) -> Result<()> {
        let name = field.keyword.name;
        let width = name.len();
        let months = MONTHS.map(abbreviation);
        let days = DAYS.map(abbreviation);
        macro_rules! number {
            ($slot:ident, $width:expr) => {{
                let (value, taken) = self.int(field, i, $width)?;
                set(&mut self.said.$slot, value, field)?;
                taken
            }};
        }
        macro_rules! word {
            ($slot:ident, $names:expr, $value:expr) => {{
                let index = self.name(field, $names)?;
                set(&mut self.said.$slot, $value(index), field)?;
            }};
        }
        match field.keyword.pattern {
            Pattern::FixedFormat => self.fixed = true,
            Pattern::Meridiem { dots, .. } => {
                let names = if dots { ["A.M.", "P.M."] } else { ["AM", "PM"] };
                word!(pm, &names, |index| index);
                self.said.twelve_hours = true;
            }
            Pattern::Era { dots, .. } => {
                let names = if dots { ["A.D.", "B.C."] } else { ["AD", "BC"] };
                word!(bc, &names, |index| index);
            }
            Pattern::MonthName(_) => word!(month, &MONTHS, |index| index + 1),
            Pattern::MonthAbbreviation(_) => word!(month, &months, |index| index + 1),
            Pattern::RomanMonth(_) => word!(month, &ROMAN_MONTHS, |index| 12 - index),
            // PostgreSQL compares with the number of a day before it counts from 1.
            Pattern::DayName(_) => {
                word!(weekday, &DAYS, |index| index);
                self.said.weekday += 1;
            }
            Pattern::DayAbbreviation(_) => {
                word!(weekday, &days, |index| index);
                self.said.weekday += 1;
            }
            Pattern::Hour12 => {
                number!(hour, 2);
                self.said.twelve_hours = true;
            }
            Pattern::Hour24 => _ = number!(hour, 2),
            Pattern::Minute => _ = number!(minute, width),
            Pattern::Second => _ = number!(second, width),
            Pattern::SecondOfDay => _ = number!(second_of_day, width),
            Pattern::Millisecond => {
                let taken = number!(millis, 3);
                self.said.millis = scaled(self.said.millis, 3, taken)?;
            }
            Pattern::Fraction(digits) => {
                self.said.fraction_digits = digits as i32;
                let taken = number!(micros, digits as usize);
                self.said.micros = scaled(self.said.micros, 6, taken)?;
            }
            Pattern::Microsecond => {
                let taken = number!(micros, 6);
                self.said.micros = scaled(self.said.micros, 6, taken)?;
            }
            Pattern::DayOfYear => _ = number!(day_of_year, width),
            Pattern::IsoDayOfYear => _ = number!(day_of_year, 3),
            Pattern::DayOfMonth => _ = number!(day, width),
            Pattern::DayOfWeek => _ = number!(weekday, width),
            Pattern::IsoDayOfWeek => {
                number!(weekday, 1);
                self.said.weekday = if self.said.weekday >= 7 { 1 } else { self.said.weekday + 1 };
            }
            Pattern::Week | Pattern::IsoWeek => _ = number!(week, width),
            Pattern::WeekOfMonth => _ = number!(week_of_month, width),
            Pattern::Month => _ = number!(month, width),
            Pattern::Century => _ = number!(century, width),
            Pattern::Julian => _ = number!(julian, width),
            // A quarter says nothing about the date.
            Pattern::Quarter => _ = self.int(field, i, width)?,
            Pattern::YearWithComma => self.year_with_comma(field)?,
            Pattern::Year(digits) | Pattern::IsoYear(digits) => {
                let taken = number!(year, digits as usize);
                if digits < 4 && taken < 4 {
                    self.said.year = near_2020(self.said.year);
                }
                self.said.year_digits = digits;
            }
            Pattern::OffsetHour => {
                self.said.offset_sign = match self.rest.chars().next() {
                    Some(c @ ('+' | '-' | ' ')) => {
                        self.skip();
                        if c == '-' { -1 } else { 1 }
                    }
                    _ if self.extra > 0 && self.previous == Some('-') => -1,
                    _ => 1,
                };
                number!(offset_hour, 2);
                return Ok(());
            }
            Pattern::OffsetMinute => {
                if self.said.offset_sign == 0 {
                    self.said.offset_sign = 1;
                }
                number!(offset_minute, 2);
                return Ok(());
            }
            Pattern::ZoneAbbreviation(_) | Pattern::Offset => {
                let message = format!("formatting field \"{name}\" is only supported in to_char");
                return Err(Error::new(state::FEATURE_NOT_SUPPORTED, message));
            }
        }
        if field.ordinal.is_some() && field.keyword.digits {
            self.skip();
            self.skip();
        }
        Ok(())
    }

    /// Millennia, a comma and up to three characters of years; numbers wrap like C's.
    fn year_with_comma(&mut self, field: &Field) -> Result<()> {
        let unreadable = || invalid("invalid input string for \"Y,YYY\"".into());
        let wrapping = |text: &str| text.parse::<i64>().unwrap_or(i64::MAX) as i32;
        let trimmed = self.rest.trim_start_matches(is_space);
        let (_, used) = leading_number(trimmed);
        let after = trimmed[used..].strip_prefix(',').filter(|_| used > 0).ok_or_else(unreadable)?;
        let inner = after.trim_start_matches(is_space);
        let short = &inner[..inner.bytes().take(3).take_while(u8::is_ascii).count()];
        let (_, digits) = leading_number(short);
        if digits == 0 {
            return Err(unreadable());
        }
        let years = wrapping(&trimmed[..used]).wrapping_mul(1000).wrapping_add(wrapping(&short[..digits]));
        set(&mut self.said.year, years, field)?;
        self.said.year_digits = 4;
        self.advance(self.rest.len() - inner.len() + digits);
        Ok(())
    }
}

/// An optional sign and digits: the number (`None` beyond 32 bits) and its length.
fn leading_number(text: &str) -> (Option<i32>, usize) {
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 { (Some(0), 0) } else { (text[..sign + digits].parse().ok(), sign + digits) }
}

/// `.5` is 500 milliseconds.
fn scaled(value: i32, digits: u32, taken: usize) -> Result<i32> {
    let missing = digits.saturating_sub(taken as u32);
    let missing = if taken == 0 { 0 } else { missing };
    value.checked_mul(10_i32.pow(missing)).ok_or_else(|| invalid("too many digits".into()))
}

fn set(slot: &mut i32, value: i32, field: &Field) -> Result<()> {
    if *slot != 0 && *slot != value {
        let name = field.keyword.name;
        return Err(invalid(format!("conflicting values for \"{name}\" field in formatting string"))
            .with_detail("This value contradicts a previous setting for the same field type."));
    }
    *slot = value;
    Ok(())
}

/// A year of fewer than four digits is the one nearest to 2020.
fn near_2020(year: i32) -> i32 {
    match year {
        i32::MIN..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}
