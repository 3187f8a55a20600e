//! One JOIN: ON, USING, NATURAL, and the columns they merge (`transformFromClauseItem`).

use std::sync::Arc;

use datafusion_common::{JoinConstraint, NullEquality};
use datafusion_expr::expr::Case;
use datafusion_expr::{Expr, Join, JoinType, LogicalPlan};
use sqlparser::ast;

use super::Clause;
use super::binder::{Binder, syntax};
use super::from::{FromItem, apply, check_aliases};
use super::hoist::hoist_subqueries;
use super::node::{self, project};
use super::scope::{Scope, ScopeColumn, fold};
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cross,
    Inner,
    Left,
    Right,
    Full,
}

impl Kind {
    pub fn join_type(self) -> JoinType {
        match self {
            Kind::Cross | Kind::Inner => JoinType::Inner,
            Kind::Left => JoinType::Left,
            Kind::Right => JoinType::Right,
            Kind::Full => JoinType::Full,
        }
    }
}

/// Joins two plans on any condition; the optimiser finds the equalities in it.
pub(super) fn join(
    left: LogicalPlan,
    right: LogicalPlan,
    join_type: JoinType,
    condition: Option<Expr>,
) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Join(Join::try_new(
        Arc::new(left),
        Arc::new(right),
        Vec::new(),
        condition,
        join_type,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?))
}

impl Binder<'_> {
    pub(super) fn join(
        &mut self,
        left: FromItem,
        right: FromItem,
        kind: Kind,
        constraint: &ast::JoinConstraint,
        outer: Option<&Scope<'_>>,
    ) -> Result<FromItem> {
        check_aliases(&left.names, &right.names)?;
        match constraint {
            ast::JoinConstraint::Using(names) => {
                let names = names
                    .iter()
                    .map(|name| match name.0.as_slice() {
                        [part] => part.as_ident().map(fold).ok_or_else(|| syntax("syntax error in USING")),
                        _ => Err(syntax("syntax error in USING")),
                    })
                    .collect::<Result<Vec<_>>>()?;
                if let Some(name) = names.iter().enumerate().find_map(|(i, n)| names[..i].contains(n).then_some(n)) {
                    return Err(Error::new(
                        state::DUPLICATE_COLUMN,
                        format!("column name \"{name}\" appears more than once in USING clause"),
                    ));
                }
                self.join_using(left, right, kind, names)
            }
            ast::JoinConstraint::Natural => {
                let names = left.names.columns.iter().map(|c| &c.name);
                let names = names.filter(|n| right.names.columns.iter().any(|c| c.name == **n)).cloned().collect();
                self.join_using(left, right, kind, names)
            }
            ast::JoinConstraint::On(condition) => self.join_on(left, right, kind, condition, outer),
            ast::JoinConstraint::None if kind == Kind::Cross => {
                let plan = apply(left.plan, right.plan, kind.join_type(), None)?;
                Ok(FromItem { plan, names: left.names.and(right.names) })
            }
            ast::JoinConstraint::None => Err(syntax("syntax error: a join needs ON, USING or NATURAL")),
        }
    }

    fn join_on(
        &mut self,
        left: FromItem,
        right: FromItem,
        kind: Kind,
        condition: &ast::Expr,
        outer: Option<&Scope<'_>>,
    ) -> Result<FromItem> {
        let names = left.names.and(right.names);
        let condition = self.bind_condition(condition, &names.scope(outer), Clause::JoinOn)?;
        let plan = if !node::has_subquery(&condition) {
            apply(left.plan, right.plan, kind.join_type(), Some(condition))?
        } else if kind == Kind::Inner {
            // Subqueries are unnested in filters.
            node::filter(apply(left.plan, right.plan, kind.join_type(), None)?, condition)?
        } else {
            // A subquery over one side is a column of that side.
            let mut condition = [condition];
            let (l, r) = (left.plan.schema().clone(), right.plan.schema().clone());
            let left = hoist_subqueries(self, left.plan, &mut condition, &r)?;
            let right = hoist_subqueries(self, right.plan, &mut condition, &l)?;
            if condition.iter().any(node::has_subquery) {
                return Err(Error::unsupported("a subquery over both sides of an outer join in its condition"));
            }
            let [condition] = condition;
            apply(left, right, kind.join_type(), Some(condition))?
        };
        Ok(FromItem { plan, names })
    }

    fn join_using(&mut self, left: FromItem, right: FromItem, kind: Kind, names: Vec<String>) -> Result<FromItem> {
        let mut condition: Option<Expr> = None;
        let mut merged = Vec::with_capacity(names.len());
        for name in &names {
            let l = common_column(&left.names.columns, name, "left")?;
            let r = common_column(&right.names.columns, name, "right")?;
            let equal = self.operator("=", vec![l.typed.clone(), r.typed.clone()])?.expr;
            condition = Some(match condition {
                Some(all) => all.and(equal),
                None => equal,
            });
            merged.push((l.clone(), r.clone()));
        }
        let mut plan = apply(left.plan, right.plan, kind.join_type(), condition)?;
        let mut columns = Vec::new();
        let mut computed = node::all_columns(&plan);
        for (l, r) in merged {
            let mut pair = self.unify(vec![l.typed.clone(), r.typed.clone()], "JOIN/USING")?;
            let (rt, lt) = (pair.swap_remove(1), pair.swap_remove(0));
            let kept = if kind == Kind::Right { &r } else { &l };
            let value = match kind {
                Kind::Right => rt,
                Kind::Full => first_not_null(lt, rt)?,
                _ => lt,
            };
            if value.expr == kept.typed.expr {
                columns.push(kept.clone());
                continue;
            }
            let name = self.fresh_column();
            computed.push(node::named(value.expr, &name));
            let typed = Typed::with_repr(Expr::Column(name), value.ty, value.repr);
            columns.push(ScopeColumn::computed(&l.name, typed));
        }
        if computed.len() > plan.schema().fields().len() {
            plan = project(plan, computed)?;
        }
        let mut all = left.names.and(right.names);
        columns.extend(all.columns.into_iter().filter(|c| !names.contains(&c.name)));
        all.columns = columns;
        Ok(FromItem { plan, names: all })
    }
}

fn common_column<'c>(columns: &'c [ScopeColumn], name: &str, side: &str) -> Result<&'c ScopeColumn> {
    let mut hits = columns.iter().filter(|c| c.name == name);
    match (hits.next(), hits.next()) {
        (Some(column), None) => Ok(column),
        (Some(_), Some(_)) => Err(Error::new(
            state::AMBIGUOUS_COLUMN,
            format!("common column name \"{name}\" appears more than once in {side} table"),
        )),
        (None, _) => Err(Error::new(
            state::UNDEFINED_COLUMN,
            format!("column \"{name}\" specified in USING clause does not exist in {side} table"),
        )),
    }
}

/// `coalesce(left, right)`
fn first_not_null(left: Typed, right: Typed) -> Result<Typed> {
    let when = vec![(Box::new(left.expr.clone().is_not_null()), Box::new(left.expr))];
    let expr = Expr::Case(Case { expr: None, when_then_expr: when, else_expr: Some(Box::new(right.expr)) });
    Ok(Typed::with_repr(expr, left.ty, left.repr))
}
