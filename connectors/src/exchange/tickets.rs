//! Where relations wait to be fetched.
//!
//! Whoever asks for a relation makes up its ticket, so that asking and fetching need no round trip between them: the one may arrive
//! before the other. A ticket for piped rows is good once; one for a held relation until it is forgotten.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::SendableRecordBatchStream;
use parking_lot::Mutex;
use planner::error::{Retry, state};
use planner::{Error, Result};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::held::HeldRelation;
use super::ledger::Portion;
use crate::wire::{Ticket, proto};

/// How long somebody may wait for rows that nobody has announced.
const PATIENCE: Duration = Duration::from_secs(10);

/// Piped rows on their way out.
pub struct Rows {
    pub batches: SendableRecordBatchStream,
    /// Unless their consumer wants another one.
    pub compression: proto::Compression,
    /// Their gateway is gone or has given them up.
    pub stop: CancellationToken,
}

/// What a ticket was good for.
pub enum Claimed {
    Piped(Rows),
    Held {
        relation: Arc<HeldRelation>,
        /// The ticket was forgotten.
        stop: CancellationToken,
    },
}

enum Stage {
    /// Somebody waits for it, nobody has spoken of it.
    Unknown,
    Announced,
    Piped(Rows),
    Taken,
    Held(Arc<HeldRelation>, CancellationToken),
    Failed(Error),
}

struct Slot {
    stage: Stage,
    /// Dropped with the slot.
    changed: watch::Sender<()>,
}

impl Slot {
    fn new(stage: Stage) -> Self {
        Self { stage, changed: watch::Sender::new(()) }
    }

    fn turn(&mut self, stage: Stage) {
        self.stage = stage;
        self.changed.send_replace(());
    }
}

struct Slots {
    by_ticket: Mutex<HashMap<Ticket, Slot>>,
    patience: Duration,
}

#[derive(Clone)]
pub struct Exchange(Arc<Slots>);

impl Default for Exchange {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

impl Exchange {
    fn with_patience(patience: Duration) -> Self {
        Self(Arc::new(Slots { by_ticket: Mutex::default(), patience }))
    }

    /// Announces piped rows; `None` if the ticket has been used.
    pub fn offer(&self, ticket: Ticket) -> Option<Offer> {
        self.enter(ticket, || Stage::Announced).then(|| Offer { exchange: self.clone(), ticket, open: true })
    }

    /// Lets a relation be fetched, complete or not; false if the ticket has been used.
    pub fn offer_held(&self, ticket: Ticket, relation: Arc<HeldRelation>) -> bool {
        self.enter(ticket, || Stage::Held(relation, CancellationToken::new()))
    }

    fn enter(&self, ticket: Ticket, stage: impl FnOnce() -> Stage) -> bool {
        match self.0.by_ticket.lock().entry(ticket) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot::new(stage()));
            }
            Entry::Occupied(mut slot) if matches!(slot.get().stage, Stage::Unknown) => slot.get_mut().turn(stage()),
            Entry::Occupied(_) => return false,
        }
        true
    }

    /// The rows, as soon as their producer has them. Piped ones cannot be had in portions.
    pub async fn claim(&self, ticket: Ticket, portion: Portion) -> Result<Claimed> {
        loop {
            let mut waiting = match self.look(ticket, portion)? {
                Found::Goods(claimed) => return Ok(claimed),
                Found::Wait(waiting) => waiting,
            };
            match tokio::time::timeout(self.0.patience, waiting.changed()).await {
                Ok(true) => {}
                Ok(false) => return Err(gone()),
                Err(_) if self.is_announced(ticket) => {}
                Err(_) => return Err(gone()),
            }
        }
    }

    fn look(&self, ticket: Ticket, portion: Portion) -> Result<Found> {
        let mut slots = self.0.by_ticket.lock();
        let slot = slots.entry(ticket).or_insert_with(|| Slot::new(Stage::Unknown));
        match &slot.stage {
            Stage::Unknown | Stage::Announced => {
                let changed = Some(slot.changed.subscribe());
                Ok(Found::Wait(Waiting { exchange: self.clone(), ticket, changed }))
            }
            Stage::Held(relation, stop) => {
                Ok(Found::Goods(Claimed::Held { relation: relation.clone(), stop: stop.clone() }))
            }
            Stage::Failed(error) => Err(error.clone()),
            Stage::Taken => Err(gone()),
            Stage::Piped(_) if portion != Portion::ALL => Err(gone().with_detail("They are not held.")),
            Stage::Piped(_) => match std::mem::replace(&mut slot.stage, Stage::Taken) {
                Stage::Piped(rows) => Ok(Found::Goods(Claimed::Piped(rows))),
                _ => Err(gone()),
            },
        }
    }

    /// Nobody will fetch it any more; who does gets an error. A held relation goes on for others who have it.
    pub fn forget(&self, ticket: Ticket) {
        let slot = self.0.by_ticket.lock().remove(&ticket);
        if let Some(Slot { stage: Stage::Held(_, stop), .. }) = slot {
            stop.cancel();
        }
    }

    fn is_announced(&self, ticket: Ticket) -> bool {
        self.0.by_ticket.lock().get(&ticket).is_some_and(|slot| matches!(slot.stage, Stage::Announced))
    }

    #[cfg(test)]
    fn known(&self) -> usize {
        self.0.by_ticket.lock().len()
    }
}

/// The producer's end of a ticket for piped rows. Dropped, it says that there are none.
pub struct Offer {
    exchange: Exchange,
    ticket: Ticket,
    open: bool,
}

impl Offer {
    /// What has been forgotten meanwhile is dropped.
    pub fn send(mut self, rows: Result<Rows>) {
        self.tell(match rows {
            Ok(rows) => Stage::Piped(rows),
            Err(error) => Stage::Failed(error),
        });
    }

