//! Unions of unions become one. DataFusion's own rule also moves projections between them, by names that the inner union's
//! inputs need not have.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::{Distinct, LogicalPlan, Union};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

#[derive(Debug, Default)]
pub(crate) struct FlattenUnions;

impl OptimizerRule for FlattenUnions {
    fn name(&self) -> &str {
        "flatten_unions"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        Ok(match plan {
            LogicalPlan::Union(union) => flat(union, &|_| None),
            // What is made different at the end need not be made so before.
            LogicalPlan::Distinct(Distinct::All(input)) => match input.as_ref() {
                LogicalPlan::Union(union) => flat(union.clone(), &distinct_union)
                    .update_data(|union| LogicalPlan::Distinct(Distinct::All(Arc::new(union)))),
                _ => Transformed::no(LogicalPlan::Distinct(Distinct::All(input))),
            },
            other => Transformed::no(other),
        })
    }
}

fn distinct_union(plan: &LogicalPlan) -> Option<&Union> {
    match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => match input.as_ref() {
            LogicalPlan::Union(union) => Some(union),
            _ => None,
        },
        _ => None,
    }
}

/// Columns of a union are those of its inputs by position, whatever they are called.
fn flat(union: Union, below: &dyn Fn(&LogicalPlan) -> Option<&Union>) -> Transformed<LogicalPlan> {
    let inner = |input: &LogicalPlan| match input {
        LogicalPlan::Union(union) => Some(union.inputs.clone()),
        other => below(other).map(|union| union.inputs.clone()),
    };
    let nested = union.inputs.iter().any(|input| inner(input).is_some());
    if !nested {
        return Transformed::no(LogicalPlan::Union(union));
    }
    let inputs = union.inputs.iter().flat_map(|input| inner(input).unwrap_or_else(|| vec![input.clone()])).collect();
    Transformed::yes(LogicalPlan::Union(Union { inputs, schema: union.schema }))
}
