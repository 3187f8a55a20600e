//! ORDER BY: which output column or expression an item means, and the sort it makes.

use std::sync::Arc;

use datafusion_expr::expr::Sort as SortExpr;
use datafusion_expr::{LogicalPlan, Sort};
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::Clause;
use super::binder::{Binder, syntax};
use super::keys;
use super::scope::{Scope, ScopeColumn, fold};
use super::target::Targets;
use crate::error::{Error, Result, state};

/// An item of ORDER BY: an output column (or one that is only sorted by) and a direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderKey {
    pub column: usize,
    ascending: bool,
    nulls_first: Option<bool>,
}

impl Binder<'_> {
    /// ORDER BY of a SELECT: output names and ordinals first, then expressions over FROM.
    pub(super) fn bind_order(
        &mut self,
        order_by: &ast::OrderBy,
        targets: &mut Targets,
        scope: &Scope<'_>,
    ) -> Result<Vec<OrderKey>> {
        let mut keys: Vec<OrderKey> = Vec::new();
        for item in items(order_by)? {
            let column = self.find_target(&item.expr, targets, scope, Clause::OrderBy)?;
            push_key(&mut keys, column, &item.options);
        }
        Ok(keys)
    }

    /// ORDER BY of a set operation or VALUES: only output columns.
    pub(super) fn bind_output_order(
        &mut self,
        order_by: &ast::OrderBy,
        columns: &[ScopeColumn],
    ) -> Result<Vec<OrderKey>> {
        let mut keys = Vec::new();
        for item in items(order_by)? {
            let position = self.position(item.expr.span());
            let column = output_column(&item.expr, columns).map_err(|e| e.or_position(position))?;
            push_key(&mut keys, column, &item.options);
        }
        Ok(keys)
    }

    /// ORDER BY where only expressions are meant: of an aggregate, of a window.
    pub fn bind_sort(
        &mut self,
        order_by: &[ast::OrderByExpr],
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Vec<SortExpr>> {
        let mut sort = Vec::with_capacity(order_by.len());
        for item in order_by {
            let typed = self.bind_expr(&item.expr, scope, clause)?;
            let typed = self.settle(typed)?;
            sort.push(sort_expr(&typed, &item.options)?);
        }
        Ok(sort)
    }
}

/// A sort key with the direction that is written.
pub(super) fn sort_expr(typed: &crate::pgsem::Typed, options: &ast::OrderByOptions) -> Result<SortExpr> {
    keys::sort_key(typed, options.asc.unwrap_or(true), options.nulls_first)
}

/// The sort expressions of keys over computed columns.
pub(super) fn sort_exprs(keys: &[OrderKey], columns: &[ScopeColumn]) -> Result<Vec<SortExpr>> {
    keys.iter().map(|k| keys::sort_key(&columns[k.column].typed, k.ascending, k.nulls_first)).collect()
}

/// Sorts a plan that has `columns`.
pub(super) fn sort(plan: LogicalPlan, keys: &[OrderKey], columns: &[ScopeColumn]) -> Result<LogicalPlan> {
    let expr = sort_exprs(keys, columns)?;
    Ok(LogicalPlan::Sort(Sort { expr, input: Arc::new(plan), fetch: None }))
}

fn items(order_by: &ast::OrderBy) -> Result<&[ast::OrderByExpr]> {
    let ast::OrderByKind::Expressions(items) = &order_by.kind else {
        return Err(syntax("syntax error at or near \"ALL\""));
    };
    if order_by.interpolate.is_some() || items.iter().any(|i| i.with_fill.is_some()) {
        return Err(syntax("syntax error: this clause is not PostgreSQL's"));
    }
    Ok(items)
}

/// A column sorted by twice decides nothing the second time.
fn push_key(keys: &mut Vec<OrderKey>, column: usize, options: &ast::OrderByOptions) {
    if keys.iter().all(|k| k.column != column) {
        keys.push(OrderKey { column, ascending: options.asc.unwrap_or(true), nulls_first: options.nulls_first });
    }
}

fn output_column(expr: &ast::Expr, columns: &[ScopeColumn]) -> Result<usize> {
    if let Some(index) = ordinal(expr, columns.len(), Clause::OrderBy)? {
        return Ok(index);
    }
    let invalid = || {
        Error::new(state::FEATURE_NOT_SUPPORTED, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
            .with_detail("Only result column names can be used, not expressions or functions.")
            .with_hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
    };
    let ast::Expr::Identifier(ident) = expr else { return Err(invalid()) };
    let name = fold(ident);
    let mut hits = columns.iter().enumerate().filter(|(_, c)| c.name == name).map(|(i, _)| i);
    match (hits.next(), hits.next()) {
        (Some(index), None) => Ok(index),
        (Some(_), Some(_)) => Err(Error::new(state::AMBIGUOUS_COLUMN, format!("ORDER BY \"{name}\" is ambiguous"))),
        (None, _) => Err(Error::new(state::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))),
    }
}

/// The output column an integer constant means.
pub(super) fn ordinal(expr: &ast::Expr, columns: usize, clause: Clause) -> Result<Option<usize>> {
    let mut expr = expr;
    while let ast::Expr::Nested(inner) = expr {
        expr = inner;
    }
    let ast::Expr::Value(value) = expr else { return Ok(None) };
    match &value.value {
        ast::Value::Number(text, _) => match text.parse::<i32>() {
            Ok(n) if n >= 1 && n as usize <= columns => Ok(Some(n as usize - 1)),
            Ok(n) => Err(Error::new(
                state::INVALID_COLUMN_REFERENCE,
                format!("{} position {n} is not in select list", clause.name()),
            )),
            Err(_) => Err(syntax(format!("non-integer constant in {}", clause.name()))),
        },
        ast::Value::Placeholder(_) => Ok(None),
        _ => Err(syntax(format!("non-integer constant in {}", clause.name()))),
    }
}
