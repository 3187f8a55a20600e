//! Where rows wait to be fetched.
//!
//! Whoever asks for a scan makes up its ticket, so that asking and fetching need no round trip between them: the one may arrive
//! before the other. A ticket is good once.

use std::collections::HashMap;
use std::time::Duration;

use datafusion::execution::SendableRecordBatchStream;
use parking_lot::Mutex;
use planner::error::{Retry, state};
use planner::{Error, Result};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::wire::{Ticket, proto};

/// How long somebody may wait for rows that nobody has announced.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rows of one scan on their way out.
pub struct Rows {
    pub batches: SendableRecordBatchStream,
    pub compression: proto::Compression,
    /// Their gateway is gone or has given them up.
    pub stop: CancellationToken,
}

/// The producer's end and the consumer's end, until each is taken.
struct Slot {
    offer: Option<oneshot::Sender<Result<Rows>>>,
    claim: Option<oneshot::Receiver<Result<Rows>>>,
}

impl Default for Slot {
    fn default() -> Self {
        let (offer, claim) = oneshot::channel();
        Self { offer: Some(offer), claim: Some(claim) }
    }
}

pub struct Exchange {
    slots: Mutex<HashMap<Ticket, Slot>>,
    patience: Duration,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { slots: Mutex::default(), patience: PATIENCE }
    }
}

impl Exchange {
    /// For the producer; `None` if there was one already.
    pub fn offer(&self, ticket: Ticket) -> Option<oneshot::Sender<Result<Rows>>> {
        let mut slots = self.slots.lock();
        let slot = slots.entry(ticket).or_default();
        let offer = slot.offer.take();
        if slot.claim.is_none() {
            slots.remove(&ticket);
        }
        offer
    }

    /// The rows, as soon as their producer has them.
    pub async fn claim(&self, ticket: Ticket) -> Result<Rows> {
        let mut claim = {
            let mut slots = self.slots.lock();
            let slot = slots.entry(ticket).or_default();
            let claim = slot.claim.take();
            if slot.offer.is_none() {
                slots.remove(&ticket);
            }
            claim.ok_or_else(gone)?
        };
        // Whatever ends the waiting, nothing of it stays here.
        let _forget = Forget(self, ticket);
        loop {
            match tokio::time::timeout(self.patience, &mut claim).await {
                Ok(rows) => return rows.map_err(|_| gone())?,
                Err(_) if self.is_announced(ticket) => {}
                Err(_) => return Err(gone()),
            }
        }
    }

    /// Nobody will fetch them any more.
    pub fn forget(&self, ticket: Ticket) {
        self.slots.lock().remove(&ticket);
    }

    fn is_announced(&self, ticket: Ticket) -> bool {
        self.slots.lock().get(&ticket).is_none_or(|slot| slot.offer.is_none())
    }

    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.slots.lock().len()
    }
}

struct Forget<'a>(&'a Exchange, Ticket);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

fn gone() -> Error {
    Error::new(state::CONNECTION_FAILURE, "the site does not have these rows (any more)").with_retry(Retry::Step)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use datafusion::physical_plan::EmptyRecordBatchStream;

    use super::*;

    fn rows() -> Result<Rows> {
        let batches = Box::pin(EmptyRecordBatchStream::new(Arc::new(Schema::empty())));
        Ok(Rows { batches, compression: proto::Compression::None, stop: CancellationToken::new() })
    }

    fn impatient() -> Exchange {
        Exchange { patience: Duration::from_millis(20), ..Exchange::default() }
    }

    #[tokio::test]
    async fn asking_and_fetching_meet_in_either_order() {
        let exchange = impatient();
        let first = Ticket::random();
        exchange.offer(first).unwrap().send(rows()).ok().unwrap();
        exchange.claim(first).await.unwrap();
        let second = Ticket::random();
        let (claimed, ()) = tokio::join!(exchange.claim(second), async {
            exchange.offer(second).unwrap().send(rows()).ok().unwrap();
        });
        claimed.unwrap();
        assert_eq!(exchange.waiting(), 0);
    }

    #[tokio::test]
    async fn a_ticket_is_good_once_and_a_made_up_one_never() {
        let exchange = impatient();
        let ticket = Ticket::random();
        let offer = exchange.offer(ticket).unwrap();
        assert!(exchange.offer(ticket).is_none());
        offer.send(rows()).ok().unwrap();
        exchange.claim(ticket).await.unwrap();
        assert!(exchange.claim(ticket).await.is_err());
        assert_eq!(exchange.waiting(), 0);
    }

    #[tokio::test]
    async fn a_producer_may_take_its_time_and_may_fail() {
        let exchange = impatient();
        let ticket = Ticket::random();
        let offer = exchange.offer(ticket).unwrap();
        let (claimed, ()) = tokio::join!(exchange.claim(ticket), async {
            tokio::time::sleep(10 * exchange.patience).await;
            offer.send(rows()).ok().unwrap();
        });
        claimed.unwrap();
        drop(exchange.offer(ticket));
        assert!(exchange.claim(ticket).await.is_err());
        assert_eq!(exchange.waiting(), 0);
    }
}
