//! Schema `narrows`: how the gateway itself is doing.

use std::sync::Arc;

use connectors::remote::{RemoteSite, SiteState};
use cost_model::{SiteId, SourceId};
use planner::PgType;
use planner::catalog::{Table, TableKind};
use planner::search::sets::contains;

use super::System;
use super::relations::define;
use super::rows::Rows;
use crate::coordinator::network::{self, Path};
use crate::coordinator::sources::Site;

pub const SCHEMA: &str = "narrows";

/// PostgreSQL's own objects end below this.
const FIRST_OID: u32 = 14_000;

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
        "sites",
        &[
            ("name", PgType::TEXT),
            ("address", PgType::TEXT),
            ("state", PgType::TEXT),
            ("version", PgType::TEXT),
            ("round_trip_ms", PgType::FLOAT8),
            ("sources", PgType::INT8),
            ("computes", PgType::BOOL),
            ("last_error", PgType::TEXT),
        ],
        "Datacenters: those inside this gateway, and processes elsewhere and how they are doing",
    ),
    (
        "links",
        &[
            ("from_site", PgType::TEXT),
            ("to_site", PgType::TEXT),
            ("mbit", PgType::FLOAT8),
            ("rtt_ms", PgType::FLOAT8),
            ("price_per_gb", PgType::FLOAT8),
            ("origin", PgType::TEXT),
            ("blocked", PgType::BOOL),
            ("address", PgType::TEXT),
        ],
        "Network paths between the sites, and where their numbers come from; the gateway itself sends no rows",
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

pub fn relations() -> impl Iterator<Item = Arc<Table>> {
    TABLES.iter().zip(FIRST_OID..).map(|((name, columns, comment), oid)| {
        let columns = columns.iter().map(|(name, ty)| (*name, *ty, false));
        define(SCHEMA, oid, name, TableKind::View, columns, Some(comment))
    })
}

impl System {
    pub(super) fn narrows(&self, name: &str, rows: Rows) -> Rows {
        match name {
            "sources" => self.sources(rows),
            "sites" => self.sites(rows),
            "links" => self.links(rows),
            "queries" => self.queries(rows),
            _ => self.skipped_columns(rows),
        }
    }

    fn sources(&self, rows: Rows) -> Rows {
        let (catalog, connectors) = (self.catalog.snapshot(), self.catalog.connectors());
        let all: Vec<_> = connectors
            .order
            .iter()
            .filter_map(|id| connectors.by_id.get(id).map(|c| (id, c.site.clone(), c.handle.status())))
            .collect();
        let tables = |id: &SourceId| catalog.tables().filter(|t| t.placements.iter().any(|p| p.source == *id)).count();
        rows.with("name", all.iter().map(|(id, ..)| id.to_string()))
            .with("site", all.iter().map(|(_, site, _)| site.to_string()))
            .with("engine", all.iter().map(|(_, _, s)| format!("{:?}", s.kind).to_lowercase()))
            .with("version", all.iter().map(|(id, ..)| catalog.sources.get(*id).map(|s| s.version.clone())))
            .with(
                "state",
                all.iter().map(|(id, _, s)| match catalog.unavailable.contains_key(*id) {
                    true => "unavailable".to_string(),
                    false => format!("{:?}", s.health).to_lowercase(),
                }),
            )
            .with("tables", all.iter().map(|(id, ..)| tables(id)))
            .with("running_statements", all.iter().map(|(.., s)| s.running_statements))
            .with("connections_in_use", all.iter().map(|(.., s)| s.permits_in_use))
            .with("connection_limit", all.iter().map(|(.., s)| s.permit_limit))
            .with("waiting", all.iter().map(|(.., s)| s.waiting))
            .with(
                "last_error",
                all.iter().map(|(id, _, s)| {
                    catalog.unavailable.get(*id).cloned().or_else(|| s.last_error.as_ref().map(ToString::to_string))
                }),
            )
    }

    fn sites(&self, rows: Rows) -> Rows {
        let (catalog, connectors) = (self.catalog.snapshot(), self.catalog.connectors());
        let network = &catalog.network;
        let all = &connectors.sites;
        let states: Vec<_> = all.iter().map(|s| s.remote.as_ref().map(RemoteSite::state)).collect();
        let sources = |site: &SiteId| connectors.by_id.values().filter(|c| c.site == *site).count();
        let version = |state: &Option<SiteState>| match state {
            None => Some(env!("CARGO_PKG_VERSION").to_string()),
            Some(SiteState::Connected(connected)) => Some(connected.version.clone()),
            Some(_) => None,
        };
        let word = |state: &Option<SiteState>| match state {
            None => "embedded",
            Some(SiteState::Connecting) => "connecting",
            Some(SiteState::Connected(_)) => "connected",
            Some(SiteState::Lost(_)) => "lost",
        };
        let last_error = |state: &Option<SiteState>| match state {
            Some(SiteState::Lost(error)) => Some(error.to_string()),
            _ => None,
        };
        let connected = |r: &&RemoteSite| matches!(r.state(), SiteState::Connected(_));
        let round_trip = |s: &Site| s.remote.as_ref().filter(connected)?.round_trip().map(|t| t.as_secs_f64() * 1e3);
        rows.with("name", all.iter().map(|s| s.name.to_string()))
            .with("address", all.iter().map(|s| s.remote.as_ref().map(|r| r.address().to_string())))
            .with("state", states.iter().map(|s| word(s).to_string()))
            .with("version", states.iter().map(version))
            .with("round_trip_ms", all.iter().map(round_trip))
            .with("sources", all.iter().map(|s| sources(&s.name)))
            .with("computes", all.iter().map(|s| contains(network.computes, network.position(&s.name))))
            .with("last_error", states.iter().map(last_error))
    }

    fn links(&self, rows: Rows) -> Rows {
        let connectors = self.catalog.connectors();
        let nodes = network::nodes(&connectors);
        let all = network::paths(&nodes, &connectors.links);
        let name = |i: usize| nodes[i].name.to_string();
        let ends = |p: &Path| (nodes[p.from].name.clone(), nodes[p.to].name.clone());
        let address = |p: &Path| connectors.addresses.get(&ends(p)).cloned();
        rows.with("from_site", all.iter().map(|p| name(p.from)))
            .with("to_site", all.iter().map(|p| name(p.to)))
            .with("mbit", all.iter().map(|p| p.link.bandwidth * 8.0 / 1e6))
            .with("rtt_ms", all.iter().map(|p| p.link.rtt * 1e3))
            .with("price_per_gb", all.iter().map(|p| p.link.price_per_gb))
            .with("origin", all.iter().map(|p| p.origin.to_string()))
            .with("blocked", all.iter().map(|p| p.link.bandwidth == 0.0))
            .with("address", all.iter().map(address))
    }

    fn queries(&self, rows: Rows) -> Rows {
        let all = self.queries.list();
        rows.with("id", all.iter().map(|q| q.id.to_string()))
            .with("user_name", all.iter().map(|q| q.origin.user.to_string()))
            .with("application_name", all.iter().map(|q| q.origin.application.to_string()))
            .with("client", all.iter().map(|q| q.origin.client.to_string()))
            .with("state", all.iter().map(|q| q.phase.to_string()))
            .with("started", all.iter().map(|q| q.started_micros))
            .with("elapsed_ms", all.iter().map(|q| q.elapsed.as_millis() as usize))
            .with("rows_sent", all.iter().map(|q| q.rows_sent as usize))
            .with("query", all.iter().map(|q| q.text.to_string()))
    }

    fn skipped_columns(&self, rows: Rows) -> Rows {
        let catalog = self.catalog.snapshot();
        let all: Vec<_> = catalog.tables().flat_map(|t| t.skipped.iter().map(move |skipped| (t, skipped))).collect();
        rows.with("schema_name", all.iter().map(|(t, _)| &t.schema))
            .with("table_name", all.iter().map(|(t, _)| &t.name))
            .with("column_name", all.iter().map(|(_, (column, _))| column))
            .with("reason", all.iter().map(|(_, (_, reason))| reason))
    }
}
