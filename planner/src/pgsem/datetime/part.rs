//! The value of one field of a date, time or interval, as `extract` and `date_part` find it, and as each shows it.

use super::calendar::{MICROS_PER_DAY, split_time};
use super::span::Span;
use crate::error::Result;
use crate::pgsem::numeric::{Finite, Numeric};

/// The value of one field.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    Null,
    Integer(i64),
    /// Microseconds shown as milliseconds, with three digits.
    Milliseconds(i64),
    /// Microseconds of a minute shown as seconds.
    Seconds(i64),
    /// Microseconds since 1970 shown as seconds.
    Epoch(i64),
    IntervalEpoch(Span),
    Julian {
        day: i32,
        micros: i64,
    },
    Infinity {
        negative: bool,
    },
}

impl Part {
    pub fn numeric(self) -> Result<Option<Numeric>> {
        let decimal = |unscaled: i128, scale| Finite::new(unscaled, scale).finish().map(Some);
        match self {
            Self::Null => Ok(None),
            Self::Integer(v) => decimal(v.into(), 0),
            Self::Milliseconds(micros) => decimal(micros.into(), 3),
            Self::Seconds(micros) | Self::Epoch(micros) => decimal(micros.into(), 6),
            Self::IntervalEpoch(span) => {
                // A year is 365.25 days, the months left over have 30.
                let years = i128::from(span.months / 12) * 31_557_600;
                let days = i128::from(span.months % 12) * 30 + i128::from(span.days);
                decimal((years + days * 86_400) * 1_000_000 + i128::from(span.micros), 6)
            }
            Self::Julian { day, micros } => {
                let fraction = Finite::new(micros, 0).finish()?.div(&Finite::new(MICROS_PER_DAY, 0).finish()?)?;
                Finite::new(i64::from(day), 0).finish()?.add(&fraction).map(Some)
            }
            Self::Infinity { negative } => {
                Ok(Some(if negative { Numeric::NegativeInfinity } else { Numeric::Infinity }))
            }
        }
    }

    pub fn float(self) -> Option<f64> {
        let fraction = |micros: i64| (micros % 1_000_000) as f64;
        Some(match self {
            Self::Null => return None,
            Self::Integer(v) => v as f64,
            Self::Milliseconds(micros) => (micros / 1_000_000) as f64 * 1000.0 + fraction(micros) / 1000.0,
            Self::Seconds(micros) => (micros / 1_000_000) as f64 + fraction(micros) / 1_000_000.0,
            Self::Epoch(micros) => micros as f64 / 1_000_000.0,
            Self::IntervalEpoch(span) => {
                let mut seconds = span.micros as f64 / 1_000_000.0;
                seconds += (365.25 * 86_400.0) * f64::from(span.months / 12);
                seconds += (30.0 * 86_400.0) * f64::from(span.months % 12);
                seconds + 86_400.0 * f64::from(span.days)
            }
            Self::Julian { day, micros } => {
                let (hour, minute, second, fraction) = split_time(micros);
                let whole = f64::from((hour * 60 + minute) * 60 + second);
                f64::from(day) + (whole + f64::from(fraction) / 1_000_000.0) / 86_400.0
            }
            Self::Infinity { negative } => {
                if negative {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                }
            }
        })
    }
}
