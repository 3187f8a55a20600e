//! The embedded engine over a folder of Parquet and CSV files: no server, DataFusion in the site's own process.
//!
//! A file `<name>.parquet` or `<name>.csv` is a table, and so is a sub-folder of files of one kind with the same columns. Names
//! that start with a dot or an underscore are left out. All tables are in the schema `public`.
//!
//! The engine is sent PostgreSQL's SQL, which the planner's own binder binds: it answers by the same code as the gateway, and
//! thus the same. Files may change at any time; a scan reads the files that are there when it starts, fails if their columns
//! are not those the query was planned for, and fails if a file is written to while it is read. There is no snapshot.
//!
//! # Types of Parquet columns
//!
//! | Parquet, as Arrow reads it | PostgreSQL |
//! |---|---|
//! | boolean | `boolean` |
//! | int8, uint8, int16 | `smallint` |
//! | uint16, int32 | `integer` |
//! | uint32, int64 | `bigint` |
//! | uint64 | `numeric(20,0)` |
//! | float16, float32 | `real` |
//! | float64 | `double precision` |
//! | decimal(p,s), up to 76 digits | `numeric(p,s)`; a negative scale adds digits: `numeric(p-s,0)` |
//! | string, large string, string view, dictionaries of them | `text` |
//! | string with the logical type JSON | `json` |
//! | binary of any kind, fixed-size binary | `bytea` |
//! | fixed-size binary with the logical type UUID | `uuid` |
//! | date32, date64 | `date` |
//! | time of any unit | `time` |
//! | timestamp of any unit | `timestamp`; adjusted to UTC or with a zone: `timestamptz` |
//! | duration | `interval` |
//! | list of any of these | array |
//! | struct, map, list of lists | by policy: left out (`error`), `json` (`text`), NULL (`null`) |
//! | INT96, INTERVAL, anything else | by policy: left out (`error`, `text`), NULL (`null`) |
//!
//! A *value* that its type does not hold (digits below the microsecond, years PostgreSQL does not have, NUL characters in
//! text) is an error of the query that reads it, or NULL under the policy `null`. Nothing is cut off.
//!
//! CSV: see [`CsvOptions`] and its module.

mod config;
mod convert;
mod csv;
mod folder;
mod identity;
mod nested;
mod parquet_file;
mod prune;
mod scan;
mod session;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cost_model::Clock;
use planner::catalog::{Catalog, EngineKind, Placement, Source, SourceSchema, SourceTable, Table, TableKind};
use planner::{Error, PgType, Result};
use tokio_util::sync::CancellationToken;

pub use config::FilesConfig;
pub use csv::CsvOptions;

use crate::engine::{Engine, EngineSession, SessionRequest};
use crate::site::Executor;
use folder::{Folder, Found};
use session::{Environment, FilesSession, described};
use table::SCHEMA;

/// What this engine calls its version: the reader's, since files have none.
const VERSION: &str = concat!("Narrows ", env!("CARGO_PKG_VERSION"));

/// A folder of files.
pub struct FilesEngine(Arc<Environment>);

impl FilesEngine {
    /// Its queries run on the site's compute.
    pub fn new(config: FilesConfig, executor: &Executor, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Environment {
            folder: Folder::new(config),
            shared: executor.shared().clone(),
            compute: executor.compute().clone(),
            clock,
        }))
    }

    /// Files are read on threads for blocking work.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Environment) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let environment = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&environment)).await;
        done.map_err(|e| Error::internal("reading files panicked").with_cause(e))?
    }
}

#[async_trait]
impl Engine for FilesEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Files
    }

    async fn ping(&self) -> Result<()> {
        self.blocking(|environment| environment.folder.ping()).await
    }

    async fn introspect(&self) -> Result<SourceSchema> {
        let found = self.blocking(|environment| environment.folder.look()).await?;
        Ok(SourceSchema {
            version: VERSION.into(),
            default_schema: SCHEMA.into(),
            c_collation: true,
            snapshots: false,
            tables: found.iter().map(|(name, table)| describe(name, table)).collect(),
        })
    }

    async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>> {
        let sql = sql.to_string();
        self.blocking(move |environment| Ok(described(&environment.bind(&sql)?.0))).await
    }

    async fn session(&self, _request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        Ok(Arc::new(FilesSession { environment: self.0.clone(), stop: CancellationToken::new() }))
    }
}

/// A table that cannot be read is there, without columns: who asks for it is told why.
fn describe(name: &str, table: &Found) -> SourceTable {
    match table {
        Ok(table) => table.describe(name),
        Err(error) => SourceTable {
            remote_schema: SCHEMA.into(),
            remote_name: name.into(),
            kind: TableKind::Table,
            columns: Vec::new(),
            keys: Vec::new(),
            rows: None,
            bytes: None,
            comment: None,
            skipped: vec![("*".into(), error.to_string())],
        },
    }
}

/// The folder as the binder sees it: under the names that a query sent here uses.
fn catalog(config: &FilesConfig, found: &BTreeMap<String, Found>) -> Catalog {
    let source = Source {
        id: config.source.clone(),
        site: config.site.clone(),
        kind: EngineKind::Files,
        version: VERSION.into(),
        c_collation: true,
        snapshots: false,
    };
    let table = |name: &String, found: &Found| {
        let described = describe(name, found);
        let placement = Placement {
            source: config.source.clone(),
            remote_schema: SCHEMA.into(),
            remote_name: name.clone(),
            predicate: None,
            replica_group: 0,
            part: None,
        };
        Arc::new(Table {
            schema: SCHEMA.into(),
            name: name.clone(),
            kind: described.kind,
            columns: described.columns,
            keys: Vec::new(),
            placements: vec![placement],
            rows: described.rows,
            bytes: described.bytes,
            comment: None,
            skipped: described.skipped,
            oid: 0,
            key_oids: Vec::new(),
        })
    };
    let tables = found.iter().map(|(name, found)| (name.clone(), table(name, found))).collect();
    Catalog {
        version: 0,
        sources: BTreeMap::from([(config.source.clone(), Arc::new(source))]),
        schemas: BTreeMap::from([(SCHEMA.to_string(), tables)]),
        ..Catalog::default()
    }
}
