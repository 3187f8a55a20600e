//! From the Arrow type a file is read in to the carrier of its PostgreSQL type: exactly, or with an error.
//!
//! Arrow's own casts are used only where every value has its image. Where PostgreSQL's type holds less (nanoseconds, years, NUL
//! characters), each value is checked: one that does not fit is an error of the query, or NULL if the source's policy says so.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, PrimitiveArray, StringViewArray, StringViewBuilder, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, ArrowTimestampType, DataType, Date32Type, Date64Type, Decimal128Type, Decimal256Type,
    DecimalType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use planner::error::state;
use planner::pgsem::datetime::calendar::{MICROS_PER_DAY, checked_date, checked_timestamp};
use planner::{Error, Result};

use super::nested;

/// How a column's values become ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Convert {
    pub step: Step,
    /// The carrier.
    pub target: DataType,
    /// A value that does not fit is NULL instead of an error.
    pub lenient: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Arrow's cast, which loses nothing between these types.
    Cast,
    /// UTF-8 without NUL characters.
    Text,
    /// 16 bytes to `xxxxxxxx-xxxx-…`.
    Uuid,
    /// To the same scale, or from a negative scale to 0.
    Decimal,
    Date,
    Time,
    Timestamp,
    Duration,
    /// A list of supported scalars.
    List(Box<Convert>),
    /// Structs, maps and nested lists, as JSON text.
    Json,
    /// No value is read.
    Null,
}

impl Convert {
    pub fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match &self.step {
            Step::Cast => cast(array, &self.target),
            Step::Text => self.text(array),
            Step::Uuid => Ok(uuids(array.as_fixed_size_binary())),
            Step::Decimal => self.decimal(array),
            Step::Date => match array.data_type() {
                DataType::Date64 => self.map::<Date64Type, Date32Type>(array, days_of_millis),
                _ => self.map::<Date32Type, Date32Type>(array, |days| checked_date(i64::from(days))),
            },
            Step::Time => self.time(array),
            Step::Timestamp => self.timestamp(array),
            Step::Duration => self.duration(array),
            Step::List(element) => nested::list(array, element, &self.target),
            Step::Json => nested::json(array),
            Step::Null => Ok(new_null_array(&self.target, array.len())),
        }
    }

    fn map<A, B>(&self, array: &ArrayRef, f: impl Fn(A::Native) -> Result<B::Native>) -> Result<ArrayRef>
    where
        A: ArrowPrimitiveType,
        B: ArrowPrimitiveType,
    {
        let source = array.as_primitive::<A>();
        let mapped: PrimitiveArray<B> =
            if self.lenient { source.unary_opt(|v| f(v).ok()) } else { source.try_unary(f)? };
        Ok(Arc::new(mapped.with_data_type(self.target.clone())))
    }

    fn text(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let array = cast(array, &DataType::Utf8View)?;
        let text = array.as_string_view();
        let bad = |value: &str| value.as_bytes().contains(&0);
        if !text.iter().flatten().any(bad) {
            return Ok(array);
        }
        if !self.lenient {
            let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
            return Err(Error::new(state::CHARACTER_NOT_IN_REPERTOIRE, message));
        }
        Ok(Arc::new(text.iter().map(|v| v.filter(|v| !bad(v))).collect::<StringViewArray>()))
    }

    fn decimal(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let wider = cast(array, &self.target)?;
        let valid = match &self.target {
            DataType::Decimal256(p, _) => wider.as_primitive::<Decimal256Type>().validate_decimal_precision(*p),
            DataType::Decimal128(p, _) => wider.as_primitive::<Decimal128Type>().validate_decimal_precision(*p),
            other => return Err(Error::internal(format!("{other} is no decimal"))),
        };
        match valid {
            Ok(()) => Ok(wider),
            Err(_) if self.lenient => Ok(match &self.target {
                DataType::Decimal256(p, _) => in_precision::<Decimal256Type>(&wider, *p),
                _ => in_precision::<Decimal128Type>(&wider, decimal_precision(&self.target)),
            }),
            Err(_) => Err(Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")),
        }
    }

    fn time(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let checked = |micros: i64| match micros {
            0..=MICROS_PER_DAY => Ok(micros),
            _ => Err(Error::new(state::DATETIME_FIELD_OVERFLOW, "time out of range")),
        };
        match array.data_type() {
            DataType::Time32(TimeUnit::Second) => {
                self.map::<Time32SecondType, Time64MicrosecondType>(array, |v| checked(i64::from(v) * 1_000_000))
            }
            DataType::Time32(_) => {
                self.map::<Time32MillisecondType, Time64MicrosecondType>(array, |v| checked(i64::from(v) * 1000))
            }
            DataType::Time64(TimeUnit::Microsecond) => {
                self.map::<Time64MicrosecondType, Time64MicrosecondType>(array, checked)
            }
            _ => self.map::<Time64NanosecondType, Time64MicrosecondType>(array, |v| checked(whole_micros(v)?)),
        }
    }

    fn timestamp(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match array.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => self.instants::<TimestampSecondType>(array, 1_000_000),
            DataType::Timestamp(TimeUnit::Millisecond, _) => self.instants::<TimestampMillisecondType>(array, 1000),
            DataType::Timestamp(TimeUnit::Microsecond, _) => self.instants::<TimestampMicrosecondType>(array, 1),
            _ => self.map::<TimestampNanosecondType, TimestampMicrosecondType>(array, |v| {
                checked_timestamp(i128::from(whole_micros(v)?))
            }),
        }
    }

    fn instants<A: ArrowTimestampType>(&self, array: &ArrayRef, micros: i128) -> Result<ArrayRef> {
        self.map::<A, TimestampMicrosecondType>(array, |v| checked_timestamp(i128::from(v) * micros))
    }

    fn duration(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match array.data_type() {
            DataType::Duration(TimeUnit::Second) => self.spans::<DurationSecondType>(array, 1_000_000_000),
            DataType::Duration(TimeUnit::Millisecond) => self.spans::<DurationMillisecondType>(array, 1_000_000),
            DataType::Duration(TimeUnit::Microsecond) => self.spans::<DurationMicrosecondType>(array, 1000),
            _ => self.map::<DurationNanosecondType, IntervalMonthDayNanoType>(array, |v| {
                whole_micros(v)?;
                Ok(IntervalMonthDayNano::new(0, 0, v))
            }),
        }
    }

    fn spans<A: ArrowPrimitiveType<Native = i64>>(&self, array: &ArrayRef, nanos: i64) -> Result<ArrayRef> {
        self.map::<A, IntervalMonthDayNanoType>(array, |v| {
            let nanos = v.checked_mul(nanos);
            let nanos = nanos.ok_or_else(|| Error::new(state::DATETIME_FIELD_OVERFLOW, "interval out of range"))?;
            Ok(IntervalMonthDayNano::new(0, 0, nanos))
        })
    }
}

pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Arrow's cast; what does not fit is an error and never NULL.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    Ok(cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })?)
}

fn days_of_millis(millis: i64) -> Result<i32> {
    const DAY: i64 = 86_400_000;
    if millis % DAY != 0 {
        return Err(Error::new(state::DATETIME_FIELD_OVERFLOW, "a date has a time of day"));
    }
    checked_date(millis / DAY)
}

/// PostgreSQL's types end at the microsecond, and nothing is cut off silently.
fn whole_micros(nanos: i64) -> Result<i64> {
    if nanos % 1000 != 0 {
        return Err(Error::new(state::DATETIME_FIELD_OVERFLOW, "a time has digits below the microsecond")
            .with_hint("Write the file with microseconds, or set the source's unsupported_types to \"null\"."));
    }
    Ok(nanos / 1000)
}

fn decimal_precision(ty: &DataType) -> u8 {
    match ty {
        DataType::Decimal128(p, _) | DataType::Decimal256(p, _) => *p,
        _ => 0,
    }
}

fn in_precision<D: DecimalType>(array: &ArrayRef, precision: u8) -> ArrayRef
where
    D::Native: Copy,
{
    let decimals = array.as_primitive::<D>();
    let fitting = |v: D::Native| D::is_valid_decimal_precision(v, precision).then_some(v);
    Arc::new(decimals.unary_opt::<_, D>(fitting).with_data_type(array.data_type().clone()))
}

fn uuids(bytes: &FixedSizeBinaryArray) -> ArrayRef {
    let mut text = StringViewBuilder::with_capacity(bytes.len());
    for value in bytes.iter() {
        text.append_option(value.and_then(|v| uuid::Uuid::from_slice(v).ok()).map(|u| u.hyphenated().to_string()));
    }
    Arc::new(text.finish())
}
