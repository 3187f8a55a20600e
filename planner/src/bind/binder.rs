//! What the binding of one statement carries along: the snapshot it is bound against, the parameters found so far, and a
//! supply of unique names.

use datafusion_expr::LogicalPlan;
use datafusion_expr::logical_plan::Subquery;
use sqlparser::ast;
use sqlparser::tokenizer::Span;

use super::{BoundQuery, Passthrough, Scope, ScopeColumn};
use crate::catalog::Catalog;
use crate::context::QueryContext;
use crate::error::{Error, Result, state};
use crate::pgtype::PgType;

/// Levels of nested expressions and queries before a statement counts as too complex. The stack grows with them.
const MAX_DEPTH: usize = 2000;
const RED_ZONE: usize = 256 * 1024;
const STACK_SEGMENT: usize = 4 * 1024 * 1024;

pub struct Binder<'a> {
    pub catalog: &'a Catalog,
    pub ctx: &'a QueryContext,
    pub(super) sql: &'a str,
    pub(super) passthrough: &'a Passthrough,
    /// Type of `$n` at index n - 1, `None` while unknown.
    parameters: Vec<Option<PgType>>,
    next_name: usize,
    depth: usize,
}

/// A query inside an expression.
#[derive(Clone, Debug)]
pub struct BoundSubquery {
    pub plan: LogicalPlan,
    pub columns: Vec<ScopeColumn>,
    /// It mentions columns of an enclosing query.
    pub correlated: bool,
}

impl BoundSubquery {
    /// As DataFusion's subquery expressions want it.
    pub fn into_subquery(self) -> Subquery {
        let outer_ref_columns = self.plan.all_out_ref_exprs();
        Subquery { subquery: self.plan.into(), outer_ref_columns, spans: Default::default() }
    }
}

impl<'a> Binder<'a> {
    pub fn new(
        catalog: &'a Catalog,
        ctx: &'a QueryContext,
        sql: &'a str,
        parameter_types: &[Option<PgType>],
        passthrough: &'a Passthrough,
    ) -> Self {
        Self { catalog, ctx, sql, passthrough, parameters: parameter_types.to_vec(), next_name: 0, depth: 0 }
    }

    /// Binds a whole statement. Parameters nobody gave a type are text.
    pub(super) fn bind_statement(self, _statement: &ast::Statement) -> Result<BoundQuery> {
        Err(Error::unsupported("this statement"))
    }

    /// Binds a query inside an expression of `outer`'s level.
    pub fn bind_subquery(&mut self, _query: &ast::Query, _outer: &Scope<'_>) -> Result<BoundSubquery> {
        Err(Error::unsupported("a subquery"))
    }

    /// A name that nothing else in this statement has.
    pub fn fresh(&mut self, prefix: &str) -> String {
        let n = self.next_name;
        self.next_name += 1;
        format!("{prefix}{n}")
    }

    /// Type of `$index` (from 1), `None` while nothing has decided it.
    pub fn parameter_type(&mut self, index: usize) -> Option<PgType> {
        if self.parameters.len() < index {
            self.parameters.resize(index, None);
        }
        self.parameters[index - 1]
    }

    /// The context decides the type of `$index`, if nothing has before.
    pub fn set_parameter_type(&mut self, index: usize, ty: PgType) {
        if self.parameter_type(index).is_none() {
            self.parameters[index - 1] = Some(ty);
        }
    }

    /// Types of `$1` … `$n` at the end of binding.
    pub fn parameters(&self) -> Vec<PgType> {
        self.parameters.iter().map(|t| t.unwrap_or(PgType::TEXT)).collect()
    }

    /// Position of a syntax node in characters from 1.
    pub fn position(&self, span: Span) -> Option<u32> {
        if span.start.line == 0 {
            return None;
        }
        let before: usize =
            self.sql.split_inclusive('\n').take(span.start.line as usize - 1).map(|l| l.chars().count()).sum();
        u32::try_from(before + span.start.column as usize).ok()
    }

    /// One level deeper into the statement: every recursion of the binder goes through here, so that a deep statement is an
    /// error and never a stack overflow.
    pub fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                .with_hint("Simplify the statement: it is nested too deeply."));
        }
        self.depth += 1;
        let result = stacker::maybe_grow(RED_ZONE, STACK_SEGMENT, || f(self));
        self.depth -= 1;
        result
    }
}
