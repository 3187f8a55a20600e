//! Integers of any size that stay in an `i128` while they fit.
//!
//! Almost every number of a real query fits 38 digits; a big integer is allocated only beyond.

use std::borrow::Cow;
use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

/// Which way digits that are dropped push the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards zero.
    Trunc,
    /// To the nearest, ties away from zero: PostgreSQL's rounding of numeric.
    HalfAway,
    Floor,
    Ceil,
}

/// `Big` only holds what an `i128` cannot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Int {
    Small(i128),
    Big(BigInt),
}

const POW10: [i128; 39] = {
    let mut table = [1i128; 39];
    let mut i = 1;
    while i < 39 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// `10^n` for `n <= 38`.
pub fn pow10_i128(n: u32) -> Option<i128> {
    POW10.get(n as usize).copied()
}

pub fn pow10_big(n: u32) -> BigInt {
    match pow10_i128(n) {
        Some(p) => p.into(),
        None => BigInt::from(10u8).pow(n),
    }
}

impl Int {
    pub const ZERO: Self = Self::Small(0);
    pub const ONE: Self = Self::Small(1);

    pub fn from_big(value: BigInt) -> Self {
        match value.to_i128() {
            Some(small) => Self::Small(small),
            None => Self::Big(value),
        }
    }

    pub fn big(&self) -> Cow<'_, BigInt> {
        match self {
            Self::Small(v) => Cow::Owned((*v).into()),
            Self::Big(v) => Cow::Borrowed(v),
        }
    }

    pub fn to_i128(&self) -> Option<i128> {
        match self {
            Self::Small(v) => Some(*v),
            Self::Big(_) => None,
        }
    }

    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Small(0))
    }

    pub fn is_negative(&self) -> bool {
        match self {
            Self::Small(v) => *v < 0,
            Self::Big(v) => v.is_negative(),
        }
    }

    pub fn signum(&self) -> i32 {
        if self.is_zero() {
            0
        } else if self.is_negative() {
            -1
        } else {
            1
        }
    }

    pub fn neg(&self) -> Self {
        match self {
            Self::Small(v) => match v.checked_neg() {
                Some(v) => Self::Small(v),
                None => Self::Big(-BigInt::from(*v)),
            },
            Self::Big(v) => Self::from_big(-v),
        }
    }

    pub fn abs(&self) -> Self {
        if self.is_negative() { self.neg() } else { self.clone() }
    }

    pub fn add(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other)
            && let Some(sum) = a.checked_add(*b)
        {
            return Self::Small(sum);
        }
        Self::from_big(self.big().as_ref() + other.big().as_ref())
    }

    pub fn sub(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other)
            && let Some(difference) = a.checked_sub(*b)
        {
            return Self::Small(difference);
        }
        Self::from_big(self.big().as_ref() - other.big().as_ref())
    }

    pub fn mul(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other) {
            if let (Ok(a), Ok(b)) = (i64::try_from(*a), i64::try_from(*b)) {
                return Self::Small(i128::from(a) * i128::from(b));
            }
            if let Some(product) = a.checked_mul(*b) {
                return Self::Small(product);
            }
        }
        Self::from_big(self.big().as_ref() * other.big().as_ref())
    }

    pub fn mul_pow10(&self, n: u32) -> Self {
        if n == 0 || self.is_zero() {
            return self.clone();
        }
        if let (Self::Small(a), Some(p)) = (self, pow10_i128(n))
            && let Some(product) = a.checked_mul(p)
        {
            return Self::Small(product);
        }
        Self::from_big(self.big().as_ref() * pow10_big(n))
    }

    /// Quotient rounded as asked; `divisor` is not zero.
    pub fn div(&self, divisor: &Self, rounding: Rounding) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, divisor)
            && let Some(quotient) = a.checked_div(*b)
        {
            let rest = a % b;
            if rest == 0 || rounding == Rounding::Trunc {
                return Self::Small(quotient);
            }
            let negative = (*a < 0) != (*b < 0);
            // |rest| < |b|, so the difference cannot overflow.
            let half = b.unsigned_abs() - rest.unsigned_abs() <= rest.unsigned_abs();
            return Self::Small(quotient + i128::from(away(rounding, negative, half)) * if negative { -1 } else { 1 });
        }
        let (a, b) = (self.big(), divisor.big());
        let quotient = a.as_ref() / b.as_ref();
        let rest = a.as_ref() - &quotient * b.as_ref();
        if rest.is_zero() || rounding == Rounding::Trunc {
            return Self::from_big(quotient);
        }
        let negative = (a.sign() == Sign::Minus) != (b.sign() == Sign::Minus);
        let half = rest.magnitude() * 2u8 >= *b.magnitude();
        let step = i32::from(away(rounding, negative, half)) * if negative { -1 } else { 1 };
        Self::from_big(quotient + step)
    }

    pub fn div_pow10(&self, n: u32, rounding: Rounding) -> Self {
        if n == 0 || self.is_zero() {
            return self.clone();
        }
        // More digits are dropped than there are: no need to build the divisor.
        let digits = self.digits();
        if n > digits {
            let negative = self.is_negative();
            return match away(rounding, negative, false) {
                true if negative => Self::Small(-1),
                true => Self::ONE,
                false => Self::ZERO,
            };
        }
        let divisor = match pow10_i128(n) {
            Some(p) => Self::Small(p),
            None => Self::Big(pow10_big(n)),
        };
        self.div(&divisor, rounding)
    }

    /// Remainder with the sign of the dividend; `divisor` is not zero.
    pub fn rem(&self, divisor: &Self) -> Self {
        match (self, divisor) {
            (Self::Small(a), Self::Small(b)) => Self::Small(a.checked_rem(*b).unwrap_or(0)),
            _ => Self::from_big(self.big().as_ref() % divisor.big().as_ref()),
        }
    }

    pub fn gcd(&self, other: &Self) -> Self {
        Self::from_big(self.big().gcd(&other.big()))
    }

    /// Number of decimal digits; 0 has none.
    pub fn digits(&self) -> u32 {
        match self {
            Self::Small(0) => 0,
            Self::Small(v) => v.unsigned_abs().ilog10() + 1,
            Self::Big(v) => {
                // log10(2) from both sides; one comparison decides between the two candidates.
                let bits = v.bits();
                let low = ((bits - 1) as f64 * std::f64::consts::LOG10_2) as u32;
                let high = (bits as f64 * std::f64::consts::LOG10_2) as u32 + 1;
                (low.max(1)..=high).find(|n| v.magnitude() < pow10_big(*n).magnitude()).unwrap_or(high)
            }
        }
    }

    pub fn is_odd(&self) -> bool {
        match self {
            Self::Small(v) => v & 1 == 1,
            Self::Big(v) => v.is_odd(),
        }
    }
}

