//! What the outside can see of a connector at any moment, also while its actor is being re-created.

use std::time::Duration;

use cost_model::SourceId;
use planner::catalog::EngineKind;

use super::breaker::Circuit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not yet reached since the connector was (re-)started.
    Opening,
    Healthy,
    Unavailable,
}

/// What the actor publishes whenever it changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub health: Health,
    pub circuit: Circuit,
    pub consecutive_failures: u32,
    pub last_error: Option<String>,
}

impl Published {
    pub(super) fn opening() -> Self {
        Self { health: Health::Opening, circuit: Circuit::Closed, consecutive_failures: 0, last_error: None }
    }

    /// How long the circuit stays open, if it is open at `now`.
    pub(super) fn refused_for(&self, now: Duration) -> Option<Duration> {
        match self.circuit {
            Circuit::Open { until } => until.checked_sub(now).filter(|d| !d.is_zero()),
            Circuit::Closed | Circuit::HalfOpen => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct ConnectorStatus {
    pub source: SourceId,
    pub kind: EngineKind,
    pub health: Health,
    pub circuit: Circuit,
    pub consecutive_failures: u32,
    pub last_error: Option<String>,
    pub running_statements: usize,
    pub permits_in_use: usize,
    pub permit_limit: usize,
    /// Queries waiting for a permit.
    pub waiting: usize,
    /// How often the actor was re-created.
    pub restarts: u64,
}
