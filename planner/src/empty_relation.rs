//! DataFusion's propagation of empty relations, except through UNION: where one input is left, DataFusion reads it by the names
//! of the first one.

use std::sync::Arc;

use datafusion_common::tree_node::Transformed;
use datafusion_common::{Result, internal_datafusion_err};
use datafusion_expr::{Expr, LogicalPlan, Projection, Union};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

#[derive(Debug, Default)]
pub(crate) struct PropagateEmpty(PropagateEmptyRelation);

impl OptimizerRule for PropagateEmpty {
    fn name(&self) -> &str {
        "propagate_empty"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Union(union) => match filled(&union)[..] {
                [only] if union.inputs.len() > 1 => Ok(Transformed::yes(under_names_of(&union, only)?)),
                _ => self.0.rewrite(LogicalPlan::Union(union), config),
            },
            plan => self.0.rewrite(plan, config),
        }
    }
}

/// Numbers of the inputs that may have rows.
fn filled(union: &Union) -> Vec<usize> {
    let empty = |plan: &LogicalPlan| matches!(plan, LogicalPlan::EmptyRelation(e) if !e.produce_one_row);
    (0..union.inputs.len()).filter(|i| !empty(&union.inputs[*i])).collect()
}

fn under_names_of(union: &Union, input: usize) -> Result<LogicalPlan> {
    let input = union.inputs.get(input).ok_or_else(|| internal_datafusion_err!("a UNION without that input"))?;
    let columns = input.schema().columns().into_iter().zip(union.schema.columns());
    let exprs = columns.map(|(own, name)| match own == name {
        true => Expr::Column(own),
        false => Expr::Column(own).alias_qualified(name.relation, name.name),
    });
    Ok(LogicalPlan::Projection(Projection::try_new(exprs.collect(), Arc::clone(input))?))
}
