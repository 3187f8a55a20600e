//! PostgreSQL's binary format straight into Arrow columns.
//!
//! The planner says which carriers a fragment's columns have, the engine says which types it sends; every pair must be one this
//! module knows, and every field must have its type's length, or the scan fails: never a value that was misread.

mod array;
mod copy;
mod fixed;
mod numeric;
mod sink;
mod text;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use planner::error::state;
use planner::{Error, PgType, Result};

pub(super) use copy::CopyReader;
use sink::Sink;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// A batch of wide rows is cut at this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// Builds batches of one statement's result.
pub(super) struct RowDecoder {
    schema: SchemaRef,
    sinks: Vec<Sink>,
    rows: usize,
    bytes: usize,
}

impl RowDecoder {
    /// `sent` are the OIDs of the types the engine sends.
    pub fn new(schema: SchemaRef, wanted: &[PgType], sent: &[u32]) -> Result<Self> {
        let (fields, width) = (schema.fields(), sent.len());
        if wanted.len() != width || fields.len() != width {
            let expected = fields.len();
            return Err(unexpected(format!("a statement has {width} columns instead of {expected}")));
        }
        let sinks = fields
            .iter()
            .zip(wanted)
            .zip(sent)
            .map(|((field, wanted), sent)| {
                Sink::new(*sent, *wanted, field.data_type()).ok_or_else(|| {
                    let sent = PgType::of(*sent).sql_name();
                    unexpected(format!(
                        "column \"{}\" of a statement has type {sent} instead of {wanted}",
                        field.name()
                    ))
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { schema, sinks, rows: 0, bytes: 0 })
    }

    pub fn width(&self) -> usize {
        self.sinks.len()
    }

    /// Adds a row; `None` is NULL.
    pub fn row<'a>(&mut self, fields: impl Iterator<Item = Option<&'a [u8]>>) -> Result<()> {
        for (column, (sink, field)) in self.sinks.iter_mut().zip(fields).enumerate() {
            match field {
                None => sink.null(),
                Some(bytes) => {
                    self.bytes += bytes.len();
                    if let Err(problem) = sink.value(bytes) {
                        return Err(problem.into_error(self.schema.field(column).name()));
                    }
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows so far.
    pub fn take(&mut self) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        let columns = self.sinks.iter_mut().map(Sink::finish).collect();
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

/// HV000: the engine did not do what was asked of it.
fn unexpected(message: String) -> Error {
    Error::new(state::FDW_ERROR, message)
}
