//! Output functions by column.

use std::fmt::Write;

use arrow::array::Array;

use super::array::{array_writer, list, vector_writer};
use super::simple::push_bytea;
use crate::context::TimeZone;
use crate::error::Result;
use crate::pgsem::datetime::{format_date, format_interval, format_time, format_timestamp, format_timestamptz};
use crate::pgsem::kernel::{Bool, Bytes, Date, F32, F64, I16, I32, I64, Interval, Text, Time, Timestamp, Value};
use crate::pgsem::number_io::{format_float4, format_float8};
use crate::pgsem::numeric::column::NumericColumn;
use crate::pgsem::text::pad::push_padded;
use crate::pgtype::{PgType, oid, type_info};

/// Appends the text of a row that is not NULL.
pub type CellWriter<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

/// The output function of a type over an array of its carrier (numeric: any of its carriers).
///
/// `char(n)` is padded to the declared length; without one nobody knows its blanks and it prints without them.
pub fn formatter<'a>(array: &'a dyn Array, ty: PgType, zone: TimeZone) -> Result<CellWriter<'a>> {
    if let (true, Some(element)) = (ty.is_vector(), ty.element()) {
        let list = list(array)?;
        return Ok(vector_writer(list, formatter(list.values().as_ref(), element, zone)?));
    }
    if let Some(element) = ty.element() {
        let list = list(array)?;
        return Ok(array_writer(list, formatter(list.values().as_ref(), element, zone)?));
    }
    Ok(match ty.oid {
        oid::BOOL => by::<Bool>(array, |v, out| out.push(if v { 't' } else { 'f' }))?,
        oid::INT2 => by::<I16>(array, push_display)?,
        oid::INT4 => by::<I32>(array, push_display)?,
        oid::INT8 | oid::OID | oid::REGCLASS | oid::REGPROC | oid::REGNAMESPACE => by::<I64>(array, push_display)?,
        oid::REGTYPE => by::<I64>(array, |v, out| match u32::try_from(v).ok().and_then(type_info) {
            Some(info) => out.push_str(info.sql_name),
            None => push_display(v, out),
        })?,
        oid::FLOAT4 => by::<F32>(array, |v, out| out.push_str(&format_float4(v)))?,
        oid::FLOAT8 => by::<F64>(array, |v, out| out.push_str(&format_float8(v)))?,
        oid::NUMERIC => numeric(array)?,
        oid::BYTEA => by::<Bytes>(array, push_bytea)?,
        oid::DATE => by::<Date>(array, format_date)?,
        oid::TIME => by::<Time>(array, format_time)?,
        oid::TIMESTAMP => by::<Timestamp>(array, format_timestamp)?,
        oid::TIMESTAMPTZ => by::<Timestamp>(array, move |v, out| format_timestamptz(v, zone, out))?,
        oid::INTERVAL => by::<Interval>(array, format_interval)?,
        oid::BPCHAR => match ty.length_typmod() {
            Some(length) => by::<Text>(array, move |v, out| push_padded(v, length, out))?,
            None => by::<Text>(array, |v, out| out.push_str(v))?,
        },
        _ => by::<Text>(array, |v, out| out.push_str(v))?,
    })
}

fn by<'a, V: Value + 'a>(
    array: &'a dyn Array,
    write: impl for<'v> Fn(V::Ref<'v>, &mut String) + 'a,
) -> Result<CellWriter<'a>> {
    let column = V::column(array)?;
    Ok(Box::new(move |row, out| write(V::get(&column, row), out)))
}

fn push_display(value: impl std::fmt::Display, out: &mut String) {
    // Writing into a String cannot fail.
    let _ = write!(out, "{value}");
}

fn numeric<'a>(array: &'a dyn Array) -> Result<CellWriter<'a>> {
    Ok(match NumericColumn::new(array)? {
        NumericColumn::Decimal128(values, scale) => {
            Box::new(move |row, out| push_decimal(values.value(row), scale.max(0) as usize, out))
        }
        column => Box::new(move |row, out| match column.value(row) {
            Ok(value) => push_display(value, out),
            // Only bytes that no encoder of ours wrote.
            Err(_) => out.push_str("NaN"),
        }),
    })
}

/// `units * 10^-scale` with all its digits after the point.
fn push_decimal(units: i128, scale: usize, out: &mut String) {
    if units < 0 {
        out.push('-');
    }
    let magnitude = units.unsigned_abs();
    let start = out.len();
    // Division of 64 bits is several times faster, and most values fit.
    match u64::try_from(magnitude) {
        Ok(small) => push_display(small, out),
        Err(_) => push_display(magnitude, out),
    }
    if scale == 0 {
        return;
    }
    let digits = out.len() - start;
    if digits <= scale {
        out.insert_str(start, &"0".repeat(scale + 1 - digits));
    }
    out.insert(out.len() - scale, '.');
}
