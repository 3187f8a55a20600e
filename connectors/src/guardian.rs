//! Brings an actor back that died in a panic.
//!
//! Actix's own supervision covers actors that stop on purpose; a panic drops the actor for good, with every message in its
//! mailbox. The guardian knows how to make a new one, notices the old one's end by a channel that lives inside it, waits with
//! back-off, and publishes the new address.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use actix_rt::ArbiterHandle;
use cost_model::Clock;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// Dropped with the actor that holds it, however that ends.
pub(crate) type SignOfLife = oneshot::Sender<()>;

/// Shortest and longest wait before a dead actor is re-created.
const RESTART_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));
/// An actor that lived this long has earned a quick restart.
const LIVED_WELL: Duration = Duration::from_secs(60);

pub(crate) struct Guardian {
    pub arbiter: ArbiterHandle,
    pub clock: Arc<dyn Clock>,
    /// Decides the jitter.
    pub seed: u64,
    /// The actor is needed no longer.
    pub stop: CancellationToken,
}

impl Guardian {
    /// Keeps an actor at `address` until `stop`, then returns the last one, which still has to be told. `make` starts one in the
    /// arbiter, or cannot just now; `died` hears of each death.
    pub async fn run<A: Actor>(
        self,
        address: &watch::Sender<Option<Addr<A>>>,
        mut make: impl FnMut(&ArbiterHandle, SignOfLife) -> Option<Addr<A>>,
        mut died: impl FnMut(),
    ) -> Option<Addr<A>> {
        let mut backoff = Backoff::new(RESTART_AFTER.0, RESTART_AFTER.1, self.seed);
        while self.arbiter.alive() {
            let born = self.clock.now();
            let (alive, death) = oneshot::channel();
            if let Some(actor) = make(&self.arbiter, alive) {
                address.send_replace(Some(actor));
                tokio::select! {
                    _ = death => drop(address.send_replace(None)),
                    () = self.stop.cancelled() => return address.send_replace(None),
                }
                if self.clock.now().saturating_sub(born) >= LIVED_WELL {
                    backoff.reset();
                }
            }
            died();
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
        }
        None
    }
}
