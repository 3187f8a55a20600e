//! The type of a column, from all of its values.

use std::sync::{Arc, LazyLock};

use arrow::array::builder::{BooleanBuilder, PrimitiveBuilder};
use arrow::array::{Array, ArrayRef, StringViewArray};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use planner::context::QueryContext;
use planner::pgsem::datetime::{
    format_date, format_timestamp, format_timestamptz, parse_date, parse_timestamp, parse_timestamptz,
};
use planner::pgsem::numeric::column::NumericBuilder;
use planner::pgsem::numeric::parse_numeric;
use planner::{Error, PgType, Result};

/// What a column may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvType {
    Boolean,
    BigInt,
    /// All values have this scale; `None`: each has its own.
    Numeric(Option<u32>),
    Double,
    Date,
    Timestamp,
    TimestampTz,
    Text,
}

/// UTC.
static CONTEXT: LazyLock<QueryContext> = LazyLock::new(QueryContext::default);

/// Digits a scaled numeric may have: more and it is unconstrained.
const DIGITS: u32 = 38;

impl CsvType {
    pub fn pg_type(self) -> PgType {
        match self {
            Self::Boolean => PgType::BOOL,
            Self::BigInt => PgType::INT8,
            Self::Numeric(Some(scale)) => PgType::numeric(DIGITS, scale as i32),
            Self::Numeric(None) => PgType::NUMERIC,
            Self::Double => PgType::FLOAT8,
            Self::Date => PgType::DATE,
            Self::Timestamp => PgType::TIMESTAMP,
            Self::TimestampTz => PgType::TIMESTAMPTZ,
            Self::Text => PgType::TEXT,
        }
    }

    /// The column's texts as values of this type. A text that is none has appeared since the type was inferred.
    pub fn convert(self, texts: &StringViewArray) -> Result<ArrayRef> {
        let ctx = &*CONTEXT;
        match self {
            Self::Text => Ok(Arc::new(texts.clone())),
            Self::Boolean => {
                let mut values = BooleanBuilder::with_capacity(texts.len());
                for text in texts {
                    values.append_option(text.map(|t| boolean(t).ok_or_else(|| unexpected(t, self))).transpose()?);
                }
                Ok(Arc::new(values.finish()))
            }
            Self::BigInt => self.primitive::<Int64Type>(texts, |t| t.parse().ok()),
            Self::Double => self.primitive::<Float64Type>(texts, |t| t.parse().ok()),
            Self::Date => self.primitive::<Date32Type>(texts, |t| parse_date(t, ctx).ok()),
            Self::Timestamp => self.primitive::<TimestampMicrosecondType>(texts, |t| parse_timestamp(t, -1, ctx).ok()),
            Self::TimestampTz => {
                self.primitive::<TimestampMicrosecondType>(texts, |t| parse_timestamptz(t, -1, ctx).ok())
            }
            Self::Numeric(_) => {
                let mut values = NumericBuilder::new(texts.len(), &self.pg_type().repr());
                for text in texts {
                    let value = text.map(|t| parse_numeric(t).map_err(|_| unexpected(t, self))).transpose()?;
                    values.append(value.as_ref())?;
                }
                Ok(values.finish())
            }
        }
    }

    fn primitive<T: arrow::datatypes::ArrowPrimitiveType>(
        self,
        texts: &StringViewArray,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef> {
        let mut values = PrimitiveBuilder::<T>::with_capacity(texts.len()).with_data_type(self.pg_type().repr());
        for text in texts {
            values.append_option(text.map(|t| parse(t).ok_or_else(|| unexpected(t, self))).transpose()?);
        }
        Ok(Arc::new(values.finish()))
    }
}

fn unexpected(text: &str, ty: CsvType) -> Error {
    Error::new(
        planner::error::state::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {}: \"{text}\"", ty.pg_type().without_typmod()),
    )
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "t" => Some(true),
        "false" | "f" => Some(false),
        _ => None,
    }
}

/// Looks at values one after another and keeps what all of them may be.
#[derive(Clone, Debug)]
pub struct Inference {
    boolean: bool,
    bigint: bool,
    numeric: bool,
    double: bool,
    date: bool,
    timestamp: bool,
    timestamptz: bool,
    /// Scale of the first number, whether all have it, and the most digits before the point.
    scale: Option<u32>,
    one_scale: bool,
    digits: u32,
    any: bool,
}

impl Default for Inference {
    fn default() -> Self {
        Self {
            boolean: true,
            bigint: true,
            numeric: true,
            double: true,
            date: true,
            timestamp: true,
            timestamptz: true,
            scale: None,
            one_scale: true,
            digits: 0,
            any: false,
        }
    }
}

