//! Evaluating an expression over columns outside a plan: what happens to the elements of an array inside a kernel.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use datafusion_common::DFSchema;
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::{Expr, col};
use datafusion_physical_expr::create_physical_expr;

use super::func::Typed;
use crate::error::Result;
use crate::pgtype::PgType;
use arrow::datatypes::DataType;

/// The column `name` of the given type, as an expression for [`evaluate`].
pub fn column(name: &str, ty: PgType, repr: DataType) -> Typed {
    Typed::with_repr(col(name), ty, repr)
}

/// The expression's value for each of `rows` rows over named columns of that length.
pub fn evaluate(expr: &Expr, columns: &[(&str, ArrayRef)], rows: usize) -> Result<ArrayRef> {
    let fields: Vec<Field> = columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.iter().map(|(_, c)| Arc::clone(c)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
    let schema = DFSchema::try_from(schema)?;
    let physical = create_physical_expr(expr, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
    Ok(physical.evaluate(&batch)?.into_array(rows)?)
}
