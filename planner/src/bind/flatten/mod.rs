//! Subqueries become joins: the bound plan of a statement has no correlated subquery left, and EXISTS and IN are gone.
//!
//! DataFusion has rules for this, but they cover part of SQL and some of their answers are not PostgreSQL's (a correlated
//! filter pulled over a window or a LIMIT, IN as a two-valued mark). So it is done here, once, by three means:
//!
//! * [`pull_up`](mod@pull_up): correlated conditions move up into the condition of a semi, anti, mark or lateral join;
//! * [`derive`](mod@derive): a scalar aggregate correlated by equalities is grouped by them and joined;
//! * [`push`](mod@push): anything else is evaluated for the set of distinct outer values, which is pushed down into the subquery
//!   (Neumann and Kemper, "Unnesting arbitrary queries", 2015), and joined.
//!
//! Uncorrelated scalar subqueries stay: they run once. Outermost subqueries go first, so whatever an inner one mentions is a
//! column of its own input by the time it is looked at.

mod attach;
mod derive;
mod lateral;
mod membership;
mod pull_up;
mod push;
mod single_row;

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema};
use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Expr, Filter, LogicalPlan, Projection};

use super::binder::Binder;
use super::node::{self, filter, project};
use crate::error::{Error, Result};

impl Binder<'_> {
    /// Flattens a whole plan.
    pub(super) fn flatten(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        if !has_subqueries(&plan)? {
            return Ok(plan);
        }
        let plan = self.flatten_node(plan)?;
        let left = node::outer_columns(&plan)?;
        if let Some(column) = left.first() {
            return Err(Error::internal(format!("column {column} of an outer query was left over")));
        }
        Ok(plan)
    }

    fn flatten_node(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.nested(|binder| {
            let plan = match plan {
                LogicalPlan::Filter(node) if needs_join(&node.predicate, node.input.schema()) => {
                    binder.flatten_filter(node)?
                }
                LogicalPlan::Projection(node) if node.expr.iter().any(|e| needs_join(e, node.input.schema())) => {
                    binder.flatten_projection(node)?
                }
                LogicalPlan::Join(node) if matches!(node.right.as_ref(), LogicalPlan::Subquery(_)) => {
                    binder.flatten_lateral(node)?
                }
                other => other,
            };
            for expr in plan.expressions() {
                if needs_join(&expr, &input_schema(&plan)?) {
                    return Err(Error::unsupported("a subquery in this place"));
                }
            }
            let plan = plan.map_expressions(|expr| {
                expr.transform_down(|e| match e {
                    Expr::ScalarSubquery(subquery) => {
                        let subquery = binder.flatten_scalar(subquery)?;
                        Ok(Transformed::yes(Expr::ScalarSubquery(subquery)))
                    }
                    e => Ok(Transformed::no(e)),
                })
            })?;
            Ok(plan.data.map_children(|child| Ok(Transformed::yes(binder.flatten_node(child)?)))?.data)
        })
    }

    /// A scalar subquery that runs once: it has one row, or it is an error.
    fn flatten_scalar(&mut self, subquery: Subquery) -> Result<Subquery> {
        let plan = self.flatten_node(subquery.subquery.as_ref().clone())?;
        let plan = self.at_most_one_row(plan)?;
        Ok(Subquery { subquery: plan.into(), outer_ref_columns: Vec::new(), spans: subquery.spans })
    }

    /// WHERE and HAVING: conditions without subqueries first, then one join for each that has one.
    fn flatten_filter(&mut self, node: Filter) -> Result<LogicalPlan> {
        let mut plan = Arc::unwrap_or_clone(node.input);
        let visible = node::all_columns(&plan);
        let conjuncts = split_conjunction_owned(node.predicate);
        let (nested, plain): (Vec<_>, Vec<_>) = conjuncts.into_iter().partition(|e| needs_join(e, plan.schema()));
        if let Some(plain) = conjunction(plain) {
            plan = filter(plan, plain)?;
        }
        for condition in nested {
            plan = self.attach_condition(plan, condition)?;
        }
        if node::all_columns(&plan) == visible { Ok(plan) } else { project(plan, visible) }
    }

    fn flatten_projection(&mut self, node: Projection) -> Result<LogicalPlan> {
        let mut plan = Arc::unwrap_or_clone(node.input);
        let mut exprs = node.expr;
        for expr in &mut exprs {
            let name = expr.qualified_name();
            let taken = std::mem::take(expr);
            let (wider, value) = self.attach_values(plan, taken)?;
            plan = wider;
            *expr = if value.qualified_name() == name { value } else { value.alias_qualified(name.0, name.1) };
        }
        project(plan, exprs)
    }
}

/// Whether there is anything to do.
fn has_subqueries(plan: &LogicalPlan) -> Result<bool> {
    Ok(plan.exists(|node| {
        let lateral = matches!(node, LogicalPlan::Subquery(_));
        Ok(lateral || node.expressions().iter().any(node::has_subquery))
    })?)
}

/// Whether an expression holds a subquery that must become a join: any but a scalar one that runs once.
fn needs_join(expr: &Expr, input: &DFSchema) -> bool {
    node::subqueries(expr).iter().any(|s| is_correlated(s, input))
        || expr
            .exists(|e| Ok(matches!(e, Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_))))
            .unwrap_or(true)
}

fn is_correlated(subquery: &Subquery, input: &DFSchema) -> bool {
    node::outer_columns(&subquery.subquery).is_ok_and(|outer| outer.iter().any(|c| input.has_column(c)))
}

/// All columns a node's expressions may mention.
fn input_schema(plan: &LogicalPlan) -> Result<DFSchema> {
    let mut all = DFSchema::empty();
    for input in plan.inputs() {
        all.merge(input.schema());
    }
    Ok(all)
}

/// Columns of `input` that a subquery mentions.
fn outer_columns_of(plan: &LogicalPlan, input: &DFSchema) -> Result<Vec<Column>> {
    Ok(node::outer_columns(plan)?.into_iter().filter(|c| input.has_column(c)).collect())
}

/// An expression of a subquery, seen from the query around it: columns of that query are its own.
fn seen_from_outside(expr: Expr, input: &DFSchema) -> Result<Expr> {
    Ok(expr
        .transform_down(|e| {
            Ok(match e {
                Expr::OuterReferenceColumn(_, column) if input.has_column(&column) => {
                    Transformed::new(Expr::Column(column), true, TreeNodeRecursion::Continue)
                }
                e => Transformed::no(e),
            })
        })?
        .data)
}
