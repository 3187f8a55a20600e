//! What names mean at one place of a query (PostgreSQL's `p_namespace`, `parse_relation.c`).

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion_common::{Column, Location, Span, Spans};
use datafusion_expr::Expr;
use sqlparser::ast;

use crate::catalog::Table;
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;

/// The one system column there is.
pub const TABLE_OID: &str = "tableoid";

/// A column a name may mean.
#[derive(Clone, Debug)]
pub struct ScopeColumn {
    pub name: String,
    /// In a scope an `Expr::Column` whose relation and name are unique in the query.
    pub typed: Typed,
    /// Where it comes from unchanged, for the client's row description; 0 if computed.
    pub table_oid: u32,
    pub column_number: i16,
}

impl ScopeColumn {
    pub fn computed(name: impl Into<String>, typed: Typed) -> Self {
        Self { name: name.into(), typed, table_oid: 0, column_number: 0 }
    }

    pub fn column(&self) -> Option<&Column> {
        match &self.typed.expr {
            Expr::Column(column) => Some(column),
            _ => None,
        }
    }
}

/// An item of FROM under its alias.
#[derive(Clone, Debug)]
pub struct ScopeRelation {
    /// Schema of a table that has no alias.
    pub schema: Option<String>,
    pub name: String,
    pub columns: Vec<ScopeColumn>,
    /// `tableoid`, which `*` does not show and a column of that name hides.
    pub table_oid: Option<ScopeColumn>,
    /// The table itself, unless this is a subquery or function.
    pub table: Option<Arc<Table>>,
}

impl ScopeRelation {
    fn system_column(&self, name: &str) -> Option<&ScopeColumn> {
        self.table_oid.as_ref().filter(|_| name == TABLE_OID)
    }
}

/// The names one query level sees, and those of the levels around it.
#[derive(Clone, Debug, Default)]
pub struct Scope<'p> {
    /// For qualified names and `t.*`.
    pub relations: Vec<ScopeRelation>,
    /// For unqualified names and `*`: columns merged by USING stand once.
    pub columns: Vec<ScopeColumn>,
    /// Names of items that stand in the same FROM but cannot be referenced from here.
    pub hidden: Vec<String>,
    /// The WINDOW clause.
    pub windows: &'p [ast::NamedWindowDefinition],
    pub parent: Option<&'p Scope<'p>>,
}

impl<'p> Scope<'p> {
    /// The column that `a`, `t.a` or `s.t.a` means. Columns of an outer level become `Expr::OuterReferenceColumn`.
    pub fn resolve(&self, parts: &[ast::Ident]) -> Result<Typed> {
        let Some((last, qualifier)) = parts.split_last() else {
            return Err(Error::internal("an empty name"));
        };
        let name = fold(last);
        let found = if qualifier.is_empty() { self.unqualified(&name)? } else { self.qualified(qualifier, &name)? };
        Ok(match found {
            (column, 0) => with_span(column.typed.clone(), last),
            (column, _) => outer_reference(column.typed.clone()),
        })
    }

    /// The column of this level itself that an unqualified name means.
    pub fn local_column(&self, name: &str) -> Result<Option<&ScopeColumn>> {
        let mut hits = self.columns.iter().filter(|c| c.name == name);
        match (hits.next(), hits.next()) {
            (Some(_), Some(_)) => {
                Err(Error::new(state::AMBIGUOUS_COLUMN, format!("column reference \"{name}\" is ambiguous")))
            }
            (hit, _) => Ok(hit),
        }
    }

