//! The predicate of a placement: SQL over the table's columns that holds for every row there, bound once for all queries.
//!
//! It means the same in every session: it is bound with the defaults (time zone UTC, dates month first), and what depends on
//! the moment or on anything but the row is refused.

use std::sync::Arc;

use datafusion_common::Column;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_expr::Expr;

use super::binder::Binder;
use super::parse::parse_expression;
use super::{Clause, Passthrough, node};
use crate::catalog::{Catalog, Table};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::optimize;

/// The condition over the table's columns, without qualifiers.
pub fn bind_predicate(text: &str, table: &Arc<Table>) -> Result<Expr> {
    let syntax = parse_expression(text)?;
    let (catalog, ctx, passthrough) = (Catalog::default(), QueryContext::default(), Passthrough::default());
    let mut binder = Binder::new(&catalog, &ctx, text, &[], &passthrough);
    let item = binder.scan_table(table.clone())?;
    let scope = item.names.scope(None);
    let bound = binder.bind_condition(&syntax, &scope, Clause::Where)?;
    if !binder.parameters().is_empty() {
        return Err(Error::unsupported("a parameter in the predicate of a placement"));
    }
    if node::has_subquery(&bound) {
        return Err(Error::unsupported("a subquery in the predicate of a placement"));
    }
    if ctx.now.was_read() || bound.is_volatile() {
        return Err(Error::unsupported("a predicate of a placement that is not the same at all times"));
    }
    let simple = optimize::simplified(bound, item.plan)?;
    let unqualified = simple.transform(|e| {
        Ok(match e {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::new_unqualified(column.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(unqualified.data)
}
