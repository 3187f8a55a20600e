//! Rows of the binary protocol into Arrow columns of exactly the carriers the plan wants.

use std::sync::Arc;

use arrow::array::builder::{
    BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int16Builder,
    Int32Builder, Int64Builder, StringViewBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use chrono::NaiveDate;
use mysql_async::{Row, Value};
use planner::error::{Error, state};
use planner::pgsem::datetime::calendar::{EPOCH_JULIAN, MICROS_PER_DAY, date2j};
use planner::pgsem::numeric::column::NumericBuilder;
use planner::pgsem::numeric::{Numeric, parse_numeric};
use planner::pgtype::oid;
use planner::{PgType, Result};

enum Builder {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    /// The common decimals without a detour.
    Decimal(Decimal128Builder, u8, i8),
    Numeric(NumericBuilder),
    Text(StringViewBuilder, bool),
    Bytes(BinaryViewBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// Collects rows into batches.
pub struct Decoder {
    schema: SchemaRef,
    types: Vec<PgType>,
    columns: Vec<Builder>,
    rows: usize,
    /// Zero dates and times beyond a day become NULL instead of an error.
    lenient: bool,
}

impl Decoder {
    pub fn new(schema: SchemaRef, types: Vec<PgType>, lenient: bool) -> Result<Self> {
        let columns = columns(&schema, &types)?;
        Ok(Self { schema, types, columns, rows: 0, lenient })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn push(&mut self, row: Row) -> Result<()> {
        let values = row.unwrap();
        if values.len() < self.columns.len() {
            return Err(Error::internal(format!("{} columns instead of {}", values.len(), self.columns.len())));
        }
        for (i, value) in values.into_iter().take(self.columns.len()).enumerate() {
            append(&mut self.columns[i], value, self.lenient)
                .map_err(|e| e.with_detail(format!("In column {} of type {}.", i + 1, self.types[i])))?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows so far, and a fresh start.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let done = std::mem::replace(&mut self.columns, columns(&self.schema, &self.types)?);
        let arrays: Vec<ArrayRef> = done.into_iter().map(finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}

fn columns(schema: &SchemaRef, types: &[PgType]) -> Result<Vec<Builder>> {
    let builder = |(field, ty): (&Arc<arrow::datatypes::Field>, &PgType)| {
        Ok(match field.data_type() {
            DataType::Boolean => Builder::Bool(BooleanBuilder::new()),
            DataType::Int16 => Builder::Int16(Int16Builder::new()),
            DataType::Int32 => Builder::Int32(Int32Builder::new()),
            DataType::Int64 => Builder::Int64(Int64Builder::new()),
            DataType::Float32 => Builder::Float32(Float32Builder::new()),
            DataType::Float64 => Builder::Float64(Float64Builder::new()),
            DataType::Decimal128(p, s) => {
                Builder::Decimal(Decimal128Builder::new().with_precision_and_scale(*p, *s)?, *p, *s)
            }
            DataType::BinaryView if ty.oid == oid::BYTEA => Builder::Bytes(BinaryViewBuilder::new()),
            DataType::Decimal256(..) | DataType::BinaryView => {
                Builder::Numeric(NumericBuilder::new(8192, field.data_type()))
            }
            DataType::Utf8View => Builder::Text(StringViewBuilder::new(), ty.oid == oid::BPCHAR),
            DataType::Date32 => Builder::Date(Date32Builder::new()),
            DataType::Time64(_) => Builder::Time(Time64MicrosecondBuilder::new()),
            DataType::Timestamp(_, zone) => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone()))
            }
            other => return Err(Error::unsupported(format!("reading {ty} as {other} from this engine"))),
        })
    };
    schema.fields().iter().zip(types).map(builder).collect()
}

fn finish(builder: Builder) -> ArrayRef {
    match builder {
        Builder::Bool(mut b) => Arc::new(b.finish()),
        Builder::Int16(mut b) => Arc::new(b.finish()),
        Builder::Int32(mut b) => Arc::new(b.finish()),
        Builder::Int64(mut b) => Arc::new(b.finish()),
        Builder::Float32(mut b) => Arc::new(b.finish()),
        Builder::Float64(mut b) => Arc::new(b.finish()),
        Builder::Decimal(mut b, ..) => Arc::new(b.finish()),
        Builder::Numeric(b) => b.finish(),
        Builder::Text(mut b, _) => Arc::new(b.finish()),
        Builder::Bytes(mut b) => Arc::new(b.finish()),
        Builder::Date(mut b) => Arc::new(b.finish()),
        Builder::Time(mut b) => Arc::new(b.finish()),
        Builder::Timestamp(mut b) => Arc::new(b.finish()),
    }
}

fn unexpected(value: &Value) -> Error {
    Error::new(state::FDW_ERROR, format!("the engine sent {} where another type was expected", value.as_sql(true)))
}

fn append(builder: &mut Builder, value: Value, lenient: bool) -> Result<()> {
    match builder {
        Builder::Bool(b) => b.append_option(match &value {
            Value::NULL => None,
            Value::Int(n) => Some(*n != 0),
            Value::UInt(n) => Some(*n != 0),
            Value::Bytes(bytes) => Some(bytes.iter().any(|b| *b != 0 && *b != b'0')),
            _ => return Err(unexpected(&value)),
        }),
        Builder::Int16(b) => b.append_option(integer(&value)?.map(narrow).transpose()?),
        Builder::Int32(b) => b.append_option(integer(&value)?.map(narrow).transpose()?),
        Builder::Int64(b) => b.append_option(integer(&value)?.map(narrow).transpose()?),
        Builder::Float32(b) => b.append_option(match &value {
            Value::NULL => None,
            Value::Float(x) => Some(*x),
            _ => return Err(unexpected(&value)),
        }),
        Builder::Float64(b) => b.append_option(match &value {
            Value::NULL => None,
            Value::Float(x) => Some(f64::from(*x)),
            Value::Double(x) => Some(*x),
            _ => return Err(unexpected(&value)),
        }),
        Builder::Decimal(b, p, s) => b.append_option(match &value {
            Value::NULL => None,
            Value::Int(n) => Some(scaled(n.to_string().as_bytes(), *p, *s)?),
            Value::UInt(n) => Some(scaled(n.to_string().as_bytes(), *p, *s)?),
            Value::Bytes(text) => Some(scaled(text, *p, *s)?),
            _ => return Err(unexpected(&value)),
        }),
        Builder::Numeric(b) => {
            let number = match &value {
                Value::NULL => None,
                Value::Int(n) => Some(parse_numeric(&n.to_string())?),
                Value::UInt(n) => Some(parse_numeric(&n.to_string())?),
                Value::Bytes(text) => Some(parse_numeric(utf8(text)?)?),
                _ => return Err(unexpected(&value)),
            };
            b.append(number.as_ref() as Option<&Numeric>)?;
        }
        Builder::Text(b, blank_padded) => match &value {
            Value::NULL => b.append_null(),
            Value::Bytes(text) if *blank_padded => b.append_value(characters(text)?.trim_end_matches(' ')),
            Value::Bytes(text) => b.append_value(characters(text)?),
            other => b.append_value(other.as_sql(true).trim_matches('\'')),
        },
        Builder::Bytes(b) => match &value {
            Value::NULL => b.append_null(),
            Value::Bytes(bytes) => b.append_value(bytes),
            _ => return Err(unexpected(&value)),
        },
        Builder::Date(b) => b.append_option(match &value {
            Value::NULL => None,
            Value::Date(y, m, d, ..) => days(*y, *m, *d, lenient)?,
            _ => return Err(unexpected(&value)),
        }),
        Builder::Timestamp(b) => b.append_option(match &value {
            Value::NULL => None,
            Value::Date(y, m, d, h, min, s, us) => days(*y, *m, *d, lenient)?.map(|days| {
                let seconds = (i64::from(*h) * 60 + i64::from(*min)) * 60 + i64::from(*s);
                i64::from(days) * MICROS_PER_DAY + seconds * 1_000_000 + i64::from(*us)
            }),
            _ => return Err(unexpected(&value)),
        }),
        Builder::Time(b) => b.append_option(match &value {
            Value::NULL => None,
            Value::Time(negative, days, h, min, s, us) => {
                let seconds = ((i64::from(*days) * 24 + i64::from(*h)) * 60 + i64::from(*min)) * 60 + i64::from(*s);
                let micros = seconds * 1_000_000 + i64::from(*us);
                match (*negative && micros != 0 || micros > MICROS_PER_DAY, lenient) {
                    (false, _) => Some(micros),
                    (true, true) => None,
                    (true, false) => {
                        return Err(Error::new(
                            state::DATETIME_FIELD_OVERFLOW,
                            format!("time {} is not between 00:00 and 24:00", value.as_sql(true)),
                        )
                        .with_hint("unsupported_types = \"null\" of this source reads such values as NULL."));
                    }
                }
            }
            _ => return Err(unexpected(&value)),
        }),
    }
    Ok(())
}

/// Text as PostgreSQL can hold it.
fn characters(bytes: &[u8]) -> Result<&str> {
    if bytes.contains(&0) {
        let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(Error::new(state::CHARACTER_NOT_IN_REPERTOIRE, message));
    }
    utf8(bytes)
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::new(state::CHARACTER_NOT_IN_REPERTOIRE, "the engine sent text that is not UTF-8"))
}

fn integer(value: &Value) -> Result<Option<i128>> {
    Ok(Some(match value {
        Value::NULL => return Ok(None),
        Value::Int(n) => i128::from(*n),
        Value::UInt(n) => i128::from(*n),
        Value::Bytes(text) => utf8(text)?.parse().map_err(|_| unexpected(value))?,
        _ => return Err(unexpected(value)),
    }))
}

fn narrow<T: TryFrom<i128>>(n: i128) -> Result<T> {
    T::try_from(n).map_err(|_| Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, format!("{n} is out of range")))
}

/// The engine also stores days that no calendar has: zeros for unknown parts, and 31 February.
fn days(year: u16, month: u8, day: u8, lenient: bool) -> Result<Option<i32>> {
    if year > 0 && NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day)).is_some() {
        return Ok(Some(date2j(i32::from(year), i32::from(month), i32::from(day)) - EPOCH_JULIAN));
    }
    if lenient {
        return Ok(None);
    }
    Err(Error::new(state::INVALID_DATETIME_FORMAT, format!("date {year:04}-{month:02}-{day:02} does not exist"))
        .with_hint("unsupported_types = \"null\" of this source reads such values as NULL."))
}

/// Decimal text as an integer of `scale` digits after the point. Digits that do not fit are an error, never dropped.
fn scaled(text: &[u8], precision: u8, scale: i8) -> Result<i128> {
    let scale = scale as usize;
    let (mut value, mut fraction, mut point, mut negative) = (0i128, 0usize, false, false);
    let overflow = || {
        let shown = String::from_utf8_lossy(text).into_owned();
        Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, format!("{shown} does not fit numeric({precision},{scale})"))
    };
    for (i, byte) in text.iter().enumerate() {
        match byte {
            b'-' if i == 0 => negative = true,
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                if point {
                    fraction += 1;
                }
                if fraction > scale {
                    if *byte != b'0' {
                        return Err(overflow());
                    }
                    continue;
                }
                value =
                    value.checked_mul(10).and_then(|v| v.checked_add(i128::from(byte - b'0'))).ok_or_else(overflow)?;
            }
            _ => return Err(overflow()),
        }
    }
    let missing = scale.saturating_sub(fraction);
    let value = 10i128.checked_pow(missing as u32).and_then(|m| value.checked_mul(m)).ok_or_else(overflow)?;
    if value >= 10i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
        return Err(overflow());
    }
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
