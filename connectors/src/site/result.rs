//! A result in the carriers the plan asked for.
//!
//! Whoever planned the query and who runs a statement of it bind with the same rules, but from different texts: the one may know of a numeric
//! that all its values have one scale where the other does not. Values are the same, only their carrier differs.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use planner::pgsem::numeric::Numeric;
use planner::pgsem::numeric::column::{NumericBuilder, NumericColumn};
use planner::pgtype::oid;
use planner::{Error, PgType, Result};

pub(crate) fn conform(batch: RecordBatch, types: &[PgType], schema: &SchemaRef) -> Result<RecordBatch> {
    let expected = schema.fields().len();
    if batch.num_columns() != expected {
        return Err(Error::internal(format!("a source has {} columns instead of {expected}", batch.num_columns())));
    }
    let columns = batch.columns().iter().zip(schema.fields()).zip(types);
    let columns = columns.map(|((column, field), ty)| carrier(column, field.data_type(), *ty));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_>>()?, &options)?)
}

fn carrier(column: &ArrayRef, wanted: &DataType, ty: PgType) -> Result<ArrayRef> {
    if column.data_type() == wanted {
        return Ok(column.clone());
    }
    if ty.oid != oid::NUMERIC || !is_numeric(column.data_type()) || !is_numeric(wanted) {
        let got = column.data_type();
        return Err(Error::internal(format!("a source answers {ty} as {got} instead of {wanted}")));
    }
    let values = NumericColumn::new(column.as_ref())?;
    let mut builder = NumericBuilder::new(column.len(), wanted);
    for row in 0..column.len() {
        if column.is_null(row) {
            builder.append(None)?;
            continue;
        }
        let value = values.value(row)?;
        if !keeps_scale(&value, wanted) {
            return Err(Error::internal("a source answers a numeric of another scale than it was asked for"));
        }
        builder.append(Some(&value))?;
    }
    Ok(builder.finish())
}

fn is_numeric(ty: &DataType) -> bool {
    matches!(ty, DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::BinaryView)
}

/// A fixed carrier shows every value with its own scale.
fn keeps_scale(value: &Numeric, wanted: &DataType) -> bool {
    match (value, wanted) {
        (Numeric::Finite(v), DataType::Decimal128(_, s) | DataType::Decimal256(_, s)) => v.scale == i32::from(*s),
        (_, DataType::Decimal128(..) | DataType::Decimal256(..)) => false,
        _ => true,
    }
}
