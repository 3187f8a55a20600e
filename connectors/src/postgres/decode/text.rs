//! Types that are carried as text, in the form PostgreSQL itself prints.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::from_utf8;

use planner::pgtype::oid;

use super::fixed::exactly;
use super::sink::Problem;

/// How a type's binary form becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    AsIs,
    /// `char(n)` is carried without its padding.
    Trimmed,
    /// A version byte stands before the text.
    Jsonb,
    Uuid,
    /// The one-byte type `"char"`.
    Char,
    Inet,
}

impl TextForm {
    pub fn of(sent: u32) -> Option<Self> {
        match sent {
            oid::TEXT | oid::VARCHAR | oid::NAME | oid::JSON | oid::UNKNOWN => Some(Self::AsIs),
            oid::BPCHAR => Some(Self::Trimmed),
            oid::JSONB => Some(Self::Jsonb),
            oid::UUID => Some(Self::Uuid),
            oid::CHAR => Some(Self::Char),
            oid::INET => Some(Self::Inet),
            _ => None,
        }
    }

    /// The text; `scratch` holds it where it is not in the field itself.
    #[inline]
    pub fn read<'a>(self, field: &'a [u8], scratch: &'a mut String) -> Result<&'a str, Problem> {
        match self {
            Self::AsIs => from_utf8(field).map_err(|_| Problem::Encoding),
            Self::Trimmed => from_utf8(trim_blanks(field)).map_err(|_| Problem::Encoding),
            Self::Jsonb => match field.split_first() {
                Some((1, text)) => from_utf8(text).map_err(|_| Problem::Encoding),
                _ => Err(Problem::Malformed("jsonb")),
            },
            _ => {
                scratch.clear();
                match self {
                    Self::Uuid => uuid(field, scratch)?,
                    Self::Char => char(field, scratch)?,
                    _ => inet(field, scratch)?,
                }
                Ok(scratch)
            }
        }
    }
}

/// PostgreSQL pads with blanks and nothing else.
fn trim_blanks(field: &[u8]) -> &[u8] {
    let end = field.iter().rposition(|b| *b != b' ').map_or(0, |last| last + 1);
    &field[..end]
}

fn uuid(field: &[u8], out: &mut String) -> Result<(), Problem> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes: [u8; 16] = exactly(field)?;
    for (i, byte) in bytes.into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(HEX[usize::from(byte >> 4)].into());
        out.push(HEX[usize::from(byte & 15)].into());
    }
    Ok(())
}

/// A zero byte is the empty string; bytes that are not ASCII print as octal numbers.
fn char(field: &[u8], out: &mut String) -> Result<(), Problem> {
    match exactly(field)? {
        [0] => {}
        [byte] if byte.is_ascii() => out.push(byte.into()),
        [byte] => write!(out, "\\{byte:03o}").map_err(|_| Problem::Malformed("char"))?,
    }
    Ok(())
}

fn inet(field: &[u8], out: &mut String) -> Result<(), Problem> {
    const IPV4: u8 = 2;
    const IPV6: u8 = 3;
    let malformed = Problem::Malformed("inet");
    let (&[family, bits, _cidr, length], address) = field.split_first_chunk().ok_or(Problem::Length(field.len()))?;
    if address.len() != usize::from(length) {
        return Err(Problem::Length(field.len()));
    }
    let (text, full) = match family {
        IPV4 => (Ipv4Addr::from(exactly(address)?).to_string(), 32),
        IPV6 => (Ipv6Addr::from(exactly(address)?).to_string(), 128),
        _ => return Err(malformed),
    };
    out.push_str(&text);
    if bits != full {
        write!(out, "/{bits}").map_err(|_| malformed)?;
    }
    Ok(())
}
