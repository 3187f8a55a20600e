//! A prepared number through a template (`NUM_processor` for output).
//!
//! The writer walks the template and the number's characters side by side. Signs, leading blanks and trailing zeros depend on
//! how far both have come, which is why it keeps PostgreSQL's counters.

use super::number::Prepared;
use super::{Description, Key, Node, SignPlace, Template};
use crate::error::{Error, Result, state};

struct Writer<'n> {
    d: Description,
    /// The number's characters and the next one.
    number: &'n [u8],
    at: usize,
    negative: bool,
    sign_wrote: bool,
    /// Place of the last digit after the point that matters under FM; of the point if none does.
    last_relevant: Option<usize>,
    pre_spaces: i32,
    /// Patterns passed, patterns in all.
    current: i32,
    count: i32,
    /// The last pattern wrote a digit.
    in_number: bool,
    out: String,
}

pub(super) fn write(template: &Template, prepared: &Prepared) -> Result<String> {
    let mut d = prepared.description.clone();
    if d.exponent {
        return Ok(prepared.text.clone());
    }
    if d.zero_start > 0 {
        d.zero_start -= 1;
    }
    if d.roman {
        d = Description { fill_mode: d.fill_mode, roman: true, ..Description::default() };
    }
    let number = prepared.text.as_bytes();
    let negative = prepared.negative && !d.roman;
    let signed_apart = d.plus || d.minus;
    let sign_wrote =
        if signed_apart { !d.plus || d.minus } else { !negative && d.fill_mode && d.sign == SignPlace::None };
    if !signed_apart {
        if !negative && d.fill_mode {
            d.brackets = false;
        }
        if d.sign == SignPlace::Before && d.pre == d.digits_before_sign {
            d.sign = SignPlace::After;
        }
    }
    let pre_spaces = if d.roman { 0 } else { prepared.pre_spaces };
    let last_relevant = if d.fill_mode && d.has_point { last_relevant(number, &d, pre_spaces) } else { None };
    let count = d.post + d.pre - 1 + i32::from(!sign_wrote && pre_spaces == 0);
    let mut writer = Writer {
        d,
        number,
        at: 0,
        negative,
        sign_wrote,
        last_relevant,
        pre_spaces,
        current: 0,
        count,
        in_number: false,
        out: String::new(),
    };
    for node in &template.nodes {
        match node {
            Node::Literal(c) => writer.out.push(*c),
            Node::Key(key) => writer.key(*key)?,
        }
    }
    // Digits that a shortened float does not have end the text.
    let end = writer.out.find('\0').unwrap_or(writer.out.len());
    writer.out.truncate(end);
    Ok(writer.out)
}

fn last_relevant(number: &[u8], d: &Description, pre_spaces: i32) -> Option<usize> {
    let point = number.iter().position(|c| *c == b'.')?;
    let last = number[point + 1..].iter().rposition(|c| *c != b'0').map_or(point, |i| point + 1 + i);
    // `0` keeps its digit.
    if d.zero_end > pre_spaces {
        let kept = (number.len() - 1).min((d.zero_end - pre_spaces) as usize);
        return Some(last.max(kept));
    }
    Some(last)
}

