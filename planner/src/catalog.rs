//! The catalog as a query sees it: an immutable snapshot of schemas, tables and their placements.
//!
//! A **table** is a name the client sees; a **placement** says where its rows are. Connectors describe what a source holds as
//! [`SourceSchema`]; the gateway merges those into a [`Catalog`].

use std::collections::BTreeMap;
use std::sync::Arc;

pub use cost_model::EngineKind;
use cost_model::{SiteId, SourceId};
use datafusion_expr::Expr;

use crate::pgsem::text::quote::quote_ident;
use crate::pgtype::PgType;
use crate::residency::Rules;
use crate::search::network::Network;

/// A configured engine instance.
#[derive(Clone, Debug)]
pub struct Source {
    pub id: SourceId,
    pub site: SiteId,
    pub kind: EngineKind,
    /// As the engine reports it, e.g. `15.18` or `10.11.6-MariaDB`.
    pub version: String,
    /// PostgreSQL: the database's default collation and ctype are `C`: text comparison and case mapping are ours. Elsewhere false.
    pub c_collation: bool,
    /// All statements of a query at this source read one snapshot.
    pub snapshots: bool,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name the client sees.
    pub name: String,
    /// Name at the source.
    pub remote_name: String,
    pub ty: PgType,
    /// The type as the source calls it (`decimal(15,2)`, `enum('a','b')`).
    pub remote_type: String,
    pub nullable: bool,
    /// The column's values arrive as ours only through a conversion, so no predicate on it may be pushed.
    pub opaque: bool,
    /// The type has no mapping and the source's policy is `null`: every row has NULL here, and the column is never named at the
    /// source.
    pub always_null: bool,
    /// The source's collation of the column, where it has one.
    pub collation: Option<String>,
    pub comment: Option<String>,
    pub stats: ColumnStats,
}

/// What the source knows of a column's values; `None` where it does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnStats {
    pub distinct: Option<f64>,
    /// Share of NULLs, 0 to 1.
    pub null_fraction: Option<f64>,
    /// Average width in bytes.
    pub width: Option<f64>,
    /// PostgreSQL text form of the smallest and largest value.
    pub min: Option<String>,
    pub max: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Primary,
    Unique,
}

/// A primary key or unique constraint; names are the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub kind: KeyKind,
    pub columns: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Table,
    View,
}

/// Where (a part of) a table's rows are.
#[derive(Clone, Debug)]
pub struct Placement {
    pub source: SourceId,
    /// Schema and name at the source.
    pub remote_schema: String,
    pub remote_name: String,
    /// SQL predicate (over the client's names) that all rows here satisfy; `None`: the placement has the whole table.
    pub predicate: Option<String>,
    /// Placements of one group hold the same rows.
    pub replica_group: u32,
    /// `None`: all that is said of the table is said of this placement.
    pub part: Option<Arc<Part>>,
}

/// A table as it is at one of its placements.
#[derive(Clone, Debug)]
pub struct Part {
    /// Under the client's names and types, with names, keys and statistics of this placement.
    pub table: Arc<Table>,
    /// The placement's predicate, over the table's columns without qualifiers.
    pub holds: Option<Expr>,
}

/// A table as the client sees it.
#[derive(Clone, Debug)]
pub struct Table {
    pub schema: String,
    pub name: String,
    pub kind: TableKind,
    pub columns: Vec<Column>,
    pub keys: Vec<Key>,
    pub placements: Vec<Placement>,
    /// Estimated number of rows.
    pub rows: Option<f64>,
    /// Estimated size at the source in bytes.
    pub bytes: Option<f64>,
    pub comment: Option<String>,
    /// Columns left out and why (`SourceTable::skipped`): an error that names the column says so.
    pub skipped: Vec<(String, String)>,
    /// Stable OID for `pg_class`.
    pub oid: u32,
    /// Stable OIDs of the keys' indexes and constraints, one for each of `keys`.
    pub key_oids: Vec<u32>,
}

