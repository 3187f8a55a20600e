//! SELECT: the clauses in the order in which they take effect.
//!
//! FROM, WHERE, then grouping, HAVING, windows, set-returning functions, DISTINCT, ORDER BY, LIMIT. The select list is bound
//! once, early; each stage replaces the calls it computes (aggregates, window functions, …) by columns.

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};
use sqlparser::ast;

use super::Clause;
use super::aggregate::{Grouping, has_aggregate};
use super::binder::{Binder, syntax};
use super::from::{FromItem, Names};
use super::keys;
use super::node::{self, filter};
use super::order::{self, OrderKey};
use super::query::Body;
use super::scope::Scope;
use super::set_returning::lift_set_returning;
use super::target::Targets;
use super::window::{check_definitions, lift_windows};
use crate::error::{Error, Result, state};
use crate::pgsem::registry::CastContext;
use crate::pgtype::PgType;

impl Binder<'_> {
    /// `query` holds the clauses that follow the SELECT: ORDER BY and LIMIT.
    pub(super) fn bind_select(
        &mut self,
        select: &ast::Select,
        query: &ast::Query,
        outer: Option<&Scope<'_>>,
    ) -> Result<Body> {
        refuse_clauses(select)?;
        check_definitions(&select.named_window)?;
        let from = self.bind_from(&select.from, outer)?;
        let FromItem { mut plan, names } =
            from.unwrap_or_else(|| FromItem { plan: node::one_row(), names: Names::default() });
        let scope = names.into_scope(&select.named_window, outer);

        let mut targets = self.bind_targets(select, &scope)?;
        if let Some(condition) = &select.selection {
            plan = filter(plan, self.bind_condition(condition, &scope, Clause::Where)?)?;
        }
        let mut having = match &select.having {
            Some(condition) => Some(self.bind_condition(condition, &scope, Clause::Having)?),
            None => None,
        };
        let order = match &query.order_by {
            Some(order_by) => self.bind_order(order_by, &mut targets, &scope)?,
            None => Vec::new(),
        };
        let grouping = self.bind_group_by(&select.group_by, &mut targets, &scope)?;
        let distinct = self.bind_distinct(select.distinct.as_ref(), &mut targets, &scope, &order)?;

        plan = self.aggregate(plan, grouping, &mut targets, &mut having, &scope)?;
        if let Some(having) = having {
            plan = filter(plan, having)?;
        }
        plan = lift_windows(self, plan, targets.exprs_mut())?;
        plan = lift_set_returning(self, plan, targets.exprs_mut())?;

        let (plan, order) = self.make_distinct(plan, distinct, &mut targets, order)?;
        let body = self.sorted(plan, targets, &order)?;
        self.limit(body, query, &order, &scope)
    }

    /// A condition of WHERE, HAVING, ON or FILTER.
    pub fn bind_condition(&mut self, expr: &ast::Expr, scope: &Scope<'_>, clause: Clause) -> Result<Expr> {
        use sqlparser::ast::Spanned;
        let typed = self.bind_expr(expr, scope, clause)?;
        let typed = match typed.ty {
            PgType::UNKNOWN => self.coerce(typed, PgType::BOOL, CastContext::Implicit)?,
            _ => typed,
        };
        if typed.ty != PgType::BOOL {
            let clause = if clause == Clause::JoinOn { "JOIN/ON" } else { clause.name() };
            return Err(Error::new(
                state::DATATYPE_MISMATCH,
                format!("argument of {clause} must be type boolean, not type {}", typed.ty),
            )
            .or_position(self.position(expr.span())));
        }
        Ok(typed.expr)
    }

    fn aggregate(
        &mut self,
        plan: LogicalPlan,
        grouping: Option<Grouping>,
        targets: &mut Targets,
        having: &mut Option<Expr>,
        scope: &Scope<'_>,
    ) -> Result<LogicalPlan> {
        let needed = grouping.is_some() || having.is_some() || targets.exprs().any(has_aggregate);
        if !needed {
            return Ok(plan);
        }
        let mut grouping = grouping.unwrap_or_default();
        let mut exprs: Vec<&mut Expr> = targets.exprs_mut().chain(having.iter_mut()).collect();
        let plan = self.expand_groups(plan, &mut grouping, &mut exprs)?;
        self.lift_aggregates(plan, grouping, exprs.into_iter(), scope)
    }

    /// A set-returning call that is grouped by is expanded before grouping.
    fn expand_groups(
        &mut self,
        plan: LogicalPlan,
        grouping: &mut Grouping,
        exprs: &mut [&mut Expr],
    ) -> Result<LogicalPlan> {
        let written: Vec<Expr> = grouping.items.iter().map(|item| item.expr.clone()).collect();
        let plan = lift_set_returning(self, plan, grouping.items.iter_mut().map(|item| &mut item.expr))?;
        for (old, item) in written.iter().zip(&grouping.items).filter(|(old, item)| **old != item.expr) {
            for expr in &mut *exprs {
                let taken = std::mem::take(*expr);
                **expr = taken
                    .transform_down(|e| {
                        Ok(if e == *old {
                            Transformed::new(item.expr.clone(), true, TreeNodeRecursion::Jump)
                        } else {
                            Transformed::no(e)
                        })
                    })?
                    .data;
            }
        }
        Ok(plan)
    }

    /// Computes the output columns and sorts by `order`. Columns only sorted by are there but not put out.
    fn sorted(&mut self, plan: LogicalPlan, targets: Targets, order: &[OrderKey]) -> Result<Body> {
        let Targets { columns, visible } = targets;
        let body = Body { plan, columns };
        if order.is_empty() {
            let mut body = body;
            body.columns.truncate(visible);
            return Ok(body);
        }
        for key in order {
            keys::check_ordering(body.columns[key.column].typed.ty)?;
        }
        let (plan, mut columns) = self.materialize(body)?;
        let plan = order::sort(plan, order, &columns)?;
        columns.truncate(visible);
        Ok(Body { plan, columns })
    }
}

fn refuse_clauses(select: &ast::Select) -> Result<()> {
    if select.into.is_some() {
        return Err(super::query::read_only("SELECT INTO"));
    }
    let foreign = select.top.is_some()
        || select.exclude.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.qualify.is_some()
        || select.value_table_mode.is_some()
        || select.select_modifiers.is_some()
        || select.flavor != ast::SelectFlavor::Standard;
    if foreign {
        return Err(syntax("syntax error: this clause of SELECT is not PostgreSQL's"));
    }
    Ok(())
}
