//! PostgreSQL's `numeric`: exact decimals of any precision, each with its own display scale, NaN and infinities.
//!
//! A value is a whole number of units of `10^-scale`; the scale is the display scale, so `1.0` and `1.00` are equal and print
//! differently. Columns carry such values either as an Arrow decimal ([`carrier`]) or as order-preserving bytes
//! ([`encoding`]); [`column::Num`] reads and writes both.

pub mod arith;
pub mod carrier;
#[cfg(test)]
mod carrier_tests;
pub mod casts;
pub mod column;
pub mod convert;
pub mod encoding;
mod fixed;
pub mod functions;
pub mod int;
mod nbase;
#[cfg(test)]
mod oracle_tests;
pub mod power;
pub mod rounding;
pub mod text;
mod transcendental;
pub mod width_bucket;

use std::cmp::Ordering;

pub use column::Num;
use int::{Int, Rounding};
pub use text::parse_numeric;

use super::registry::{CastDef, Signature};
use crate::error::{Error, Result, state};

/// Largest scale a result is given for the sake of significant digits (`NUMERIC_MAX_DISPLAY_SCALE`).
const MAX_RESULT_DISPLAY_SCALE: i32 = 1000;
/// Significant digits every inexact result has at least (`NUMERIC_MIN_SIG_DIGITS`).
const MIN_SIGNIFICANT_DIGITS: i32 = 16;
/// Largest display scale the format holds (`NUMERIC_DSCALE_MAX`).
const MAX_SCALE: i32 = 0x3fff;
/// Most decimal digits before the point the format holds.
const MAX_INTEGER_DIGITS: i64 = 131_072;

/// `unscaled * 10^-scale`; finished values have a scale of 0 to 16383, intermediate ones may have any.
#[derive(Clone, Debug)]
pub struct Finite {
    pub unscaled: Int,
    pub scale: i32,
}

#[derive(Clone, Debug)]
pub enum Numeric {
    NegativeInfinity,
    Finite(Finite),
    Infinity,
    NaN,
}

/// What this area hands in to the registry.
pub fn area() -> (Vec<Signature>, Vec<CastDef>) {
    (functions::signatures(), casts::casts())
}

fn overflow() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

impl Finite {
    pub const ZERO: Self = Self { unscaled: Int::ZERO, scale: 0 };
    pub const ONE: Self = Self { unscaled: Int::ONE, scale: 0 };

    pub fn new(unscaled: impl Into<Int>, scale: i32) -> Self {
        Self { unscaled: unscaled.into(), scale }
    }

    /// The finished value, if PostgreSQL's format holds it.
    pub fn finish(self) -> Result<Numeric> {
        let integer_digits = i64::from(self.unscaled.digits()) - i64::from(self.scale);
        if self.scale > MAX_SCALE || (!self.unscaled.is_zero() && integer_digits > MAX_INTEGER_DIGITS) {
            return Err(overflow());
        }
        debug_assert!(self.scale >= 0);
        Ok(Numeric::Finite(self))
    }

    pub fn is_zero(&self) -> bool {
        self.unscaled.is_zero()
    }

    /// The same value with `scale` digits after the point; digits that do not fit are rounded.
    #[must_use]
    pub fn rescale(&self, scale: i32, rounding: Rounding) -> Self {
        let unscaled = match scale.cmp(&self.scale) {
            Ordering::Equal => return self.clone(),
            Ordering::Greater => self.unscaled.mul_pow10(self.scale.abs_diff(scale)),
            Ordering::Less => self.unscaled.div_pow10(self.scale.abs_diff(scale), rounding),
        };
        Self { unscaled, scale }
    }

    /// The units of both at the larger of the two scales.
    fn aligned(&self, other: &Self) -> (Int, Int, i32) {
        let scale = self.scale.max(other.scale);
        let units = |v: &Self| v.unscaled.mul_pow10(v.scale.abs_diff(scale));
        (units(self), units(other), scale)
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Finite {}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.unscaled.cmp(&other.unscaled);
        }
        let signs = self.unscaled.signum().cmp(&other.unscaled.signum());
        if signs.is_ne() {
            return signs;
        }
        let (a, b, _) = self.aligned(other);
        a.cmp(&b)
    }
}

impl Numeric {
    pub const ZERO: Self = Self::Finite(Finite::ZERO);
    pub const ONE: Self = Self::Finite(Finite::ONE);

    pub fn finite(&self) -> Option<&Finite> {
        match self {
            Self::Finite(f) => Some(f),
            _ => None,
        }
    }

    pub fn is_nan(&self) -> bool {
        matches!(self, Self::NaN)
    }

    pub fn is_infinite(&self) -> bool {
        matches!(self, Self::Infinity | Self::NegativeInfinity)
    }

    /// -1, 0 or 1; not for NaN.
    fn sign_of(&self) -> i32 {
        match self {
            Self::NegativeInfinity => -1,
            Self::Finite(f) => f.unscaled.signum(),
            Self::Infinity | Self::NaN => 1,
        }
    }

    fn infinity(sign: i32) -> Self {
        match sign {
            0 => Self::NaN,
            s if s < 0 => Self::NegativeInfinity,
            _ => Self::Infinity,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::NegativeInfinity => 0,
            Self::Finite(_) => 1,
            Self::Infinity => 2,
            Self::NaN => 3,
        }
    }
}

/// Equality and order are PostgreSQL's: the display scale does not count, NaN equals NaN and is the largest.
impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Numeric {}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        Self::Finite(Finite::new(value, 0))
    }
}

impl From<i128> for Numeric {
    fn from(value: i128) -> Self {
        Self::Finite(Finite::new(value, 0))
    }
}
