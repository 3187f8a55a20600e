//! What the binding of one statement carries along: the snapshot it is bound against, the parameters found so far, WITH
//! queries in reach, and a supply of unique names.

use datafusion_common::Column;
use datafusion_expr::LogicalPlan;
use datafusion_expr::logical_plan::Subquery;
use sqlparser::ast;
use sqlparser::tokenizer::Span;

use super::cte::Cte;
use super::parse::{char_position, too_complex};
use super::query::Body;
use super::{BoundQuery, Passthrough, Scope, ScopeColumn};
use crate::catalog::Catalog;
use crate::context::QueryContext;
use crate::error::{Error, Result, state};
use crate::pgtype::PgType;
use crate::plan::OutputColumn;

/// Levels of nested expressions and queries before a statement counts as too complex. The stack grows with them.
const MAX_DEPTH: usize = 5000;
const RED_ZONE: usize = 256 * 1024;
const STACK_SEGMENT: usize = 4 * 1024 * 1024;

pub struct Binder<'a> {
    pub catalog: &'a Catalog,
    pub ctx: &'a QueryContext,
    sql: &'a str,
    pub(super) passthrough: &'a Passthrough,
    /// WITH queries in reach, innermost last.
    pub(super) ctes: Vec<Cte>,
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
        Self {
            catalog,
            ctx,
            sql,
            passthrough,
            ctes: Vec::new(),
            parameters: parameter_types.to_vec(),
            next_name: 0,
            depth: 0,
        }
    }

    /// Binds a whole statement. Parameters nobody gave a type are text.
    pub(super) fn bind_statement(mut self, statement: &ast::Statement) -> Result<BoundQuery> {
        let ast::Statement::Query(query) = statement else {
            return Err(Error::unsupported("a statement other than a query"));
        };
        let mut body = self.bind_query(query, None)?;
        for column in &mut body.columns {
            column.typed = self.shown(column.typed.clone())?;
        }
        let (plan, columns) = self.materialize(body)?;
        let plan = self.flatten(plan)?;
        let columns = columns
            .into_iter()
            .map(|c| OutputColumn {
                name: c.name,
                ty: c.typed.ty,
                table_oid: c.table_oid,
                column_number: c.column_number,
            })
            .collect();
        Ok(BoundQuery { plan, columns, parameters: self.parameters() })
    }

    /// Binds a query inside an expression of `outer`'s level.
    pub fn bind_subquery(&mut self, query: &ast::Query, outer: &Scope<'_>) -> Result<BoundSubquery> {
        let body = self.bind_query(query, Some(outer))?;
        self.finish_subquery(body)
    }

    pub(super) fn finish_subquery(&mut self, body: Body) -> Result<BoundSubquery> {
        let (plan, columns) = self.materialize(body)?;
        let correlated = !super::node::outer_columns(&plan)?.is_empty();
        Ok(BoundSubquery { plan, columns, correlated })
    }

    /// A name that nothing else in this statement has.
    pub fn fresh(&mut self, prefix: &str) -> String {
        let n = self.next_name;
        self.next_name += 1;
        format!("{prefix}{n}")
    }

    /// A column that nothing else in this statement is: `#` keeps it apart from the columns of tables.
    pub fn fresh_column(&mut self) -> Column {
        Column::new_unqualified(self.fresh("#"))
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

    /// Whether the statement's text has a word, wherever it stands.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.sql.to_ascii_lowercase().contains(word)
    }

    /// Position of a syntax node in characters from 1.
    pub fn position(&self, span: Span) -> Option<u32> {
        char_position(self.sql, span.start)
    }

    /// Position of the name a column was resolved from.
    pub(super) fn column_position(&self, column: &Column) -> Option<u32> {
        let start = column.spans.first()?.start;
        char_position(self.sql, sqlparser::tokenizer::Location { line: start.line, column: start.column })
    }

    /// One level deeper into the statement: every recursion of the binder goes through here, so that a deep statement is an
    /// error and never a stack overflow.
    pub fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(too_complex());
        }
        self.depth += 1;
        let result = stacker::maybe_grow(RED_ZONE, STACK_SEGMENT, || f(self));
        self.depth -= 1;
        result
    }
}

/// 42P10 and its kin: an error at a syntax node.
pub(super) fn at<T>(result: Result<T>, position: Option<u32>) -> Result<T> {
    result.map_err(|e| e.or_position(position))
}

pub(super) fn syntax(message: impl Into<String>) -> Error {
    Error::new(state::SYNTAX_ERROR, message)
}
