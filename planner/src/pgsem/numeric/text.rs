//! `numeric_in` and `numeric_out`.

use std::fmt;
use std::str::FromStr;

use num_bigint::BigInt;

use super::int::Int;
use super::{Finite, MAX_INTEGER_DIGITS, MAX_SCALE, Numeric, overflow};
use crate::error::{Error, Result, state};

fn invalid(text: &str) -> Error {
    Error::new(state::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type numeric: \"{text}\""))
}

/// C's `isspace` in the C locale.
pub(crate) fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

pub(crate) fn trim_space(text: &str) -> &str {
    text.trim_matches(|c: char| u8::try_from(c).is_ok_and(is_space))
}

/// Reads a numeric as PostgreSQL does: 22P02 for what is not one, 22003 for what the format cannot hold.
pub fn parse_numeric(text: &str) -> Result<Numeric> {
    let body = trim_space(text);
    if body.eq_ignore_ascii_case("nan") {
        return Ok(Numeric::NaN);
    }
    let (negative, unsigned) = match body.as_bytes().first() {
        Some(b'-') => (true, &body[1..]),
        Some(b'+') => (false, &body[1..]),
        _ => (false, body),
    };
    if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
        return Ok(if negative { Numeric::NegativeInfinity } else { Numeric::Infinity });
    }
    parse_finite(negative, unsigned).unwrap_or_else(|| Err(invalid(text)))
}

/// `None`: not a number.
fn parse_finite(negative: bool, unsigned: &str) -> Option<Result<Numeric>> {
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|c| c.is_ascii_digit()) {
        return None;
    }
    if exponent.abs() >= i64::from(i32::MAX / 2) {
        return Some(Err(overflow()));
    }
    // value = digits * 10^(exponent - fraction digits)
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let shift = exponent - fraction.len() as i64;
    let scale = (-shift).max(0);
    if scale > i64::from(MAX_SCALE) || (!digits.is_empty() && digits.len() as i64 + shift > MAX_INTEGER_DIGITS) {
        return Some(Err(overflow()));
    }
    let unscaled = if digits.is_empty() {
        Int::ZERO
    } else if digits.len() <= 38 {
        Int::Small(digits.parse().ok()?)
    } else {
        Int::from_big(BigInt::from_str(digits).ok()?)
    };
    let unscaled = unscaled.mul_pow10(shift.max(0) as u32);
    let unscaled = if negative { unscaled.neg() } else { unscaled };
    Some(Finite { unscaled, scale: scale as i32 }.finish())
}

/// As `strtol` reads it (leading white space and sign), and nothing behind.
fn parse_exponent(text: &str) -> Option<i64> {
    let text = text.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

impl FromStr for Numeric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_numeric(text)
    }
}

impl fmt::Display for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match &self.unscaled {
            Int::Small(v) => v.unsigned_abs().to_string(),
            Int::Big(v) => v.magnitude().to_string(),
        };
        if self.unscaled.is_negative() {
            f.write_str("-")?;
        }
        let scale = self.scale as usize;
        if scale == 0 {
            return f.write_str(&digits);
        }
        if digits.len() > scale {
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            write!(f, "{whole}.{fraction}")
        } else {
            write!(f, "0.{digits:0>scale$}")
        }
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeInfinity => f.write_str("-Infinity"),
            Self::Finite(finite) => finite.fmt(f),
            Self::Infinity => f.write_str("Infinity"),
            Self::NaN => f.write_str("NaN"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_and_output_are_postgres() {
        for (input, output) in [
            ("12.50", "12.50"),
            (" \t-0.00\n", "0.00"),
            ("1.", "1"),
            (".5", "0.5"),
            ("-.05", "-0.05"),
            ("+7", "7"),
            ("1e5", "100000"),
            ("1.5e3", "1500"),
            ("1.50000e3", "1500.00"),
            ("1.5e-3", "0.0015"),
            (" 1e 5", "100000"),
            ("0e1000000", "0"),
            ("nAn", "NaN"),
            ("+inf", "Infinity"),
            (" -Infinity ", "-Infinity"),
            (
                "123456789012345678901234567890123456789012345678.9",
                "123456789012345678901234567890123456789012345678.9",
            ),
        ] {
            assert_eq!(parse_numeric(input).unwrap().to_string(), output, "{input}");
        }
        assert_eq!(parse_numeric("1e131071").unwrap().to_string().len(), 131_072);
        assert_eq!(parse_numeric("1e-16383").unwrap().to_string().len(), 16_385);
    }

    #[test]
    fn refused_input() {
        for bad in [
            "", " ", ".", "--1", "1..2", "1e", "1e+ 5", "1e5.5", "12abc", "0x10", "+NaN", "-nan", "infin", "1_000",
            "e5", "1 2",
        ] {
            let e = parse_numeric(bad).unwrap_err();
            assert_eq!(e.sqlstate(), state::INVALID_TEXT_REPRESENTATION, "{bad}");
            assert_eq!(e.message(), format!("invalid input syntax for type numeric: \"{bad}\""));
        }
        for big in ["1e131072", "1e-16384", "0.0e-17000", "1e99999999999", "1e-20000"] {
            let e = parse_numeric(big).unwrap_err();
            assert_eq!(
                (e.sqlstate(), e.message()),
                (state::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
            );
        }
    }
}
