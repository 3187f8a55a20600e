//! Correlated conditions move out of a subquery, up to the join that takes its place.
//!
//! It works where a condition may as well be tested later: below projections, inner joins and the preserved side of outer ones.
//! It does not work below an aggregate, a window, a LIMIT: those would see other rows.

use std::sync::Arc;

use datafusion_common::Column;
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Expr, JoinType, LogicalPlan};

use super::super::join::join;
use super::super::node::{self, filter, has_subquery, project};
use crate::error::Result;

/// What becomes of the subquery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Only whether it has a matching row counts (semi, anti and mark joins): duplicates and order do not matter.
    Existence,
    /// Its rows count.
    Rows,
}

/// A subquery without the conditions that were moved out of it.
#[derive(Debug)]
pub(super) struct PulledUp {
    pub plan: LogicalPlan,
    /// Over the columns of `plan` and outer references.
    pub conditions: Vec<Expr>,
}

/// `None`: there is a correlation that cannot move.
pub(super) fn pull_up(plan: &LogicalPlan, usage: Use) -> Result<Option<PulledUp>> {
    if node::outer_columns(plan)?.is_empty() {
        return Ok(Some(PulledUp { plan: plan.clone(), conditions: Vec::new() }));
    }
    match plan {
        LogicalPlan::Filter(node) => {
            let Some(below) = pull_up(&node.input, usage)? else { return Ok(None) };
            let (correlated, local): (Vec<_>, Vec<_>) =
                split_conjunction_owned(node.predicate.clone()).into_iter().partition(mentions_outside);
            if correlated.iter().any(has_subquery) {
                return Ok(None);
            }
            let PulledUp { mut plan, mut conditions } = below;
            if let Some(local) = conjunction(local) {
                plan = filter(plan, local)?;
            }
            conditions.extend(correlated);
            Ok(Some(PulledUp { plan, conditions }))
        }
        LogicalPlan::Projection(node) => {
            if node.expr.iter().any(mentions_outside) {
                return Ok(None);
            }
            let Some(below) = pull_up(&node.input, usage)? else { return Ok(None) };
            let mut exprs = node.expr.clone();
            for column in columns_of(&below.conditions) {
                let own = Expr::Column(column.clone());
                if below.plan.schema().has_column(&column) && !node.schema.has_column(&column) {
                    exprs.push(own);
                } else if node.schema.has_column(&column) && !exprs.contains(&own) {
                    // The projection gives another value this name.
                    return Ok(None);
                }
            }
            Ok(Some(PulledUp { plan: project(below.plan, exprs)?, conditions: below.conditions }))
        }
        LogicalPlan::Join(node) if !matches!(node.right.as_ref(), LogicalPlan::Subquery(_)) => {
            pull_up_join(node, usage)
        }
        LogicalPlan::Sort(node) if usage == Use::Existence => pull_up(&node.input, usage),
        LogicalPlan::Distinct(datafusion_expr::Distinct::All(input)) if usage == Use::Existence => {
            pull_up(input, usage)
        }
        _ => Ok(None),
    }
}

fn pull_up_join(node: &datafusion_expr::Join, usage: Use) -> Result<Option<PulledUp>> {
    let correlated_on = node.on.iter().any(|(l, r)| mentions_outside(l) || mentions_outside(r));
    let (outside, local): (Vec<_>, Vec<_>) =
        node.filter.clone().map(split_conjunction_owned).unwrap_or_default().into_iter().partition(mentions_outside);
    if correlated_on || outside.iter().any(has_subquery) {
        return Ok(None);
    }
    let (from_left, from_right) = match node.join_type {
        JoinType::Inner => (true, true),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti if outside.is_empty() => (true, false),
        JoinType::Right if outside.is_empty() => (false, true),
        _ => (false, false),
    };
    let side = |plan: &Arc<LogicalPlan>, allowed: bool| -> Result<Option<PulledUp>> {
        if allowed || node::outer_columns(plan)?.is_empty() { pull_up(plan, usage) } else { Ok(None) }
    };
    let (Some(left), Some(right)) = (side(&node.left, from_left)?, side(&node.right, from_right)?) else {
        return Ok(None);
    };
    let plan = if node.on.is_empty() {
        join(left.plan, right.plan, node.join_type, conjunction(local))?
    } else {
        LogicalPlan::Join(datafusion_expr::Join::try_new(
            Arc::new(left.plan),
            Arc::new(right.plan),
            node.on.clone(),
            conjunction(local),
            node.join_type,
            node.join_constraint,
            node.null_equality,
            node.null_aware,
        )?)
    };
    let conditions = left.conditions.into_iter().chain(right.conditions).chain(outside).collect();
    Ok(Some(PulledUp { plan, conditions }))
}

/// Whether an expression mentions an enclosing query, itself or in a subquery.
pub(super) fn mentions_outside(expr: &Expr) -> bool {
    expr.contains_outer()
        || node::subqueries(expr).iter().any(|s| node::outer_columns(&s.subquery).is_ok_and(|c| !c.is_empty()))
}

fn columns_of(exprs: &[Expr]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for column in exprs.iter().flat_map(|e| e.column_refs()) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    columns.sort();
    columns
}
