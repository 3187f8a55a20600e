//! `narrows check`: is the configuration good, do the sources answer, and what do they hold?

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use connectors::site::{Executor, RuntimeSettings};
use cost_model::{Epoch, SourceId, SystemClock};
use futures::future::join_all;
use planner::catalog::{SourceSchema, SourceTable};
use planner::error::state;
use planner::{Error, Result};

use crate::config::{Config, SourceConfig};
use crate::coordinator::names::{Found, catalog};
use crate::coordinator::sources::Connectors;
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
    let settings = RuntimeSettings::new(scratch, Epoch(clock.unix_micros() as u64));
    let executor = Arc::new(Executor::start(settings, clock.clone())?);
    let mut report = format!("{}: the configuration is good\n", config.path.display());
    let connectors = Connectors::start(config, &executor, &clock)?;
    let schemas = join_all(connectors.order.iter().map(|id| examine(&connectors, id))).await;
    let mut found = Found::default();
    for (source, schema) in config.sources.iter().zip(schemas) {
        let id = SourceId::new(&source.name);
        match schema {
            Ok(schema) => {
                describe(source, &schema, &mut report);
                found.schemas.insert(id, Arc::new(schema));
            }
            Err(error) => {
                complain(source, &error, &mut report);
                found.unavailable.insert(id, error.to_string());
            }
        }
    }
    let (_, problems) = catalog(1, &found, &connectors, &config.tables, &[]);
    for problem in &problems {
        line(&mut report, format_args!("\nPROBLEM: {problem}"));
    }
    Ok((report, problems.is_empty() && found.unavailable.is_empty()))
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

fn complain(source: &SourceConfig, error: &Error, out: &mut String) {
    line(out, format_args!("\n{}: {}\n  NO ANSWER: {error}", source.name, source.endpoint));
    if let Some(hint) = error.hint() {
        line(out, format_args!("  hint: {hint}"));
    }
}

fn describe(source: &SourceConfig, schema: &SourceSchema, out: &mut String) {
    line(out, format_args!("\n{}: {}", source.name, source.endpoint));
    line(out, format_args!("  version {}, {} tables", schema.version, schema.tables.len()));
    let name = |t: &SourceTable| match t.remote_schema == schema.default_schema {
        true => format!("{}.{}", source.name, t.remote_name),
        false => format!("{}_{}.{}", source.name, t.remote_schema, t.remote_name),
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
