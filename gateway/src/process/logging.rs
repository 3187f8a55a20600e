//! Logs go to standard error, as text for people or JSON for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// `RUST_LOG` overrides the configuration.
pub fn start(filter: &str, format: LogFormat) -> Result<(), String> {
    let text = std::env::var("RUST_LOG").unwrap_or_else(|_| filter.to_string());
    let filter = EnvFilter::try_new(&text).map_err(|e| format!("log = \"{text}\" is not a filter: {e}"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = match format {
        LogFormat::Text => subscriber.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| format!("cannot start logging: {e}"))
}