/// Whether a quotient that is not exact moves one step away from zero.
fn away(rounding: Rounding, negative: bool, half_or_more: bool) -> bool {
    match rounding {
        Rounding::Trunc => false,
        Rounding::HalfAway => half_or_more,
        Rounding::Floor => negative,
        Rounding::Ceil => !negative,
    }
}

impl PartialOrd for Int {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Int {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(a), Self::Small(b)) => a.cmp(b),
            _ => self.big().cmp(&other.big()),
        }
    }
}

impl From<i64> for Int {
    fn from(value: i64) -> Self {
        Self::Small(value.into())
    }
}

impl From<i128> for Int {
    fn from(value: i128) -> Self {
        Self::Small(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(text: &str) -> Int {
        Int::from_big(text.parse().unwrap())
    }

    #[test]
    fn arithmetic_leaves_and_reenters_i128() {
        let max = Int::Small(i128::MAX);
        let more = max.add(&Int::ONE);
        assert!(matches!(more, Int::Big(_)));
        assert_eq!(more.sub(&Int::ONE), max);
        assert_eq!(Int::Small(i128::MIN).neg(), more);
        assert_eq!(more.neg(), Int::Small(i128::MIN));
        assert_eq!(max.mul(&max).div(&max, Rounding::Trunc), max);
        assert_eq!(Int::Small(i128::MIN).div(&Int::Small(-1), Rounding::Trunc), more);
        assert_eq!(Int::Small(i128::MIN).rem(&Int::Small(-1)), Int::ZERO);
    }

    #[test]
    fn rounding_of_both_signs() {
        let div = |a: i128, b: i128, r| Int::Small(a).div(&Int::Small(b), r).to_i128().unwrap();
        for (a, b, trunc, half, floor, ceil) in [
            (7, 2, 3, 4, 3, 4),
            (-7, 2, -3, -4, -4, -3),
            (7, -3, -2, -2, -3, -2),
            (-8, -3, 2, 3, 2, 3),
            (6, 3, 2, 2, 2, 2),
        ] {
            assert_eq!(div(a, b, Rounding::Trunc), trunc);
            assert_eq!(div(a, b, Rounding::HalfAway), half);
            assert_eq!(div(a, b, Rounding::Floor), floor);
            assert_eq!(div(a, b, Rounding::Ceil), ceil);
        }
        let huge = big("-123456789012345678901234567890123456789012345");
        assert_eq!(huge.div_pow10(1, Rounding::HalfAway), big("-12345678901234567890123456789012345678901235"));
        assert_eq!(huge.div_pow10(60, Rounding::Floor), Int::Small(-1));
        assert_eq!(Int::Small(5).div_pow10(1, Rounding::HalfAway), Int::ONE);
        assert_eq!(Int::Small(99).div_pow10(3, Rounding::HalfAway), Int::ZERO);
    }

    #[test]
    fn digits_at_the_powers_of_ten() {
        assert_eq!(Int::ZERO.digits(), 0);
        for n in 0..200 {
            let p = Int::from_big(pow10_big(n));
            assert_eq!(p.digits(), n + 1);
            assert_eq!(p.sub(&Int::ONE).digits(), n);
        }
    }
}
