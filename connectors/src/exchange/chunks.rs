//! Batches of any size in, chunks of one size out: what is stored, numbered and sent.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result as DfResult;

/// A chunk has at most so many rows, however narrow they are: an operator works through a batch in one go.
const MOST_ROWS: usize = 1 << 16;

/// Collects batches until they make a chunk.
pub(super) struct Cutter {
    schema: SchemaRef,
    /// Bytes of values in a chunk, about.
    size: usize,
    waiting: Vec<RecordBatch>,
    bytes: usize,
    rows: usize,
}

impl Cutter {
    pub fn new(schema: SchemaRef, size: usize) -> Self {
        Self { schema, size: size.max(1), waiting: Vec::new(), bytes: 0, rows: 0 }
    }

    /// The chunks that are full now.
    pub fn push(&mut self, batch: &RecordBatch) -> DfResult<Vec<RecordBatch>> {
        let mut full = Vec::new();
        for piece in split(batch, self.size) {
            self.bytes += batch_bytes(&piece) as usize;
            self.rows += piece.num_rows();
            self.waiting.push(piece);
            if self.bytes >= self.size || self.rows >= MOST_ROWS {
                full.extend(self.rest()?);
            }
        }
        Ok(full)
    }

    /// What waits, as the last chunk.
    pub fn rest(&mut self) -> DfResult<Option<RecordBatch>> {
        let (waiting, bytes) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.bytes));
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(None);
        }
        let chunk = match waiting.as_slice() {
            [one] => conform(one, &self.schema)?,
            many => concat_batches(&self.schema, many)?,
        };
        let chunk = compact(&chunk)?;
        // A slice keeps all that it was cut from, which would be held with it.
        if waiting.len() == 1 && chunk.get_array_memory_size() > 2 * bytes + 4096 {
            let all = UInt64Array::from_iter_values(0..chunk.num_rows() as u64);
            return Ok(Some(take_record_batch(&chunk, &all)?));
        }
        Ok(Some(chunk))
    }
}

/// The same rows with this very schema, which theirs must agree with.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> DfResult<RecordBatch> {
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &rows)?)
}

/// Pieces of at most about `size` bytes; none of them is empty.
pub(crate) fn split(batch: &RecordBatch, size: usize) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    let count = (batch_bytes(batch) as usize).div_ceil(size).max(rows.div_ceil(MOST_ROWS)).clamp(1, rows.max(1));
    let each = rows.div_ceil(count).max(1);
    (0..rows).step_by(each).map(|from| batch.slice(from, each.min(rows - from))).collect()
}

/// View arrays are written with all their buffers, also those a slice no longer looks at.
pub(crate) fn compact(batch: &RecordBatch) -> DfResult<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column.clone(),
    });
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &rows)?)
}

/// Bytes of a batch's values, without what its buffers hold beyond them.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|c| array_bytes(c.as_ref())).sum()
}

fn array_bytes(array: &dyn Array) -> u64 {
    let views = |lengths: u64| lengths + 16 * array.len() as u64;
    match array.data_type() {
        DataType::Utf8View => views(array.as_string_view().lengths().map(u64::from).sum()),
        DataType::BinaryView => views(array.as_binary_view().lengths().map(u64::from).sum()),
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()) as u64,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn schema() -> SchemaRef {
        let fields = vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8View, true)];
        Arc::new(Schema::new(fields))
    }

    fn batch(from: i64, rows: i64) -> RecordBatch {
        let numbers = Int64Array::from_iter_values(from..from + rows);
        let texts =
            StringViewArray::from_iter_values((from..from + rows).map(|n| format!("a text of some length {n}")));
        RecordBatch::try_new(schema(), vec![Arc::new(numbers), Arc::new(texts)]).unwrap()
    }

    #[test]
    fn small_batches_are_joined_and_large_ones_split() {
        let mut cutter = Cutter::new(schema(), 10_000);
        let mut chunks = Vec::new();
        for (from, rows) in [(0, 10), (10, 10), (20, 5_000), (5_020, 1)] {
            chunks.extend(cutter.push(&batch(from, rows)).unwrap());
        }
        chunks.extend(cutter.rest().unwrap());
        assert!(cutter.rest().unwrap().is_none());
        assert!(chunks.iter().all(|c| batch_bytes(c) < 20_000 && c.num_rows() > 0));
        assert_eq!(concat_batches(&schema(), &chunks).unwrap(), batch(0, 5_021));
    }

    #[test]
    fn a_chunk_holds_nothing_but_its_rows() {
        let mut cutter = Cutter::new(schema(), 1 << 20);
        cutter.push(&batch(0, 10_000).slice(5_000, 10)).unwrap();
        let chunk = cutter.rest().unwrap().unwrap();
        assert!(chunk.get_array_memory_size() < 4_096, "{}", chunk.get_array_memory_size());
        assert_eq!(chunk, batch(5_000, 10));
    }

    #[test]
    fn rows_without_columns_are_rows() {
        let none: SchemaRef = Arc::new(Schema::empty());
        let rows = RecordBatchOptions::new().with_row_count(Some(200_000));
        let mut cutter = Cutter::new(none.clone(), 1 << 20);
        let all = RecordBatch::try_new_with_options(none, Vec::new(), &rows).unwrap();
        let mut chunks = cutter.push(&all).unwrap();
        chunks.extend(cutter.rest().unwrap());
        assert!(chunks.len() > 1);
        assert_eq!(chunks.iter().map(RecordBatch::num_rows).sum::<usize>(), 200_000);
    }
}
