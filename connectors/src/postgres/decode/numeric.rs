//! PostgreSQL's `numeric` on the wire: base-10000 digits, most significant first, the first one counting `10000^weight`.

use arrow::datatypes::i256;
use planner::pgsem::numeric::int::Int;
use planner::pgsem::numeric::{Finite, Numeric};

use super::sink::Problem;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;

/// A finite value as it came.
struct Wire<'a> {
    digits: &'a [u8],
    weight: i32,
    negative: bool,
    display_scale: i32,
}

enum Value<'a> {
    Finite(Wire<'a>),
    NaN,
    Infinity,
    NegativeInfinity,
}

#[inline]
fn parse(field: &[u8]) -> Result<Value<'_>, Problem> {
    let Some((head, digits)) = field.split_first_chunk::<8>() else { return Err(Problem::Length(field.len())) };
    let [n0, n1, w0, w1, s0, s1, d0, d1] = *head;
    if digits.len() != 2 * usize::from(u16::from_be_bytes([n0, n1])) {
        return Err(Problem::Length(field.len()));
    }
    let wire = |negative| {
        let weight = i16::from_be_bytes([w0, w1]).into();
        Value::Finite(Wire { digits, weight, negative, display_scale: u16::from_be_bytes([d0, d1]).into() })
    };
    match u16::from_be_bytes([s0, s1]) {
        0 => Ok(wire(false)),
        NEGATIVE => Ok(wire(true)),
        NAN => Ok(Value::NaN),
        INFINITY => Ok(Value::Infinity),
        NEGATIVE_INFINITY => Ok(Value::NegativeInfinity),
        _ => Err(Problem::Malformed("numeric")),
    }
}

#[inline]
fn finite(field: &[u8]) -> Result<Wire<'_>, Problem> {
    match parse(field)? {
        Value::Finite(wire) => Ok(wire),
        Value::NaN => Err(Problem::NotFinite("NaN")),
        Value::Infinity => Err(Problem::NotFinite("Infinity")),
        Value::NegativeInfinity => Err(Problem::NotFinite("-Infinity")),
    }
}

impl<'a> Wire<'a> {
    #[inline]
    fn digits(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.digits.chunks_exact(2).map(|d| u64::from(u16::from_be_bytes([d[0], d[1]])))
    }

    /// Decimal digits that have to be appended to the digits (removed, if negative) to count units of `10^-scale`.
    #[inline]
    fn shift(&self, scale: i32) -> i32 {
        4 * (self.weight + 1 - self.digits.len() as i32 / 2) + scale
    }

    /// The number of units of `10^-scale`, if it is whole and fits.
    #[inline]
    fn units(&self, scale: i32) -> Option<i128> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let shift = self.shift(scale);
        // Up to 16 decimal digits fit 64 bits, where arithmetic is much faster.
        let magnitude = if self.digits.len() <= 8 {
            let digits = self.digits().fold(0u64, |n, d| n * 10_000 + d);
            match POWERS.get(shift.unsigned_abs() as usize) {
                Some(power) if shift >= 0 => match digits.checked_mul(*power) {
                    Some(units) => i128::from(units),
                    None => i128::from(digits) * i128::from(*power),
                },
                Some(power) if digits.is_multiple_of(*power) => i128::from(digits / power),
                Some(_) => return None,
                None => self.wide_units(shift)?,
            }
        } else {
            self.wide_units(shift)?
        };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    fn wide_units(&self, shift: i32) -> Option<i128> {
        // A numeric(38, s) may need 11 digits on the wire, of which the last ends in zeros: too many for 128 bits before these
        // are gone, so they are never taken in.
        let surplus = shift.min(0).unsigned_abs();
        let (whole, part) = ((surplus / 4) as usize, surplus % 4);
        let count = self.digits.len() / 2;
        let (kept, dropped) = (count.saturating_sub(whole), whole.min(count));
        if self.digits().skip(kept).take(dropped).any(|d| d != 0) {
            return None;
        }
        let mut units = 0i128;
        for (i, digit) in self.digits().take(kept).enumerate() {
            let (base, digit) = if i + 1 == kept && part > 0 {
                let cut = POWERS[part as usize];
                if digit % cut != 0 {
                    return None;
                }
                (10_000 / cut, digit / cut)
            } else {
                (10_000, digit)
            };
            units = units.checked_mul(base.into())?.checked_add(digit.into())?;
        }
        units.checked_mul(10i128.checked_pow(shift.max(0).unsigned_abs())?)
    }

    fn to_int(&self, shift: u32) -> Int {
        let digits = self.digits().fold(Int::ZERO, |n, d| n.mul_pow10(4).add(&Int::Small(d.into())));
        let magnitude = digits.mul_pow10(shift);
        if self.negative { magnitude.neg() } else { magnitude }
    }
}

const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut i = 1;
    while i < 20 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// As a decimal of this precision and scale; a value that does not fit exactly is an error, never rounded.
#[inline]
pub fn decimal128(field: &[u8], limit: i128, scale: i32) -> Result<i128, Problem> {
    let units = finite(field)?.units(scale).filter(|u| u.unsigned_abs() < limit.unsigned_abs());
    units.ok_or(Problem::Precision)
}

