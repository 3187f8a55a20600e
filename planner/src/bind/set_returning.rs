//! Set-returning functions in a select list (PostgreSQL's ProjectSet).
//!
//! A call is bound as `Expr::Unnest` of the list of its rows. All calls of one level advance together; the shorter ones are
//! filled with NULL. A call inside another's arguments is a level of its own, below.

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, NullHandling, UnnestOptions};
use datafusion_expr::{Expr, LogicalPlan, Unnest};

use super::binder::Binder;
use super::node::{self, project};
use crate::error::{Error, Result, state};

/// Moves set-returning calls out of expressions into nodes above `plan`.
pub(super) fn lift_set_returning<'e>(
    binder: &mut Binder<'_>,
    plan: LogicalPlan,
    exprs: impl Iterator<Item = &'e mut Expr>,
) -> Result<LogicalPlan> {
    let mut exprs: Vec<&mut Expr> = exprs.collect();
    let mut plan = plan;
    loop {
        // Innermost calls first: those without a call in their arguments.
        let mut lists: Vec<(Expr, Column)> = Vec::new();
        for expr in &mut exprs {
            let taken = std::mem::take(*expr);
            **expr = taken
                .transform_down(|e| {
                    if matches!(e, Expr::Case(_)) && is_set_returning(&e) {
                        return Err(in_case().into());
                    }
                    let Expr::Unnest(call) = &e else { return Ok(Transformed::no(e)) };
                    if is_set_returning(&call.expr) {
                        return Ok(Transformed::no(e));
                    }
                    let list = call.expr.as_ref().clone();
                    // Two calls with equal arguments are two calls, but they always agree unless volatile.
                    let same = lists.iter().find(|(l, _)| *l == list && !list.is_volatile());
                    let column = match same {
                        Some((_, column)) => column.clone(),
                        None => {
                            let column = binder.fresh_column();
                            lists.push((list, column.clone()));
                            column
                        }
                    };
                    Ok(Transformed::new(Expr::Column(column), true, TreeNodeRecursion::Jump))
                })?
                .data;
        }
        if lists.is_empty() {
            return Ok(plan);
        }
        plan = unnest(plan, lists, NullHandling::Drop)?;
    }
}

/// A branch is evaluated for some rows only, a set for all.
fn in_case() -> Error {
    Error::new(state::FEATURE_NOT_SUPPORTED, "set-returning functions are not allowed in CASE")
        .with_hint("You might be able to move the set-returning function into a LATERAL FROM item.")
}

/// Whether an expression holds a set-returning call.
pub(super) fn is_set_returning(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::Unnest(_)))).unwrap_or(false)
}

/// One row for each element of the lists, which advance together.
pub(super) fn unnest(
    plan: LogicalPlan,
    lists: Vec<(Expr, Column)>,
    null_handling: NullHandling,
) -> Result<LogicalPlan> {
    let mut exprs = node::all_columns(&plan);
    let mut names = Vec::with_capacity(lists.len());
    for (list, name) in lists {
        exprs.push(node::named(list, &name));
        names.push(name);
    }
    let input = project(plan, exprs)?;
    let options = UnnestOptions { null_handling, ..UnnestOptions::default() };
    Ok(LogicalPlan::Unnest(Unnest::try_new(input.into(), names, options)?))
}
