//! `power(a, b)` and `a ^ b`.

use super::int::{Int, Rounding};
use super::transcendental::{LOG10_E, result_scale};
use super::{Finite, MAX_RESULT_DISPLAY_SCALE, MIN_SIGNIFICANT_DIGITS, Numeric, overflow};
use crate::error::{Error, Result, state};

/// A little more than `exp` accepts: the precise calculation draws the exact line.
const LN_LIMIT: f64 = 2000.0 * 3.01;
/// `3 * SHRT_MAX * DEC_DIGITS`
const DIGIT_LIMIT: f64 = 3.0 * 32767.0 * 4.0;

fn invalid(message: &str) -> Error {
    Error::new(state::INVALID_ARGUMENT_FOR_POWER, message)
}

fn complex_result() -> Error {
    invalid("a negative number raised to a non-integer power yields a complex result")
}

impl Finite {
    fn is_integer(&self) -> bool {
        self.min_scale() == 0
    }

    fn is_odd_integer(&self) -> bool {
        self.is_integer() && self.rescale(0, Rounding::Trunc).unscaled.is_odd()
    }

    fn power(&self, exponent: &Self) -> Result<Self> {
        if exponent.is_integer() {
            let whole = exponent.rescale(0, Rounding::Trunc).unscaled.to_i128();
            if let Some(n) = whole.and_then(|v| i32::try_from(v).ok()) {
                return self.power_int(n, MIN_SIGNIFICANT_DIGITS.max(self.scale).min(MAX_RESULT_DISPLAY_SCALE));
            }
        }
        if self.is_zero() {
            return Ok(Self::new(0i128, MIN_SIGNIFICANT_DIGITS));
        }
        if self.unscaled.is_negative() && !exponent.is_integer() {
            return Err(complex_result());
        }
        let negative = self.unscaled.is_negative() && exponent.is_odd_integer();
        let base = self.abs();

        // A rough calculation tells how large the result is, and so the scale of the precise one.
        let ln_weight = base.ln_weight();
        let local = (8 - ln_weight).max(0);
        let rough = base.ln_at(local)?.mul_at(exponent, local).to_f64_lossy();
        if rough.abs() > LN_LIMIT {
            return if rough > 0.0 { Err(overflow()) } else { Ok(Self::new(0i128, MAX_RESULT_DISPLAY_SCALE)) };
        }
        let weight = (rough * LOG10_E) as i32;
        let scale = result_scale(weight, base.scale.max(exponent.scale));
        let local = ((scale + weight).max(0) - ln_weight + 8).max(0);
        let result = base.ln_at(local)?.mul_at(exponent, local).exp_at(scale)?;
        Ok(if negative { result.neg() } else { result })
    }

    /// `self ^ n` with `scale` digits after the point, by squaring.
    fn power_int(&self, n: i32, scale: i32) -> Result<Self> {
        match n {
            0 => return Ok(Self::ONE.rescale(scale, Rounding::Trunc)),
            1 => return Ok(self.rescale(scale, Rounding::HalfAway)),
            // Zero to a negative power was refused before.
            -1 if !self.is_zero() => return Ok(Self::ONE.div_at(self, scale, Rounding::HalfAway)),
            2 => return Ok(self.mul_at(self, scale)),
            _ => {}
        }
        if self.is_zero() {
            return Ok(Self::new(0i128, scale));
        }
        // log10 of the result, from the leading digits.
        let (leading, used) = self.significant_nbase(4);
        let exponent = (self.nbase_weight() - (used - 1)) * 4;
        let size = f64::from(n) * ((leading as f64).log10() + f64::from(exponent));
        if size > DIGIT_LIMIT {
            return Err(overflow());
        }
        if size + 1.0 < f64::from(-scale) || size + 1.0 < f64::from(-MAX_RESULT_DISPLAY_SCALE) {
            return Ok(Self::new(0i128, scale));
        }
        let digits = 1 + scale + size as i32 + f64::from(n).abs().ln() as i32 + 8;

        let mut bits = n.unsigned_abs();
        let mut square = self.clone();
        let mut result = if bits & 1 == 1 { self.clone() } else { Self::ONE };
        while bits > 1 {
            bits >>= 1;
            let local = (digits - 2 * square.nbase_weight() * 4).min(2 * square.scale).max(0);
            square = square.mul_at(&square, local);
            if bits & 1 == 1 {
                let local = (digits - (square.nbase_weight() + result.nbase_weight()) * 4)
                    .min(square.scale + result.scale)
                    .max(0);
                result = square.mul_at(&result, local);
            }
            // The remaining squarings would only make it larger or smaller still.
            if square.nbase_weight() > 32767 || result.nbase_weight() > 32767 {
                return if n > 0 { Err(overflow()) } else { Ok(Self::new(0i128, scale)) };
            }
        }
        if n < 0 {
            if result.is_zero() {
                return Err(crate::pgsem::errors::division_by_zero());
            }
            return Ok(Self::ONE.div_at(&result, scale, Rounding::HalfAway));
        }
        Ok(result.rescale(scale, Rounding::HalfAway))
    }
}

impl Numeric {
    pub fn power(&self, exponent: &Self) -> Result<Self> {
        if let (Self::Finite(x), Self::Finite(y)) = (self, exponent) {
            if x.is_zero() && y.unscaled.is_negative() {
                return Err(invalid("zero raised to a negative power is undefined"));
            }
            return x.power(y)?.finish();
        }
        self.power_special(exponent)
    }

    /// At least one side is not finite: POSIX's rules.
    fn power_special(&self, exponent: &Self) -> Result<Self> {
        if self.is_nan() {
            return Ok(if *exponent == Self::ZERO { Self::ONE } else { Self::NaN });
        }
        if exponent.is_nan() {
            return Ok(if *self == Self::ONE { Self::ONE } else { Self::NaN });
        }
        let (x, y) = (self.sign_of(), exponent.sign_of());
        if x == 0 && y < 0 {
            return Err(invalid("zero raised to a negative power is undefined"));
        }
        if x < 0 && exponent.finite().is_some_and(|e| !e.is_integer()) {
            return Err(complex_result());
        }
        if *self == Self::ONE || y == 0 {
            return Ok(Self::ONE);
        }
        if x == 0 {
            return Ok(Self::ZERO);
        }
        let Some(finite_exponent) = exponent.finite() else {
            let one = Self::from(1i64);
            if *self == one.neg() {
                return Ok(one);
            }
            return Ok(if (self.abs() > one) == (y > 0) { Self::Infinity } else { Self::ZERO });
        };
        Ok(match (self, y) {
            (_, -1) => Self::ZERO,
            (Self::NegativeInfinity, _) if finite_exponent.is_odd_integer() => Self::NegativeInfinity,
            _ => Self::Infinity,
        })
    }

    /// Factorial.
    pub fn factorial(n: i64) -> Result<Self> {
        if n < 0 {
            let message = "factorial of a negative number is undefined";
            return Err(Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, message));
        }
        if n > 32177 {
            return Err(overflow());
        }
        let product = (2..=n).fold(Int::ONE, |p, k| p.mul(&k.into()));
        Finite { unscaled: product, scale: 0 }.finish()
    }
}
