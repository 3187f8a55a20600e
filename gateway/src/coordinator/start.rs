//! The engine of a gateway process.

use std::path::Path;
use std::sync::Arc;

use connectors::site::{Executor, RuntimeSettings};
use cost_model::{Clock, Epoch};
use planner::{Error, Result};
use uuid::Uuid;

use super::QueryEngine;
use super::catalog::CatalogKeeper;
use super::engine::Engine;
use super::sources::{Connectors, Identity};
use crate::config::Config;
use crate::queries::Queries;

/// Starts compute, connectors and catalog. A source that is down does not keep the gateway from starting.
pub async fn start(config: &Config, queries: Arc<Queries>, clock: Arc<dyn Clock>) -> Result<Arc<dyn QueryEngine>> {
    let settings = RuntimeSettings {
        memory_limit: usize::try_from(config.gateway.memory_limit.0).unwrap_or(usize::MAX),
        spill_limit: config.gateway.spill_limit.0,
        ..RuntimeSettings::new(&config.gateway.data_dir, Epoch(clock.unix_micros() as u64))
    };
    let identity = Identity { gateway: gateway_id(&config.gateway.data_dir)?, epoch: settings.epoch };
    let executor = Arc::new(Executor::start(settings, clock.clone())?);
    let connectors = Connectors::start(config, &executor, &clock, identity, None)?;
    let keeper = CatalogKeeper::start(config, connectors).await;
    Ok(Arc::new(Engine::new(executor, keeper, queries, clock, identity)))
}

/// Made once for each data folder: sites tell gateways apart by it, and one gateway's lives by their epochs.
fn gateway_id(data_dir: &Path) -> Result<Uuid> {
    let path = data_dir.join("gateway_id");
    let cannot = |what: &str, e: std::io::Error| {
        let message = format!("cannot {what} {}: {e}", path.display());
        Error::new(planner::error::state::CONFIG_FILE_ERROR, message)
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            let message = format!("{} does not hold a UUID; remove it to get a new one", path.display());
            Error::new(planner::error::state::CONFIG_FILE_ERROR, message)
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let id = Uuid::new_v4();
            std::fs::write(&path, format!("{id}\n")).map_err(|e| cannot("write", e))?;
            Ok(id)
        }
        Err(e) => Err(cannot("read", e)),
    }
}