    fn tell(&mut self, stage: Stage) {
        self.open = false;
        // A stage that is not wanted is dropped without the lock.
        let mut slots = self.exchange.0.by_ticket.lock();
        let unwanted = match slots.get_mut(&self.ticket) {
            Some(slot) => {
                slot.turn(stage);
                None
            }
            None => Some(stage),
        };
        drop(slots);
        drop(unwanted);
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if self.open {
            self.tell(Stage::Failed(gone()));
        }
    }
}

enum Found {
    Goods(Claimed),
    Wait(Waiting),
}

/// A wait for a producer. Whatever ends the last one for a ticket that nobody has announced, nothing of it stays.
struct Waiting {
    exchange: Exchange,
    ticket: Ticket,
    changed: Option<watch::Receiver<()>>,
}

impl Waiting {
    /// False if the ticket was forgotten.
    async fn changed(&mut self) -> bool {
        match &mut self.changed {
            Some(changed) => changed.changed().await.is_ok(),
            None => false,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut slots = self.exchange.0.by_ticket.lock();
        self.changed = None;
        if let Entry::Occupied(slot) = slots.entry(self.ticket) {
            let Slot { stage, changed } = slot.get();
            if matches!(stage, Stage::Unknown) && changed.receiver_count() == 0 {
                slot.remove();
            }
        }
    }
}

fn gone() -> Error {
    Error::new(state::CONNECTION_FAILURE, "the site does not have these rows (any more)").with_retry(Retry::Step)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
    use datafusion::execution::runtime_env::RuntimeEnv;
    use datafusion::physical_plan::EmptyRecordBatchStream;

    use super::*;

    fn rows() -> Result<Rows> {
        let batches = Box::pin(EmptyRecordBatchStream::new(Arc::new(Schema::empty())));
        Ok(Rows { batches, compression: proto::Compression::None, stop: CancellationToken::new() })
    }

    fn impatient() -> Exchange {
        Exchange::with_patience(Duration::from_millis(20))
    }

    async fn claim(exchange: &Exchange, ticket: Ticket) -> Result<Claimed> {
        exchange.claim(ticket, Portion::ALL).await
    }

    #[tokio::test]
    async fn asking_and_fetching_meet_in_either_order() {
        let exchange = impatient();
        let first = Ticket::random();
        exchange.offer(first).unwrap().send(rows());
        claim(&exchange, first).await.unwrap();
        let second = Ticket::random();
        let (claimed, ()) = tokio::join!(claim(&exchange, second), async {
            exchange.offer(second).unwrap().send(rows());
        });
        claimed.unwrap();
        exchange.forget(first);
        exchange.forget(second);
        assert_eq!(exchange.known(), 0);
    }

    #[tokio::test]
    async fn a_ticket_for_piped_rows_is_good_once_and_a_made_up_one_never() {
        let exchange = impatient();
        let ticket = Ticket::random();
        let offer = exchange.offer(ticket).unwrap();
        assert!(exchange.offer(ticket).is_none());
        offer.send(rows());
        assert!(exchange.claim(ticket, Portion::new(1, 0, 1).unwrap()).await.is_err(), "from the second chunk");
        claim(&exchange, ticket).await.unwrap();
        assert!(claim(&exchange, ticket).await.is_err());
        assert!(exchange.offer(ticket).is_none());
        exchange.forget(ticket);
        assert!(claim(&exchange, Ticket::random()).await.is_err());
        assert_eq!(exchange.known(), 0);
    }

    #[tokio::test]
    async fn a_producer_may_take_its_time_and_may_fail() {
        let exchange = impatient();
        let ticket = Ticket::random();
        let offer = exchange.offer(ticket).unwrap();
        let (claimed, ()) = tokio::join!(claim(&exchange, ticket), async {
            tokio::time::sleep(10 * exchange.0.patience).await;
            offer.send(Err(Error::new(state::DIVISION_BY_ZERO, "division by zero")));
        });
        assert_eq!(claimed.err().unwrap().sqlstate(), state::DIVISION_BY_ZERO);
        let ticket = Ticket::random();
        drop(exchange.offer(ticket));
        assert!(claim(&exchange, ticket).await.is_err());
    }

    #[tokio::test]
    async fn what_is_forgotten_ends_whoever_waits_and_does_not_come_back() {
        let exchange = impatient();
        let ticket = Ticket::random();
        let offer = exchange.offer(ticket).unwrap();
        let (claimed, ()) = tokio::join!(claim(&exchange, ticket), async { exchange.forget(ticket) });
        assert!(claimed.is_err());
        offer.send(rows());
        assert_eq!(exchange.known(), 0);
    }

    #[tokio::test]
    async fn a_held_relation_is_there_for_all_until_it_is_forgotten() {
        let exchange = impatient();
        let ticket = Ticket::random();
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let env = Arc::new(RuntimeEnv::default());
        let (_writer, relation) = HeldRelation::start(Arc::new(Schema::empty()), &pool, env, 0);
        let parts = [0, 1].map(|part| exchange.claim(ticket, Portion::new(0, part, 2).unwrap()));
        let (claimed, ()) = tokio::join!(futures::future::try_join_all(parts), async {
            assert!(exchange.offer_held(ticket, relation.clone()));
        });
        assert!(!exchange.offer_held(ticket, relation));
        let Claimed::Held { stop, .. } = &claimed.unwrap()[0] else { panic!("it is held") };
        claim(&exchange, ticket).await.unwrap();
        assert!(!stop.is_cancelled());
        exchange.forget(ticket);
        assert!(stop.is_cancelled());
        assert!(claim(&exchange, ticket).await.is_err());
        assert_eq!(exchange.known(), 0);
    }
}
