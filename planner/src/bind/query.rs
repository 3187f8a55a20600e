//! A query: WITH, a body (SELECT, VALUES, TABLE, set operation), ORDER BY, LIMIT.

use std::collections::HashSet;

use datafusion_expr::{Expr, LogicalPlan};
use sqlparser::ast;

use super::binder::Binder;
use super::node::{self, check_carriers, project};
use super::order;
use super::scope::{Scope, ScopeColumn};
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgsem::registry::CastContext;
use crate::pgtype::PgType;

/// A query whose output expressions stand above `plan` but are not computed yet: whoever uses it may still give an untyped
/// literal its type (set operations), or sort by something that is not put out.
#[derive(Debug)]
pub(super) struct Body {
    pub plan: LogicalPlan,
    pub columns: Vec<ScopeColumn>,
}

impl Binder<'_> {
    pub(super) fn bind_query(&mut self, query: &ast::Query, outer: Option<&Scope<'_>>) -> Result<Body> {
        self.nested(|binder| {
            binder.refuse_clauses(query)?;
            let reach = binder.ctes.len();
            if let Some(with) = &query.with {
                binder.bind_with(with, outer)?;
            }
            let body = match query.body.as_ref() {
                ast::SetExpr::Select(select) => binder.bind_select(select, query, outer)?,
                body => {
                    let body = binder.bind_set_expr(body, outer)?;
                    binder.order_and_limit(body, query, outer)?
                }
            };
            binder.ctes.truncate(reach);
            Ok(body)
        })
    }

    /// The body of a query, or an operand of a set operation.
    pub(super) fn bind_set_expr(&mut self, body: &ast::SetExpr, outer: Option<&Scope<'_>>) -> Result<Body> {
        match body {
            ast::SetExpr::Select(select) => self.nested(|b| b.bind_select(select, &plain_query(), outer)),
            ast::SetExpr::Query(query) => self.bind_query(query, outer),
            ast::SetExpr::SetOperation { .. } => self.bind_set_operation(body, outer),
            ast::SetExpr::Values(values) => self.nested(|b| b.bind_values(values, outer)),
            ast::SetExpr::Table(_) => Err(Error::internal("TABLE is spelt out before parsing")),
            ast::SetExpr::Insert(_) => Err(read_only("INSERT")),
            ast::SetExpr::Update(_) => Err(read_only("UPDATE")),
            ast::SetExpr::Delete(_) => Err(read_only("DELETE")),
            ast::SetExpr::Merge(_) => Err(read_only("MERGE")),
        }
    }

    fn refuse_clauses(&self, query: &ast::Query) -> Result<()> {
        if let Some(lock) = query.locks.first() {
            let how = match lock.lock_type {
                ast::LockType::Share => "SELECT FOR SHARE",
                ast::LockType::Update => "SELECT FOR UPDATE",
            };
            return Err(read_only(how));
        }
        if query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() {
            return Err(super::binder::syntax("syntax error: this clause is not PostgreSQL's"));
        }
        Ok(())
    }

    /// Computes the output columns: each becomes a column of the plan, in order, under a unique name.
    pub(super) fn materialize(&mut self, body: Body) -> Result<(LogicalPlan, Vec<ScopeColumn>)> {
        let Body { plan, columns } = body;
        let mut used = HashSet::new();
        let mut exprs = Vec::with_capacity(columns.len());
        let mut bound = Vec::with_capacity(columns.len());
        for mut column in columns {
            let typed = self.settle(column.typed)?;
            let (expr, name) = match typed.expr {
                Expr::Column(c) if used.insert(c.clone()) => (Expr::Column(c.clone()), c),
                expr => {
                    let name = self.fresh_column();
                    (node::named(expr, &name), name)
                }
            };
            exprs.push(expr);
            column.typed = Typed::with_repr(Expr::Column(name), typed.ty, typed.repr);
            bound.push(column);
        }
        let plan = if exprs == node::all_columns(&plan) { plan } else { project(plan, exprs)? };
        check_carriers(&plan, bound.iter().map(|c| &c.typed))?;
        Ok((plan, bound))
    }

    /// As an output column: what is still an untyped literal or parameter becomes text.
    pub(super) fn settle(&mut self, typed: Typed) -> Result<Typed> {
        if typed.ty == PgType::UNKNOWN { self.coerce(typed, PgType::TEXT, CastContext::Implicit) } else { Ok(typed) }
    }

    /// ORDER BY and LIMIT of a body that is not a plain SELECT: they see its output columns only.
    fn order_and_limit(&mut self, body: Body, query: &ast::Query, outer: Option<&Scope<'_>>) -> Result<Body> {
        let scope = Scope { parent: outer, ..Scope::default() };
        let Some(order_by) = &query.order_by else { return self.limit(body, query, &[], &scope) };
        let (plan, columns) = self.materialize(body)?;
        let keys = self.bind_output_order(order_by, &columns)?;
        let plan = order::sort(plan, &keys, &columns)?;
        self.limit(Body { plan, columns }, query, &keys, &scope)
    }
}

/// The clauses around an operand of a set operation: none.
fn plain_query() -> ast::Query {
    ast::Query {
        with: None,
        body: Box::new(ast::SetExpr::Values(ast::Values {
            explicit_row: false,
            value_keyword: false,
            rows: Vec::new(),
        })),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// The gateway reads only.
pub(super) fn read_only(command: &str) -> Error {
    Error::new(state::READ_ONLY, format!("cannot execute {command} in a read-only transaction"))
}
