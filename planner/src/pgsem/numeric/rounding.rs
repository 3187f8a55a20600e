//! Dropping digits: `round`, `trunc`, `ceil`, `floor`, `trim_scale`, and the rounding that a type modifier asks for.

use super::int::Rounding;
use super::{Finite, Numeric};
use crate::error::{Error, Result, state};
use crate::pgtype::PgType;

/// `round(x, n)` and `trunc(x, n)` treat a larger `n` as this (`NUMERIC_MAX_RESULT_SCALE`).
pub const MAX_ROUND_SCALE: i32 = 2000;

impl Numeric {
    fn map_finite(&self, f: impl FnOnce(&Finite) -> Finite) -> Result<Self> {
        match self {
            Self::Finite(v) => f(v).finish(),
            special => Ok(special.clone()),
        }
    }

    /// Keeps `places` digits after the point; negative: rounds before the point.
    pub fn round(&self, places: i32, rounding: Rounding) -> Result<Self> {
        let places = places.clamp(-MAX_ROUND_SCALE, MAX_ROUND_SCALE);
        self.map_finite(|v| v.rescale(places, rounding).rescale(places.max(0), Rounding::Trunc))
    }

    pub fn trim_scale(&self) -> Result<Self> {
        self.map_finite(|v| v.rescale(v.min_scale(), Rounding::Trunc))
    }

    /// As a value of `numeric(precision, scale)`; the value itself if `ty` has no modifier.
    pub fn with_typmod(&self, ty: PgType) -> Result<Self> {
        let Some((precision, scale)) = ty.numeric_typmod() else { return Ok(self.clone()) };
        let overflow = |detail: String| {
            Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")
                .with_detail(format!("A field with precision {precision}, scale {scale} {detail}"))
        };
        match self {
            Self::NaN => Ok(Self::NaN),
            Self::Finite(v) => {
                let rounded = v.rescale(scale, Rounding::HalfAway);
                let integer_digits = rounded.unscaled.digits() as i32 - scale;
                let limit = precision as i32 - scale;
                if !rounded.is_zero() && integer_digits > limit {
                    let bound = if limit == 0 { "1".to_string() } else { format!("10^{limit}") };
                    return Err(overflow(format!("must round to an absolute value less than {bound}.")));
                }
                rounded.rescale(scale.max(0), Rounding::Trunc).finish()
            }
            _ => Err(overflow("cannot hold an infinite value.".into())),
        }
    }
}

impl Finite {
    /// Digits after the point that the value needs.
    pub fn min_scale(&self) -> i32 {
        if self.is_zero() {
            return 0;
        }
        let mut unscaled = self.unscaled.clone();
        let mut scale = self.scale;
        let ten = super::Int::Small(10);
        while scale > 0 && unscaled.rem(&ten).is_zero() {
            unscaled = unscaled.div_pow10(1, Rounding::Trunc);
            scale -= 1;
        }
        scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgsem::numeric::parse_numeric;

    fn n(text: &str) -> Numeric {
        parse_numeric(text).unwrap()
    }

    #[test]
    fn rounding_to_places() {
        for (value, places, round, trunc) in [
            ("2.5", 0, "3", "2"),
            ("-2.5", 0, "-3", "-2"),
            ("1.005", 2, "1.01", "1.00"),
            ("1.5", 3, "1.500", "1.500"),
            ("1250", -2, "1300", "1200"),
            ("5", -1, "10", "0"),
            ("5", -2, "0", "0"),
            ("NaN", 1, "NaN", "NaN"),
            ("-inf", 1, "-Infinity", "-Infinity"),
        ] {
            assert_eq!(n(value).round(places, Rounding::HalfAway).unwrap().to_string(), round);
            assert_eq!(n(value).round(places, Rounding::Trunc).unwrap().to_string(), trunc);
        }
        assert_eq!(n("-1.5").round(0, Rounding::Floor).unwrap().to_string(), "-2");
        assert_eq!(n("-1.5").round(0, Rounding::Ceil).unwrap().to_string(), "-1");
        assert_eq!(n("1.2300").trim_scale().unwrap().to_string(), "1.23");
        assert_eq!(n("1200").trim_scale().unwrap().to_string(), "1200");
    }

    #[test]
    fn typmods() {
        let apply = |v: &str, p, s| n(v).with_typmod(PgType::numeric(p, s));
        assert_eq!(apply("123", 5, 2).unwrap().to_string(), "123.00");
        assert_eq!(apply("999.994", 5, 2).unwrap().to_string(), "999.99");
        assert_eq!(apply("nan", 5, 2).unwrap().to_string(), "NaN");
        assert_eq!(apply("12345", 3, -2).unwrap().to_string(), "12300");
        assert_eq!(apply("0.00123", 2, 4).unwrap().to_string(), "0.0012");
        for (v, p, s, detail) in [
            ("999.995", 5, 2, "A field with precision 5, scale 2 must round to an absolute value less than 10^3."),
            ("99950", 3, -2, "A field with precision 3, scale -2 must round to an absolute value less than 10^5."),
            ("0.0123", 2, 4, "A field with precision 2, scale 4 must round to an absolute value less than 10^-2."),
            ("1", 3, 3, "A field with precision 3, scale 3 must round to an absolute value less than 1."),
            ("inf", 5, 2, "A field with precision 5, scale 2 cannot hold an infinite value."),
        ] {
            let e = apply(v, p, s).unwrap_err();
            assert_eq!(e.message(), "numeric field overflow");
            assert_eq!(e.detail(), Some(detail));
        }
    }
}
