//! Values of parameters, as clients send them.

use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{Field, IntervalMonthDayNano};
use datafusion::common::ScalarValue;
use planner::error::state;
use planner::pgsem::io;
use planner::pgtype::oid;
use planner::plan::ParameterValue;
use planner::{Error, PgType, QueryContext, Result};

use super::encode::{EPOCH_DAYS, EPOCH_MICROS, numeric_text};
use super::wire::frontend::utf8;

/// `$number` with the given type.
pub fn parameter(
    number: usize,
    ty: PgType,
    binary: bool,
    bytes: Option<&[u8]>,
    context: &QueryContext,
) -> Result<ParameterValue> {
    let value = match bytes {
        None => ScalarValue::try_from(&ty.repr())?,
        Some(bytes) if binary => self::binary(ty, bytes, context, number)?,
        Some(bytes) => text(ty, utf8(bytes)?, context)?,
    };
    Ok(ParameterValue { ty, value })
}

/// PostgreSQL's text form.
pub fn text(ty: PgType, text: &str, context: &QueryContext) -> Result<ScalarValue> {
    if text.contains('\0') {
        let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(Error::new(state::CHARACTER_NOT_IN_REPERTOIRE, message));
    }
    io::parse(text, ty, context)
}

fn binary(ty: PgType, bytes: &[u8], context: &QueryContext, number: usize) -> Result<ScalarValue> {
    let wrong = || {
        let message = format!("incorrect binary data format in bind parameter {number}");
        Error::new(state::INVALID_BINARY_REPRESENTATION, message)
    };
    let i32_value = || bytes.try_into().map(i32::from_be_bytes).map_err(|_| wrong());
    let i64_value = || bytes.try_into().map(i64::from_be_bytes).map_err(|_| wrong());
    Ok(match ty.oid {
        oid::BOOL => ScalarValue::Boolean(Some(<[u8; 1]>::try_from(bytes).map_err(|_| wrong())?[0] != 0)),
        oid::INT2 => ScalarValue::Int16(Some(bytes.try_into().map(i16::from_be_bytes).map_err(|_| wrong())?)),
        oid::INT4 => ScalarValue::Int32(Some(i32_value()?)),
        oid::INT8 => ScalarValue::Int64(Some(i64_value()?)),
        oid::OID | oid::REGCLASS | oid::REGTYPE | oid::REGNAMESPACE | oid::REGPROC => {
            ScalarValue::Int64(Some(i64::from(i32_value()? as u32)))
        }
        oid::FLOAT4 => ScalarValue::Float32(Some(f32::from_bits(i32_value()? as u32))),
        oid::FLOAT8 => ScalarValue::Float64(Some(f64::from_bits(i64_value()? as u64))),
        oid::BYTEA => ScalarValue::BinaryView(Some(bytes.to_vec())),
        oid::DATE => ScalarValue::Date32(Some(match i32_value()? {
            infinite @ (i32::MIN | i32::MAX) => infinite,
            days => days.checked_add(EPOCH_DAYS).ok_or_else(wrong)?,
        })),
        oid::TIME => match i64_value()? {
            micros @ 0..=86_400_000_000 => ScalarValue::Time64Microsecond(Some(micros)),
            _ => return Err(Error::new(state::DATETIME_FIELD_OVERFLOW, "time out of range")),
        },
        oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            let micros = match i64_value()? {
                infinite @ (i64::MIN | i64::MAX) => infinite,
                micros => micros
                    .checked_add(EPOCH_MICROS)
                    .ok_or_else(|| Error::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range"))?,
            };
            let zone = (ty.oid == oid::TIMESTAMPTZ).then(|| "UTC".into());
            ScalarValue::TimestampMicrosecond(Some(micros), zone)
        }
        oid::INTERVAL => interval(bytes).ok_or_else(wrong)?,
        oid::NUMERIC => text(ty, &numeric_text(bytes).ok_or_else(wrong)?, context)?,
        oid::UUID => {
            let uuid = uuid::Uuid::from_slice(bytes).map_err(|_| wrong())?;
            ScalarValue::Utf8View(Some(uuid.to_string()))
        }
        oid::JSONB => match bytes {
            [1, json @ ..] => text(ty, utf8(json)?, context)?,
            _ => return Err(Error::new(state::INVALID_BINARY_REPRESENTATION, "unsupported jsonb version number")),
        },
        // What is text in binary, too.
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR | oid::JSON | oid::UNKNOWN => {
            text(ty, utf8(bytes)?, context)?
        }
        _ => match ty.element() {
            Some(element) => array(element, bytes, context, number)?,
            None => return Err(Error::unsupported(format!("a parameter of type {ty} in binary format"))),
        },
    })
}

fn interval(bytes: &[u8]) -> Option<ScalarValue> {
    let micros = i64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    let days = i32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?);
    let months = i32::from_be_bytes(bytes.get(12..16)?.try_into().ok()?);
    let nanoseconds = micros.checked_mul(1000).filter(|_| bytes.len() == 16)?;
    Some(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months, days, nanoseconds })))
}

fn array(element: PgType, bytes: &[u8], context: &QueryContext, number: usize) -> Result<ScalarValue> {
    let wrong = || {
        let message = format!("incorrect binary data format in bind parameter {number}");
        Error::new(state::INVALID_BINARY_REPRESENTATION, message)
    };
    let int =
        |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(i32::from_be_bytes).ok_or_else(wrong);
    let (dimensions, sent) = (int(0)?, int(8)? as u32);
    if sent != element.oid {
        return Err(Error::new(state::DATATYPE_MISMATCH, "wrong element type"));
    }
    let mut values = Vec::new();
    match dimensions {
        0 => {}
        1 => {
            let count = usize::try_from(int(12)?).map_err(|_| wrong())?;
            let mut at = 20;
            for _ in 0..count {
                let length = int(at)?;
                at += 4;
                if length == -1 {
                    values.push(ScalarValue::try_from(&element.repr())?);
                    continue;
                }
                let end = usize::try_from(length).ok().and_then(|n| at.checked_add(n)).ok_or_else(wrong)?;
                values.push(binary(element, bytes.get(at..end).ok_or_else(wrong)?, context, number)?);
                at = end;
            }
        }
        _ => return Err(Error::unsupported("an array of more than one dimension")),
    }
    let length = values.len();
    let items: ArrayRef = if values.is_empty() {
        arrow::array::new_empty_array(&element.repr())
    } else {
        ScalarValue::iter_to_array(values)?
    };
    let field = Field::new_list_field(element.repr(), true).into();
    let offsets = OffsetBuffer::from_lengths([length]);
    let list = ListArray::try_new(field, offsets, items, None::<NullBuffer>)?;
    Ok(ScalarValue::List(list.into()))
}
