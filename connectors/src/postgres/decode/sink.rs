//! One column being filled: which Arrow builder takes which type of PostgreSQL.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewBuilder, BooleanBuilder, StringViewBuilder};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, i256,
};
use planner::error::state;
use planner::pgtype::{oid, type_info};
use planner::{Error, PgType};

use super::array::ListSink;
use super::fixed::{Fixed, boolean, date, exactly, interval, timestamp};
use super::text::TextForm;
use super::{numeric, unexpected};

/// Memory of text and bytes is taken in blocks of this size.
const BLOCK: u32 = 64 << 10;

/// Why a field cannot be taken.
#[derive(Debug)]
pub enum Problem {
    Length(usize),
    Malformed(&'static str),
    Encoding,
    Range(&'static str),
    /// A number with too many digits for its column.
    Precision,
    NotFinite(&'static str),
    Shape(&'static str),
}

impl Problem {
    #[cold]
    pub fn into_error(self, column: &str) -> Error {
        match self {
            Self::Length(length) => {
                unexpected(format!("column \"{column}\" has a field of {length} bytes, which its type does not have"))
            }
            Self::Malformed(what) => unexpected(format!("column \"{column}\" has a malformed value of type {what}")),
            Self::Encoding => Error::new(
                state::CHARACTER_NOT_IN_REPERTOIRE,
                format!("column \"{column}\" has a text that is not valid UTF-8"),
            ),
            Self::Range(what) => {
                Error::new(state::DATETIME_FIELD_OVERFLOW, format!("{what} out of range in column \"{column}\""))
            }
            Self::Precision => Error::new(
                state::NUMERIC_VALUE_OUT_OF_RANGE,
                format!("a value of column \"{column}\" does not fit its precision and scale"),
            ),
            Self::NotFinite(what) => {
                Error::unsupported(format!("{what} in numeric column \"{column}\" with a fixed scale"))
            }
            Self::Shape(what) => Error::unsupported(format!("{what} (column \"{column}\")")),
        }
    }
}

pub enum Sink {
    Bool(BooleanBuilder),
    Int2(Fixed<Int16Type>),
    Int4(Fixed<Int32Type>),
    Int8(Fixed<Int64Type>),
    /// Unsigned, four bytes.
    Oid(Fixed<Int64Type>),
    Float4(Fixed<Float32Type>),
    Float8(Fixed<Float64Type>),
    /// With `10^precision` and scale.
    Decimal128(Fixed<Decimal128Type>, i128, i32),
    Decimal256(Fixed<Decimal256Type>, i256, i32),
    Numeric(BinaryViewBuilder, Vec<u8>),
    Date(Fixed<Date32Type>),
    Time(Fixed<Time64MicrosecondType>),
    Timestamp(Fixed<TimestampMicrosecondType>),
    Interval(Fixed<IntervalMonthDayNanoType>),
    Text(StringViewBuilder, TextForm, String),
    Bytea(BinaryViewBuilder),
    List(ListSink),
}

impl Sink {
    /// The column for fields of type `sent` where the planner wants `wanted` in this carrier; `None` if these do not belong
    /// together.
    pub fn new(sent: u32, wanted: PgType, carrier: &DataType) -> Option<Self> {
        use DataType as D;
        Some(match (sent, carrier) {
            (oid::BOOL, D::Boolean) => Self::Bool(BooleanBuilder::new()),
            (oid::INT2, D::Int16) => Self::Int2(Fixed::new(carrier)),
            (oid::INT4, D::Int32) => Self::Int4(Fixed::new(carrier)),
            (oid::INT8, D::Int64) if wanted.oid == oid::INT8 => Self::Int8(Fixed::new(carrier)),
            (oid::OID, D::Int64) if wanted.oid == oid::OID => Self::Oid(Fixed::new(carrier)),
            (oid::FLOAT4, D::Float32) => Self::Float4(Fixed::new(carrier)),
            (oid::FLOAT8, D::Float64) => Self::Float8(Fixed::new(carrier)),
            (oid::NUMERIC, D::Decimal128(p, s)) => {
                Self::Decimal128(Fixed::new(carrier), 10i128.checked_pow((*p).into())?, (*s).into())
            }
            (oid::NUMERIC, D::Decimal256(p, s)) => {
                let limit = i256::from_i128(10).checked_pow((*p).into())?;
                Self::Decimal256(Fixed::new(carrier), limit, (*s).into())
            }
            (oid::NUMERIC, D::BinaryView) if wanted.oid == oid::NUMERIC => Self::Numeric(bytes(), Vec::new()),
            (oid::BYTEA, D::BinaryView) if wanted.oid == oid::BYTEA => Self::Bytea(bytes()),
            (oid::DATE, D::Date32) => Self::Date(Fixed::new(carrier)),
            (oid::TIME, D::Time64(TimeUnit::Microsecond)) => Self::Time(Fixed::new(carrier)),
            (oid::TIMESTAMP, D::Timestamp(TimeUnit::Microsecond, None))
            | (oid::TIMESTAMPTZ, D::Timestamp(TimeUnit::Microsecond, Some(_))) => Self::Timestamp(Fixed::new(carrier)),
            (oid::INTERVAL, D::Interval(IntervalUnit::MonthDayNano)) => Self::Interval(Fixed::new(carrier)),
            (_, D::Utf8View) => {
                let form = match TextForm::of(sent)? {
                    TextForm::AsIs if wanted.oid == oid::BPCHAR => TextForm::Trimmed,
                    form => form,
                };
                Self::Text(StringViewBuilder::new().with_fixed_block_size(BLOCK), form, String::new())
            }
            (_, D::List(field)) => {
                let element = type_info(sent)?.element;
                let elements = Self::new(element, wanted.element()?, field.data_type())?;
                Self::List(ListSink::new(field, element, elements))
            }
            _ => return None,
        })
    }

    #[inline]
    pub fn value(&mut self, field: &[u8]) -> Result<(), Problem> {
        match self {
            Self::Bool(b) => b.append_value(boolean(field)?),
            Self::Int2(b) => b.push(i16::from_be_bytes(exactly(field)?)),
            Self::Int4(b) => b.push(i32::from_be_bytes(exactly(field)?)),
            Self::Int8(b) => b.push(i64::from_be_bytes(exactly(field)?)),
            Self::Oid(b) => b.push(u32::from_be_bytes(exactly(field)?).into()),
            Self::Float4(b) => b.push(f32::from_be_bytes(exactly(field)?)),
            Self::Float8(b) => b.push(f64::from_be_bytes(exactly(field)?)),
            Self::Decimal128(b, limit, scale) => b.push(numeric::decimal128(field, *limit, *scale)?),
            Self::Decimal256(b, limit, scale) => b.push(numeric::decimal256(field, *limit, *scale)?),
            Self::Numeric(b, scratch) => {
                scratch.clear();
                numeric::encode(field, scratch)?;
                b.append_value(scratch);
            }
            Self::Date(b) => b.push(date(field)?),
            Self::Time(b) => b.push(i64::from_be_bytes(exactly(field)?)),
            Self::Timestamp(b) => b.push(timestamp(field)?),
            Self::Interval(b) => b.push(interval(field)?),
            Self::Text(b, form, scratch) => b.append_value(form.read(field, scratch)?),
            Self::Bytea(b) => b.append_value(field),
            Self::List(b) => b.value(field)?,
        }
        Ok(())
    }

    pub fn null(&mut self) {
        match self {
            Self::Bool(b) => b.append_null(),
            Self::Int2(b) => b.null(),
            Self::Int4(b) => b.null(),
            Self::Int8(b) | Self::Oid(b) => b.null(),
            Self::Float4(b) => b.null(),
            Self::Float8(b) => b.null(),
            Self::Decimal128(b, ..) => b.null(),
            Self::Decimal256(b, ..) => b.null(),
            Self::Numeric(b, _) | Self::Bytea(b) => b.append_null(),
            Self::Date(b) => b.null(),
            Self::Time(b) => b.null(),
            Self::Timestamp(b) => b.null(),
            Self::Interval(b) => b.null(),
            Self::Text(b, ..) => b.append_null(),
            Self::List(b) => b.null(),
        }
    }

    /// The column so far; the next one starts empty.
    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(b) => Arc::new(b.finish()),
            Self::Int2(b) => b.finish(),
            Self::Int4(b) => b.finish(),
            Self::Int8(b) | Self::Oid(b) => b.finish(),
            Self::Float4(b) => b.finish(),
            Self::Float8(b) => b.finish(),
            Self::Decimal128(b, ..) => b.finish(),
            Self::Decimal256(b, ..) => b.finish(),
            Self::Numeric(b, _) | Self::Bytea(b) => Arc::new(b.finish()),
            Self::Date(b) => b.finish(),
            Self::Time(b) => b.finish(),
            Self::Timestamp(b) => b.finish(),
            Self::Interval(b) => b.finish(),
            Self::Text(b, ..) => Arc::new(b.finish()),
            Self::List(b) => b.finish(),
        }
    }
}

fn bytes() -> BinaryViewBuilder {
    BinaryViewBuilder::new().with_fixed_block_size(BLOCK)
}
