//! `to_number` (`NUM_processor` for input): the template says where digits, signs and fillers are expected.

use super::{Description, Key, Node, SignPlace, Template};
use crate::error::{Error, Result};
use crate::pgsem::numeric::{Numeric, parse_numeric};
use crate::pgtype::PgType;

struct Reader<'i> {
    d: &'i Description,
    input: &'i str,
    at: usize,
    /// A blank or the sign, then the digits.
    number: String,
    read_pre: i32,
    read_post: i32,
    read_point: bool,
}

pub(super) fn read(template: &Template, input: &str) -> Result<Numeric> {
    let d = &template.description;
    if d.exponent {
        return Err(Error::new(crate::error::state::FEATURE_NOT_SUPPORTED, "\"EEEE\" not supported for input"));
    }
    if d.roman {
        return Err(Error::new(crate::error::state::FEATURE_NOT_SUPPORTED, "\"RN\" not supported for input"));
    }
    let mut reader = Reader { d, input, at: 0, number: " ".into(), read_pre: 0, read_post: 0, read_point: false };
    for node in &template.nodes {
        if reader.at_end() {
            break;
        }
        match node {
            Node::Literal(_) => reader.skip_character(),
            Node::Key(key) => {
                if reader.key(*key) {
                    reader.skip_byte();
                }
            }
        }
    }
    let number = reader.number.strip_suffix('.').unwrap_or(&reader.number);
    let precision = d.pre + d.multiply + reader.read_post;
    let declared = PgType::numeric(precision as u32, reader.read_post);
    let value = parse_numeric(number)?.with_typmod(declared)?;
    if !d.multiplies {
        return Ok(value);
    }
    value.mul(&Numeric::from(10i64).power(&Numeric::from(-i64::from(d.multiply)))?)
}

impl Reader<'_> {
    fn at_end(&self) -> bool {
        self.at >= self.input.len()
    }

    fn byte(&self, at: usize) -> u8 {
        self.input.as_bytes().get(at).copied().unwrap_or(0)
    }

    fn current(&self) -> u8 {
        self.byte(self.at)
    }

    fn skip_byte(&mut self) {
        self.at += 1;
    }

    fn skip_character(&mut self) {
        self.at += self.input.get(self.at..).and_then(|r| r.chars().next()).map_or(1, char::len_utf8);
    }

    /// Skips characters that are not part of a number.
    fn skip_fillers(&mut self, n: usize) {
        for _ in 0..n {
            if self.at_end() || b"0123456789.,+-".contains(&self.current()) {
                return;
            }
            self.skip_character();
        }
    }

    fn set_sign(&mut self, sign: u8) {
        self.number.replace_range(..1, if sign == b'-' { "-" } else { "+" });
    }

    fn has_sign(&self) -> bool {
        !self.number.starts_with(' ')
    }

    /// Whether the current byte is used up.
    fn key(&mut self, key: Key) -> bool {
        match key {
            Key::Nine | Key::Zero | Key::Point | Key::LocalPoint => {
                self.digit(matches!(key, Key::Nine | Key::Zero));
                true
            }
            Key::Comma | Key::Group => !self.d.fill_mode && self.current() == b',',
            Key::Currency => {
                self.skip_fillers(1);
                false
            }
            Key::Ordinal | Key::LowerOrdinal => {
                if !self.d.has_point && !self.number.starts_with('#') {
                    self.skip_fillers(2);
                }
                false
            }
            Key::Minus | Key::Plus | Key::SignBoth => {
                let sign = self.current();
                let wanted = sign == b'-' && key != Key::Plus || sign == b'+' && key != Key::Minus;
                if wanted {
                    self.set_sign(sign);
                } else {
                    self.skip_fillers(1);
                }
                wanted
            }
            _ => false,
        }
    }

    /// A digit, the point, or a sign beside them (`NUM_numpart_from_char`).
    fn digit(&mut self, is_digit: bool) {
        if self.current() == b' ' {
            self.skip_byte();
        }
        if self.at_end() {
            return;
        }
        if !self.has_sign() && is_digit && self.read_pre + self.read_post == 0 {
            self.leading_sign();
        }
        if self.at_end() {
            return;
        }
        let mut read = false;
        if self.current().is_ascii_digit() {
            if self.read_point && self.read_post == self.d.post {
                return;
            }
            self.number.push(char::from(self.current()));
            if self.read_point {
                self.read_post += 1;
            } else {
                self.read_pre += 1;
            }
            read = true;
        } else if self.d.has_point && !self.read_point && self.current() == b'.' {
            self.number.push('.');
            self.read_point = true;
            read = true;
        }
        if !self.at_end() && !self.has_sign() && self.read_pre + self.read_post > 0 {
            self.trailing_sign(read);
        }
    }

    fn leading_sign(&mut self) {
        let sign = self.current();
        let local = self.d.sign == SignPlace::Before;
        let found = match sign {
            b'-' | b'+' => Some(sign),
            b'<' if !local && self.d.brackets => Some(b'-'),
            _ => None,
        };
        if let Some(sign) = found {
            self.set_sign(sign);
            self.skip_byte();
        }
    }

    /// A sign that follows the last digit.
    fn trailing_sign(&mut self, read: bool) {
        let local = self.d.sign != SignPlace::None;
        let next = self.at + 1;
        if local && read && next < self.input.len() && !self.byte(next).is_ascii_digit() {
            if let sign @ (b'-' | b'+') = self.byte(next) {
                self.at = next;
                self.set_sign(sign);
            }
        } else if !read && !local && (self.d.plus || self.d.minus) && matches!(self.current(), b'-' | b'+') {
            self.set_sign(self.current());
        }
    }
}
