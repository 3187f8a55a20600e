//! Numerics as bytes that sort as the numbers do.
//!
//! Layout: a class byte (0 -infinity, 1 negative, 2 zero, 3 positive, 4 infinity, 5 NaN); for other finite values the exponent
//! and the digits; always two last bytes with the display scale, big-endian.
//! The magnitude is `0 < d1 < 100` times `100^exponent`, further base-100 digits following. The exponent is biased and two bytes
//! big-endian (exponents beyond that: `ff ff` and two bytes more), each digit is stored plus one, a zero byte ends them; trailing
//! zero digits are not stored. All of this is complemented for negative values.
//!
//! So `memcmp` orders the bytes as PostgreSQL orders the values, with the display scale as tie-breaker, and the bytes without the
//! last two are equal exactly if the values are: that is the *key* for equality, hashing and grouping.

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::ToPrimitive;

use super::int::Int;
use super::{Finite, Numeric};
use crate::error::{Error, Result};

const NEGATIVE: u8 = 1;
const ZERO: u8 = 2;
const POSITIVE: u8 = 3;

/// `10^-16383` has the smallest exponent, -8192.
const BIAS: i32 = 8192;
const ESCAPE: u16 = u16::MAX;

/// Bytes that the display scale takes at the end.
pub const SCALE_BYTES: usize = 2;

/// The bytes without the display scale.
pub fn key_of(encoded: &[u8]) -> &[u8] {
    &encoded[..encoded.len().saturating_sub(SCALE_BYTES)]
}

impl Numeric {
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::NegativeInfinity => out.extend_from_slice(&[0, 0, 0]),
            Self::Infinity => out.extend_from_slice(&[4, 0, 0]),
            Self::NaN => out.extend_from_slice(&[5, 0, 0]),
            Self::Finite(f) => f.encode(out),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        self.encode(&mut out);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::internal("a numeric's bytes are damaged");
        let [class, body @ .., high, low] = bytes else { return Err(damaged()) };
        let scale = i32::from(u16::from_be_bytes([*high, *low]));
        match *class {
            0 => Ok(Self::NegativeInfinity),
            4 => Ok(Self::Infinity),
            5 => Ok(Self::NaN),
            ZERO => Ok(Self::Finite(Finite::new(0i128, scale))),
            NEGATIVE | POSITIVE => {
                let flip = if *class == NEGATIVE { 0xff } else { 0 };
                decode_magnitude(body, flip, scale).map(Self::Finite).ok_or_else(damaged)
            }
            _ => Err(damaged()),
        }
    }
}

impl Finite {
    pub fn encode(&self, out: &mut Vec<u8>) {
        if self.unscaled.is_zero() {
            out.push(ZERO);
        } else {
            let flip = if self.unscaled.is_negative() { 0xff } else { 0 };
            out.push(if flip == 0 { POSITIVE } else { NEGATIVE });
            // Digits in base 100 need an even scale.
            let odd = self.scale & 1;
            let mut buffer = [0u8; 20];
            let big;
            let digits: &[u8] = match small_magnitude(&self.unscaled) {
                Some(v) => base100_small(if odd == 1 { v * 10 } else { v }, &mut buffer),
                None => match self.unscaled.mul_pow10(odd as u32) {
                    Int::Small(v) => base100(v.unsigned_abs(), &mut buffer),
                    Int::Big(v) => {
                        big = v.magnitude().to_radix_be(100);
                        &big
                    }
                },
            };
            let exponent = digits.len() as i32 - 1 - (self.scale + odd) / 2;
            encode_exponent(exponent, flip, out);
            let used = digits.iter().rposition(|d| *d != 0).map_or(0, |last| last + 1);
            out.extend(digits[..used].iter().map(|d| (d + 1) ^ flip));
            out.push(flip);
        }
        out.extend_from_slice(&(self.scale as u16).to_be_bytes());
    }
}

/// A magnitude that times ten still fits 64 bits: almost every one, and much faster than 128.
fn small_magnitude(value: &Int) -> Option<u64> {
    match value {
        Int::Small(v) => u64::try_from(v.unsigned_abs()).ok().filter(|v| *v < u64::MAX / 10),
        Int::Big(_) => None,
    }
}

fn base100_small(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    while value > 0 {
        at -= 1;
        buffer[at] = (value % 100) as u8;
        value /= 100;
    }
    &buffer[at..]
}

/// Base-100 digits, most significant first, without leading zeros.
fn base100(mut value: u128, buffer: &mut [u8; 20]) -> &[u8] {
    const CHUNK: u128 = 1_000_000_000_000_000_000; // nine digits
    let mut at = buffer.len();
    while value > 0 {
        let (rest, mut chunk) = (value / CHUNK, (value % CHUNK) as u64);
        let end = at.saturating_sub(9);
        while if rest > 0 { at > end } else { chunk > 0 } {
            at -= 1;
            buffer[at] = (chunk % 100) as u8;
            chunk /= 100;
        }
        value = rest;
    }
    &buffer[at..]
}

fn encode_exponent(exponent: i32, flip: u8, out: &mut Vec<u8>) {
    let biased = exponent + BIAS;
    let mut put = |part: u16| out.extend(part.to_be_bytes().map(|b| b ^ flip));
    if biased < i32::from(ESCAPE) {
        put(biased as u16);
    } else {
        put(ESCAPE);
        put((biased - i32::from(ESCAPE)) as u16);
    }
}

