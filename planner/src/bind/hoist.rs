//! Subqueries are only unnested from projections and filters: where another node's expressions hold some, a projection below
//! it computes them first.

use datafusion_common::DFSchema;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};

use super::binder::Binder;
use super::node::{self, project};
use crate::error::Result;

/// Computes below, as columns, the subqueries of `exprs` that mention no columns of `foreign`.
pub(super) fn hoist_subqueries(
    binder: &mut Binder<'_>,
    plan: LogicalPlan,
    exprs: &mut [Expr],
    foreign: &DFSchema,
) -> Result<LogicalPlan> {
    if !exprs.iter().any(node::has_subquery) {
        return Ok(plan);
    }
    let mut computed = node::all_columns(&plan);
    let width = computed.len();
    for expr in exprs {
        let taken = std::mem::take(expr);
        *expr = taken
            .transform_down(|e| {
                if !node::is_subquery(&e) || mentions(&e, foreign)? {
                    return Ok(Transformed::no(e));
                }
                let name = binder.fresh_column();
                computed.push(node::named(e, &name));
                Ok(Transformed::new(Expr::Column(name), true, TreeNodeRecursion::Jump))
            })?
            .data;
    }
    if computed.len() == width { Ok(plan) } else { project(plan, computed) }
}

fn mentions(expr: &Expr, foreign: &DFSchema) -> Result<bool> {
    if expr.column_refs().into_iter().any(|c| foreign.has_column(c)) {
        return Ok(true);
    }
    for subquery in node::subqueries(expr) {
        if node::outer_columns(&subquery.subquery)?.iter().any(|c| foreign.has_column(c)) {
            return Ok(true);
        }
    }
    Ok(false)
}
