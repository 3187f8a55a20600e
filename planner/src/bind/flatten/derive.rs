//! The usual correlated scalar subqueries, without a domain.
//!
//! `(SELECT agg(…) FROM s WHERE s.k = t.k)` is `agg` grouped by `s.k`, left-joined on `k`: the groups nobody asks for cost less
//! than the distinct values of `t.k`. `(SELECT a FROM s WHERE s.id = t.id)` over a unique `id` is a left join.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion_common::Column;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_expr::utils::{conjunction, split_conjunction};
use datafusion_expr::{Aggregate, BinaryExpr, Expr, JoinType, LogicalPlan, Operator, Projection, lit};

use super::super::binder::Binder;
use super::super::join::join;
use super::super::node::{self, has_subquery, project};
use super::attach::{default_values, output_column, when};
use super::pull_up::{PulledUp, Use, mentions_outside, pull_up};
use super::seen_from_outside;
use crate::error::Result;
use crate::pgsem::PgFunc;
use crate::source::CatalogTable;

/// A scalar aggregate as a table of its values by key.
#[derive(Debug)]
pub(super) struct Derived {
    plan: LogicalPlan,
    /// Outer expression and the key column it is equal to.
    keys: Vec<(Expr, Column)>,
    value: Column,
    /// What stands for a key without rows, if not NULL; and the column that is NULL then.
    missing: Option<(Expr, Column)>,
}

impl Derived {
    pub fn attach(self, plan: LogicalPlan) -> Result<(LogicalPlan, Expr)> {
        let mut on = Vec::with_capacity(self.keys.len());
        for (outer, key) in self.keys {
            on.push(seen_from_outside(outer, plan.schema())?.eq(Expr::Column(key)));
        }
        let plan = join(plan, self.plan, JoinType::Left, conjunction(on))?;
        let value = Expr::Column(self.value);
        Ok(match self.missing {
            None => (plan, value),
            Some((missing, found)) => (plan, when(Expr::Column(found).is_null(), missing, value)),
        })
    }
}

impl Binder<'_> {
    /// `None` unless the subquery is projections over one aggregate whose input is correlated by equalities only.
    pub(super) fn derive(&mut self, query: &LogicalPlan) -> Result<Option<Derived>> {
        let mut projections: Vec<&Projection> = Vec::new();
        let mut plan = query;
        while let LogicalPlan::Projection(node) = plan {
            if node.expr.iter().any(|e| mentions_outside(e) || has_subquery(e)) {
                return Ok(None);
            }
            projections.push(node);
            plan = &node.input;
        }
        let LogicalPlan::Aggregate(aggregate) = plan else { return Ok(None) };
        if !aggregate.group_expr.is_empty() || aggregate.aggr_expr.iter().any(mentions_outside) {
            return Ok(None);
        }
        let Ok(Some(PulledUp { plan: input, conditions })) = pull_up(&aggregate.input, Use::Rows) else {
            return Ok(None);
        };
        let mut pairs: Vec<(Expr, Expr)> = Vec::new();
        for condition in &conditions {
            match equality(condition) {
                Some(pair) if pairs.contains(&pair) => {}
                Some(pair) => pairs.push(pair),
                None => return Ok(None),
            }
        }
        if pairs.is_empty() {
            return Ok(None);
        }
        let defaults = default_values(aggregate)?;
        let (mut group, mut keys) = (Vec::new(), Vec::new());
        for (outer, inner) in pairs {
            let key = self.fresh_column();
            group.push(node::named(inner, &key));
            keys.push((outer, key));
        }
        let mut plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), group, aggregate.aggr_expr.clone())?);
        let found = self.fresh_column();
        let mut kept: Vec<Expr> = keys.iter().map(|(_, key)| node::column(key)).collect();
        // The value for a key without rows is computed like the others, from the aggregates' values for no rows.
        let columns = aggregate.schema.columns();
        let mut missing: HashMap<Column, Expr> = columns.into_iter().zip(defaults).map(|(c, v)| (c, lit(v))).collect();
        for (i, node) in projections.iter().rev().enumerate() {
            let mut exprs = node.expr.clone();
            exprs.extend(kept.iter().cloned());
            if i == 0 {
                exprs.push(node::named(lit(true), &found));
                kept.push(node::column(&found));
            }
            plan = project(plan, exprs)?;
            let mut next = HashMap::new();
            for (expr, column) in node.expr.iter().zip(node.schema.columns()) {
                next.insert(column, substituted(expr.clone().unalias(), &missing)?);
            }
            missing = next;
        }
        if projections.is_empty() {
            let mut exprs = node::all_columns(&plan);
            exprs.push(node::named(lit(true), &found));
            plan = project(plan, exprs)?;
        }
        let value = output_column(query)?;
        let missing = missing.remove(&value).filter(|e| !is_null(e)).map(|e| (e, found));
        Ok(Some(Derived { plan, keys, value, missing }))
    }

    /// A subquery that finds at most one row by a unique key, ready to be joined.
    pub(super) fn lookup(&mut self, query: &LogicalPlan) -> Result<Option<PulledUp>> {
        let Ok(Some(pulled)) = pull_up(query, Use::Rows) else { return Ok(None) };
        let unique = finds_one_row(query);
        Ok(unique.then_some(pulled))
    }
}

