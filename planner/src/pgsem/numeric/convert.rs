//! Numerics from and to integers and floats.

use super::int::{Int, Rounding};
use super::{Finite, Numeric, parse_numeric};
use crate::error::{Error, Result, state};
use crate::pgsem::errors::{out_of_range, text_out_of_range};

fn not_convertible(what: &str, ty: &str) -> Error {
    Error::new(state::FEATURE_NOT_SUPPORTED, format!("cannot convert {what} to {ty}"))
}

impl Numeric {
    /// Rounded to the nearest integer, ties away from zero; `ty` is the target's SQL name.
    pub fn to_i64(&self, ty: &str) -> Result<i64> {
        match self {
            Self::Finite(v) => {
                let whole = v.rescale(0, Rounding::HalfAway).unscaled.to_i128();
                whole.and_then(|v| i64::try_from(v).ok()).ok_or_else(|| out_of_range(ty))
            }
            Self::NaN => Err(not_convertible("NaN", ty)),
            _ => Err(not_convertible("infinity", ty)),
        }
    }

    pub fn to_f64(&self) -> Result<f64> {
        match self {
            Self::Finite(v) => v.to_f64(),
            Self::NaN => Ok(f64::NAN),
            Self::Infinity => Ok(f64::INFINITY),
            Self::NegativeInfinity => Ok(f64::NEG_INFINITY),
        }
    }

    pub fn to_f32(&self) -> Result<f32> {
        match self {
            Self::Finite(v) => {
                let value: f32 = v.to_string().parse().unwrap_or(f32::NAN);
                if value.is_infinite() || (value == 0.0 && !v.is_zero()) {
                    return Err(text_out_of_range(v, "real"));
                }
                Ok(value)
            }
            other => other.to_f64().map(|v| v as f32),
        }
    }

    /// With fifteen significant digits, as PostgreSQL prints a double for this.
    pub fn from_f64(value: f64) -> Result<Self> {
        Self::from_float(value, 15)
    }

    /// With six significant digits.
    pub fn from_f32(value: f32) -> Result<Self> {
        Self::from_float(f64::from(value), 6)
    }

    fn from_float(value: f64, digits: usize) -> Result<Self> {
        if value.is_nan() {
            return Ok(Self::NaN);
        }
        if value.is_infinite() {
            return Ok(if value > 0.0 { Self::Infinity } else { Self::NegativeInfinity });
        }
        // C's %.{digits}g: the given significant digits, trailing zeros dropped.
        let text = format!("{value:.*e}", digits - 1);
        let Self::Finite(exact) = parse_numeric(&text)? else { return Ok(Self::NaN) };
        Ok(Self::Finite(exact.rescale(exact.min_scale(), Rounding::Trunc)))
    }
}

impl Finite {
    fn to_f64(&self) -> Result<f64> {
        // Both exact in a double, so their quotient is rounded once.
        if let Int::Small(v) = self.unscaled
            && v.unsigned_abs() < 1 << 53
            && self.scale <= 22
        {
            return Ok(v as f64 / 10f64.powi(self.scale));
        }
        let value: f64 = self.to_string().parse().unwrap_or(f64::NAN);
        if value.is_infinite() || (value == 0.0 && !self.is_zero()) {
            return Err(text_out_of_range(self, "double precision"));
        }
        Ok(value)
    }
}
