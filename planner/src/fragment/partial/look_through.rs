//! An aggregate's expressions as expressions over what lies below the projections under it: a projection between an aggregate
//! and a join or a union hides neither.

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema};
use datafusion_expr::{Aggregate, Expr, LogicalPlan};

use super::super::has_subquery;
use crate::error::Result;

pub(super) struct Grouped<'p> {
    pub group: Vec<Expr>,
    pub calls: Vec<Expr>,
    pub input: &'p LogicalPlan,
}

pub(super) fn look_through(aggregate: &Aggregate) -> Result<Grouped<'_>> {
    let bare = |exprs: &[Expr]| exprs.iter().cloned().map(Expr::unalias).collect();
    let (mut group, mut calls) = (bare(&aggregate.group_expr), bare(&aggregate.aggr_expr));
    let mut input = aggregate.input.as_ref();
    loop {
        let (below, values) = match input {
            LogicalPlan::Projection(p) if !p.expr.iter().any(|e| e.is_volatile() || has_subquery(e)) => {
                (p.input.as_ref(), p.expr.clone())
            }
            LogicalPlan::SubqueryAlias(alias) => (alias.input.as_ref(), columns(&alias.input)),
            _ => return Ok(Grouped { group, calls, input }),
        };
        group = restate(group, input.schema(), &values)?;
        calls = restate(calls, input.schema(), &values)?;
        input = below;
    }
}

/// All columns of a plan, as expressions.
pub(super) fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}

/// The expressions with each column of `schema` replaced by the value in its place.
pub(super) fn restate(exprs: Vec<Expr>, schema: &DFSchema, values: &[Expr]) -> Result<Vec<Expr>> {
    let value = |column: &Column| schema.maybe_index_of_column(column).and_then(|i| values.get(i));
    let one = |expr: Expr| {
        let restated = expr.transform_down(|e| {
            let new = if let Expr::Column(column) = &e { value(column).cloned() } else { None };
            // What stands for a column is not looked into: its own columns may have the same names.
            let jump = |new: Expr| Transformed::new(new.unalias(), true, TreeNodeRecursion::Jump);
            Ok(new.map_or_else(|| Transformed::no(e), jump))
        });
        Ok(restated?.data)
    };
    exprs.into_iter().map(one).collect()
}
