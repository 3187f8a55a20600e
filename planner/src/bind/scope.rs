//! What names mean at one place of a query (PostgreSQL's `p_namespace`, `parse_relation.c`).

use datafusion_expr::Expr;
use sqlparser::ast;

use crate::error::{Error, Result, state};
use crate::pgsem::Typed;

/// A column a name may mean. `typed.expr` is an `Expr::Column` whose relation and name are unique in the query, except for a
/// merged column of a FULL JOIN USING, which is an expression over two of them.
#[derive(Clone, Debug)]
pub struct ScopeColumn {
    pub name: String,
    pub typed: Typed,
    /// Where it comes from unchanged, for the client's row description; 0 if computed.
    pub table_oid: u32,
    pub column_number: i16,
}

/// An item of FROM under its alias.
#[derive(Clone, Debug)]
pub struct ScopeRelation {
    pub schema: Option<String>,
    pub name: String,
    pub columns: Vec<ScopeColumn>,
}

/// The names one query level sees, and those of the levels around it.
#[derive(Clone, Debug, Default)]
pub struct Scope<'p> {
    /// For qualified names and `t.*`.
    pub relations: Vec<ScopeRelation>,
    /// For unqualified names and `*`: columns merged by USING stand once.
    pub columns: Vec<ScopeColumn>,
    pub parent: Option<&'p Scope<'p>>,
}

impl<'p> Scope<'p> {
    pub fn child_of(parent: &'p Scope<'p>) -> Self {
        Scope { parent: Some(parent), ..Scope::default() }
    }

    /// The column that `a`, `t.a` or `s.t.a` means. Columns of an outer level become `Expr::OuterReferenceColumn`.
    /// Positions are left to the caller.
    pub fn resolve(&self, parts: &[ast::Ident]) -> Result<Typed> {
        let name = parts.last().map(fold).unwrap_or_default();
        let mut outer = false;
        let mut level = Some(self);
        while let Some(scope) = level {
            if let Some(column) = scope.columns.iter().find(|c| c.name == name) {
                let mut typed = column.typed.clone();
                if let (true, Expr::Column(c)) = (outer, &typed.expr) {
                    let field = arrow::datatypes::Field::new(&c.name, typed.repr.clone(), true);
                    typed.expr = Expr::OuterReferenceColumn(field.into(), c.clone());
                }
                return Ok(typed);
            }
            outer = true;
            level = scope.parent;
        }
        Err(Error::new(state::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")))
    }
}

/// An identifier as PostgreSQL stores it: unquoted ones fold to lower case.
pub fn fold(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}
