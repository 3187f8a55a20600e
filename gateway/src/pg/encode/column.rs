//! One column of a batch with its format.

use arrow::array::{
    Array, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, IntervalMonthDayNanoArray, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use planner::context::TimeZone;
use planner::pgsem::io::{CellWriter, formatter};
use planner::pgtype::oid;
use planner::{Error, PgType, Result};

use super::digits::{MICROS_PER_DAY, is_plain_date, push_date, push_decimal, push_i64, push_time};
use super::{ColumnFormat, binary};

pub struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    cells: Cells<'a>,
}

/// Where the values are and how they are written. The first group is text, the second binary.
enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Decimal(&'a Decimal128Array, usize),
    /// Text in both formats.
    Text(&'a StringViewArray),
    /// `char(n)`: padded to so many characters.
    Padded(&'a StringViewArray, usize),
    Date(&'a Date32Array, CellWriter<'a>),
    Timestamp(&'a TimestampMicrosecondArray, CellWriter<'a>),
    /// With the offset of a fixed zone in seconds.
    TimestampTz(&'a TimestampMicrosecondArray, i32, CellWriter<'a>),
    Other(CellWriter<'a>),

    BinaryBool(&'a BooleanArray),
    BinaryInt16(&'a Int16Array),
    BinaryInt32(&'a Int32Array),
    BinaryInt64(&'a Int64Array),
    BinaryOid(&'a Int64Array),
    BinaryFloat32(&'a Float32Array),
    BinaryFloat64(&'a Float64Array),
    BinaryBytes(&'a BinaryViewArray),
    BinaryDate(&'a Date32Array),
    BinaryTime(&'a Time64MicrosecondArray),
    BinaryTimestamp(&'a TimestampMicrosecondArray),
    BinaryInterval(&'a IntervalMonthDayNanoArray),
    BinaryUuid(&'a StringViewArray),
    BinaryJsonb(&'a StringViewArray),
    BinaryInet(&'a StringViewArray),
    /// From the value's text.
    BinaryNumeric(CellWriter<'a>),
    BinaryArray {
        list: &'a arrow::array::ListArray,
        element: Box<Column<'a>>,
        oid: u32,
        first: i32,
    },
}

fn cast<A: 'static>(array: &dyn Array, ty: PgType) -> Result<&A> {
    let wrong = || Error::internal(format!("a column of type {ty} arrived as {}", array.data_type()));
    array.as_any().downcast_ref().ok_or_else(wrong)
}

impl<'a> Column<'a> {
    pub fn new(array: &'a dyn Array, format: ColumnFormat, zone: TimeZone) -> Result<Self> {
        let cells =
            if format.binary { binary_cells(array, format.ty, zone)? } else { text_cells(array, format.ty, zone)? };
        Ok(Self { nulls: array.nulls(), cells })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// A field of a row: length and value, -1 for NULL.
    pub fn field(&self, row: usize, scratch: &mut String, out: &mut Vec<u8>) -> Result<()> {
        if self.is_null(row) {
            out.extend_from_slice(&[0xff; 4]);
            return Ok(());
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        self.value(row, scratch, out)?;
        let length = ((out.len() - start - 4) as u32).to_be_bytes();
        out[start..start + 4].copy_from_slice(&length);
        Ok(())
    }

    /// The value alone; the row must not be NULL.
    pub fn value(&self, row: usize, scratch: &mut String, out: &mut Vec<u8>) -> Result<()> {
        match &self.cells {
            Cells::Bool(a) => out.push(if a.value(row) { b't' } else { b'f' }),
            Cells::Int16(a) => push_i64(a.value(row).into(), out),
            Cells::Int32(a) => push_i64(a.value(row).into(), out),
            Cells::Int64(a) => push_i64(a.value(row), out),
            Cells::Decimal(a, scale) => push_decimal(a.value(row), *scale, out),
            Cells::Text(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Cells::Padded(a, width) => {
                let text = a.value(row);
                out.extend_from_slice(text.as_bytes());
                let missing = width.saturating_sub(text.chars().count());
                out.resize(out.len() + missing, b' ');
            }
            Cells::Date(a, writer) => match a.value(row) {
                days if is_plain_date(days) => push_date(days, out),
                _ => other(writer, row, scratch, out),
            },
            Cells::Timestamp(a, writer) => {
                if !timestamp(a.value(row), out) {
                    other(writer, row, scratch, out);
                }
            }
            Cells::TimestampTz(a, offset, writer) => {
                let local = a.value(row).checked_add(i64::from(*offset) * 1_000_000);
                if local.is_some_and(|local| timestamp(local, out)) {
                    push_offset(*offset, out);
                } else {
                    other(writer, row, scratch, out);
                }
            }
            Cells::Other(writer) => other(writer, row, scratch, out),

            Cells::BinaryBool(a) => out.push(u8::from(a.value(row))),
            Cells::BinaryInt16(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            Cells::BinaryInt32(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            Cells::BinaryInt64(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            Cells::BinaryOid(a) => out.extend_from_slice(&(a.value(row) as u32).to_be_bytes()),
            Cells::BinaryFloat32(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            Cells::BinaryFloat64(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            Cells::BinaryBytes(a) => out.extend_from_slice(a.value(row)),
            Cells::BinaryDate(a) => out.extend_from_slice(&binary::date(a.value(row)).to_be_bytes()),
            Cells::BinaryTime(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            Cells::BinaryTimestamp(a) => out.extend_from_slice(&binary::timestamp(a.value(row)).to_be_bytes()),
            Cells::BinaryInterval(a) => binary::interval(a.value(row), out),
            Cells::BinaryUuid(a) => binary::uuid(a.value(row), out)?,
            Cells::BinaryJsonb(a) => {
                out.push(1);
                out.extend_from_slice(a.value(row).as_bytes());
            }
            Cells::BinaryInet(a) => binary::inet(a.value(row), out)?,
            Cells::BinaryNumeric(writer) => {
                scratch.clear();
                writer(row, scratch);
                binary::numeric(scratch, out)?;
            }
            Cells::BinaryArray { list, element, oid, first } => {
                let offsets = list.value_offsets();
                let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
                let nulls = (start..end).any(|i| element.is_null(i));
                binary::array_header(end - start, nulls, *oid, *first, out);
                for i in start..end {
                    element.field(i, scratch, out)?;
                }
            }
        }
        Ok(())
    }
}

fn other(writer: &CellWriter<'_>, row: usize, scratch: &mut String, out: &mut Vec<u8>) {
    scratch.clear();
    writer(row, scratch);
    out.extend_from_slice(scratch.as_bytes());
}

/// Writes a timestamp of the years 1 to 9999; others (and the infinities) it leaves.
fn timestamp(micros: i64, out: &mut Vec<u8>) -> bool {
    let days = micros.div_euclid(MICROS_PER_DAY);
    match i32::try_from(days) {
        Ok(days) if is_plain_date(days) => {
            push_date(days, out);
            out.push(b' ');
            push_time(micros.rem_euclid(MICROS_PER_DAY), out);
            true
        }
        _ => false,
    }
}

/// `+00`, `-03:30`; whole minutes.
fn push_offset(seconds: i32, out: &mut Vec<u8>) {
    out.push(if seconds < 0 { b'-' } else { b'+' });
    let minutes = seconds.unsigned_abs() / 60;
    super::digits::push_two(minutes / 60, out);
    if !minutes.is_multiple_of(60) {
        out.push(b':');
        super::digits::push_two(minutes % 60, out);
    }
}

fn text_cells<'a>(array: &'a dyn Array, ty: PgType, zone: TimeZone) -> Result<Cells<'a>> {
    let writer = || formatter(array, ty, zone);
    Ok(match ty.oid {
        oid::BOOL => Cells::Bool(cast(array, ty)?),
        oid::INT2 => Cells::Int16(cast(array, ty)?),
        oid::INT4 => Cells::Int32(cast(array, ty)?),
        oid::INT8 | oid::OID => Cells::Int64(cast(array, ty)?),
        oid::NUMERIC => match array.as_any().downcast_ref::<Decimal128Array>() {
            Some(a) if a.scale() >= 0 => Cells::Decimal(a, a.scale() as usize),
            _ => Cells::Other(writer()?),
        },
        oid::BPCHAR => match ty.length_typmod() {
            Some(width) => Cells::Padded(cast(array, ty)?, width),
            None => Cells::Text(cast(array, ty)?),
        },
        oid::TEXT | oid::VARCHAR | oid::NAME | oid::JSON | oid::JSONB | oid::UUID | oid::UNKNOWN => {
            Cells::Text(cast(array, ty)?)
        }
        oid::DATE => Cells::Date(cast(array, ty)?, writer()?),
        oid::TIMESTAMP => Cells::Timestamp(cast(array, ty)?, writer()?),
        oid::TIMESTAMPTZ => match zone {
            TimeZone::Named(chrono_tz::Tz::UTC) => Cells::TimestampTz(cast(array, ty)?, 0, writer()?),
            TimeZone::Fixed(offset) if offset % 60 == 0 => Cells::TimestampTz(cast(array, ty)?, offset, writer()?),
            _ => Cells::Other(writer()?),
        },
        _ => Cells::Other(writer()?),
    })
}

fn binary_cells<'a>(array: &'a dyn Array, ty: PgType, zone: TimeZone) -> Result<Cells<'a>> {
    Ok(match ty.oid {
        oid::BOOL => Cells::BinaryBool(cast(array, ty)?),
        oid::INT2 => Cells::BinaryInt16(cast(array, ty)?),
        oid::INT4 => Cells::BinaryInt32(cast(array, ty)?),
        oid::INT8 => Cells::BinaryInt64(cast(array, ty)?),
        oid::OID | oid::REGCLASS | oid::REGTYPE | oid::REGNAMESPACE | oid::REGPROC => {
            Cells::BinaryOid(cast(array, ty)?)
        }
        oid::FLOAT4 => Cells::BinaryFloat32(cast(array, ty)?),
        oid::FLOAT8 => Cells::BinaryFloat64(cast(array, ty)?),
        oid::NUMERIC => Cells::BinaryNumeric(formatter(array, ty, zone)?),
        oid::BYTEA => Cells::BinaryBytes(cast(array, ty)?),
        oid::DATE => Cells::BinaryDate(cast(array, ty)?),
        oid::TIME => Cells::BinaryTime(cast(array, ty)?),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => Cells::BinaryTimestamp(cast(array, ty)?),
        oid::INTERVAL => Cells::BinaryInterval(cast(array, ty)?),
        oid::UUID => Cells::BinaryUuid(cast(array, ty)?),
        oid::JSONB => Cells::BinaryJsonb(cast(array, ty)?),
        oid::INET => Cells::BinaryInet(cast(array, ty)?),
        oid::BPCHAR => match ty.length_typmod() {
            Some(width) => Cells::Padded(cast(array, ty)?, width),
            None => Cells::Text(cast(array, ty)?),
        },
        oid::TEXT | oid::VARCHAR | oid::NAME | oid::CHAR | oid::JSON | oid::UNKNOWN => Cells::Text(cast(array, ty)?),
        _ => match ty.element() {
            Some(element_type) => {
                let list: &arrow::array::ListArray = cast(array, ty)?;
                let format = ColumnFormat { ty: element_type, binary: true };
                let element = Box::new(Column::new(list.values().as_ref(), format, zone)?);
                Cells::BinaryArray { list, element, oid: element_type.oid, first: ty.lower_bound() }
            }
            None => return Err(Error::unsupported(format!("binary format of type {ty}"))),
        },
    })
}
