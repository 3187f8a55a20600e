//! `sqrt`, `exp`, `ln` and `log`: the series PostgreSQL sums, with the scales it sums them at, so that the last digit is the
//! same too.

use std::f64::consts::LN_10;

use num_bigint::BigInt;

use super::int::{Int, Rounding};
use super::{Finite, MAX_RESULT_DISPLAY_SCALE, MIN_SIGNIFICANT_DIGITS, Numeric, overflow};
use crate::error::{Error, Result, state};

/// log10(e) and log10(2) as PostgreSQL rounds them.
#[expect(clippy::approx_constant, reason = "PostgreSQL's rounded constant decides the scale of the result")]
pub(super) const LOG10_E: f64 = 0.434_294_481_903_252;
#[expect(clippy::approx_constant, reason = "PostgreSQL's rounded constant decides the scale of the result")]
const LOG10_2: f64 = 0.301_029_995_663_981;
/// `NUMERIC_MAX_RESULT_SCALE * 3`: beyond `exp(±6000)` the result overflows or is zero.
const EXP_LIMIT: f64 = 6000.0;

fn negative_logarithm() -> Error {
    Error::new(state::INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number")
}

fn zero_logarithm() -> Error {
    Error::new(state::INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero")
}

fn negative_root() -> Error {
    Error::new(state::INVALID_ARGUMENT_FOR_POWER, "cannot take square root of a negative number")
}

/// A result scale for at least sixteen significant digits when the result is about `10^weight`.
pub(super) fn result_scale(weight: i32, at_least: i32) -> i32 {
    (MIN_SIGNIFICANT_DIGITS - weight).max(at_least).clamp(0, MAX_RESULT_DISPLAY_SCALE)
}

impl Finite {
    fn int(value: i64) -> Self {
        Self::new(value, 0)
    }

    pub(super) fn to_f64_lossy(&self) -> f64 {
        let text = if self.scale >= 0 { self.to_string() } else { self.rescale(0, Rounding::Trunc).to_string() };
        text.parse().unwrap_or(f64::NAN)
    }

    pub(super) fn div_int_at(&self, divisor: i64, scale: i32) -> Self {
        self.div_at(&Self::int(divisor), scale, Rounding::HalfAway)
    }

    /// Square root with `scale` digits after the point (negative: rounded before the point); the value is not negative.
    pub(crate) fn sqrt_at(&self, scale: i32) -> Self {
        // One digit more than wanted decides the rounding; a whole root needs an even number of dropped powers of ten.
        let shift = 2 * (scale + 1) - self.scale;
        let radicand: BigInt = if shift >= 0 {
            self.unscaled.mul_pow10(shift as u32)
        } else {
            self.unscaled.div_pow10(shift.unsigned_abs(), Rounding::Trunc)
        }
        .big()
        .into_owned();
        Self { unscaled: Int::from_big(radicand.sqrt()), scale: scale + 1 }.rescale(scale, Rounding::HalfAway)
    }

    /// `e ^ self` with `scale` digits after the point.
    pub(super) fn exp_at(&self, scale: i32) -> Result<Self> {
        let mut size = self.to_f64_lossy();
        if size.abs() >= EXP_LIMIT {
            return if size > 0.0 { Err(overflow()) } else { Ok(Self::new(0i128, scale)) };
        }
        let weight = (size * LOG10_E) as i32;
        // Halve the argument until the series converges quickly, square the result as often.
        let mut halvings = 0;
        while size.abs() > 0.01 {
            halvings += 1;
            size /= 2.0;
        }
        let x = if halvings > 0 { self.div_int_at(1 << halvings, self.scale + halvings) } else { self.clone() };
        let digits = (1 + weight + scale + (f64::from(halvings) * LOG10_2) as i32).max(0) + 8;
        let local = digits - 1;

        let mut sum = Self::ONE.add(&x);
        let mut term = x.mul_at(&x, local).div_int_at(2, local);
        let mut n = 2;
        while !term.is_zero() {
            sum = sum.add(&term);
            n += 1;
            term = term.mul_at(&x, local).div_int_at(n, local);
        }
        for _ in 0..halvings {
            let local = (digits - sum.nbase_weight() * 2 * 4).max(0);
            sum = sum.mul_at(&sum, local);
        }
        Ok(sum.rescale(scale, Rounding::HalfAway))
    }

    /// About log10 of the natural logarithm.
    pub(super) fn ln_weight(&self) -> i32 {
        if self.unscaled.signum() <= 0 {
            return 0;
        }
        if *self >= Self::new(9i128, 1) && *self <= Self::new(11i128, 1) {
            // Near one, ln(1 + x) is about x.
            let x = self.sub(&Self::ONE);
            let (weight, first) = x.leading_nbase_digit();
            return if x.is_zero() { 0 } else { weight * 4 + (first as f64).log10() as i32 };
        }
        let (leading, used) = self.significant_nbase(2);
        let weight = (self.nbase_weight() - (used - 1)) * 4;
        let ln = (leading as f64).ln() + f64::from(weight) * LN_10;
        ln.abs().log10() as i32
    }

    /// Natural logarithm with `scale` digits after the point.
    pub(super) fn ln_at(&self, scale: i32) -> Result<Self> {
        match self.unscaled.signum() {
            0 => return Err(zero_logarithm()),
            -1 => return Err(negative_logarithm()),
            _ => {}
        }
        // Take roots until the value is near one, multiply the result as often.
        let (low, high) = (Self::new(9i128, 1), Self::new(11i128, 1));
        let mut x = self.clone();
        let mut roots = 0;
        while x <= low || x >= high {
            x = x.sqrt_at(scale - x.nbase_weight() * 4 / 2 + 8);
            roots += 1;
        }
        // ln x = 2 (z + z³/3 + z⁵/5 + …) with z = (x - 1) / (x + 1)
        let local = scale + (f64::from(roots + 1) * LOG10_2) as i32 + 8;
        let mut sum = x.sub(&Self::ONE).div_at(&x.add(&Self::ONE), local, Rounding::HalfAway);
        let mut power = sum.clone();
        let square = sum.mul_at(&sum, local);
        let mut n = 1;
        loop {
            n += 2;
            power = power.mul_at(&square, local);
            let term = power.div_int_at(n, local);
            if term.is_zero() {
                break;
            }
            sum = sum.add(&term);
            if term.nbase_weight() < sum.nbase_weight() - local * 2 / 4 {
                break;
            }
        }
        Ok(sum.mul_at(&Self { unscaled: Int::from_big(BigInt::from(2) << roots), scale: 0 }, scale))
    }
}

impl Numeric {
    pub fn sqrt(&self) -> Result<Self> {
        match self {
            Self::NegativeInfinity => Err(negative_root()),
            Self::Finite(v) if v.unscaled.is_negative() => Err(negative_root()),
            Self::Finite(v) => {
                let scale = result_scale((v.nbase_weight() + 1) * 4 / 2 - 1, v.scale);
                v.sqrt_at(scale).finish()
            }
            other => Ok(other.clone()),
        }
    }

    pub fn exp(&self) -> Result<Self> {
        match self {
            Self::NegativeInfinity => Ok(Self::ZERO),
            Self::Finite(v) => {
                let weight = (v.to_f64_lossy() * LOG10_E).clamp(-2000.0, 2000.0) as i32;
                v.exp_at(result_scale(weight, v.scale))?.finish()
            }
            other => Ok(other.clone()),
        }
    }

    pub fn ln(&self) -> Result<Self> {
        match self {
            Self::NegativeInfinity => Err(negative_logarithm()),
            Self::Finite(v) => v.ln_at(result_scale(v.ln_weight(), v.scale))?.finish(),
            other => Ok(other.clone()),
        }
    }

    /// Logarithm of `self` to the given base.
    pub fn log(&self, base: &Self) -> Result<Self> {
        let (Self::Finite(b), Self::Finite(x)) = (base, self) else { return self.log_special(base) };
        let (base_weight, x_weight) = (b.ln_weight(), x.ln_weight());
        let weight = x_weight - base_weight;
        let scale = result_scale(weight, b.scale.max(x.scale));
        let ln_base = b.ln_at((scale + weight - base_weight + 8).max(0))?;
        let ln_x = x.ln_at((scale + weight - x_weight + 8).max(0))?;
        if ln_base.is_zero() {
            return Err(crate::pgsem::errors::division_by_zero());
        }
        ln_x.div_at(&ln_base, scale, Rounding::HalfAway).finish()
    }

    fn log_special(&self, base: &Self) -> Result<Self> {
        if self.is_nan() || base.is_nan() {
            return Ok(Self::NaN);
        }
        if self.sign_of() < 0 || base.sign_of() < 0 {
            return Err(negative_logarithm());
        }
        if self.sign_of() == 0 || base.sign_of() == 0 {
            return Err(zero_logarithm());
        }
        Ok(match (base.is_infinite(), self.is_infinite()) {
            (true, true) => Self::NaN,
            (true, false) => Self::ZERO,
            _ => Self::Infinity,
        })
    }
}
