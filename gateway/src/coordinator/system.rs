//! Tables of the gateway itself: schema `narrows`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use connectors::site::SystemTables;
use cost_model::{SiteId, SourceId};
use planner::catalog::{Column, ColumnStats, EngineKind, Placement, Source, Table, TableKind};
use planner::error::state;
use planner::{Error, PgType, Result};

use super::catalog::CatalogKeeper;
use crate::queries::Queries;

const SCHEMA: &str = "narrows";

/// Name, columns and comment of every table.
const TABLES: &[(&str, &[(&str, PgType)], &str)] = &[
    (
        "sources",
        &[
            ("name", PgType::TEXT),
            ("site", PgType::TEXT),
            ("engine", PgType::TEXT),
            ("version", PgType::TEXT),
            ("state", PgType::TEXT),
            ("tables", PgType::INT8),
            ("running_statements", PgType::INT8),
            ("connections_in_use", PgType::INT8),
            ("connection_limit", PgType::INT8),
            ("waiting", PgType::INT8),
            ("last_error", PgType::TEXT),
        ],
        "Configured sources and how they are doing",
    ),
    (
        "queries",
        &[
            ("id", PgType::TEXT),
            ("user_name", PgType::TEXT),
            ("application_name", PgType::TEXT),
            ("client", PgType::TEXT),
            ("state", PgType::TEXT),
            ("started", PgType::TIMESTAMPTZ),
            ("elapsed_ms", PgType::INT8),
            ("rows_sent", PgType::INT8),
            ("query", PgType::TEXT),
        ],
        "Queries running or queued right now",
    ),
    (
        "skipped_columns",
        &[
            ("schema_name", PgType::TEXT),
            ("table_name", PgType::TEXT),
            ("column_name", PgType::TEXT),
            ("reason", PgType::TEXT),
        ],
        "Columns of the sources that have no PostgreSQL type here",
    ),
];

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

/// The definitions, for every snapshot of the catalog.
pub fn tables() -> Vec<Table> {
    let define = |(i, (name, columns, comment)): (usize, &(&str, &[(&str, PgType)], &str))| Table {
        schema: SCHEMA.to_string(),
        name: (*name).to_string(),
        kind: TableKind::View,
        columns: columns.iter().map(|(name, ty)| column(name, *ty)).collect(),
        keys: Vec::new(),
        placements: vec![Placement {
            source: source().id,
            remote_schema: SCHEMA.to_string(),
            remote_name: (*name).to_string(),
            predicate: None,
            replica_group: 0,
        }],
        rows: None,
        bytes: None,
        comment: Some((*comment).to_string()),
        skipped: Vec::new(),
        oid: 13_000 + i as u32,
    };
    TABLES.iter().enumerate().map(define).collect()
}

fn column(name: &str, ty: PgType) -> Column {
    Column {
        name: name.to_string(),
        remote_name: name.to_string(),
        ty,
        remote_type: ty.to_string(),
        nullable: true,
        opaque: false,
        always_null: false,
        collation: None,
        comment: None,
        stats: ColumnStats::default(),
    }
}

/// The rows, as they are when a query asks.
pub struct System {
    pub catalog: Arc<CatalogKeeper>,
    pub queries: Arc<Queries>,
}

fn text(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringViewArray>())
}

fn number(values: impl Iterator<Item = usize>) -> ArrayRef {
    Arc::new(values.map(|v| v as i64).collect::<Int64Array>())
}

#[async_trait]
impl SystemTables for System {
    async fn rows(&self, schema: &str, name: &str, _principal: &str) -> Result<Vec<RecordBatch>> {
        let columns = match (schema, name) {
            (SCHEMA, "sources") => self.sources(),
            (SCHEMA, "queries") => self.queries(),
            (SCHEMA, "skipped_columns") => self.skipped_columns(),
            _ => {
                return Err(Error::new(state::UNDEFINED_TABLE, format!("relation \"{schema}.{name}\" does not exist")));
            }
        };
        let defined = TABLES.iter().find(|(n, ..)| *n == name).map_or(&[][..], |(_, columns, _)| columns);
        let fields: Vec<Field> = defined.iter().map(|(name, ty)| Field::new(*name, ty.repr(), true)).collect();
        Ok(vec![RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?])
    }
}

impl System {
    fn sources(&self) -> Vec<ArrayRef> {
        let (catalog, connectors) = (self.catalog.snapshot(), self.catalog.connectors());
        let rows: Vec<_> = connectors
            .order
            .iter()
            .filter_map(|id| connectors.by_id.get(id).map(|c| (id, c.site.clone(), c.handle.status())))
            .collect();
        let tables = |id: &SourceId| {
            let all = catalog.schemas.values().flat_map(|s| s.values());
            all.filter(|t| t.placements.iter().any(|p| p.source == *id)).count()
        };
        vec![
            text(rows.iter().map(|(id, ..)| Some(id.to_string()))),
            text(rows.iter().map(|(_, site, _)| Some(site.to_string()))),
            text(rows.iter().map(|(_, _, s)| Some(format!("{:?}", s.kind).to_lowercase()))),
            text(rows.iter().map(|(id, ..)| catalog.sources.get(*id).map(|s| s.version.clone()))),
            text(rows.iter().map(|(id, _, s)| {
                let state = format!("{:?}", s.health).to_lowercase();
                Some(if catalog.unavailable.contains_key(*id) { "unavailable".to_string() } else { state })
            })),
            number(rows.iter().map(|(id, ..)| tables(id))),
            number(rows.iter().map(|(.., s)| s.running_statements)),
            number(rows.iter().map(|(.., s)| s.permits_in_use)),
            number(rows.iter().map(|(.., s)| s.permit_limit)),
            number(rows.iter().map(|(.., s)| s.waiting)),
            text(rows.iter().map(|(id, _, s)| {
                catalog.unavailable.get(*id).cloned().or_else(|| s.last_error.as_ref().map(ToString::to_string))
            })),
        ]
    }

    fn queries(&self) -> Vec<ArrayRef> {
        let rows = self.queries.list();
        let started = rows.iter().map(|q| Some(q.started_micros)).collect::<TimestampMicrosecondArray>();
        vec![
            text(rows.iter().map(|q| Some(q.id.to_string()))),
            text(rows.iter().map(|q| Some(q.origin.user.to_string()))),
            text(rows.iter().map(|q| Some(q.origin.application.to_string()))),
            text(rows.iter().map(|q| Some(q.origin.client.to_string()))),
            text(rows.iter().map(|q| Some(q.phase.to_string()))),
            Arc::new(started.with_timezone("UTC")),
            number(rows.iter().map(|q| q.elapsed.as_millis() as usize)),
            number(rows.iter().map(|q| q.rows_sent as usize)),
            text(rows.iter().map(|q| Some(q.text.to_string()))),
        ]
    }

    fn skipped_columns(&self) -> Vec<ArrayRef> {
        let catalog = self.catalog.snapshot();
        let tables = catalog.schemas.values().flat_map(|s| s.values());
        let rows: Vec<(String, String, String, String)> = tables
            .flat_map(|t| {
                let row = |(c, why): &(String, String)| (t.schema.clone(), t.name.clone(), c.clone(), why.clone());
                t.skipped.iter().map(row).collect::<Vec<_>>()
            })
            .collect();
        vec![
            text(rows.iter().map(|r| Some(r.0.clone()))),
            text(rows.iter().map(|r| Some(r.1.clone()))),
            text(rows.iter().map(|r| Some(r.2.clone()))),
            text(rows.iter().map(|r| Some(r.3.clone()))),
        ]
    }
}
