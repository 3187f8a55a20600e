//! Lets a cancel get through to a query that computes.
//!
//! tokio can stop a task only where it awaits. DataFusion makes leaves and exchanges yield, but a join that fans out works
//! through its whole input inside one poll, and one whose filter drops every row does not even return. The first is wrapped to
//! yield per batch; the second gets a filter that looks at the query's stop signal.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;
use planner::Error;
use planner::error::state;
use tokio_util::sync::CancellationToken;

/// The rule, for one query.
pub(super) struct Interruptible {
    pub stop: CancellationToken,
}

impl fmt::Debug for Interruptible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interruptible")
    }
}

impl PhysicalOptimizerRule for Interruptible {
    fn name(&self) -> &str {
        "interruptible"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(|node| {
            let join = if let Some(join) = node.downcast_ref::<HashJoinExec>() {
                match &join.filter {
                    Some(filter) => join.builder().with_filter(Some(self.guard(filter))).build_exec()?,
                    None => node,
                }
            } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
                match join.filter() {
                    Some(filter) => {
                        let guarded = Some(self.guard(filter));
                        Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(guarded).build()?)
                    }
                    None => node,
                }
            } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
                match join.filter() {
                    Some(filter) => Arc::new(SortMergeJoinExec::try_new(
                        join.left().clone(),
                        join.right().clone(),
                        join.on().to_vec(),
                        Some(self.guard(filter)),
                        join.join_type(),
                        join.sort_options().to_vec(),
                        join.null_equality(),
                    )?),
                    None => node,
                }
            } else if node.is::<CrossJoinExec>() || node.is::<UnnestExec>() {
                node
            } else {
                return Ok(Transformed::no(node));
            };
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(join)) as Arc<dyn ExecutionPlan>))
        })?;
        Ok(plan.data)
    }
}

impl Interruptible {
    fn guard(&self, filter: &JoinFilter) -> JoinFilter {
        let guarded = Guarded { inner: filter.expression().clone(), stop: self.stop.clone() };
        JoinFilter::new(Arc::new(guarded), filter.column_indices().to_vec(), filter.schema().clone())
    }
}

/// The same expression, that fails once the query must stop.
#[derive(Debug)]
struct Guarded {
    inner: Arc<dyn PhysicalExpr>,
    stop: CancellationToken,
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for Guarded {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Guarded {}

impl Hash for Guarded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for Guarded {
    fn evaluate(&self, batch: &RecordBatch) -> DfResult<ColumnarValue> {
        if self.stop.is_cancelled() {
            // The client gets the reason why the query stopped, not this.
            return Err(Error::new(state::QUERY_CANCELED, "the query was stopped").into());
        }
        self.inner.evaluate(batch)
    }

    fn return_field(&self, input: &Schema) -> DfResult<FieldRef> {
        self.inner.return_field(input)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> DfResult<Arc<dyn PhysicalExpr>> {
        let inner = children.pop().ok_or_else(|| Error::internal("a guarded filter lost its expression"))?;
        Ok(Arc::new(Self { inner, stop: self.stop.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