impl Inference {
    pub fn see(&mut self, text: &str) {
        self.any = true;
        self.boolean = self.boolean && boolean(text).is_some();
        if self.double {
            match number(text) {
                Some(Number { exponent: true, .. }) => {
                    (self.bigint, self.numeric) = (false, false);
                    self.double = text.parse::<f64>().is_ok_and(f64::is_finite);
                }
                Some(Number { digits, scale, .. }) => {
                    self.bigint = self.bigint && scale == 0 && text.parse::<i64>().is_ok();
                    self.digits = self.digits.max(digits);
                    self.one_scale = self.one_scale && *self.scale.get_or_insert(scale) == scale;
                }
                None => (self.bigint, self.numeric, self.double) = (false, false, false),
            }
        }
        // Cheaper than to try: every date has its year first.
        let dated = text.len() >= 10 && text.as_bytes()[0].is_ascii_digit();
        let ctx = &*CONTEXT;
        let same = |write: &dyn Fn(&mut String)| {
            let mut written = String::with_capacity(32);
            write(&mut written);
            written == text
        };
        self.date = self.date && dated && parse_date(text, ctx).is_ok_and(|d| same(&|out| format_date(d, out)));
        let timestamp = |t: &str| parse_timestamp(t, -1, ctx).is_ok_and(|v| same(&|out| format_timestamp(v, out)));
        self.timestamp = self.timestamp && dated && timestamp(text);
        let utc = |v: i64| same(&|out| format_timestamptz(v, ctx.time_zone, out));
        self.timestamptz = self.timestamptz && dated && parse_timestamptz(text, -1, ctx).is_ok_and(utc);
    }

    pub fn result(&self) -> CsvType {
        match self {
            Self { any: false, .. } => CsvType::Text,
            Self { boolean: true, .. } => CsvType::Boolean,
            Self { bigint: true, .. } => CsvType::BigInt,
            Self { numeric: true, one_scale, digits, scale, .. } => {
                let scale = scale.filter(|s| *one_scale && digits + s <= DIGITS);
                CsvType::Numeric(scale)
            }
            Self { double: true, .. } => CsvType::Double,
            Self { date: true, .. } => CsvType::Date,
            Self { timestamp: true, .. } => CsvType::Timestamp,
            Self { timestamptz: true, .. } => CsvType::TimestampTz,
            _ => CsvType::Text,
        }
    }
}

struct Number {
    digits: u32,
    scale: u32,
    exponent: bool,
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`, and not `-0`.
fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits);
    let power = exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    let negative_zero = text.starts_with('-') && mantissa.bytes().all(|b| b == b'0' || b == b'.');
    (canonical && power && !negative_zero).then(|| Number {
        digits: whole.len() as u32,
        scale: fraction.map_or(0, |f| f.len() as u32),
        exponent: exponent.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(values: &[&str]) -> CsvType {
        let mut inference = Inference::default();
        values.iter().for_each(|v| inference.see(v));
        inference.result()
    }

    #[test]
    fn the_narrowest_type_that_loses_nothing() {
        let cases: &[(&[&str], CsvType)] = &[
            (&[], CsvType::Text),
            (&["true", "f"], CsvType::Boolean),
            (&["0", "-7", "9223372036854775807"], CsvType::BigInt),
            (&["9223372036854775808"], CsvType::Numeric(Some(0))),
            (&["1.50", "-0.25"], CsvType::Numeric(Some(2))),
            (&["1.5", "2"], CsvType::Numeric(None)),
            (&["1.5", "1e10"], CsvType::Double),
            (&["1e999"], CsvType::Text),
            (&["01234"], CsvType::Text),
            (&["+1"], CsvType::Text),
            (&["-0"], CsvType::Text),
            (&["1", "x"], CsvType::Text),
            (&["2024-02-29", "1970-01-01"], CsvType::Date),
            (&["2024-02-30"], CsvType::Text),
            (&["02/03/2024"], CsvType::Text),
            (&["20240229"], CsvType::BigInt),
            (&["2024-02-29 12:00:00.5"], CsvType::Timestamp),
            (&["2024-02-29 12:00:00.1234567"], CsvType::Text),
            (&["2024-02-29 12:00:00+00"], CsvType::TimestampTz),
            (&["2024-02-29", "2024-02-29 12:00:00"], CsvType::Text),
            (&[" 1"], CsvType::Text),
        ];
        for (values, expected) in cases {
            assert_eq!(infer(values), *expected, "{values:?}");
        }
    }

    #[test]
    fn what_was_inferred_converts() {
        let texts = |v: &[&str]| StringViewArray::from_iter(v.iter().map(|t| Some(*t)).chain([None]));
        for (values, ty) in [
            (vec!["true", "f"], CsvType::Boolean),
            (vec!["1.50", "-0.25"], CsvType::Numeric(Some(2))),
            (vec!["1.5", "2"], CsvType::Numeric(None)),
            (vec!["2024-02-29"], CsvType::Date),
            (vec!["2024-02-29 12:00:00+00"], CsvType::TimestampTz),
        ] {
            let array = ty.convert(&texts(&values)).unwrap();
            assert_eq!(array.data_type(), &ty.pg_type().repr());
            assert_eq!((array.len(), array.null_count()), (values.len() + 1, 1));
        }
        let error = CsvType::BigInt.convert(&texts(&["1", "x"])).unwrap_err();
        assert_eq!(error.message(), "invalid input syntax for type bigint: \"x\"");
    }
}