fn decode_magnitude(body: &[u8], flip: u8, scale: i32) -> Option<Finite> {
    let part = |b: &[u8]| i32::from(u16::from_be_bytes([b[0] ^ flip, b[1] ^ flip]));
    let (head, mut rest) = body.split_at_checked(2)?;
    let mut exponent = part(head) - BIAS;
    if part(head) == i32::from(ESCAPE) {
        let (more, tail) = rest.split_at_checked(2)?;
        exponent += part(more);
        rest = tail;
    }
    let (_end, digits) = rest.split_last()?;
    // The digits are units of 100^(exponent - count + 1); the value wants units of 10^-scale.
    let shift = 2 * (exponent - digits.len() as i32 + 1) + scale;
    if digits.len() <= 8
        && let Some(unscaled) = decode_small(digits, flip, shift)
    {
        return Some(Finite { unscaled: Int::Small(unscaled), scale });
    }
    let magnitude = if digits.len() <= 19 {
        Int::Small(digits.iter().fold(0i128, |n, d| n * 100 + i128::from((d ^ flip).wrapping_sub(1))))
    } else {
        let digits: Vec<u8> = digits.iter().map(|d| (d ^ flip).wrapping_sub(1)).collect();
        Int::from_big(BigInt::from_biguint(Sign::Plus, BigUint::from_radix_be(&digits, 100)?))
    };
    let unscaled = match shift {
        0.. => magnitude.mul_pow10(shift.to_u32()?),
        // An odd scale: the last base-100 digit ends in a zero that is not part of the units.
        _ => magnitude.div_pow10(shift.unsigned_abs(), super::Rounding::Trunc),
    };
    Some(Finite { unscaled: if flip == 0 { unscaled } else { unscaled.neg() }, scale })
}

/// The same where 64 bits hold the units: at most eight digits (sixteen decimal ones) and few zeros behind.
fn decode_small(digits: &[u8], flip: u8, shift: i32) -> Option<i128> {
    let magnitude = digits.iter().fold(0u64, |n, d| n * 100 + u64::from((d ^ flip).wrapping_sub(1)));
    let units = match shift {
        -1 => magnitude / 10,
        0..=3 => magnitude * [1, 10, 100, 1000][shift as usize],
        _ => return None,
    };
    Some(if flip == 0 { i128::from(units) } else { -i128::from(units) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgsem::numeric::parse_numeric;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Vec<u8> {
        parse_numeric(text).unwrap().to_bytes()
    }

    #[test]
    fn layout_is_as_documented() {
        assert_eq!(bytes("0.00"), [2, 0, 2]);
        assert_eq!(bytes("1.5"), [3, 0x20, 0x00, 2, 51, 0, 0, 1]);
        assert_eq!(bytes("-1.5"), [1, 0xdf, 0xff, !2, !51, 0xff, 0, 1]);
        assert_eq!(bytes("1200"), [3, 0x20, 0x01, 13, 0, 0, 0]);
        assert_eq!(bytes("-inf"), [0, 0, 0]);
        assert_eq!(bytes("nan"), [5, 0, 0]);
        assert_eq!(key_of(&bytes("1.0")), key_of(&bytes("1.000")));
        // Twelve digits stay inline in an Arrow view.
        assert_eq!(bytes("1234567890.12").len(), 12);
    }

    #[test]
    fn extremes_round_trip() {
        for text in ["1e131071", "-1e131071", "1e-16383", "-9e-16383", "1e114685", "1e114686", "1e114688", "-1e114687"]
        {
            let n = parse_numeric(text).unwrap();
            let back = Numeric::decode(&n.to_bytes()).unwrap();
            assert_eq!(back.to_string(), n.to_string());
        }
        assert!(bytes("1e114687") < bytes("1e114689"));
        assert!(bytes("-1e114687") > bytes("-1e131071"));
        assert!(Numeric::decode(&[3, 0]).is_err());
        assert!(Numeric::decode(&[9, 0, 0]).is_err());
    }

    fn any_numeric() -> impl Strategy<Value = Numeric> {
        prop_oneof![
            20 => (any::<i128>(), 0u32..39, 0i32..45).prop_map(|(v, cut, scale)| {
                Numeric::Finite(Finite::new(v / 10i128.pow(cut.min(38)), scale))
            }),
            5 => (-200i64..200, 0i32..4).prop_map(|(v, scale)| Numeric::Finite(Finite::new(v, scale))),
            3 => ("[1-9][0-9]{30,80}", 0i32..90, any::<bool>()).prop_map(|(digits, scale, negative)| {
                let v = Int::from_big(digits.parse().unwrap());
                Numeric::Finite(Finite { unscaled: if negative { v.neg() } else { v }, scale })
            }),
            1 => Just(Numeric::NaN),
            1 => Just(Numeric::Infinity),
            1 => Just(Numeric::NegativeInfinity),
        ]
    }

    proptest! {
        #[test]
        fn bytes_order_as_values_do(a in any_numeric(), b in any_numeric()) {
            let (x, y) = (a.to_bytes(), b.to_bytes());
            prop_assert_eq!(Numeric::decode(&x).unwrap().to_string(), a.to_string());
            prop_assert_eq!(key_of(&x).cmp(key_of(&y)), a.cmp(&b));
            if a != b {
                prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            }
        }

        #[test]
        fn text_round_trips(a in any_numeric()) {
            let text = a.to_string();
            prop_assert_eq!(parse_numeric(&text).unwrap().to_string(), text);
        }
    }
}