/// A table as a connector found it: remote names; the gateway gives it its client name.
#[derive(Clone, Debug)]
pub struct SourceTable {
    pub remote_schema: String,
    pub remote_name: String,
    pub kind: TableKind,
    pub columns: Vec<Column>,
    pub keys: Vec<Key>,
    pub rows: Option<f64>,
    pub bytes: Option<f64>,
    pub comment: Option<String>,
    /// Columns that could not be mapped under the source's policy, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// All that a connector found at its source.
#[derive(Clone, Debug)]
pub struct SourceSchema {
    pub version: String,
    pub default_schema: String,
    pub c_collation: bool,
    pub snapshots: bool,
    pub tables: Vec<SourceTable>,
}

/// An immutable snapshot. `version` grows with every refresh; plans are cached under it.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub version: u64,
    pub sources: BTreeMap<SourceId, Arc<Source>>,
    /// schema → table → table.
    pub schemas: BTreeMap<String, BTreeMap<String, Arc<Table>>>,
    /// Why a source's tables are missing or stale.
    pub unavailable: BTreeMap<SourceId, String>,
    /// Configured tables, by schema and name, that cannot be made of what the sources have, and why.
    pub left_out: BTreeMap<(String, String), String>,
    /// Sites that have not answered since the start, so that nobody knows what they have, and why.
    pub unavailable_sites: BTreeMap<SiteId, String>,
    /// Stable OIDs for `pg_namespace`.
    pub schema_oids: BTreeMap<String, u32>,
    /// Who may log in.
    pub users: Vec<String>,
    /// The sites, which of them can join for us, and what lies between them.
    pub network: Network,
    /// What may leave which site.
    pub residency: Arc<Rules>,
}

impl Table {
    /// The table's rows: one placement of each group, the first.
    pub fn parts(&self) -> Vec<&Placement> {
        let mut parts: Vec<&Placement> = Vec::new();
        for placement in &self.placements {
            if !parts.iter().any(|p| p.replica_group == placement.replica_group) {
                parts.push(placement);
            }
        }
        parts
    }

    /// The placements with the rows of a group.
    pub fn replicas(&self, group: u32) -> impl Iterator<Item = &Placement> {
        self.placements.iter().filter(move |p| p.replica_group == group)
    }

    /// Its keys, each with the OID of its index and constraint.
    pub fn indexes(&self) -> impl Iterator<Item = (&Key, u32)> {
        self.keys.iter().zip(self.key_oids.iter().copied())
    }
}

impl Key {
    /// The statement that would make its index on the table written like that (`pg_get_indexdef`).
    pub fn index_definition(&self, on: &str) -> String {
        let columns: Vec<String> = self.columns.iter().map(|c| quote_ident(c)).collect();
        format!("CREATE UNIQUE INDEX {} ON {on} USING btree ({})", quote_ident(&self.name), columns.join(", "))
    }
}

/// A number made of a name (FNV-1a): the same after every refresh and restart, in the range PostgreSQL gives to objects of users.
pub fn name_oid(parts: &[&str]) -> u32 {
    let bytes = parts.iter().enumerate().flat_map(|(i, part)| (i > 0).then_some(0).into_iter().chain(part.bytes()));
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    16_384 + hash % 2_000_000_000
}

impl Catalog {
    /// An exact name, then a unique case-insensitive one.
    pub fn table(&self, schema: &str, name: &str) -> Option<&Arc<Table>> {
        let tables = self.schemas.get(schema).or_else(|| unique(&self.schemas, schema))?;
        tables.get(name).or_else(|| unique(tables, name))
    }

    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.schemas.values().flat_map(|tables| tables.values())
    }

    pub fn source(&self, id: &SourceId) -> Option<&Arc<Source>> {
        self.sources.get(id)
    }
}

/// The one entry whose name matches without regard to case.
fn unique<'a, V>(map: &'a BTreeMap<String, V>, name: &str) -> Option<&'a V> {
    let mut hits = map.iter().filter(|(k, _)| k.eq_ignore_ascii_case(name));
    match (hits.next(), hits.next()) {
        (Some((_, v)), None) => Some(v),
        _ => None,
    }
}
