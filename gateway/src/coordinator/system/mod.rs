//! The tables of the gateway itself: `pg_catalog`, `information_schema` and `narrows`.
//!
//! Clients find their way by PostgreSQL's catalogs, so all of PostgreSQL 15's are here, with its columns and OIDs; their rows
//! tell of the sources' tables. A query pays for the catalogs it reads only: rows are made when it runs, for no other.

mod base;
mod information_schema;
mod keys;
mod narrows;
mod relations;
mod rows;
mod tables;
mod types;
mod views;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use connectors::site::SystemTables;
use cost_model::{SiteId, SourceId};
use planner::catalog::{Catalog, EngineKind, Source, Table, name_oid};
use planner::error::state;
use planner::{Error, Result};

use super::catalog::CatalogKeeper;
use crate::queries::Queries;
use rows::Rows;

pub fn source() -> Source {
    Source {
        id: SourceId::new("system"),
        site: SiteId::new("gateway"),
        kind: EngineKind::System,
        version: env!("CARGO_PKG_VERSION").to_string(),
        c_collation: true,
        snapshots: false,
    }
}

/// The definitions, the same in every snapshot of the catalog.
pub fn tables() -> impl Iterator<Item = Arc<Table>> {
    relations::relations().iter().cloned()
}

/// What rows are made of.
pub struct System {
    pub catalog: Arc<CatalogKeeper>,
    pub queries: Arc<Queries>,
    /// Name of the one database.
    pub database: Arc<str>,
}

/// One look at the catalog for one table's rows.
struct View<'a> {
    catalog: &'a Catalog,
    database: &'a str,
    principal: &'a str,
}

impl View<'_> {
    fn schema_oid(&self, schema: &str) -> u32 {
        self.catalog.schema_oids.get(schema).copied().unwrap_or_default()
    }

    /// Everything belongs to whoever looks at it: Narrows has no owners.
    fn owner(&self) -> u32 {
        name_oid(&[self.principal])
    }
}

#[async_trait]
impl SystemTables for System {
    async fn rows(&self, schema: &str, name: &str, principal: &str) -> Result<Vec<RecordBatch>> {
        let relation = relations::relation(schema, name).ok_or_else(|| {
            Error::new(state::UNDEFINED_TABLE, format!("relation \"{schema}.{name}\" does not exist"))
        })?;
        let catalog = self.catalog.snapshot();
        let view = View { catalog: &catalog, database: &self.database, principal };
        let rows = Rows::of(relation);
        let rows = match schema {
            narrows::SCHEMA => self.narrows(name, rows),
            "pg_catalog" => match types::fixed(relation)? {
                Some(batch) => return Ok(vec![batch]),
                None => view.pg_catalog(name, rows),
            },
            _ => view.information_schema(name, rows),
        };
        Ok(vec![rows.batch()?])
    }
}

impl View<'_> {
    fn pg_catalog(&self, name: &str, rows: Rows) -> Rows {
        match name {
            "pg_class" => self.pg_class(rows),
            "pg_attribute" => self.pg_attribute(rows),
            "pg_description" => self.pg_description(rows),
            "pg_index" => self.pg_index(rows),
            "pg_constraint" => self.pg_constraint(rows),
            "pg_namespace" => self.pg_namespace(rows),
            "pg_database" => self.pg_database(rows),
            "pg_authid" | "pg_roles" | "pg_user" | "pg_shadow" => self.roles(name, rows),
            "pg_settings" => self.pg_settings(rows),
            "pg_tables" => self.pg_tables(rows),
            "pg_views" => self.pg_views(rows),
            "pg_indexes" => self.pg_indexes(rows),
            // What PostgreSQL keeps there, Narrows does not have.
            _ => rows,
        }
    }
}
