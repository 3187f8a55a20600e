//! Values of any type as JSON: what `to_json` and `to_jsonb` make of them (`datum_to_json`, `datum_to_jsonb`).

use arrow::array::Array;

use super::print;
use crate::context::TimeZone;
use crate::error::{Error, Result, state};
use crate::pgsem::io::{self, CellWriter};
use crate::pgsem::kernel::{Bool, Value};
use crate::pgtype::{PgType, oid};

/// Which of the two types is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Json,
    Jsonb,
}

/// Writes a value that is not NULL.
pub type JsonWriter<'a> = Box<dyn Fn(usize, &mut String) -> Result<()> + 'a>;

pub fn json_writer<'a>(array: &'a dyn Array, ty: PgType, zone: TimeZone, style: Style) -> Result<JsonWriter<'a>> {
    if let Some(element) = ty.element() {
        let list = io::list(array)?;
        let values = list.values();
        let write = json_writer(values.as_ref(), element, zone, style)?;
        let comma = if style == Style::Json { "," } else { ", " };
        return Ok(Box::new(move |row, out| {
            out.push('[');
            for (i, at) in io::span(list, row).enumerate() {
                if i > 0 {
                    out.push_str(comma);
                }
                if values.is_null(at) { out.push_str("null") } else { write(at, out)? }
            }
            out.push(']');
            Ok(())
        }));
    }
    let write = io::formatter(array, ty, zone)?;
    Ok(match (ty.oid, style) {
        (oid::BOOL, _) => {
            let values = Bool::column(array)?;
            Box::new(|row, out| {
                out.push_str(if values.value(row) { "true" } else { "false" });
                Ok(())
            })
        }
        (oid::INT2 | oid::INT4 | oid::INT8, _) => Box::new(move |row, out| {
            write(row, out);
            Ok(())
        }),
        (oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC, _) => Box::new(move |row, out| {
            let text = printed(&write, row);
            if text.ends_with(|c: char| c.is_ascii_digit()) {
                out.push_str(&if style == Style::Json { text } else { print::number(&text)? });
            } else {
                // NaN and infinities are no JSON numbers.
                print::push_string(&text, out);
            }
            Ok(())
        }),
        (oid::JSON, Style::Jsonb) => Box::new(move |row, out| {
            out.push_str(&print::canonical(&printed(&write, row))?);
            Ok(())
        }),
        (oid::JSON | oid::JSONB, _) => Box::new(move |row, out| {
            write(row, out);
            Ok(())
        }),
        _ => {
            let text = json_text(write, ty);
            Box::new(move |row, out| {
                print::push_string(&printed(&text, row), out);
                Ok(())
            })
        }
    })
}

/// Writes a value that is not NULL as the key of an object, without quotes.
pub fn key_text<'a>(array: &'a dyn Array, ty: PgType, zone: TimeZone) -> Result<CellWriter<'a>> {
    if ty.is_array() || matches!(ty.oid, oid::JSON | oid::JSONB) {
        return Err(Error::new(
            state::INVALID_PARAMETER_VALUE,
            "key value must be scalar, not array, composite, or json",
        ));
    }
    if ty.oid == oid::BOOL {
        let values = Bool::column(array)?;
        return Ok(Box::new(|row, out| out.push_str(if values.value(row) { "true" } else { "false" })));
    }
    Ok(json_text(io::formatter(array, ty, zone)?, ty))
}

pub fn printed(write: &CellWriter<'_>, row: usize) -> String {
    let mut text = String::new();
    write(row, &mut text);
    text
}

/// Timestamps have a `T` in JSON and a whole offset; other types print as ever.
fn json_text(write: CellWriter<'_>, ty: PgType) -> CellWriter<'_> {
    match ty.oid {
        oid::TIMESTAMP => Box::new(move |row, out| out.push_str(&printed(&write, row).replacen(' ', "T", 1))),
        oid::TIMESTAMPTZ => Box::new(move |row, out| {
            let text = printed(&write, row);
            let Some((date, time)) = text.split_once(' ') else { return out.push_str(&text) };
            let (time, era) = time.split_at(time.find(' ').unwrap_or(time.len()));
            out.extend([date, "T", time]);
            if time.rfind(['+', '-']).is_some_and(|sign| time.len() - sign == 3) {
                out.push_str(":00");
            }
            out.push_str(era);
        }),
        _ => write,
    }
}
