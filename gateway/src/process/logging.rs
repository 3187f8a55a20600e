//! Logs go to standard error, as text for people or JSON for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Gateway, LogFormat};

/// `RUST_LOG` overrides the configuration.
pub fn start(gateway: &Gateway) -> Result<(), String> {
    let text = std::env::var("RUST_LOG").unwrap_or_else(|_| gateway.log.clone());
    let filter = EnvFilter::try_new(&text).map_err(|e| format!("log = \"{text}\" is not a filter: {e}"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = match gateway.log_format {
        LogFormat::Text => subscriber.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| format!("cannot start logging: {e}"))
}
