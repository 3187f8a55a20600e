//! Integers and floats from and to text, as PostgreSQL's input and output functions do it.

use std::fmt::LowerExp;
use std::str::FromStr;

use num_bigint::BigInt;
use num_traits::{Float, One};

use super::errors::{invalid_syntax, text_out_of_range, value_out_of_range};
use super::numeric::text::trim_space;
use crate::error::{Error, Result};

/// `int2in`, `int4in`, `int8in`; `ty` is the type's SQL name.
pub fn parse_int<T: TryFrom<i64>>(text: &str, ty: &str) -> Result<T> {
    let body = trim_space(text);
    let digits = body.strip_prefix(['+', '-']).unwrap_or(body);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(invalid_syntax(text, ty));
    }
    let value = body.strip_prefix('+').unwrap_or(body).parse::<i64>().ok().and_then(|v| T::try_from(v).ok());
    value.ok_or_else(|| value_out_of_range(text, ty))
}

pub fn parse_int2(text: &str) -> Result<i16> {
    parse_int(text, "smallint")
}

pub fn parse_int4(text: &str) -> Result<i32> {
    parse_int(text, "integer")
}

pub fn parse_int8(text: &str) -> Result<i64> {
    parse_int(text, "bigint")
}

/// `oidin`: unsigned 32 bits; a negative `int4` stands for its bits.
pub fn parse_oid(text: &str) -> Result<i64> {
    let value: i64 = parse_int(text, "oid")?;
    match value {
        0..=0xffff_ffff => Ok(value),
        -0x8000_0000..=-1 => Ok(i64::from(value as i32 as u32)),
        _ => Err(value_out_of_range(text, "oid")),
    }
}

trait FloatText: Float + FromStr + LowerExp + Into<f64> {
    const SQL: &'static str;
    /// Largest decimal exponent printed without `e`.
    const MAX_PLAIN_EXPONENT: i32;
    /// Most significant digits a shortest form needs.
    const MAX_DIGITS: usize;
}

impl FloatText for f32 {
    const SQL: &'static str = "real";
    const MAX_PLAIN_EXPONENT: i32 = 5;
    const MAX_DIGITS: usize = 9;
}

impl FloatText for f64 {
    const SQL: &'static str = "double precision";
    const MAX_PLAIN_EXPONENT: i32 = 14;
    const MAX_DIGITS: usize = 17;
}

pub fn parse_float4(text: &str) -> Result<f32> {
    parse_float(text)
}

pub fn parse_float8(text: &str) -> Result<f64> {
    parse_float(text)
}

fn parse_float<T: FloatText>(text: &str) -> Result<T> {
    let body = trim_space(text);
    let unsigned = body.strip_prefix(['+', '-']).unwrap_or(body);
    if unsigned.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("0x")) {
        return Err(Error::unsupported("hexadecimal input of floating-point numbers"));
    }
    // What Rust reads beyond C: nothing but these spellings, which C reads too.
    let value: T = body.parse().map_err(|_| invalid_syntax(text, T::SQL))?;
    if value.is_nan() {
        return Ok(T::nan());
    }
    let written_infinite = unsigned.as_bytes().first().is_some_and(|c| c.eq_ignore_ascii_case(&b'i'));
    let has_digits = || mantissa(unsigned).bytes().any(|c| (b'1'..=b'9').contains(&c));
    if value.is_infinite() && !written_infinite || value.is_zero() && has_digits() {
        return Err(text_out_of_range(body, T::SQL));
    }
    Ok(value)
}

fn mantissa(text: &str) -> &str {
    text.split(['e', 'E']).next().unwrap_or(text)
}

pub fn format_float4(value: f32) -> String {
    format_float(value)
}

pub fn format_float8(value: f64) -> String {
    format_float(value)
}

/// The shortest digits that read back as the value, with PostgreSQL's choice between plain and scientific notation.
fn format_float<T: FloatText>(value: T) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}Infinity");
    }
    if value.is_zero() {
        return format!("{sign}0");
    }
    let (digits, exponent) = shortest(value.abs());
    if (-4..=T::MAX_PLAIN_EXPONENT).contains(&exponent) {
        let point = exponent + 1;
        if point <= 0 {
            return format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
        }
        let point = point as usize;
        if digits.len() <= point {
            return format!("{sign}{digits}{}", "0".repeat(point - digits.len()));
        }
        return format!("{sign}{}.{}", &digits[..point], &digits[point..]);
    }
    let fraction = if digits.len() > 1 { format!(".{}", &digits[1..]) } else { String::new() };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{}{fraction}e{exponent_sign}{:02}", &digits[..1], exponent.abs())
}

/// Digits and decimal exponent of the first one.
///
/// Rust's shortest digits are the right number of them but for two things: it breaks ties upwards (PostgreSQL: to even), and it
/// accepts digits that lie exactly half-way to the neighbour (1e23; PostgreSQL wants them strictly nearer).
fn shortest<T: FloatText>(value: T) -> (String, i32) {
    let (digits, exponent) = split_scientific(&format!("{value:e}"));
    let mut nearest = (digits.len()..=T::MAX_DIGITS).map(|n| split_scientific(&format!("{value:.*e}", n - 1)));
    if is_halfway(value, &digits, exponent) {
        return nearest
            .find(|(d, e)| reads_back(value, d, *e) && !is_halfway(value, d, *e))
            .unwrap_or((digits, exponent));
    }
    nearest.next().filter(|(d, e)| reads_back(value, d, *e)).unwrap_or((digits, exponent))
}

