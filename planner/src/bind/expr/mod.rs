//! Expressions: from syntax to a typed expression by PostgreSQL's rules.

use sqlparser::ast;

use super::{Binder, Clause, Scope};
use crate::error::{Error, Result};
use crate::pgsem::Typed;
use crate::pgsem::registry::CastContext;
use crate::pgtype::PgType;

impl Binder<'_> {
    /// Binds an expression. Aggregate calls are left in it as `Expr::AggregateFunction`, window calls as
    /// `Expr::WindowFunction` (over what `bind_window` gives), `grouping(…)` as the aggregate of that name, set-returning calls
    /// as `Expr::Unnest` of a list with the element's type.
    pub fn bind_expr(&mut self, _e: &ast::Expr, _scope: &Scope<'_>, _clause: Clause) -> Result<Typed> {
        Err(Error::unsupported("this expression"))
    }

    /// Casts to a type, if it may be done in that context. An unknown literal or parameter takes the type.
    pub fn coerce(&mut self, t: Typed, ty: PgType, _context: CastContext) -> Result<Typed> {
        if t.ty == ty { Ok(t) } else { Err(Error::unsupported("this cast")) }
    }

    /// An operator over bound operands, chosen as if it were written between them.
    pub fn operator(&mut self, _name: &str, _operands: Vec<Typed>) -> Result<Typed> {
        Err(Error::unsupported("this operator"))
    }

    /// Gives all the same type and carrier (UNION, CASE, VALUES; `select_common_type`). `what` names the construct in errors.
    pub fn unify(&mut self, all: Vec<Typed>, _what: &str) -> Result<Vec<Typed>> {
        Ok(all)
    }
}
