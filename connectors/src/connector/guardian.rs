//! Brings an actor back that died in a panic.
//!
//! Actix's own supervision covers actors that stop on purpose; a panic drops the actor for good, with every message in its
//! mailbox. The guardian holds what is needed to make a new one, notices the old one's end by a channel that lives inside it, waits
//! with back-off, and publishes the new address.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::Actor;
use actix_rt::ArbiterHandle;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::actor::{ConnectorActor, Stop};
use super::backoff::Backoff;
use super::breaker::Breaker;
use super::handle::EngineFactory;
use super::shared::Shared;
use crate::engine::Engine;

/// An actor that lived this long has earned a quick restart.
const LIVED_WELL: Duration = Duration::from_secs(60);

pub(super) struct Guardian {
    pub shared: Arc<Shared>,
    pub factory: EngineFactory,
    pub arbiter: ArbiterHandle,
    pub io: Handle,
    pub backoff: Backoff,
    /// Makes the breaker of the n-th actor.
    pub breaker: Box<dyn Fn(u64) -> Breaker + Send + Sync>,
    pub stop: CancellationToken,
}

impl Guardian {
    /// Runs until the source is given up. `first` is the engine of the first actor.
    pub async fn run(mut self, first: Arc<dyn Engine>) {
        let mut engine = Some(first);
        while self.arbiter.alive() {
            if let Some(engine) = engine.take().or_else(|| self.make()) {
                let born = self.shared.clock.now();
                if self.live(engine).await {
                    return;
                }
                if self.shared.clock.now().saturating_sub(born) >= LIVED_WELL {
                    self.backoff.reset();
                }
            }
            let restarts = self.shared.restarts.fetch_add(1, Ordering::Relaxed) + 1;
            let delay = self.backoff.next_delay();
            tracing::error!(source = %self.shared.source, restarts, ?delay, "connector died, restarting it");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    fn make(&self) -> Option<Arc<dyn Engine>> {
        (self.factory)().inspect_err(|e| tracing::error!(source = %self.shared.source, error = %e, "no engine")).ok()
    }

    /// One life of the actor; true if it ended because the source was given up.
    async fn live(&self, engine: Arc<dyn Engine>) -> bool {
        let (alive, died) = oneshot::channel();
        let (shared, io) = (self.shared.clone(), self.io.clone());
        let breaker = (self.breaker)(self.shared.restarts.load(Ordering::Relaxed));
        *shared.engine.lock() = Some(engine.clone());
        let actor = ConnectorActor::start_in_arbiter(&self.arbiter, move |_| {
            ConnectorActor::new(shared, engine, breaker, io, alive)
        });
        self.shared.address.send_replace(Some(actor.clone()));
        let stopped = tokio::select! {
            _ = died => false,
            () = self.stop.cancelled() => true,
        };
        self.shared.address.send_replace(None);
        *self.shared.engine.lock() = None;
        if stopped {
            actor.do_send(Stop);
        }
        stopped
    }
}
