//! Bytes as text: `hex`, `base64` and `escape`, with PostgreSQL's line breaks and errors (`encode.c`).

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result, state};

fn invalid(message: impl Into<String>) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

/// The text format of `encode(data, format)`.
#[derive(Clone, Copy)]
pub enum Encoding {
    Hex,
    Base64,
    Escape,
}

impl Encoding {
    pub fn named(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            "escape" => Ok(Self::Escape),
            _ => Err(invalid(format!("unrecognized encoding: \"{name}\""))),
        }
    }

    pub fn encode(self, data: &[u8]) -> String {
        match self {
            Self::Hex => hex(data),
            Self::Base64 => base64_lines(data),
            Self::Escape => escape(data),
        }
    }

    pub fn decode(self, text: &str) -> Result<Vec<u8>> {
        match self {
            Self::Hex => unhex(text),
            Self::Base64 => unbase64(text),
            Self::Escape => unescape(text),
        }
    }
}

pub fn hex(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len() * 2);
    push_hex(data, &mut out);
    out
}

pub fn push_hex(data: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in data {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

pub fn unhex(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut characters = text.chars();
    let digit = |c: char| c.to_digit(16).ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{c}\"")));
    while let Some(c) = characters.next() {
        if matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(c)?;
        let low = characters.next().ok_or_else(|| invalid("invalid hexadecimal data: odd number of digits"))?;
        out.push((high << 4 | digit(low)?) as u8);
    }
    Ok(out)
}

/// 76 characters a line.
fn base64_lines(data: &[u8]) -> String {
    data.chunks(57).map(|line| STANDARD.encode(line)).collect::<Vec<_>>().join("\n")
}

fn unbase64(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut digits, mut bytes) = (0u32, 0, 3);
    for c in text.chars() {
        let value = match c {
            ' ' | '\t' | '\n' | '\r' => continue,
            'A'..='Z' => c as u32 - 'A' as u32,
            'a'..='z' => c as u32 - 'a' as u32 + 26,
            '0'..='9' => c as u32 - '0' as u32 + 52,
            '+' => 62,
            '/' => 63,
            '=' => {
                // The first padding says how many bytes every later group has.
                if bytes == 3 {
                    bytes = match digits {
                        2 => 1,
                        3 => 2,
                        _ => return Err(invalid("unexpected \"=\" while decoding base64 sequence")),
                    };
                }
                0
            }
            _ => return Err(invalid(format!("invalid symbol \"{c}\" found while decoding base64 sequence"))),
        };
        group = group << 6 | value;
        digits += 1;
        if digits == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..=bytes]);
            (group, digits) = (0, 0);
        }
    }
    if digits != 0 {
        return Err(invalid("invalid base64 end sequence")
            .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
    }
    Ok(out)
}

fn escape(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len());
    for &byte in data {
        match byte {
            b'\\' => out.push_str("\\\\"),
            1..=127 => out.push(char::from(byte)),
            // Writing into a String cannot fail.
            _ => drop(write!(out, "\\{byte:03o}")),
        }
    }
    out
}

/// `\\` and `\ooo`; also the input format of bytea that does not begin with `\x`.
pub fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = tail;
            continue;
        }
        match *tail {
            [b'\\', ..] => {
                out.push(b'\\');
                rest = &tail[1..];
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = &tail[3..];
            }
            _ => return Err(Error::new(state::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea")),
        }
    }
    Ok(out)
}
