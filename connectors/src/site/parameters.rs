//! Puts parameter values into a cached shell.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan};
use datafusion::physical_expr::create_physical_expr;
use planner::error::SqlState;
use planner::plan::ParameterValue;
use planner::{Error, Result};

use super::error::translate;

/// Every `$n` as a literal, every LIMIT and OFFSET as a number.
pub(super) fn fill(shell: &LogicalPlan, parameters: &[ParameterValue]) -> Result<LogicalPlan> {
    let filled = shell.clone().transform_up_with_subqueries(|plan| {
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let filled = expr.transform_up(|e| match e {
                Expr::Placeholder(placeholder) => Ok(Transformed::yes(literal(&placeholder, parameters)?)),
                other => Ok(Transformed::no(other)),
            })?;
            Ok(filled.update_data(|e| name.restore(e)))
        })?;
        let plan = plan.transform_data(|plan| match plan {
            LogicalPlan::Limit(limit) => Ok(Transformed::yes(LogicalPlan::Limit(constant_limit(limit)?))),
            other => Ok(Transformed::no(other)),
        })?;
        // Types stay, but a column that was nullable as `$1` is not as a literal, and operators compare schemas.
        if plan.transformed { plan.map_data(LogicalPlan::recompute_schema) } else { Ok(plan) }
    });
    filled.map(|plan| plan.data).map_err(translate)
}

fn literal(placeholder: &Placeholder, parameters: &[ParameterValue]) -> DfResult<Expr> {
    let number = placeholder.id.trim_start_matches('$').parse::<usize>().ok();
    let value = number.and_then(|n| n.checked_sub(1)).and_then(|n| parameters.get(n));
    let value = value.ok_or_else(|| Error::internal(format!("there is no value for parameter {}", placeholder.id)))?;
    Ok(Expr::Literal(value.value.clone(), None))
}

/// DataFusion wants literals here, PostgreSQL takes any expression without variables; NULL is no limit.
fn constant_limit(limit: Limit) -> DfResult<Limit> {
    const NEGATIVE_LIMIT: SqlState = SqlState::new("2201W");
    const NEGATIVE_OFFSET: SqlState = SqlState::new("2201X");
    let fetch = count(limit.fetch.as_deref(), "LIMIT", NEGATIVE_LIMIT)?;
    let skip = count(limit.skip.as_deref(), "OFFSET", NEGATIVE_OFFSET)?;
    let number = |n: Option<i64>| n.map(|n| Box::new(Expr::Literal(ScalarValue::Int64(Some(n)), None)));
    Ok(Limit { skip: number(skip), fetch: number(fetch), input: limit.input })
}

fn count(expr: Option<&Expr>, clause: &str, negative: SqlState) -> DfResult<Option<i64>> {
    let Some(expr) = expr else { return Ok(None) };
    let value = match expr {
        Expr::Literal(value, _) => value.clone(),
        other => {
            let physical =
                create_physical_expr(other, &DFSchema::empty(), &ExecutionProps::new(), &Default::default())?;
            let one_row = RecordBatch::try_new_with_options(
                Schema::empty().into(),
                Vec::new(),
                &arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(1)),
            )?;
            ScalarValue::try_from_array(&physical.evaluate(&one_row)?.into_array(1)?, 0)?
        }
    };
    match value.cast_to(&arrow::datatypes::DataType::Int64)? {
        ScalarValue::Int64(Some(n)) if n < 0 => {
            Err(Error::new(negative, format!("{clause} must not be negative")).into())
        }
        ScalarValue::Int64(n) => Ok(n),
        _ => Err(Error::internal(format!("{clause} is not a number")).into()),
    }
}
