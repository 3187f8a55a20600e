//! Constants are computed while binding, so that engines, Parquet statistics and the optimiser see values.

use arrow::array::RecordBatch;
use arrow::array::RecordBatchOptions;
use arrow::datatypes::Schema;
use datafusion_common::DFSchema;
use datafusion_common::tree_node::TreeNode;
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::{ColumnarValue, Expr};
use datafusion_physical_expr::create_physical_expr;

use crate::pgsem::Typed;

/// The value of an expression over constants. An error is none here: it is raised if and when a row needs the value.
pub(super) fn fold(typed: Typed) -> Typed {
    if matches!(typed.expr, Expr::Literal(..)) || !is_constant(&typed.expr) {
        return typed;
    }
    match evaluate(&typed.expr) {
        Some(value) if value.data_type() == typed.repr => Typed { expr: Expr::Literal(value, None), ..typed },
        _ => typed,
    }
}

fn is_constant(expr: &Expr) -> bool {
    let reads_a_row = expr.exists(|e| {
        Ok(!matches!(
            e,
            Expr::Literal(..)
                | Expr::ScalarFunction(_)
                | Expr::BinaryExpr(_)
                | Expr::Cast(_)
                | Expr::Not(_)
                | Expr::Negative(_)
                | Expr::IsNull(_)
                | Expr::IsNotNull(_)
        ))
    });
    !reads_a_row.unwrap_or(true) && !expr.is_volatile()
}

fn evaluate(expr: &Expr) -> Option<datafusion_common::ScalarValue> {
    let physical =
        create_physical_expr(expr, &DFSchema::empty(), &ExecutionProps::new(), &PhysicalPlanningContext::default())
            .ok()?;
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Schema::empty().into(), vec![], &one_row).ok()?;
    match physical.evaluate(&batch).ok()? {
        ColumnarValue::Scalar(value) => Some(value),
        ColumnarValue::Array(array) => datafusion_common::ScalarValue::try_from_array(&array, 0).ok(),
    }
}
