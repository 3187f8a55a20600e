//! Schema `narrows`: how the gateway itself is doing.

use std::sync::Arc;

use connectors::remote::{RemoteSite, SiteState};
use connectors::site::FragmentMeasure;
use cost_model::{SiteId, SourceId};
use planner::PgType;
use planner::catalog::{EngineKind, Placement, Table, TableKind};
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
        "steps",
        &[
            ("query_id", PgType::TEXT),
            ("step", PgType::INT4),
            ("site", PgType::TEXT),
            ("source", PgType::TEXT),
            ("state", PgType::TEXT),
            ("row_estimate", PgType::FLOAT8),
            ("rows", PgType::INT8),
            ("bytes", PgType::INT8),
            ("spilled_bytes", PgType::INT8),
            ("seconds", PgType::FLOAT8),
        ],
        "Fragments and steps of the queries that run right now, and how far they are; seconds when they are done",
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
    (
        "placements",
        &[
            ("schema_name", PgType::TEXT),
            ("table_name", PgType::TEXT),
            ("part", PgType::INT4),
            ("source", PgType::TEXT),
            ("site", PgType::TEXT),
            ("remote_schema", PgType::TEXT),
            ("remote_name", PgType::TEXT),
            ("predicate", PgType::TEXT),
            ("row_estimate", PgType::FLOAT8),
        ],
        "Where the rows of the tables are; placements of one part hold the same rows",
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
            "steps" => self.steps(rows),
            "queries" => self.queries(rows),
            "placements" => self.placements(rows),
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

    fn steps(&self, rows: Rows) -> Rows {
        let all = self.queries.steps();
        // What has not been asked for is there, too: it waits for others.
        let steps = all.iter().flat_map(|(id, plan, measured)| {
            plan.fragments
                .iter()
                .enumerate()
                .map(move |(number, fragment)| (id, number, fragment, measured.iter().find(|m| m.fragment == number)))
        });
        let all: Vec<_> = steps.collect();
        let state = |m: &Option<&FragmentMeasure>| match m {
            None => "waiting",
            Some(m) if m.seconds.is_some() => "done",
            Some(_) => "running",
        };
        let count = |n: fn(&FragmentMeasure) -> u64| all.iter().map(move |(.., m)| m.map_or(0, n) as usize);
        rows.with("query_id", all.iter().map(|(id, ..)| id.to_string()))
            .with("step", all.iter().map(|(_, number, ..)| i32::try_from(*number).unwrap_or(i32::MAX)))
            .with("site", all.iter().map(|(_, _, f, _)| f.site.to_string()))
            .with("source", all.iter().map(|(_, _, f, _)| f.source.to_string()))
            .with("state", all.iter().map(|(.., m)| state(m).to_string()))
            .with("row_estimate", all.iter().map(|(_, _, f, _)| f.estimated_rows))
            .with("rows", count(|m| m.rows))
            .with("bytes", count(|m| m.bytes))
            .with("spilled_bytes", count(|m| m.spilled_bytes))
            .with("seconds", all.iter().map(|(.., m)| m.and_then(|m| m.seconds)))
    }

    fn skipped_columns(&self, rows: Rows) -> Rows {
        let catalog = self.catalog.snapshot();
        let all: Vec<_> = catalog.tables().flat_map(|t| t.skipped.iter().map(move |skipped| (t, skipped))).collect();
        rows.with("schema_name", all.iter().map(|(t, _)| &t.schema))
            .with("table_name", all.iter().map(|(t, _)| &t.name))
            .with("column_name", all.iter().map(|(_, (column, _))| column))
            .with("reason", all.iter().map(|(_, (_, reason))| reason))
    }

    fn placements(&self, rows: Rows) -> Rows {
        let catalog = self.catalog.snapshot();
        let remote = |p: &Placement| catalog.sources.get(&p.source).filter(|s| s.kind != EngineKind::System);
        let of = |t: &'_ Arc<Table>| t.placements.iter().map(|p| (t.clone(), p.clone())).collect::<Vec<_>>();
        let all: Vec<_> = catalog.tables().flat_map(of).filter_map(|(t, p)| Some((t, remote(&p)?, p))).collect();
        let here = |(t, _, p): &(Arc<Table>, _, Placement)| p.part.as_ref().map_or(t.rows, |part| part.table.rows);
        rows.with("schema_name", all.iter().map(|(t, ..)| &t.schema))
            .with("table_name", all.iter().map(|(t, ..)| &t.name))
            .with("part", all.iter().map(|(.., p)| i32::try_from(p.replica_group + 1).unwrap_or(i32::MAX)))
            .with("source", all.iter().map(|(.., p)| p.source.to_string()))
            .with("site", all.iter().map(|(_, source, _)| source.site.to_string()))
            .with("remote_schema", all.iter().map(|(.., p)| &p.remote_schema))
            .with("remote_name", all.iter().map(|(.., p)| &p.remote_name))
            .with("predicate", all.iter().map(|(.., p)| p.predicate.clone()))
            .with("row_estimate", all.iter().map(here))
    }
}
