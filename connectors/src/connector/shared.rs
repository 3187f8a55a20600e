//! What outlives an actor: permits in use, running queries, the published state, the current address.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use actix::Addr;
use cost_model::{Clock, SourceId};
use parking_lot::Mutex;
use planner::Error;
use planner::catalog::EngineKind;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::actor::{ConnectorActor, Lost};
use super::budget::Budget;
use super::running::Running;
use super::status::{Health, Published};
use crate::engine::Engine;

pub(super) struct Shared {
    pub source: SourceId,
    pub kind: EngineKind,
    pub clock: Arc<dyn Clock>,
    pub budget: Budget,
    pub running: Arc<Running>,
    pub statements: AtomicUsize,
    pub restarts: AtomicU64,
    pub published: watch::Sender<Published>,
    /// The actor's engine, for sessions that need not ask the actor: as long as all goes well it has nothing to decide.
    pub engine: Mutex<Option<Arc<dyn Engine>>>,
    /// Where everything that waits for an engine runs.
    pub io: Handle,
    /// `None` until an actor runs and while it is being re-created.
    pub address: watch::Sender<Option<Addr<ConnectorActor>>>,
}

impl Shared {
    /// The engine, if its source answered the last time it was asked.
    pub fn healthy_engine(&self) -> Option<Arc<dyn Engine>> {
        let well = |p: &Published| p.health == Health::Healthy && p.consecutive_failures == 0;
        if well(&self.published.borrow()) { self.engine.lock().clone() } else { None }
    }

    /// Tells the actor of a session that could not be opened, and waits until it has learned of it: the next request must not be
    /// tried as if all were well.
    pub async fn learn(&self, error: &Error) {
        let actor = self.address.borrow().clone();
        if let Some(actor) = actor.filter(|_| super::breaker::Breaker::counts(error)) {
            let _ = actor.send(Lost(error.clone())).await;
        }
    }

    /// Tells the actor of a connection lost in the middle of a query.
    pub fn report(&self, error: &Error) {
        if super::breaker::Breaker::counts(error)
            && let Some(actor) = self.address.borrow().as_ref()
        {
            actor.do_send(Lost(error.clone()));
        }
    }
}
