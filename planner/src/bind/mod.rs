//! From SQL text to a bound plan, by PostgreSQL's parse-analysis rules.
//!
//! DataFusion's own binder is not used: it differs from PostgreSQL in names, types and clauses. Two worlds are kept apart here.
//! Inside a plan every relation has a unique alias and every column a unique name, because optimiser passes match by name; the
//! names a client sees live only in [`Scope`] and in [`OutputColumn`].
//!
//! * [`parse`](mod@parse): statements and positions; * [`binder`]: what one statement's binding carries along;
//! * [`scope`]: name resolution; * [`expr`]: expressions; the other modules: one clause each.

mod aggregate;
pub mod binder;
pub mod clause;
mod cte;
mod distinct;
mod distinct_from;
pub mod expr;
mod flatten;
mod from;
mod group;
mod hoist;
mod join;
mod keys;
mod limit;
mod names;
mod node;
mod order;
mod ordinality;
pub mod parse;
mod predicate;
mod query;
mod relation;
mod respell;
pub mod scope;
mod select;
mod set_operation;
mod set_returning;
mod table_function;
mod target;
#[cfg(test)]
mod tests;
mod values;
pub mod window;

use std::collections::HashMap;

use cost_model::SourceId;
use datafusion_expr::LogicalPlan;
use sqlparser::ast;

use crate::catalog::Catalog;
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgtype::PgType;
use crate::plan::OutputColumn;

pub use binder::{Binder, BoundSubquery};
pub use clause::Clause;
pub use parse::{ParsedStatement, parse};
pub use predicate::bind_predicate;
pub use scope::{Scope, ScopeColumn};
pub use window::BoundWindow;

/// A statement that returns rows, bound: DataFusion's plan and what the client is told of it.
#[derive(Clone, Debug)]
pub struct BoundQuery {
    /// Its schema has one field per entry of `columns`, in order, under internal names.
    pub plan: LogicalPlan,
    pub columns: Vec<OutputColumn>,
    /// Types of `$1`, `$2`, …
    pub parameters: Vec<PgType>,
}

/// Columns of `narrows.query('source', $$…$$)` calls, described by their sources before binding: binding itself asks nobody.
#[derive(Clone, Debug, Default)]
pub struct Passthrough {
    pub calls: HashMap<(SourceId, String), Vec<(String, PgType)>>,
}

/// Binds a query (`SELECT`, `VALUES`, `TABLE`, `WITH`). `sql` is the whole text that the statement's positions count in;
/// `parameter_types` are those the client declared.
pub fn bind(
    query: &ast::Statement,
    catalog: &Catalog,
    ctx: &QueryContext,
    sql: &str,
    parameter_types: &[Option<PgType>],
    passthrough: &Passthrough,
) -> Result<BoundQuery> {
    Binder::new(catalog, ctx, sql, parameter_types, passthrough).bind_statement(query)
}
