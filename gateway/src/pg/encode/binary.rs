//! PostgreSQL's binary forms that are more than the value's bytes.

use std::net::IpAddr;

use arrow::datatypes::IntervalMonthDayNano;
use planner::{Error, Result};

/// Days and microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
pub const EPOCH_DAYS: i32 = 10_957;
pub const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The extremes of the integer are the infinities on both sides.
pub fn date(days: i32) -> i32 {
    if matches!(days, i32::MIN | i32::MAX) { days } else { days - EPOCH_DAYS }
}

pub fn timestamp(micros: i64) -> i64 {
    if matches!(micros, i64::MIN | i64::MAX) { micros } else { micros - EPOCH_MICROS }
}

pub fn interval(value: IntervalMonthDayNano, out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.nanoseconds / 1000).to_be_bytes());
    out.extend_from_slice(&value.days.to_be_bytes());
    out.extend_from_slice(&value.months.to_be_bytes());
}

pub fn uuid(text: &str, out: &mut Vec<u8>) -> Result<()> {
    let uuid =
        uuid::Uuid::parse_str(text).map_err(|e| Error::internal(format!("a uuid column holds \"{text}\": {e}")))?;
    out.extend_from_slice(uuid.as_bytes());
    Ok(())
}

pub fn inet(text: &str, out: &mut Vec<u8>) -> Result<()> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let wrong = || Error::internal(format!("an inet column holds \"{text}\""));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let full = if address.is_ipv4() { 32 } else { 128 };
    let bits: u8 = prefix.map_or(Ok(full), str::parse).map_err(|_| wrong())?;
    // Families as PostgreSQL numbers them: 2 and 3; not a cidr; number of bytes.
    out.extend_from_slice(&[if address.is_ipv4() { 2 } else { 3 }, bits, 0, full / 8]);
    match address {
        IpAddr::V4(a) => out.extend_from_slice(&a.octets()),
        IpAddr::V6(a) => out.extend_from_slice(&a.octets()),
    }
    Ok(())
}

/// Dimensions, whether there are NULLs, element type; one dimension from index 1, none if it is empty.
pub fn array_header(length: usize, nulls: bool, element: u32, first: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&i32::from(length > 0).to_be_bytes());
    out.extend_from_slice(&i32::from(nulls).to_be_bytes());
    out.extend_from_slice(&element.to_be_bytes());
    if length > 0 {
        out.extend_from_slice(&(length as i32).to_be_bytes());
        out.extend_from_slice(&first.to_be_bytes());
    }
}

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;

/// From the text PostgreSQL would show: digits in base 10000, weight of the first, sign, digits after the point.
pub fn numeric(text: &str, out: &mut Vec<u8>) -> Result<()> {
    let special = match text {
        "NaN" => Some(NAN),
        "Infinity" => Some(INFINITY),
        "-Infinity" => Some(NEGATIVE_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        out.extend_from_slice(&[0, 0, 0, 0]);
        out.extend_from_slice(&sign.to_be_bytes());
        // PostgreSQL writes 32 as the scale of the infinities and 0 of NaN; readers ignore it.
        out.extend_from_slice(&[0, 0]);
        return Ok(());
    }
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |t| (true, t));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(Error::internal(format!("a numeric column holds \"{text}\"")));
    }
    let head = out.len();
    out.extend_from_slice(&[0; 8]);
    let whole_groups = whole.len().div_ceil(4);
    let total = whole_groups + fraction.len().div_ceil(4);
    let lead = whole_groups * 4 - whole.len();
    let digit = |i: usize| -> u16 {
        let value = match i.checked_sub(lead) {
            None => return 0,
            Some(i) if i < whole.len() => whole.as_bytes()[i],
            Some(i) => fraction.as_bytes().get(i - whole.len()).copied().unwrap_or(b'0'),
        };
        u16::from(value - b'0')
    };
    let mut weight = whole_groups as i32 - 1;
    let (mut count, mut trailing_zeros) = (0usize, 0usize);
    for group in 0..total {
        let at = group * 4;
        let value = digit(at) * 1000 + digit(at + 1) * 100 + digit(at + 2) * 10 + digit(at + 3);
        if value == 0 && count == 0 {
            weight -= 1;
            continue;
        }
        trailing_zeros = if value == 0 { trailing_zeros + 1 } else { 0 };
        count += 1;
        out.extend_from_slice(&value.to_be_bytes());
    }
    count -= trailing_zeros;
    out.truncate(head + 8 + count * 2);
    let zero = count == 0;
    let fields = [
        count as u16,
        if zero { 0 } else { weight as i16 as u16 },
        if negative && !zero { NEGATIVE } else { 0 },
        fraction.len() as u16,
    ];
    for (i, field) in fields.iter().enumerate() {
        out[head + i * 2..head + i * 2 + 2].copy_from_slice(&field.to_be_bytes());
    }
    Ok(())
}

/// The text of a numeric's binary form; `None` if it is not one.
pub fn numeric_text(bytes: &[u8]) -> Option<String> {
    let field = |i: usize| Some(u16::from_be_bytes(bytes.get(i * 2..i * 2 + 2)?.try_into().ok()?));
    let (count, weight, sign, scale) = (field(0)? as usize, field(1)? as i16, field(2)?, (field(3)? & 0x3fff) as usize);
    if bytes.len() != 8 + count * 2 {
        return None;
    }
    match sign {
        NAN => return Some("NaN".to_string()),
        INFINITY => return Some("Infinity".to_string()),
        NEGATIVE_INFINITY => return Some("-Infinity".to_string()),
        0 | NEGATIVE => {}
        _ => return None,
    }
    let group = |i: i32| -> Option<u16> {
        match usize::try_from(i) {
            Ok(i) if i < count => field(4 + i).filter(|g| *g < 10_000),
            _ => Some(0),
        }
    };
    let mut text = String::new();
    if sign == NEGATIVE {
        text.push('-');
    }
    if weight < 0 {
        text.push('0');
    }
    for i in 0..=i32::from(weight) {
        let value = group(i)?;
        if i == 0 {
            text.push_str(&value.to_string());
        } else {
            text.push_str(&format!("{value:04}"));
        }
    }
    if scale > 0 {
        let mut digits = String::new();
        let mut i = i32::from(weight) + 1;
        // Groups before the first one are zeros.
        while digits.len() < scale {
            digits.push_str(&format!("{:04}", group(i)?));
            i += 1;
        }
        text.push('.');
        text.push_str(&digits[..scale]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_there_and_back() {
        for text in [
            "0",
            "0.00",
            "1",
            "-1",
            "10000",
            "12345.678",
            "0.00001",
            "-0.0001",
            "100000000",
            "99999999999999999999.9999999999",
            "NaN",
            "-Infinity",
            "5.10",
        ] {
            let mut out = Vec::new();
            numeric(text, &mut out).unwrap();
            assert_eq!(numeric_text(&out).as_deref(), Some(text));
        }
        let mut out = Vec::new();
        numeric("12345.678", &mut out).unwrap();
        // `select numeric_send(12345.678)`
        assert_eq!(out, [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c]);
    }
}
