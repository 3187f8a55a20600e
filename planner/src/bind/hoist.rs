//! Subqueries are only unnested from projections and filters: where another node's expressions hold some, a projection below
//! it computes them first.

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};

use super::binder::Binder;
use super::node::{self, project};
use crate::error::Result;

/// Computes the subqueries of `exprs` below, as columns.
pub(super) fn hoist_subqueries(binder: &mut Binder<'_>, plan: LogicalPlan, exprs: &mut [Expr]) -> Result<LogicalPlan> {
    if !exprs.iter().any(node::has_subquery) {
        return Ok(plan);
    }
    let mut computed = node::all_columns(&plan);
    for expr in exprs {
        let taken = std::mem::take(expr);
        *expr = taken
            .transform_down(|e| {
                if !matches!(
                    e,
                    Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
                ) {
                    return Ok(Transformed::no(e));
                }
                let name = binder.fresh_column();
                computed.push(node::named(e, &name));
                Ok(Transformed::new(Expr::Column(name), true, TreeNodeRecursion::Jump))
            })?
            .data;
    }
    project(plan, computed)
}