    fn levels(&self) -> impl Iterator<Item = &Scope<'p>> {
        std::iter::successors(Some(self), |scope| scope.parent)
    }

    fn unqualified(&self, name: &str) -> Result<(&ScopeColumn, usize)> {
        for (level, scope) in self.levels().enumerate() {
            if let Some(column) = scope.local_column(name)? {
                return Ok((column, level));
            }
            let mut hits = scope.relations.iter().filter_map(|r| r.system_column(name));
            match (hits.next(), hits.next()) {
                (Some(_), Some(_)) => {
                    return Err(Error::new(
                        state::AMBIGUOUS_COLUMN,
                        format!("column reference \"{name}\" is ambiguous"),
                    ));
                }
                (Some(column), None) => return Ok((column, level)),
                (None, _) => {}
            }
        }
        if self.levels().flat_map(|s| &s.relations).any(|r| r.name == name) {
            return Err(Error::unsupported(format!("a whole row as a value (\"{name}\")")));
        }
        let candidates = self.levels().flat_map(|s| &s.relations).collect::<Vec<_>>();
        let error = Error::new(state::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"));
        Err(explain_missing(error, &candidates, name))
    }

    fn qualified(&self, qualifier: &[ast::Ident], name: &str) -> Result<(&ScopeColumn, usize)> {
        let (relation, level) = self.relation(qualifier)?;
        let mut hits = relation.columns.iter().filter(|c| c.name == name);
        match (hits.next(), hits.next()) {
            (Some(column), None) => Ok((column, level)),
            (Some(_), Some(_)) => {
                Err(Error::new(state::AMBIGUOUS_COLUMN, format!("column reference \"{name}\" is ambiguous")))
            }
            (None, _) => {
                if let Some(column) = relation.system_column(name) {
                    return Ok((column, level));
                }
                let error =
                    Error::new(state::UNDEFINED_COLUMN, format!("column {}.{name} does not exist", relation.name));
                Err(explain_missing(error, &[relation], name))
            }
        }
    }

    /// The relation a qualifier (`t`, `s.t`, `db.s.t`) means, and how many levels out it is.
    pub fn relation(&self, qualifier: &[ast::Ident]) -> Result<(&ScopeRelation, usize)> {
        let names: Vec<String> = qualifier.iter().map(fold).collect();
        let (name, schema) = match names.as_slice() {
            [name] => (name, None),
            [schema, name] | [_, schema, name] => (name, Some(schema)),
            _ => {
                let shown = names.join(".");
                return Err(Error::new(
                    state::SYNTAX_ERROR,
                    format!("improper qualified name (too many dotted names): {shown}"),
                ));
            }
        };
        let fits =
            |r: &&ScopeRelation| r.name == *name && schema.is_none_or(|s| r.schema.as_ref().is_some_and(|rs| rs == s));
        for (level, scope) in self.levels().enumerate() {
            let mut hits = scope.relations.iter().filter(fits);
            match (hits.next(), hits.next()) {
                (Some(relation), None) => return Ok((relation, level)),
                (Some(_), Some(_)) => {
                    return Err(Error::new(state::AMBIGUOUS_ALIAS, format!("table reference \"{name}\" is ambiguous")));
                }
                (None, _) => {}
            }
        }
        Err(self.missing_relation(name))
    }

    fn missing_relation(&self, name: &str) -> Error {
        let aliased = self
            .levels()
            .flat_map(|s| &s.relations)
            .find(|r| r.table.as_ref().is_some_and(|t| t.name == name) && r.name != name);
        match aliased {
            Some(r) => Error::new(
                state::UNDEFINED_TABLE,
                format!("invalid reference to FROM-clause entry for table \"{name}\""),
            )
            .with_hint(format!("Perhaps you meant to reference the table alias \"{}\".", r.name)),
            None if self.levels().any(|s| s.hidden.iter().any(|h| h == name)) => Error::new(
                state::UNDEFINED_TABLE,
                format!("invalid reference to FROM-clause entry for table \"{name}\""),
            )
            .with_hint(format!(
                "There is an entry for table \"{name}\", but it cannot be referenced from this part of the query."
            )),
            None => Error::new(state::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{name}\"")),
        }
    }

    /// How a message calls a column of this level: `t.a`.
    pub fn display_name(&self, column: &Column) -> String {
        for relation in &self.relations {
            if let Some(c) = relation.columns.iter().find(|c| c.column() == Some(column)) {
                return format!("{}.{}", relation.name, c.name);
            }
        }
        match self.columns.iter().find(|c| c.column() == Some(column)) {
            Some(c) => c.name.clone(),
            None => column.name.clone(),
        }
    }
}

/// An identifier as PostgreSQL stores it: unquoted ones fold to lower case.
pub fn fold(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The same column, seen from a query inside.
pub(super) fn outer_reference(mut typed: Typed) -> Typed {
    if let Expr::Column(column) = &typed.expr {
        let field = Field::new(&column.name, typed.repr.clone(), true);
        typed.expr = Expr::OuterReferenceColumn(field.into(), column.clone());
    }
    typed
}

/// Remembers where the name stands, for errors found later (grouping).
fn with_span(mut typed: Typed, ident: &ast::Ident) -> Typed {
    if let Expr::Column(column) = &mut typed.expr
        && ident.span.start.line > 0
    {
        let place = |at: sqlparser::tokenizer::Location| Location { line: at.line, column: at.column };
        column.spans = Spans(vec![Span::new(place(ident.span.start), place(ident.span.end))]);
    }
    typed
}

/// Says why a column may be missing: left out at introspection, or misspelt.
fn explain_missing(error: Error, relations: &[&ScopeRelation], name: &str) -> Error {
    let skipped = relations.iter().filter_map(|r| r.table.as_ref()).flat_map(|t| &t.skipped).find(|(c, _)| c == name);
    if let Some((_, reason)) = skipped {
        return error.with_detail(format!("The column was left out: {reason}"));
    }
    let mut best: Vec<String> = Vec::new();
    let mut least = 3.min(name.chars().count() / 2) + 1;
    for relation in relations {
        for column in &relation.columns {
            let distance = strsim::levenshtein(name, &column.name);
            if distance < least {
                best.clear();
                least = distance;
            }
            if distance == least && best.len() < 3 {
                best.push(format!("\"{}.{}\"", relation.name, column.name));
            }
        }
    }
    match best.as_slice() {
        [one] => error.with_hint(format!("Perhaps you meant to reference the column {one}.")),
        [one, two] => error.with_hint(format!("Perhaps you meant to reference the column {one} or the column {two}.")),
        _ => error,
    }
}
