//! LIMIT, OFFSET, FETCH FIRST [WITH TIES].

use std::sync::Arc;

use datafusion_common::ScalarValue;
use datafusion_expr::{Expr, Limit, LogicalPlan, lit};
use datafusion_functions_window::rank::rank_udwf;
use datafusion_functions_window::row_number::row_number_udwf;
use sqlparser::ast;

use super::Clause;
use super::binder::{Binder, syntax};
use super::node::{self, filter};
use super::order::{OrderKey, sort_exprs};
use super::query::Body;
use super::scope::Scope;
use super::window::{add_windows, ranking};
use crate::error::{Error, Result, state};
use crate::pgsem::registry::CastContext;
use crate::pgtype::PgType;

impl Binder<'_> {
    /// Puts the query's limits on a body. `keys`: what it is sorted by.
    pub(super) fn limit(
        &mut self,
        body: Body,
        query: &ast::Query,
        keys: &[OrderKey],
        scope: &Scope<'_>,
    ) -> Result<Body> {
        let (mut fetch, mut skip) = (None, None);
        match &query.limit_clause {
            Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if !limit_by.is_empty() {
                    return Err(syntax("syntax error: LIMIT BY is not PostgreSQL's"));
                }
                fetch = self.row_count(limit.as_ref(), Clause::Limit, scope)?;
                skip = self.row_count(offset.as_ref().map(|o| &o.value), Clause::Offset, scope)?;
            }
            Some(ast::LimitClause::OffsetCommaLimit { .. }) => {
                return Err(
                    syntax("LIMIT #,# syntax is not supported").with_hint("Use separate LIMIT and OFFSET clauses.")
                );
            }
            None => {}
        }
        let mut with_ties = false;
        if let Some(clause) = &query.fetch {
            if clause.percent {
                return Err(syntax("syntax error at or near \"PERCENT\""));
            }
            if fetch.is_some() {
                return Err(syntax("multiple LIMIT clauses not allowed"));
            }
            fetch = match &clause.quantity {
                Some(quantity) => self.row_count(Some(quantity), Clause::Limit, scope)?,
                None => Some(lit(1i64)),
            };
            with_ties = clause.with_ties;
        }
        if with_ties && keys.is_empty() {
            return Err(syntax("WITH TIES cannot be specified without ORDER BY clause"));
        }
        match (fetch, skip) {
            (None, None) => Ok(body),
            (Some(fetch), skip) if with_ties => self.limit_with_ties(body, fetch, skip, keys),
            (fetch, skip) => {
                let limit = Limit { skip: skip.map(Box::new), fetch: fetch.map(Box::new), input: Arc::new(body.plan) };
                Ok(Body { plan: LogicalPlan::Limit(limit), columns: body.columns })
            }
        }
    }

    /// A number of rows: an expression without columns, NULL for no limit.
    fn row_count(&mut self, expr: Option<&ast::Expr>, clause: Clause, scope: &Scope<'_>) -> Result<Option<Expr>> {
        let Some(expr) = expr else { return Ok(None) };
        let typed = self.bind_expr(expr, scope, clause)?;
        if typed.expr.contains_outer() || typed.expr.any_column_refs() {
            return Err(Error::new(
                state::INVALID_COLUMN_REFERENCE,
                format!("argument of {} must not contain variables", clause.name()),
            ));
        }
        if node::has_subquery(&typed.expr) {
            return Err(Error::unsupported(format!("a subquery in {}", clause.name())));
        }
        let count = match typed.as_literal() {
            Some(ScalarValue::Int32(n)) => lit(ScalarValue::Int64(n.map(i64::from))),
            _ if typed.ty.is_integer() || typed.ty == PgType::UNKNOWN => {
                self.coerce(typed, PgType::INT8, CastContext::Implicit)?.expr
            }
            _ if typed.ty.oid == crate::pgtype::oid::NUMERIC => {
                self.coerce(typed, PgType::INT8, CastContext::Assignment)?.expr
            }
            _ => {
                return Err(Error::new(
                    state::DATATYPE_MISMATCH,
                    format!("argument of {} must be type bigint, not type {}", clause.name(), typed.ty),
                ));
            }
        };
        match &count {
            Expr::Literal(ScalarValue::Int64(None), _) => Ok(None),
            Expr::Literal(ScalarValue::Int64(Some(n)), _) if *n < 0 => {
                let state = if clause == Clause::Limit { state::INVALID_LIMIT } else { state::INVALID_OFFSET };
                Err(Error::new(state, format!("{} must not be negative", clause.name())))
            }
            _ => Ok(Some(count)),
        }
    }

    /// The rows after the first `skip` whose rank says that fewer than `skip + fetch` rows sort before them.
    fn limit_with_ties(&mut self, body: Body, fetch: Expr, skip: Option<Expr>, keys: &[OrderKey]) -> Result<Body> {
        let count = |e: Expr| match e {
            Expr::Literal(ScalarValue::Int64(Some(n)), _) => u64::try_from(n).map_err(|_| Error::internal("a limit")),
            _ => Err(Error::unsupported("WITH TIES with a number of rows that is not a constant")),
        };
        let fetch = count(fetch)?;
        let skip = skip.map_or(Ok(0), count)?;
        let order = sort_exprs(keys, &body.columns)?;
        let (row, rank) = (self.fresh_column(), self.fresh_column());
        let ranked = add_windows(
            body.plan,
            vec![
                node::named(ranking(row_number_udwf(), Vec::new(), order.clone()), &row),
                node::named(ranking(rank_udwf(), Vec::new(), order), &rank),
            ],
        )?;
        let last = skip.saturating_add(fetch);
        let kept = node::column(&row).gt(lit(skip)).and(node::column(&rank).lt_eq(lit(last)));
        // WITH TIES of no rows at all has no last row to tie with.
        let kept = if fetch == 0 { lit(false) } else { kept };
        let plan = filter(ranked, kept)?;
        let plan = LogicalPlan::Sort(datafusion_expr::Sort {
            expr: vec![node::column(&row).sort(true, false)],
            input: Arc::new(plan),
            fetch: None,
        });
        Ok(Body { plan, columns: body.columns })
    }
}