fn split_scientific(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let trimmed = digits.trim_end_matches('0');
    (if trimmed.is_empty() { "0".into() } else { trimmed.into() }, exponent.parse().unwrap_or(0))
}

fn reads_back<T: FloatText>(value: T, digits: &str, exponent: i32) -> bool {
    format!("0.{digits}e{}", exponent + 1).parse().is_ok_and(|v: T| v == value)
}

/// Whether the decimal lies exactly in the middle between the value and a neighbour.
fn is_halfway<T: FloatText>(value: T, digits: &str, exponent: i32) -> bool {
    // Compare 2 * decimal with value + neighbour, all as integers over one power of two and of ten.
    let decimal_exponent = exponent + 1 - digits.len() as i32;
    let (mantissa, binary_exponent, _) = value.integer_decode();
    let binary_exponent = i32::from(binary_exponent);
    // A midpoint with k binary digits after the point has k decimal ones; above, only 5^n of about the mantissa's size meets one.
    let meets = match binary_exponent {
        ..=0 => (1 - binary_exponent..=2 - binary_exponent).contains(&-decimal_exponent),
        _ => (-1..60).contains(&decimal_exponent),
    };
    if mantissa % 2 == 1 || !meets {
        return false;
    }
    let Ok(d) = BigInt::from_str(digits) else { return false };
    let power = |base: u32, n: i32| if n > 0 { BigInt::from(base).pow(n.unsigned_abs()) } else { BigInt::one() };
    // decimal * 4 = d * 10^de * 4; midpoints * 4 = (4m ± 2) * 2^be, but (4m - 1) * 2^be below a power of two
    let left = d * 4u32 * power(10, decimal_exponent) * power(2, -binary_exponent);
    let unit = power(2, binary_exponent) * power(10, -decimal_exponent);
    let m = BigInt::from(mantissa);
    let below = if mantissa.is_power_of_two() { 4 * &m - 1 } else { 4 * &m - 2 };
    [4 * m + 2, below].into_iter().any(|midpoint| midpoint * &unit == left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(parse_int4(" +12\t").unwrap(), 12);
        assert_eq!(parse_int8("-9223372036854775808").unwrap(), i64::MIN);
        assert_eq!(parse_oid("-1").unwrap(), 4_294_967_295);
        for (text, message) in [
            ("12abc", "invalid input syntax for type integer: \"12abc\""),
            ("", "invalid input syntax for type integer: \"\""),
            ("-", "invalid input syntax for type integer: \"-\""),
            ("+-1", "invalid input syntax for type integer: \"+-1\""),
            ("1.0", "invalid input syntax for type integer: \"1.0\""),
            ("99999999999", "value \"99999999999\" is out of range for type integer"),
        ] {
            assert_eq!(parse_int4(text).unwrap_err().message(), message);
        }
        assert_eq!(parse_int2("40000").unwrap_err().message(), "value \"40000\" is out of range for type smallint");
        let e = parse_int8("99999999999999999999").unwrap_err();
        assert_eq!(e.message(), "value \"99999999999999999999\" is out of range for type bigint");
        assert_eq!(parse_oid("4294967296").unwrap_err().message(), "value \"4294967296\" is out of range for type oid");
    }

    #[test]
    fn float_input() {
        assert_eq!(parse_float8(" 1e3 ").unwrap(), 1000.0);
        assert_eq!(parse_float8("-Infinity").unwrap(), f64::NEG_INFINITY);
        assert_eq!(parse_float8("1e-320").unwrap(), 1e-320);
        assert_eq!(parse_float8("0e-400").unwrap(), 0.0);
        assert!(parse_float4("nan").unwrap().is_nan());
        let message = |r: Result<f64>| r.unwrap_err().message().to_string();
        assert_eq!(message(parse_float8(" 1e400 ")), "\"1e400\" is out of range for type double precision");
        assert_eq!(message(parse_float8("1e-400")), "\"1e-400\" is out of range for type double precision");
        assert_eq!(message(parse_float8("1e")), "invalid input syntax for type double precision: \"1e\"");
        assert_eq!(message(parse_float8("")), "invalid input syntax for type double precision: \"\"");
        assert_eq!(parse_float4("1e39").unwrap_err().message(), "\"1e39\" is out of range for type real");
    }

    #[test]
    fn float_output() {
        for (value, text) in [
            (1e23, "9.999999999999999e+22"),
            (9007199254740993.0, "9.007199254740992e+15"),
            (5e-324, "5e-324"),
            (2e-5, "2e-05"),
            (0.0001, "0.0001"),
            (1e15, "1e+15"),
            (1e14, "100000000000000"),
            (-123456.789, "-123456.789"),
            (-0.0, "-0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (2f64.powi(89), "6.189700196426902e+26"),
            (596_949_207_502_649.2, "596949207502649.2"),
            (2f64.powi(-25), "2.9802322387695312e-08"),
            (3e23, "3e+23"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(format_float8(value), text);
        }
        for (value, text) in
            [(1e6f32, "1e+06"), (100_000.0, "100000"), (123_456.7, "123456.7"), (2147483647.0, "2.1474836e+09")]
        {
            assert_eq!(format_float4(value), text);
        }
    }
}
