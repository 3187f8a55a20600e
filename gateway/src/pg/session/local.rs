//! Rows the session makes itself: SHOW, EXPLAIN and the like.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use planner::plan::OutputColumn;
use planner::{PgType, Result};

pub fn text_columns(names: &[&str]) -> Arc<[OutputColumn]> {
    let column =
        |name: &&str| OutputColumn { name: name.to_string(), ty: PgType::TEXT, table_oid: 0, column_number: 0 };
    names.iter().map(column).collect()
}

/// One row per entry, one text per column.
pub fn text_batch(columns: &[OutputColumn], rows: &[Vec<Option<String>>]) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns.iter().map(|c| Field::new(&c.name, DataType::Utf8View, true)).collect();
    let arrays = (0..columns.len())
        .map(|i| Arc::new(rows.iter().map(|row| row[i].as_deref()).collect::<StringViewArray>()) as ArrayRef)
        .collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}
