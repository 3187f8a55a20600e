//! Tables by name: WITH queries, then the catalog along the search path.

use std::sync::Arc;

use datafusion_common::{Column, ScalarValue};
use datafusion_expr::{Expr, LogicalPlan};
use sqlparser::ast;

use super::binder::Binder;
use super::cte::rename;
use super::from::FromItem;
use super::node;
use super::scope::{ScopeColumn, TABLE_OID, fold};
use crate::catalog::Table;
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgtype::PgType;
use crate::source::CatalogTable;

/// Searched before everything else, whatever the search path says.
pub(super) const SYSTEM_SCHEMA: &str = "pg_catalog";

impl Binder<'_> {
    pub(super) fn bind_table(&mut self, name: &ast::ObjectName, alias: Option<&ast::TableAlias>) -> Result<FromItem> {
        let names = identifiers(name)?;
        let mut item = match names.as_slice() {
            [one] => match self.reference_cte(one)? {
                Some((plan, columns)) => FromItem::relation(plan, one.clone(), columns),
                None => self.scan(&names)?,
            },
            _ => self.scan(&names)?,
        };
        if let Some(alias) = alias {
            let names = &mut item.names;
            rename(&mut names.columns, alias, "table")?;
            let relation = &mut names.relations[0];
            relation.schema = None;
            relation.name = fold(&alias.name);
            relation.columns = names.columns.clone();
        }
        Ok(item)
    }

    fn scan(&mut self, names: &[String]) -> Result<FromItem> {
        let table = self.find_table(names)?;
        self.scan_table(table)
    }

    pub(super) fn scan_table(&mut self, table: Arc<Table>) -> Result<FromItem> {
        let mut parts = Vec::new();
        for placement in table.parts() {
            let source = CatalogTable::new(table.clone(), placement.clone());
            parts.push(node::scan(&self.fresh("r"), Arc::new(source))?);
        }
        let plan = match parts.len() {
            0 => return Err(Error::internal(format!("table \"{}\" has no placement", table.name))),
            1 => parts.swap_remove(0),
            _ => node::union_all(&self.fresh("r"), parts)?,
        };
        let columns: Vec<_> = table
            .columns
            .iter()
            .zip(plan.schema().columns())
            .enumerate()
            .map(|(i, (column, name))| ScopeColumn {
                name: column.name.clone(),
                typed: Typed::new(Expr::Column(name), column.ty),
                table_oid: table.oid,
                column_number: i16::try_from(i + 1).unwrap_or(0),
            })
            .collect();
        let (plan, table_oid) = self.with_table_oid(plan, table.oid)?;
        let mut item = FromItem::relation(plan, table.name.clone(), columns);
        item.names.relations[0].table_oid = table_oid;
        item.names.relations[0].schema = Some(table.schema.clone());
        item.names.relations[0].table = Some(table);
        Ok(item)
    }

    /// A configured table that is missing for a reason that is known.
    fn left_out(&self, schema: Option<&String>, name: &str) -> Option<Error> {
        let schemas = schema.map_or(self.ctx.search_path.as_slice(), std::slice::from_ref);
        let reason = |schema: &String| self.catalog.left_out.get(&(schema.clone(), name.to_string()));
        let (schema, why) = schemas.iter().find_map(|schema| Some((schema, reason(schema)?)))?;
        let message = format!("table \"{schema}.{name}\" cannot be made of its placements: {why}");
        let error = Error::new(state::UNDEFINED_TABLE, message);
        Some(error.with_hint("It is a [[table]] of the configuration; \"narrows check\" tests it."))
    }

    /// Adds `tableoid` to a table's rows, if the statement says the word.
    fn with_table_oid(&mut self, plan: LogicalPlan, oid: u32) -> Result<(LogicalPlan, Option<ScopeColumn>)> {
        if !self.mentions(TABLE_OID) {
            return Ok((plan, None));
        }
        let value = Typed::literal(ScalarValue::Int64(Some(i64::from(oid))), PgType::OID).expr;
        let relation = self.fresh("s");
        let mut columns = node::all_columns(&plan);
        columns.push(value.alias_qualified(Some(relation.clone()), TABLE_OID));
        let column = Expr::Column(Column::new(Some(relation), TABLE_OID));
        let scoped = ScopeColumn::computed(TABLE_OID, Typed::new(column, PgType::OID));
        Ok((node::project(plan, columns)?, Some(scoped)))
    }

    fn find_table(&self, names: &[String]) -> Result<Arc<Table>> {
        let (schema, name) = match names {
            [name] => (None, name),
            [schema, name] => (Some(schema), name),
            [database, schema, name] if *database == *self.ctx.database => (Some(schema), name),
            [_, _, _] => {
                return Err(Error::new(
                    state::FEATURE_NOT_SUPPORTED,
                    format!("cross-database references are not implemented: \"{}\"", names.join(".")),
                ));
            }
            _ => {
                let shown = names.join(".");
                return Err(super::binder::syntax(format!("improper relation name (too many dotted names): {shown}")));
            }
        };
        let found = match schema {
            Some(schema) => self.catalog.table(schema, name),
            None => self
                .catalog
                .schemas
                .get(SYSTEM_SCHEMA)
                .and_then(|tables| tables.get(name))
                .or_else(|| self.ctx.search_path.iter().find_map(|schema| self.catalog.table(schema, name))),
        };
        if let Some(table) = found {
            return Ok(table.clone());
        }
        // The table may only be missing because its source is.
        let source = schema.and_then(|s| {
            self.catalog.unavailable.iter().find(|(id, _)| {
                let id = id.as_str();
                s == id || s.strip_prefix(id).is_some_and(|rest| rest.starts_with('_'))
            })
        });
        if let Some(error) = self.left_out(schema, name) {
            return Err(error);
        }
        Err(match source {
            Some((id, reason)) => {
                Error::new(state::CANNOT_CONNECT, format!("source \"{id}\" is not available: {reason}"))
                    .with_source_id(id.clone())
            }
            None => Error::new(state::UNDEFINED_TABLE, format!("relation \"{}\" does not exist", names.join("."))),
        })
    }
}

/// The parts of a dotted name, folded.
pub(super) fn identifiers(name: &ast::ObjectName) -> Result<Vec<String>> {
    name.0
        .iter()
        .map(|part| part.as_ident().map(fold).ok_or_else(|| super::binder::syntax("syntax error in a name")))
        .collect()
}
