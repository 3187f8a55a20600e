//! From record batches to rows on the wire.
//!
//! This is the gateway's hottest loop, so nothing is allocated or looked up per cell: a [`Column`] knows its array, its type and
//! its format, and appends to one buffer that goes to the socket as it is.

mod binary;
mod column;
mod copy;
mod digits;

use std::ops::Range;

use arrow::array::RecordBatch;
use planner::context::TimeZone;
use planner::{Error, PgType, Result};

pub use binary::{EPOCH_DAYS, EPOCH_MICROS, numeric_text};
use column::Column;
pub use copy::CopyEncoder;

use super::wire::backend::end_message;

/// How the cells of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnFormat {
    pub ty: PgType,
    pub binary: bool,
}

/// Writes `DataRow` messages.
#[derive(Clone, Debug)]
pub struct RowEncoder {
    columns: Vec<ColumnFormat>,
    zone: TimeZone,
}

impl RowEncoder {
    pub fn new(columns: Vec<ColumnFormat>, zone: TimeZone) -> Self {
        Self { columns, zone }
    }

    /// Appends the rows; stops after the row that makes `out` longer than `limit`. Returns how many were written.
    pub fn encode(&self, batch: &RecordBatch, rows: Range<usize>, limit: usize, out: &mut Vec<u8>) -> Result<usize> {
        let columns = columns(batch, &self.columns, self.zone)?;
        let count = (columns.len() as i16).to_be_bytes();
        let mut scratch = String::new();
        let (start, end) = (rows.start, rows.end);
        for row in rows {
            out.push(b'D');
            let message = out.len();
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&count);
            for column in &columns {
                column.field(row, &mut scratch, out)?;
            }
            end_message(out, message);
            if out.len() > limit {
                return Ok(row + 1 - start);
            }
        }
        Ok(end - start)
    }
}

impl RowEncoder {
    /// The cells of one row.
    pub fn texts(&self, batch: &RecordBatch, row: usize) -> Result<Vec<Option<Vec<u8>>>> {
        let mut scratch = String::new();
        let cell = |column: &Column<'_>| {
            let mut out = Vec::new();
            match column.is_null(row) {
                true => Ok(None),
                false => column.value(row, &mut scratch, &mut out).map(|()| Some(out)),
            }
        };
        columns(batch, &self.columns, self.zone)?.iter().map(cell).collect()
    }
}

fn columns<'a>(batch: &'a RecordBatch, formats: &[ColumnFormat], zone: TimeZone) -> Result<Vec<Column<'a>>> {
    if batch.num_columns() != formats.len() {
        return Err(Error::internal(format!(
            "the plan promised {} columns and got {}",
            formats.len(),
            batch.num_columns()
        )));
    }
    batch.columns().iter().zip(formats).map(|(array, format)| Column::new(array.as_ref(), *format, zone)).collect()
}

#[cfg(test)]
mod tests;
