//! What outlives an actor: permits in use, running queries, the published state, the current address.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use actix::Addr;
use cost_model::{Clock, SourceId};
use planner::Error;
use planner::catalog::EngineKind;
use tokio::sync::watch;

use super::actor::{ConnectorActor, Lost};
use super::budget::Budget;
use super::running::Running;
use super::status::Published;

pub(super) struct Shared {
    pub source: SourceId,
    pub kind: EngineKind,
    pub clock: Arc<dyn Clock>,
    pub budget: Budget,
    pub running: Arc<Running>,
    pub statements: AtomicUsize,
    pub restarts: AtomicU64,
    pub published: watch::Sender<Published>,
    /// `None` until an actor runs and while it is being re-created.
    pub address: watch::Sender<Option<Addr<ConnectorActor>>>,
}

impl Shared {
    /// Tells the actor of a connection lost in the middle of a query.
    pub fn report(&self, error: &Error) {
        if super::breaker::Breaker::counts(error)
            && let Some(actor) = self.address.borrow().as_ref()
        {
            actor.do_send(Lost(error.clone()));
        }
    }
}
