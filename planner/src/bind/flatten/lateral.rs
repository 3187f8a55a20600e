//! LATERAL: a FROM item that is evaluated for each row of the items before it.

use datafusion_common::{NullHandling, UnnestOptions};
use datafusion_expr::utils::conjunction;
use datafusion_expr::{Expr, Join, JoinType, LogicalPlan, Unnest};

use super::super::binder::Binder;
use super::super::join::join;
use super::super::node::{self, filter, project};
use super::pull_up::{Use, pull_up};
use super::push::{Domain, null_safe_join};
use super::{outer_columns_of, seen_from_outside};
use crate::error::{Error, Result};

impl Binder<'_> {
    pub(super) fn flatten_lateral(&mut self, node: Join) -> Result<LogicalPlan> {
        let LogicalPlan::Subquery(subquery) = node.right.as_ref() else {
            return Err(Error::internal("not a lateral join"));
        };
        let (left, right) = (node.left.as_ref().clone(), subquery.subquery.as_ref());
        let visible = node.schema.columns().iter().map(node::column).collect::<Vec<_>>();
        let outer = outer_columns_of(right, left.schema())?;
        let plan = if outer.is_empty() {
            join(left, right.clone(), node.join_type, node.filter)?
        } else if let Some(plan) = inline(&left, right, &node)? {
            plan
        } else if let Ok(Some(pulled)) = pull_up(right, Use::Rows) {
            let mut on = Vec::with_capacity(pulled.conditions.len() + 1);
            for condition in pulled.conditions {
                on.push(seen_from_outside(condition, left.schema())?);
            }
            on.extend(node.filter);
            join(left, pulled.plan, node.join_type, conjunction(on))?
        } else {
            let domain = Domain::new(&left, outer)?;
            let pushed = self.push(right, &domain)?;
            null_safe_join(left, pushed.plan, &domain.columns, &pushed.domain, node.join_type, node.filter)?
        };
        if node::all_columns(&plan) == visible { Ok(plan) } else { project(plan, visible) }
    }
}

/// An item that computes from the row before it and reads no table (a function call) is computed in place.
fn inline(left: &LogicalPlan, right: &LogicalPlan, node: &Join) -> Result<Option<LogicalPlan>> {
    match node.join_type {
        JoinType::Inner => {
            let Some(plan) = over(left, right, NullHandling::Drop)? else { return Ok(None) };
            Ok(Some(match node.filter.clone() {
                Some(condition) => filter(plan, condition)?,
                None => plan,
            }))
        }
        // A row without elements is kept, with NULLs; anything computed from them would have to be NULL too.
        JoinType::Left if is_plain_unnest(right) && node.filter.as_ref().is_none_or(is_true) => {
            over(left, right, NullHandling::PreserveAndExpandEmpty)
        }
        _ => Ok(None),
    }
}

fn is_true(expr: &Expr) -> bool {
    *expr == datafusion_expr::lit(true)
}

fn is_plain_unnest(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(node) => {
            node.expr.iter().all(|e| matches!(e, Expr::Column(_))) && is_plain_unnest(&node.input)
        }
        LogicalPlan::Unnest(node) => {
            matches!(node.input.as_ref(), LogicalPlan::Projection(p) if is_one_row(&p.input))
        }
        _ => false,
    }
}

fn is_one_row(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row && empty.schema.fields().is_empty())
}

/// `right` with `left` in place of its one empty row.
fn over(left: &LogicalPlan, right: &LogicalPlan, nulls: NullHandling) -> Result<Option<LogicalPlan>> {
    let input = left.schema();
    Ok(Some(match right {
        plan if is_one_row(plan) => left.clone(),
        LogicalPlan::Projection(node) => {
            let Some(below) = over(left, &node.input, nulls)? else { return Ok(None) };
            let mut exprs: Vec<_> = input.columns().iter().map(node::column).collect();
            for expr in &node.expr {
                let (relation, name) = expr.qualified_name();
                let new = seen_from_outside(expr.clone(), input)?;
                let same = new.qualified_name() == (relation.clone(), name.clone());
                exprs.push(if same { new } else { new.alias_qualified(relation, name) });
            }
            project(below, exprs)?
        }
        LogicalPlan::Filter(node) => {
            let Some(below) = over(left, &node.input, nulls)? else { return Ok(None) };
            filter(below, seen_from_outside(node.predicate.clone(), input)?)?
        }
        LogicalPlan::Unnest(node) => {
            let Some(below) = over(left, &node.input, nulls)? else { return Ok(None) };
            let options = UnnestOptions { null_handling: nulls, ..node.options.clone() };
            LogicalPlan::Unnest(Unnest::try_new(below.into(), node.exec_columns.clone(), options)?)
        }
        _ => return Ok(None),
    }))
}
