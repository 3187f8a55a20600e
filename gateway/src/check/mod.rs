//! `narrows check`: is the configuration good, do the sources answer, what do they hold, and is it where it is said to be?

mod predicates;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use connectors::remote::SiteState;
use connectors::site::{Executor, RuntimeSettings};
use cost_model::{Epoch, SourceId, SystemClock};
use futures::future::join_all;
use planner::catalog::{SourceSchema, SourceTable};
use planner::error::state;
use planner::{Error, Result};
use uuid::Uuid;

use crate::config::Config;
use crate::coordinator::names::{Found, catalog};
use crate::coordinator::sources::{Connectors, Identity};
use crate::pg::Live;
use crate::process::{install_tls, system};

/// A source that takes longer to describe itself is in trouble.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints what was found; the exit code tells whether all is well.
pub fn run(path: &Path) -> ExitCode {
    install_tls();
    match check(path) {
        Ok((report, good)) => {
            print!("{report}");
            if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn check(path: &Path) -> Result<(String, bool), String> {
    let config = Config::read(path).map_err(|e| e.to_string())?;
    Live::new(&config)?;
    let scratch = Scratch::new();
    system()?.block_on(examine_all(&config, &scratch.0)).map_err(|e| e.to_string())
}

/// A folder of its own: a gateway may be using the configured one.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("narrows-check-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn examine_all(config: &Config, scratch: &Path) -> Result<(String, bool)> {
    let clock = SystemClock::shared();
    let epoch = Epoch(clock.unix_micros() as u64);
    let executor = Arc::new(Executor::start(RuntimeSettings::new(scratch, epoch), clock.clone())?);
    let mut report = format!("{}: the configuration is good\n", config.path.display());
    // Not the gateway's own identity: it may be running.
    let identity = Identity { gateway: Uuid::new_v4(), epoch };
    let connectors = Connectors::start(config, &executor, &clock, identity, None)?;
    let mut found = Found::default();
    reach_sites(&connectors, &mut found, &mut report).await;
    let (connectors, mut problems) = connectors.with_sites_sources();
    let schemas = join_all(connectors.order.iter().map(|id| examine(&connectors, id))).await;
    for (id, schema) in connectors.order.iter().zip(schemas) {
        let title = title(config, &connectors, id);
        match schema {
            Ok(schema) => {
                describe(id, &title, &schema, &mut report);
                found.schemas.insert(id.clone(), Arc::new(schema));
            }
            Err(error) => {
                complain(&title, &error, &mut report);
                found.unavailable.insert(id.clone(), error.to_string());
            }
        }
    }
    let (catalog, wrong) = catalog(1, &found, &connectors, &config.tables, &[]);
    problems.extend(wrong);
    problems.extend(predicates::violated(&executor, &catalog, &connectors, &clock).await);
    for problem in &problems {
        line(&mut report, format_args!("\nPROBLEM: {problem}"));
    }
    let all_answer = found.unavailable.is_empty() && found.unavailable_sites.is_empty();
    Ok((report, problems.is_empty() && all_answer))
}

/// Waits until every site elsewhere is connected or known to be out of reach.
async fn reach_sites(connectors: &Connectors, found: &mut Found, report: &mut String) {
    for site in connectors.sites.iter().filter_map(|s| s.remote.as_ref()) {
        let title = format!("site {} at {}", site.name(), site.address());
        let mut state = site.watch();
        match state.wait_for(|s| !matches!(s, SiteState::Connecting)).await.map(|s| s.clone()) {
            Ok(SiteState::Connected(connected)) => {
                line(
                    report,
                    format_args!("\n{title}\n  version {}, {} sources", connected.version, site.sources().len()),
                );
            }
            Ok(SiteState::Lost(error)) => {
                complain(&title, &error, report);
                found.unavailable_sites.insert(site.name().clone(), error.to_string());
            }
            Ok(SiteState::Connecting) | Err(_) => {}
        }
    }
}

/// The source and where it is.
fn title(config: &Config, connectors: &Connectors, id: &SourceId) -> String {
    let local = config.sources.iter().find(|s| s.name == id.as_str());
    let there = || connectors.by_id.get(id).map_or(String::new(), |c| format!("at site {}", c.site));
    format!("{id}: {}", local.map_or_else(there, |s| s.endpoint.to_string()))
}

async fn examine(connectors: &Connectors, source: &SourceId) -> Result<SourceSchema> {
    let handle = &connectors.get(source)?.handle;
    let introspected = tokio::time::timeout(PATIENCE, handle.introspect()).await;
    introspected.unwrap_or_else(|_| {
        Err(Error::new(state::CANNOT_CONNECT, format!("no answer within {} s", PATIENCE.as_secs())))
    })
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

fn complain(title: &str, error: &Error, out: &mut String) {
    line(out, format_args!("\n{title}\n  NO ANSWER: {error}"));
    if let Some(hint) = error.hint() {
        line(out, format_args!("  hint: {hint}"));
    }
}

fn describe(id: &SourceId, title: &str, schema: &SourceSchema, out: &mut String) {
    line(out, format_args!("\n{title}"));
    line(out, format_args!("  version {}, {} tables", schema.version, schema.tables.len()));
    let name = |t: &SourceTable| match t.remote_schema == schema.default_schema {
        true => format!("{id}.{}", t.remote_name),
        false => format!("{id}_{}.{}", t.remote_schema, t.remote_name),
    };
    let names: Vec<String> = schema.tables.iter().map(name).collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    for (table, name) in schema.tables.iter().zip(&names) {
        let rows = table.rows.map_or("unknown".to_string(), |rows| format!("about {rows:.0}"));
        line(out, format_args!("  {name:width$}  {:3} columns, {rows} rows", table.columns.len()));
        for (column, reason) in &table.skipped {
            line(out, format_args!("  {:width$}  without column {column}: {reason}", ""));
        }
    }
}
