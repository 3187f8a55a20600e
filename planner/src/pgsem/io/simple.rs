//! Input of the small types: bool, bytea, "char", name, uuid, oid, and cutting `char(n)` and `varchar(n)` to length.

use super::is_space;
use crate::error::{Error, Result};
use crate::pgsem::codec;
use crate::pgsem::errors::invalid_syntax;
use crate::pgsem::text::slice::split_at_chars;

/// Any unambiguous beginning of true, false, yes, no, on, off; 1 and 0.
pub fn parse_bool(text: &str) -> Result<bool> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let begins = |of: &str, least: usize| word.len() >= least && of.starts_with(&word);
    match word.as_str() {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Ok(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Ok(false),
        _ => Err(invalid_syntax(text, "boolean")),
    }
}

pub fn parse_bytea(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => codec::unhex(digits),
        None => codec::unescape(text),
    }
}

pub fn push_bytea(data: &[u8], out: &mut String) {
    out.push_str("\\x");
    codec::push_hex(data, out);
}

/// `"char"` holds one byte.
pub fn parse_char(text: &str) -> Result<String> {
    match text.chars().next() {
        Some(c) if !c.is_ascii() => Err(Error::unsupported("a \"char\" value beyond ASCII")),
        first => Ok(first.map(String::from).unwrap_or_default()),
    }
}

/// `NAMEDATALEN - 1` bytes, whole characters.
pub fn parse_name(text: &str) -> String {
    const MAX: usize = 63;
    text[..text.floor_char_boundary(MAX)].to_string()
}

pub fn parse_uuid(text: &str) -> Result<String> {
    let wrong = || invalid_syntax(text, "uuid");
    let digits = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}').ok_or_else(wrong)?,
        None => text,
    };
    let mut out = String::with_capacity(36);
    let mut rest = digits.as_bytes();
    for byte in 0..16 {
        let [high, low, tail @ ..] = rest else { return Err(wrong()) };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return Err(wrong());
        }
        if matches!(byte, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(char::from(high.to_ascii_lowercase()));
        out.push(char::from(low.to_ascii_lowercase()));
        // A hyphen may stand after any group of four digits.
        rest = match tail {
            [b'-', tail @ ..] if byte % 2 == 1 && byte < 15 => tail,
            tail => tail,
        };
    }
    if rest.is_empty() { Ok(out) } else { Err(wrong()) }
}

/// The value without the characters beyond the declared length.
pub fn truncate_chars(text: &str, length: Option<usize>) -> &str {
    length.map_or(text, |length| split_at_chars(text, length).0)
}

/// `char(n)` as it is carried.
pub fn bpchar(text: &str, length: Option<usize>) -> &str {
    truncate_chars(text, length).trim_end_matches(' ')
}