impl Writer<'_> {
    /// The number's next character, NUL at its end.
    fn next(&self) -> u8 {
        self.number.get(self.at).copied().unwrap_or(0)
    }

    fn nothing_after_point(&self) -> bool {
        self.last_relevant.is_some_and(|i| self.number.get(i) == Some(&b'.'))
    }

    /// The `0` before the point that the template does not ask for.
    fn is_idle_zero(&self) -> bool {
        !self.d.has_zero && self.at == 0 && self.number.first() == Some(&b'0') && self.d.post != 0
    }

    fn key(&mut self, key: Key) -> Result<()> {
        match key {
            Key::Nine | Key::Zero | Key::Point | Key::LocalPoint => self.digit(key),
            Key::Comma | Key::Group => match (self.in_number, self.d.fill_mode) {
                (true, _) => self.out.push(','),
                (false, true) => {}
                (false, false) => self.out.push(' '),
            },
            Key::Currency => self.out.push(' '),
            Key::Roman | Key::LowerRoman => {
                let roman = String::from_utf8_lossy(self.number);
                let roman = if key == Key::Roman { roman.into_owned() } else { roman.to_lowercase() };
                let width = if self.d.fill_mode { 0 } else { 15 };
                self.out.push_str(&format!("{roman:>width$}"));
            }
            Key::Ordinal | Key::LowerOrdinal => {
                let none = self.d.roman || self.number.first() == Some(&b'#') || self.negative || self.d.has_point;
                if !none {
                    self.ordinal(key == Key::Ordinal)?;
                }
            }
            Key::Minus if self.negative => self.out.push('-'),
            Key::Plus if !self.negative && !self.d.roman => self.out.push('+'),
            Key::Minus | Key::Plus if !self.d.fill_mode => self.out.push(' '),
            // Without a sign (roman numerals) a NUL is written, which ends the text.
            Key::SignBoth if self.d.roman => self.out.push('\0'),
            Key::SignBoth => self.out.push(if self.negative { '-' } else { '+' }),
            _ => {}
        }
        Ok(())
    }

    fn ordinal(&mut self, upper: bool) -> Result<()> {
        let last = self.number.last().copied().unwrap_or(0);
        if !last.is_ascii_digit() {
            let message = format!("\"{}\" is not a number", String::from_utf8_lossy(self.number));
            return Err(Error::new(state::INVALID_TEXT_REPRESENTATION, message));
        }
        let teen = self.number.len() > 1 && self.number[self.number.len() - 2] == b'1';
        let suffix = match last {
            _ if teen => "th",
            b'1' => "st",
            b'2' => "nd",
            b'3' => "rd",
            _ => "th",
        };
        self.out.push_str(&if upper { suffix.to_uppercase() } else { suffix.to_string() });
        Ok(())
    }

    fn sign(&mut self) {
        let sign = if self.negative { '-' } else { '+' };
        if self.d.sign != SignPlace::None {
            if self.d.sign == SignPlace::Before {
                self.out.push(sign);
                self.sign_wrote = true;
            }
            return;
        }
        if self.d.brackets {
            self.out.push(if self.negative { '<' } else { ' ' });
        } else if self.negative {
            self.out.push('-');
        } else if !self.d.fill_mode {
            self.out.push(' ');
        }
        self.sign_wrote = true;
    }

    /// One digit or the point (`NUM_numpart_to_char`).
    fn digit(&mut self, key: Key) {
        if self.d.roman {
            return;
        }
        self.in_number = false;
        let started = self.current >= self.pre_spaces || self.d.has_zero && self.d.zero_start == self.current;
        if !self.sign_wrote && started && (!self.is_idle_zero() || self.nothing_after_point()) {
            self.sign();
        }
        if self.current < self.pre_spaces {
            if self.d.has_zero && self.d.zero_start <= self.current {
                self.out.push('0');
                self.in_number = true;
            } else if !self.d.fill_mode {
                self.out.push(' ');
            }
        } else {
            self.number_character(key);
            if self.at < self.number.len() {
                self.at += 1;
            }
        }
        let mut end = self.count + i32::from(self.pre_spaces != 0) + i32::from(self.d.has_point);
        if self.last_relevant == Some(self.at) {
            end = self.current;
        }
        if self.current + 1 == end {
            self.closing_sign();
        }
        self.current += 1;
    }

    fn number_character(&mut self, key: Key) {
        let next = self.next();
        if next == b'.' {
            if !self.nothing_after_point() || self.d.fill_mode {
                self.out.push('.');
            }
            return;
        }
        if self.last_relevant.is_some_and(|last| self.at > last) && key != Key::Zero {
            return;
        }
        if self.is_idle_zero() {
            if !self.d.fill_mode {
                self.out.push(' ');
            } else if self.nothing_after_point() {
                self.out.push('0');
            }
            return;
        }
        self.out.push(char::from(next));
        self.in_number = true;
    }

    fn closing_sign(&mut self) {
        if self.sign_wrote && self.d.brackets {
            self.out.push(if self.negative { '>' } else { ' ' });
        } else if self.d.sign == SignPlace::After {
            self.out.push(if self.negative { '-' } else { '+' });
        }
    }
}