/// Like [`decimal128`]; `limit` is `10^precision`.
pub fn decimal256(field: &[u8], limit: i256, scale: i32) -> Result<i256, Problem> {
    let wire = finite(field)?;
    if let Some(units) = wire.units(scale) {
        return Ok(i256::from_i128(units));
    }
    let shift = wire.shift(scale);
    let ten_thousand = i256::from_i128(10_000);
    let mut units = Some(i256::ZERO);
    for digit in wire.digits() {
        let digit = i256::from_i128(digit.into());
        units = units.and_then(|u| u.checked_mul(ten_thousand)).and_then(|u| u.checked_add(digit));
    }
    let power = i256::from_i128(10).checked_pow(shift.unsigned_abs());
    let units = match (units, power) {
        (Some(units), Some(power)) if shift >= 0 => units.checked_mul(power),
        (Some(units), Some(power)) if units.checked_rem(power) == Some(i256::ZERO) => units.checked_div(power),
        _ => None,
    };
    let units = if wire.negative { units.and_then(i256::checked_neg) } else { units };
    let fits = |u: &i256| u.checked_abs().is_some_and(|magnitude| magnitude < limit);
    units.filter(fits).ok_or(Problem::Precision)
}

/// In the order-preserving bytes of the dynamic carrier.
pub fn encode(field: &[u8], out: &mut Vec<u8>) -> Result<(), Problem> {
    let value = match parse(field)? {
        Value::NaN => Numeric::NaN,
        Value::Infinity => Numeric::Infinity,
        Value::NegativeInfinity => Numeric::NegativeInfinity,
        Value::Finite(wire) => {
            let scale = wire.display_scale;
            let finite = match wire.units(scale) {
                Some(units) => Finite::new(units, scale),
                None => match u32::try_from(wire.shift(scale)) {
                    Ok(shift) => Finite::new(wire.to_int(shift), scale),
                    // Digits beyond the display scale are zeros in every value PostgreSQL makes.
                    Err(_) => {
                        let all = wire.shift(0).min(0).unsigned_abs();
                        let exact = Finite::new(wire.to_int(wire.shift(all as i32).unsigned_abs()), all as i32);
                        exact.rescale(scale, planner::pgsem::numeric::int::Rounding::Trunc)
                    }
                },
            };
            Numeric::Finite(finite)
        }
    };
    value.encode(out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(negative: bool, weight: i16, scale: u16, digits: &[u16]) -> Vec<u8> {
        let sign = if negative { NEGATIVE } else { 0 };
        let head = [digits.len() as u16, weight as u16, sign, scale];
        head.iter().chain(digits).flat_map(|n| n.to_be_bytes()).collect()
    }

    fn units(field: &[u8], precision: u32, scale: i32) -> Option<i128> {
        decimal128(field, 10i128.pow(precision), scale).ok()
    }

    #[test]
    fn decimals_are_exact_or_an_error() {
        let n = wire(false, 0, 2, &[12, 3400]); // 12.34
        assert_eq!(units(&n, 4, 2), Some(1234));
        assert_eq!(units(&n, 38, 30), Some(1234 * 10i128.pow(28)));
        assert_eq!(units(&n, 3, 2), None, "too many digits");
        assert_eq!(units(&n, 4, 1), None, "a digit would be lost");
        assert_eq!(units(&wire(true, 1, 0, &[1, 0]), 6, 1), Some(-100_000));
        assert_eq!(units(&wire(true, 2, 0, &[1]), 9, 0), Some(-100_000_000), "trailing zero digits are not sent");
        assert_eq!(units(&wire(false, -2, 8, &[5]), 8, 8), Some(5));
        assert_eq!(units(&wire(false, 0, 2, &[]), 4, 2), Some(0));
        assert_eq!(units(&wire(false, 400, 0, &[1]), 38, 0), None);
        assert_eq!(units(&wire(false, -400, 1604, &[1]), 38, 2), None);
    }

    #[test]
    fn the_widest_decimals_fit() {
        // 38 nines with one digit after the point: 37 digits before it make ten wire digits, and one more.
        let mut digits = vec![9];
        digits.extend([9999; 9]);
        digits.push(9000);
        let n = wire(false, 9, 1, &digits);
        assert_eq!(units(&n, 38, 1), Some(10i128.pow(38) - 1));
        let limit = i256::from_i128(10).wrapping_pow(76);
        assert_eq!(decimal256(&n, limit, 1).ok(), Some(i256::from_i128(10i128.pow(38) - 1)));
        let wide = wire(true, 18, 0, &[9999; 19]);
        assert_eq!(decimal256(&wide, limit, 0).ok(), limit.checked_sub(i256::ONE).and_then(i256::checked_neg));
        assert!(decimal256(&wire(false, 19, 0, &[1]), limit, 0).is_err());
        assert!(decimal256(&wire(false, 18, 1, &[1; 19]), limit, 1).is_ok());
    }

    #[test]
    fn dynamic_numerics_keep_value_and_display_scale() {
        let text = |field: &[u8]| {
            let mut out = Vec::new();
            encode(field, &mut out).map_err(|_| "refused")?;
            Ok::<_, &str>(Numeric::decode(&out).map_err(|_| "damaged")?.to_string())
        };
        assert_eq!(text(&wire(false, 0, 3, &[12, 3400])).as_deref(), Ok("12.340"));
        assert_eq!(text(&wire(false, 0, 2, &[])).as_deref(), Ok("0.00"));
        assert_eq!(text(&wire(true, 20, 0, &[1])).unwrap(), format!("-1{}", "0".repeat(80)));
        assert_eq!(text(&wire(false, -11, 44, &[1])).unwrap(), format!("0.{}1", "0".repeat(43)));
        assert_eq!(text(&wire(false, 12, 44, &[[1234; 24].as_slice()].concat())).unwrap().len(), 97);
        assert_eq!(text(&[0, 0, 0, 0, 0xc0, 0, 0, 0]).as_deref(), Ok("NaN"));
        assert_eq!(text(&[0, 0, 0, 0, 0xf0, 0, 0, 0]).as_deref(), Ok("-Infinity"));
        assert!(text(&[0, 1, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
