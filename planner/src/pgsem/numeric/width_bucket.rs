//! `width_bucket` over numerics.

use super::arith::div_scale;
use super::int::Rounding;
use super::{Finite, Numeric};
use crate::error::{Error, Result, SqlState};
use crate::pgsem::errors::out_of_range;

const INVALID_ARGUMENT_FOR_WIDTH_BUCKET: SqlState = SqlState::new("2201G");

pub fn invalid_width_bucket(message: &str) -> Error {
    Error::new(INVALID_ARGUMENT_FOR_WIDTH_BUCKET, message)
}

impl Numeric {
    /// The number of the bucket out of `count` equal ones between the bounds; 0 and `count + 1` lie outside.
    pub fn width_bucket(&self, low: &Self, high: &Self, count: i32) -> Result<i32> {
        if count <= 0 {
            return Err(invalid_width_bucket("count must be greater than zero"));
        }
        if self.is_nan() || low.is_nan() || high.is_nan() {
            return Err(invalid_width_bucket("operand, lower bound, and upper bound cannot be NaN"));
        }
        let (Self::Finite(l), Self::Finite(h)) = (low, high) else {
            return Err(invalid_width_bucket("lower and upper bounds must be finite"));
        };
        if l == h {
            return Err(invalid_width_bucket("lower bound cannot equal upper bound"));
        }
        let reversed = l > h;
        let before = if reversed { self > low } else { self < low };
        let behind = if reversed { self <= high } else { self >= high };
        if before {
            return Ok(0);
        }
        let Self::Finite(x) = self else { return past_last(count) };
        if behind {
            return past_last(count);
        }
        let (offset, width) = if reversed { (l.sub(x), l.sub(h)) } else { (x.sub(l), h.sub(l)) };
        let scaled = offset.mul(&Finite::new(i64::from(count), 0));
        let quotient = scaled.div_at(&width, div_scale(&scaled, &width), Rounding::HalfAway);
        let bucket = quotient.add(&Finite::ONE).rescale(0, Rounding::Floor).unscaled.to_i128();
        bucket.and_then(|b| i32::try_from(b).ok()).ok_or_else(|| out_of_range("integer"))
    }
}

fn past_last(count: i32) -> Result<i32> {
    count.checked_add(1).ok_or_else(|| out_of_range("integer"))
}
