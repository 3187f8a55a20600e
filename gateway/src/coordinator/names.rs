//! From what the sources hold to the names clients see.
//!
//! A source's default schema appears as `<source>`, its others as `<source>_<schema>`; a `[[table]]` gives a table a
//! name of its own. Nothing is hidden silently: two tables of one name are an error of the configuration, reported with both.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use cost_model::{SiteId, SourceId};
use planner::catalog::{Catalog, KeyKind, Source, SourceSchema, Table as CatalogTable, name_oid};

use super::placements::{self, Missing};
use super::sources::Connectors;
use super::{network, residency, system};
use crate::config::TableConfig;

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
    tables: &[TableConfig],
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
            let table = placements::whole(client_schema, table.remote_name.clone(), id, table);
            add(&mut catalog, &mut oids, &mut problems, table);
        }
    }
    for wanted in tables {
        match placements::table(wanted, found) {
            Ok(table) => add(&mut catalog, &mut oids, &mut problems, table),
            Err(missing) => {
                if let Missing::Wrong(why) = &missing {
                    problems.push(format!("[[table]] {}.{}: {why}", wanted.schema, wanted.name));
                }
                catalog.left_out.insert((wanted.schema.clone(), wanted.name.clone()), missing.reason());
            }
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

fn add(catalog: &mut Catalog, oids: &mut BTreeSet<u32>, problems: &mut Vec<String>, mut table: CatalogTable) {
    let tables = catalog.schemas.entry(table.schema.clone()).or_default();
    let source = |table: &CatalogTable| table.placements.first().map_or("the gateway".into(), |p| p.source.to_string());
    if let Some(other) = tables.get(&table.name) {
        let (schema, name) = (&table.schema, &table.name);
        let (new, old) = (source(&table), source(other));
        problems.push(format!("table {schema}.{name} of source \"{new}\" is there already, from \"{old}\""));
        return;
    }
    table.oid = free_oid(&[&table.schema, &table.name], oids);
    tables.insert(table.name.clone(), Arc::new(table));
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
