//! From what the sources hold to the names clients see.
//!
//! A source's default schema appears as `<source>`, its others as `<source>_<schema>`; a `[[table]]` gives one table a second
//! name. Nothing is hidden silently: two tables of one name are an error of the configuration, reported with both.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use cost_model::{SiteId, SourceId};
use planner::catalog::{
    Catalog, KeyKind, Placement, Source, SourceSchema, SourceTable, Table as CatalogTable, name_oid,
};

use super::sources::Connectors;
use super::{network, residency, system};
use crate::config::Table;

/// Everything known of the sources right now.
#[derive(Clone, Default)]
pub struct Found {
    pub schemas: BTreeMap<SourceId, Arc<SourceSchema>>,
    /// Why a source could not be read the last time.
    pub unavailable: BTreeMap<SourceId, String>,
    /// Why a site that was never reached could not be.
    pub unavailable_sites: BTreeMap<SiteId, String>,
}

/// A snapshot under that version, and what is wrong with the names.
pub fn catalog(
    version: u64,
    found: &Found,
    connectors: &Connectors,
    tables: &[Table],
    users: &[String],
) -> (Catalog, Vec<String>) {
    let mut problems = Vec::new();
    let users = users.to_vec();
    let (unavailable, unavailable_sites) = (found.unavailable.clone(), found.unavailable_sites.clone());
    let mut catalog = Catalog { version, unavailable, unavailable_sites, users, ..Catalog::default() };
    let mut oids = BTreeSet::new();
    for table in system::tables() {
        oids.insert(table.oid);
        catalog.schemas.entry(table.schema.clone()).or_default().insert(table.name.clone(), table);
    }
    catalog.schemas.entry("public".to_string()).or_default();
    catalog.sources.insert(system::source().id.clone(), Arc::new(system::source()));
    for id in &connectors.order {
        let (Some(schema), Some(connector)) = (found.schemas.get(id), connectors.by_id.get(id)) else { continue };
        let source = Source {
            id: id.clone(),
            site: connector.site.clone(),
            kind: connector.handle.kind(),
            version: schema.version.clone(),
            c_collation: schema.c_collation,
            snapshots: schema.snapshots,
        };
        catalog.sources.insert(id.clone(), Arc::new(source));
        for table in &schema.tables {
            let client_schema = if table.remote_schema == schema.default_schema {
                id.to_string()
            } else {
                format!("{id}_{}", table.remote_schema)
            };
            add(&mut catalog, &mut oids, &mut problems, id, table, client_schema, table.remote_name.clone());
        }
    }
    for wanted in tables {
        let id = SourceId::new(&wanted.source);
        let Some(schema) = found.schemas.get(&id) else { continue };
        let (remote_schema, remote_name) = wanted
            .remote
            .split_once('.')
            .map_or((schema.default_schema.as_str(), wanted.remote.as_str()), |(schema, name)| (schema, name));
        let table = schema.tables.iter().find(|t| t.remote_schema == remote_schema && t.remote_name == remote_name);
        match table {
            Some(table) => {
                let name = wanted.name.clone();
                add(&mut catalog, &mut oids, &mut problems, &id, table, wanted.schema.clone(), name);
            }
            None => problems.push(format!(
                "[[table]] {}.{}: source \"{id}\" has no table \"{}\"",
                wanted.schema, wanted.name, wanted.remote
            )),
        }
    }
    for (schema, tables) in &mut catalog.schemas {
        name_keys(schema, tables, &mut oids);
    }
    let mut schema_oids: BTreeSet<u32> = FIXED_SCHEMAS.iter().map(|(_, oid)| *oid).collect();
    for schema in catalog.schemas.keys() {
        let fixed = FIXED_SCHEMAS.iter().find(|(name, _)| name == schema).map(|(_, oid)| *oid);
        let oid = fixed.unwrap_or_else(|| free_oid(&[schema], &mut schema_oids));
        catalog.schema_oids.insert(schema.clone(), oid);
    }
    catalog.network = network::network(&network::nodes(connectors), &connectors.links);
    let (rules, wrong) = residency::rules(&connectors.residency, found);
    catalog.residency = Arc::new(rules);
    problems.extend(wrong);
    (catalog, problems)
}

/// As PostgreSQL numbers them.
const FIXED_SCHEMAS: &[(&str, u32)] = &[("pg_catalog", 11), ("public", 2200), ("information_schema", 13_226)];

fn add(
    catalog: &mut Catalog,
    oids: &mut BTreeSet<u32>,
    problems: &mut Vec<String>,
    source: &SourceId,
    table: &SourceTable,
    schema: String,
    name: String,
) {
    let tables = catalog.schemas.entry(schema.clone()).or_default();
    if let Some(other) = tables.get(&name) {
        let other = other.placements.first().map_or("the gateway", |p| p.source.as_str());
        problems.push(format!("table {schema}.{name} of source \"{source}\" is there already, from \"{other}\""));
        return;
    }
    let table = CatalogTable {
        oid: free_oid(&[&schema, &name], oids),
        key_oids: Vec::new(),
        kind: table.kind,
        columns: table.columns.clone(),
        keys: table.keys.clone(),
        placements: vec![Placement {
            source: source.clone(),
            remote_schema: table.remote_schema.clone(),
            remote_name: table.remote_name.clone(),
            predicate: None,
            replica_group: 0,
        }],
        rows: table.rows,
        bytes: table.bytes,
        comment: table.comment.clone(),
        skipped: table.skipped.clone(),
        schema,
        name: name.clone(),
    };
    tables.insert(name, Arc::new(table));
}

/// Gives keys names that no other relation of the schema has, as PostgreSQL's indexes must, and OIDs. MySQL calls every primary
/// key alike.
fn name_keys(schema: &str, tables: &mut BTreeMap<String, Arc<CatalogTable>>, oids: &mut BTreeSet<u32>) {
    let mut taken: HashSet<String> = tables.keys().cloned().collect();
    for (table, definition) in tables {
        let Some(definition) = Arc::get_mut(definition).filter(|t| !t.keys.is_empty()) else { continue };
        for key in &mut definition.keys {
            if key.kind == KeyKind::Primary && key.name == "PRIMARY" {
                key.name = format!("{table}_pkey");
            }
            if taken.contains(&key.name) {
                key.name = format!("{table}_{}_key", key.columns.join("_"));
            }
            let first = key.name.clone();
            let mut number = 0;
            while !taken.insert(key.name.clone()) {
                number += 1;
                key.name = format!("{first}{number}");
            }
            definition.key_oids.push(free_oid(&[schema, table, &key.name], oids));
        }
    }
}

/// The same name has the same OID after every refresh and restart, unless two names collide.
fn free_oid(name: &[&str], taken: &mut BTreeSet<u32>) -> u32 {
    let mut oid = name_oid(name);
    while !taken.insert(oid) {
        oid += 1;
    }
    oid
}
