//! `+ - * / %` and their kin with PostgreSQL's result scales.

use super::int::{Int, Rounding};
use super::{Finite, MAX_RESULT_DISPLAY_SCALE, MAX_SCALE, MIN_SIGNIFICANT_DIGITS, Numeric};
use crate::error::Result;
use crate::pgsem::errors::division_by_zero;

/// Digits after the point of `a / b`: enough for sixteen significant digits, and not fewer than either side has. PostgreSQL
/// estimates the quotient's size from base-10000 digits, so that is what the scale depends on.
pub(super) fn div_scale(a: &Finite, b: &Finite) -> i32 {
    let ((weight_a, first_a), (weight_b, first_b)) = (a.leading_nbase_digit(), b.leading_nbase_digit());
    let mut weight = weight_a - weight_b;
    if first_a <= first_b {
        weight -= 1;
    }
    (MIN_SIGNIFICANT_DIGITS - weight * 4).max(a.scale).max(b.scale).clamp(0, MAX_RESULT_DISPLAY_SCALE)
}

impl Finite {
    /// `self / other` with `scale` digits after the point; `other` is not zero.
    pub(super) fn div_at(&self, other: &Self, scale: i32, rounding: Rounding) -> Self {
        let shift = scale - self.scale + other.scale;
        let unscaled = if shift >= 0 {
            self.unscaled.mul_pow10(shift as u32).div(&other.unscaled, rounding)
        } else {
            self.unscaled.div(&other.unscaled.mul_pow10(shift.unsigned_abs()), rounding)
        };
        Self { unscaled, scale }
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        if self.scale == other.scale {
            return Self { unscaled: self.unscaled.add(&other.unscaled), scale: self.scale };
        }
        let (a, b, scale) = self.aligned(other);
        Self { unscaled: a.add(&b), scale }
    }

    pub(crate) fn sub(&self, other: &Self) -> Self {
        if self.scale == other.scale {
            return Self { unscaled: self.unscaled.sub(&other.unscaled), scale: self.scale };
        }
        let (a, b, scale) = self.aligned(other);
        Self { unscaled: a.sub(&b), scale }
    }

    pub(crate) fn mul(&self, other: &Self) -> Self {
        Self { unscaled: self.unscaled.mul(&other.unscaled), scale: self.scale + other.scale }
    }

    pub(super) fn mul_at(&self, other: &Self, scale: i32) -> Self {
        self.mul(other).rescale(scale, Rounding::HalfAway)
    }

    pub(super) fn neg(&self) -> Self {
        Self { unscaled: self.unscaled.neg(), scale: self.scale }
    }

    pub(super) fn abs(&self) -> Self {
        Self { unscaled: self.unscaled.abs(), scale: self.scale }
    }
}

impl Numeric {
    pub fn add(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => a.add(b).finish(),
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (Self::Infinity, Self::NegativeInfinity) | (Self::NegativeInfinity, Self::Infinity) => Ok(Self::NaN),
            (Self::Finite(_), infinite) | (infinite, _) => Ok(infinite.clone()),
        }
    }

    pub fn sub(&self, other: &Self) -> Result<Self> {
        self.add(&other.neg())
    }

    pub fn mul(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => {
                let product = a.mul(b);
                if product.scale > MAX_SCALE { product.rescale(MAX_SCALE, Rounding::HalfAway) } else { product }
                    .finish()
            }
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            _ => Ok(Self::infinity(self.sign_of() * other.sign_of())),
        }
    }

    /// The quotient of anything that is not finite; `None` if both sides are.
    fn special_quotient(&self, other: &Self) -> Option<Result<Self>> {
        Some(match (self, other) {
            (Self::Finite(_), Self::Finite(_)) => return None,
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (Self::Finite(_), _) => Ok(Self::ZERO),
            (_, Self::Finite(b)) if b.is_zero() => Err(division_by_zero()),
            (_, Self::Finite(_)) => Ok(Self::infinity(self.sign_of() * other.sign_of())),
            _ => Ok(Self::NaN),
        })
    }

    pub fn div(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite(_), Self::Finite(b)) if b.is_zero() => Err(division_by_zero()),
            (Self::Finite(a), Self::Finite(b)) => a.div_at(b, div_scale(a, b), Rounding::HalfAway).finish(),
            _ => self.special_quotient(other).unwrap_or(Ok(Self::NaN)),
        }
    }

    /// `div(a, b)`: the quotient's whole part.
    pub fn div_trunc(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite(_), Self::Finite(b)) if b.is_zero() => Err(division_by_zero()),
            (Self::Finite(a), Self::Finite(b)) => a.div_at(b, 0, Rounding::Trunc).finish(),
            _ => self.special_quotient(other).unwrap_or(Ok(Self::NaN)),
        }
    }

    pub fn rem(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (_, Self::Finite(b)) if b.is_zero() => Err(division_by_zero()),
            (Self::Finite(a), Self::Finite(b)) => {
                let (a, b, scale) = a.aligned(b);
                Finite { unscaled: a.rem(&b), scale }.finish()
            }
            (Self::Finite(_), _) => Ok(self.clone()),
            _ => Ok(Self::NaN),
        }
    }

    #[must_use]
    pub fn neg(&self) -> Self {
        match self {
            Self::NegativeInfinity => Self::Infinity,
            Self::Infinity => Self::NegativeInfinity,
            Self::NaN => Self::NaN,
            Self::Finite(v) => Self::Finite(v.neg()),
        }
    }

    #[must_use]
    pub fn abs(&self) -> Self {
        match self {
            Self::NegativeInfinity => Self::Infinity,
            Self::Finite(v) => Self::Finite(v.abs()),
            other => other.clone(),
        }
    }

    #[must_use]
    pub fn sign(&self) -> Self {
        match self {
            Self::NaN => Self::NaN,
            other => Self::from(i64::from(other.sign_of())),
        }
    }

    pub fn gcd(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => {
                let (a, b, scale) = a.aligned(b);
                Finite { unscaled: a.gcd(&b), scale }.finish()
            }
            _ => Ok(Self::NaN),
        }
    }

    pub fn lcm(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => {
                let (a, b, scale) = a.aligned(b);
                let unscaled = if a.is_zero() || b.is_zero() {
                    Int::ZERO
                } else {
                    a.div(&a.gcd(&b), Rounding::Trunc).mul(&b).abs()
                };
                Finite { unscaled, scale }.finish()
            }
            _ => Ok(Self::NaN),
        }
    }
}
