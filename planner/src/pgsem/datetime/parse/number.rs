//! C's number parsers, as far as date input depends on what they accept and where they stop.

use super::DecodeError;

/// `strtol` to 32 bits: the number (`None` beyond 32 bits) and the rest of the text.
pub fn leading_int(text: &str) -> (Option<i32>, &str) {
    let (value, rest) = leading_int64(text);
    (value.and_then(|v| i32::try_from(v).ok()), rest)
}

/// `strtoll`: the number (`None` beyond 64 bits) and the rest of the text. No digits: 0 and all of the text.
pub fn leading_int64(text: &str) -> (Option<i64>, &str) {
    let bytes = text.as_bytes();
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return (Some(0), text);
    }
    let (number, rest) = text.split_at(start + digits);
    (number.parse().ok(), rest)
}

/// An int field or the overflow error.
pub fn int_field(text: &str) -> Result<(i32, &str), DecodeError> {
    match leading_int(text) {
        (Some(value), rest) => Ok((value, rest)),
        (None, _) => Err(DecodeError::FieldOverflow),
    }
}

/// `atoi` of digits.
pub fn digits(text: &str) -> i32 {
    leading_int(text).0.unwrap_or(-1)
}

/// `.digits` up to the end of the text (`ParseFraction`).
pub fn fraction(text: &str) -> Result<f64, DecodeError> {
    match text.strip_prefix('.') {
        Some("") => Ok(0.0),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => text.parse().map_err(|_| DecodeError::BadFormat),
        _ => Err(DecodeError::BadFormat),
    }
}

/// `.digits` as microseconds, rounded half to even.
pub fn fraction_micros(text: &str) -> Result<i32, DecodeError> {
    Ok((fraction(text)? * 1_000_000.0).round_ties_even() as i32)
}

/// `strtod`: the longest prefix that is a decimal number, and the rest.
pub fn leading_float(text: &str) -> Option<(f64, &str)> {
    let bytes = text.as_bytes();
    let run = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = run(at);
    at += whole;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = run(at + 1);
        if whole + fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(at + 1 + sign..).map_or(0, |_| run(at + 1 + sign));
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    let (number, rest) = text.split_at(at);
    Some((number.parse().ok()?, rest))
}