/// `inner = outer`, in that or the other order, as (outer, inner).
fn equality(condition: &Expr) -> Option<(Expr, Expr)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return None };
    let local = |e: &Expr| !mentions_outside(e) && e.any_column_refs();
    let outer = |e: &Expr| e.contains_outer() && !e.any_column_refs();
    let pair = |o: &Expr, i: &Expr| Some((o.clone(), i.clone()));
    match (left.as_ref(), right.as_ref()) {
        (l, r) if local(l) && outer(r) => pair(r, l),
        (l, r) if outer(l) && local(r) => pair(l, r),
        _ => None,
    }
}

fn substituted(expr: Expr, values: &HashMap<Column, Expr>) -> Result<Expr> {
    Ok(expr
        .transform_up(|e| {
            Ok(match &e {
                Expr::Column(column) => match values.get(column) {
                    Some(value) => Transformed::yes(value.clone()),
                    None => Transformed::no(e),
                },
                _ => Transformed::no(e),
            })
        })?
        .data)
}

/// Whether an expression is NULL because something strict has a NULL argument.
fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Alias(alias) => is_null(&alias.expr),
        Expr::Cast(cast) => is_null(&cast.expr),
        Expr::Negative(inner) | Expr::Not(inner) => is_null(inner),
        Expr::BinaryExpr(b) => {
            !matches!(b.op, Operator::And | Operator::Or | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
                && (is_null(&b.left) || is_null(&b.right))
        }
        Expr::ScalarFunction(call) => {
            PgFunc::of(&call.func).is_some_and(|f| f.def.strict) && call.args.iter().any(is_null)
        }
        _ => false,
    }
}

/// Whether a filter fixes all columns of a unique key of the table below.
pub(super) fn finds_one_row(plan: &LogicalPlan) -> bool {
    let mut fixed: Vec<&Column> = Vec::new();
    let mut plan = plan;
    loop {
        match plan {
            LogicalPlan::Projection(node) => plan = &node.input,
            LogicalPlan::Sort(node) => plan = &node.input,
            LogicalPlan::Filter(node) => {
                for condition in split_conjunction(&node.predicate) {
                    if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition {
                        match (left.as_ref(), right.as_ref()) {
                            (Expr::Column(c), other) | (other, Expr::Column(c)) if is_fixed(other) => fixed.push(c),
                            _ => {}
                        }
                    }
                }
                plan = &node.input;
            }
            LogicalPlan::TableScan(scan) => {
                let Some(source) = scan.source.downcast_ref::<CatalogTable>() else { return false };
                let is_fixed = |name: &String| {
                    fixed.iter().any(|c| c.relation.as_ref() == Some(&scan.table_name) && c.name == *name)
                };
                return source.table.keys.iter().any(|key| key.columns.iter().all(is_fixed));
            }
            _ => return false,
        }
    }
}

/// The same for all rows of the subquery.
fn is_fixed(expr: &Expr) -> bool {
    !expr.any_column_refs() && !has_subquery(expr) && !expr.is_volatile()
}
