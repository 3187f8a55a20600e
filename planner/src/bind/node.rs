//! Small plan nodes, and what a plan mentions.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema, TableReference};
use datafusion_expr::logical_plan::{Subquery, TableScanBuilder};
use datafusion_expr::{EmptyRelation, Expr, Filter, LogicalPlan, Projection, SubqueryAlias, TableSource, Union};

use crate::error::{Error, Result};
use crate::pgsem::Typed;

pub(super) fn project(input: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
}

pub(super) fn filter(input: LogicalPlan, predicate: Expr) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?))
}

/// A leaf whose columns are qualified by `relation`.
pub(super) fn scan(relation: &str, source: Arc<dyn TableSource>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::TableScan(TableScanBuilder::new(TableReference::bare(relation), source).build()?))
}

/// The rows of all inputs, which have the same columns, qualified by `relation`.
pub(super) fn union_all(relation: &str, inputs: Vec<LogicalPlan>) -> Result<LogicalPlan> {
    let union = LogicalPlan::Union(Union::try_new(inputs.into_iter().map(Arc::new).collect())?);
    let alias = SubqueryAlias::try_new(Arc::new(union), TableReference::bare(relation))?;
    Ok(LogicalPlan::SubqueryAlias(alias))
}

/// The one empty row of a query without FROM.
pub(super) fn one_row() -> LogicalPlan {
    LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, schema: Arc::new(DFSchema::empty()) })
}

pub(super) fn column(column: &Column) -> Expr {
    Expr::Column(column.clone())
}

/// All columns of a plan, as expressions.
pub(super) fn all_columns(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}

/// A name for an expression's value.
pub(super) fn named(expr: Expr, name: &Column) -> Expr {
    expr.alias(name.name.clone())
}

/// Columns of enclosing queries that a plan mentions.
pub(super) fn outer_columns(plan: &LogicalPlan) -> Result<BTreeSet<Column>> {
    let mut found = BTreeSet::new();
    let mut local = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        local.extend(node.schema().columns());
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::OuterReferenceColumn(_, column) = e {
                    found.insert(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    // What a subquery within takes from this plan itself is not from outside.
    Ok(found.into_iter().filter(|c| !local.contains(c)).collect())
}

/// Whether a plan holds another one (not inside a subquery).
pub(super) fn contains(plan: &LogicalPlan, part: &LogicalPlan) -> Result<bool> {
    Ok(plan.exists(|node| Ok(node == part))?)
}

/// Whether an expression is itself a subquery.
pub(super) fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_))
}

/// The subqueries an expression holds.
pub(super) fn subqueries(expr: &Expr) -> Vec<Subquery> {
    let mut found = Vec::new();
    let walked = expr.apply(|e| {
        match e {
            Expr::ScalarSubquery(s) => found.push(s.clone()),
            Expr::Exists(e) => found.push(e.subquery.clone()),
            Expr::InSubquery(i) => found.push(i.subquery.clone()),
            Expr::SetComparison(c) => found.push(c.subquery.clone()),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok());
    found
}

/// Whether an expression holds a subquery.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    !subqueries(expr).is_empty()
}

/// Whether evaluating a plan twice may give two answers.
pub(super) fn is_volatile(plan: &LogicalPlan) -> Result<bool> {
    let mut volatile = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            volatile |= expr.is_volatile();
            Ok(if volatile { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(volatile)
}

/// A defect shows here and not as a wrong answer: the plan's columns must have the carriers the binder thinks they have.
pub(super) fn check_carriers<'t>(plan: &LogicalPlan, columns: impl Iterator<Item = &'t Typed>) -> Result<()> {
    for (field, typed) in plan.schema().fields().iter().zip(columns) {
        if field.data_type() != &typed.repr {
            return Err(Error::internal(format!(
                "an expression of type {} is carried as {} instead of {}: {}",
                typed.ty,
                field.data_type(),
                typed.repr,
                typed.expr
            )));
        }
    }
    Ok(())
}

/// Replaces columns of enclosing queries inside a subquery expression. `replace` gives the new expression, or `None` to leave a
/// column as it is.
pub(super) fn map_outer_columns(
    expr: Expr,
    replace: &mut dyn FnMut(&Column, &FieldRef) -> Result<Option<Expr>>,
) -> datafusion_common::Result<Transformed<Expr>> {
    let mut map = |subquery: Subquery| -> datafusion_common::Result<Subquery> {
        let plan = Arc::unwrap_or_clone(subquery.subquery).transform_down_with_subqueries(|node| {
            node.map_expressions(|e| {
                e.transform_down(|e| {
                    if let Expr::OuterReferenceColumn(field, column) = &e
                        && let Some(new) = replace(column, field)?
                    {
                        return Ok(Transformed::yes(new));
                    }
                    Ok(Transformed::no(e))
                })
            })
        })?;
        let outer_ref_columns = plan.data.all_out_ref_exprs();
        Ok(Subquery { subquery: Arc::new(plan.data), outer_ref_columns, spans: subquery.spans })
    };
    Ok(Transformed::yes(match expr {
        Expr::ScalarSubquery(s) => Expr::ScalarSubquery(map(s)?),
        Expr::Exists(mut e) => {
            e.subquery = map(e.subquery)?;
            Expr::Exists(e)
        }
        Expr::InSubquery(mut i) => {
            i.subquery = map(i.subquery)?;
            Expr::InSubquery(i)
        }
        Expr::SetComparison(mut c) => {
            c.subquery = map(c.subquery)?;
            Expr::SetComparison(c)
        }
        other => return Ok(Transformed::no(other)),
    }))
}
