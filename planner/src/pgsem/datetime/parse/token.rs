//! Splits date, time and interval text into fields (`ParseDateTime`).

use super::DecodeError;
use crate::pgsem::datetime::keywords::date_keyword;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Digits, perhaps a decimal point. Can be a date `yy.ddd`.
    Number,
    /// Digits and two delimiters, or digits and text. Can be a zone name (`America/New_York`).
    Date,
    /// Digits, colons, perhaps a decimal point.
    Time,
    /// Letters only: month, zone abbreviation, key word.
    Text,
    /// A sign and letters.
    Special,
    /// A sign and digits; also holds `:`, `.`, `-`.
    Offset,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub kind: Kind,
    /// Lower case; ASCII by construction.
    pub text: String,
}

const MAX_FIELDS: usize = 25;

/// `limit` is the size of PostgreSQL's work buffer for the type: longer input is refused.
pub fn tokenize(text: &str, limit: usize) -> Result<Vec<Field>, DecodeError> {
    let bytes = text.as_bytes();
    let mut fields: Vec<Field> = Vec::new();
    let mut used = 0;
    let mut at = 0;
    let is = |at: usize, f: fn(&u8) -> bool| bytes.get(at).is_some_and(f);
    while at < bytes.len() {
        if is_space(bytes[at]) {
            at += 1;
            continue;
        }
        if fields.len() >= MAX_FIELDS {
            return Err(DecodeError::BadFormat);
        }
        let mut field = String::new();
        let mut take = |at: &mut usize| {
            field.push(char::from(bytes[*at].to_ascii_lowercase()));
            *at += 1;
        };
        let kind;
        let first = bytes[at];
        if first.is_ascii_digit() {
            while is(at, u8::is_ascii_digit) {
                take(&mut at);
            }
            match bytes.get(at) {
                Some(b':') => {
                    kind = Kind::Time;
                    while is(at, |b| b.is_ascii_digit() || matches!(b, b':' | b'.')) {
                        take(&mut at);
                    }
                }
                Some(&delimiter @ (b'-' | b'/' | b'.')) => {
                    take(&mut at);
                    if is(at, u8::is_ascii_digit) {
                        while is(at, u8::is_ascii_digit) {
                            take(&mut at);
                        }
                        // Only equal delimiters make a date of three fields.
                        if bytes.get(at) == Some(&delimiter) {
                            kind = Kind::Date;
                            while bytes.get(at).is_some_and(|b| b.is_ascii_digit() || *b == delimiter) {
                                take(&mut at);
                            }
                        } else {
                            kind = if delimiter == b'.' { Kind::Number } else { Kind::Date };
                        }
                    } else {
                        kind = Kind::Date;
                        while bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == delimiter) {
                            take(&mut at);
                        }
                    }
                }
                _ => kind = Kind::Number,
            }
        } else if first == b'.' {
            kind = Kind::Number;
            take(&mut at);
            while is(at, u8::is_ascii_digit) {
                take(&mut at);
            }
        } else if first.is_ascii_alphabetic() {
            while is(at, u8::is_ascii_alphabetic) {
                take(&mut at);
            }
            // A date with delimiters, or a zone name; a key word before a digit or '+' is neither.
            let is_date = match bytes.get(at) {
                Some(b'-' | b'/' | b'.') => true,
                Some(b) if *b == b'+' || b.is_ascii_digit() => date_keyword(&field).is_none(),
                _ => false,
            };
            kind = if is_date { Kind::Date } else { Kind::Text };
            if is_date {
                while is(at, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'/' | b'_' | b'.' | b':')) {
                    field.push(char::from(bytes[at].to_ascii_lowercase()));
                    at += 1;
                }
            }
        } else if first == b'+' || first == b'-' {
            take(&mut at);
            while is(at, |b| is_space(*b)) {
                at += 1;
            }
            if is(at, u8::is_ascii_digit) {
                kind = Kind::Offset;
                while is(at, |b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'-')) {
                    take(&mut at);
                }
            } else if is(at, u8::is_ascii_alphabetic) {
                kind = Kind::Special;
                while is(at, u8::is_ascii_alphabetic) {
                    take(&mut at);
                }
            } else {
                return Err(DecodeError::BadFormat);
            }
        } else if first.is_ascii_punctuation() {
            at += 1;
            continue;
        } else {
            return Err(DecodeError::BadFormat);
        }
        used += field.len() + 1;
        if used > limit {
            return Err(DecodeError::BadFormat);
        }
        fields.push(Field { kind, text: field });
    }
    Ok(fields)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
