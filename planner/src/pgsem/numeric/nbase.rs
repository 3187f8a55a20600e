//! What PostgreSQL's base-10000 representation of a value looks like: the scales it chooses for inexact results depend on it.

use super::Finite;
use super::int::{Int, Rounding};

impl Finite {
    /// Power of ten of the leading decimal digit; 0 for zero.
    fn decimal_weight(&self) -> i32 {
        if self.is_zero() { 0 } else { self.unscaled.digits() as i32 - 1 - self.scale }
    }

    /// Power of 10000 of the leading base-10000 digit (`NumericVar.weight`); 0 for zero.
    pub(super) fn nbase_weight(&self) -> i32 {
        self.decimal_weight().div_euclid(4)
    }

    /// Weight and value of the leading base-10000 digit; (0, 0) for zero.
    pub(super) fn leading_nbase_digit(&self) -> (i32, i64) {
        (self.nbase_weight(), self.leading_nbase(1))
    }

    /// The first `count` (at most four) base-10000 digits as one number; digits the value does not have count as zeros.
    fn leading_nbase(&self, count: i32) -> i64 {
        if self.is_zero() {
            return 0;
        }
        let weight = self.decimal_weight();
        let wanted = weight - 4 * weight.div_euclid(4) + 1 + 4 * (count - 1);
        let surplus = self.unscaled.digits() as i32 - wanted;
        let leading = match self.unscaled.abs() {
            magnitude if surplus >= 0 => magnitude.div_pow10(surplus as u32, Rounding::Trunc),
            magnitude => magnitude.mul_pow10(surplus.unsigned_abs()),
        };
        leading.to_i128().and_then(|v| i64::try_from(v).ok()).unwrap_or(0)
    }

    /// The first `limit` (at most four) base-10000 digits as one number and how many of them there are once trailing zero
    /// digits of the whole value are gone.
    pub(super) fn significant_nbase(&self, limit: i32) -> (i64, i32) {
        // The last significant decimal digit stands at 10^-min_scale, or further left for whole numbers.
        let used = self.nbase_digits().min(limit);
        (self.leading_nbase(used.max(1)), used)
    }

    /// Number of base-10000 digits without trailing zero digits (`NumericVar.ndigits`).
    pub(super) fn nbase_digits(&self) -> i32 {
        if self.is_zero() {
            return 0;
        }
        self.nbase_weight() - self.last_decimal_weight().div_euclid(4) + 1
    }

    /// Power of ten of the last decimal digit that is not zero.
    fn last_decimal_weight(&self) -> i32 {
        let mut weight = -self.scale;
        let mut unscaled = self.unscaled.clone();
        // Long runs of zeros go eight at a time.
        for step in [8u32, 1] {
            let divisor = Int::Small(10i128.pow(step));
            while unscaled.rem(&divisor).is_zero() {
                unscaled = unscaled.div(&divisor, Rounding::Trunc);
                weight += step as i32;
            }
        }
        weight
    }
}

#[cfg(test)]
mod tests {
    use crate::pgsem::numeric::parse_numeric;

    #[test]
    fn digits_in_base_ten_thousand() {
        for (text, weight, first, digits) in [
            ("0", 0, 0, 0),
            ("1", 0, 1, 1),
            ("9999.5", 0, 9999, 2),
            ("10000", 1, 1, 1),
            ("123456.789", 1, 12, 3),
            ("0.00012", -1, 1, 2),
            ("0.00001", -2, 1000, 1),
            ("-0.5", -1, 5000, 1),
            ("100000000000000000000000000000000000000000000.5", 11, 1, 13),
        ] {
            let n = parse_numeric(text).unwrap();
            let f = n.finite().unwrap();
            assert_eq!(f.leading_nbase_digit(), (weight, first), "{text}");
            assert_eq!(f.nbase_digits(), digits, "{text}");
        }
        let n = parse_numeric("123456.789").unwrap();
        assert_eq!(n.finite().unwrap().significant_nbase(2), (123_456, 2));
        let n = parse_numeric("12").unwrap();
        assert_eq!(n.finite().unwrap().significant_nbase(2), (12, 1));
    }
}
