//! The engine of a gateway process.

use std::sync::Arc;

use connectors::site::{Executor, RuntimeSettings};
use cost_model::{Clock, Epoch};
use planner::Result;

use super::QueryEngine;
use super::catalog::CatalogKeeper;
use super::engine::Engine;
use super::sources::Connectors;
use crate::config::Config;
use crate::queries::Queries;

/// Starts compute, connectors and catalog. A source that is down does not keep the gateway from starting.
pub async fn start(config: &Config, queries: Arc<Queries>, clock: Arc<dyn Clock>) -> Result<Arc<dyn QueryEngine>> {
    let settings = RuntimeSettings {
        memory_limit: usize::try_from(config.gateway.memory_limit.0).unwrap_or(usize::MAX),
        spill_limit: config.gateway.spill_limit.0,
        ..RuntimeSettings::new(&config.gateway.data_dir, Epoch(clock.unix_micros() as u64))
    };
    let executor = Arc::new(Executor::start(settings, clock.clone())?);
    let connectors = Connectors::start(config, &executor, &clock)?;
    let keeper = CatalogKeeper::start(config, connectors).await;
    Ok(Arc::new(Engine::new(executor, keeper, queries, clock)))
}
