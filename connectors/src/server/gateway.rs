//! What the gateways have at this site, and its end with them.

use std::collections::HashMap;
use std::sync::Arc;

use cost_model::{Epoch, QueryId, SourceId};
use futures::future::join_all;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::held::Held;
use crate::engine::SessionRequest;
use crate::exchange::Exchange;

/// One life of one gateway, as long as its control stream.
pub struct Gateway {
    pub epoch: Epoch,
    pub stop: CancellationToken,
    leases: Mutex<HashMap<u64, Arc<Held>>>,
}

impl Gateway {
    /// `None` if the number is taken.
    pub fn enter(&self, number: u64, source: SourceId, request: SessionRequest) -> Option<Arc<Held>> {
        let mut leases = self.leases.lock();
        if self.stop.is_cancelled() || leases.contains_key(&number) {
            return None;
        }
        let held = Arc::new(Held::new(source, request, self.stop.child_token()));
        leases.insert(number, held.clone());
        Some(held)
    }

    pub fn held(&self, number: u64) -> Option<Arc<Held>> {
        self.leases.lock().get(&number).cloned()
    }

    /// Gives a lease back. Its streams have ended by then, unless their reader has lost interest.
    pub fn release(&self, number: u64, exchange: &Exchange) {
        if let Some(held) = self.leases.lock().remove(&number) {
            held.stop.cancel();
            held.tickets().into_iter().for_each(|ticket| exchange.forget(ticket));
        }
    }

    pub async fn cancel(&self, query: QueryId) {
        let of_query: Vec<_> = self.leases.lock().values().filter(|h| h.query() == query).cloned().collect();
        join_all(of_query.iter().map(|h| h.cancel())).await;
    }

    /// Cancels and frees all.
    pub async fn end(&self, exchange: &Exchange) {
        self.stop.cancel();
        let all = std::mem::take(&mut *self.leases.lock());
        join_all(all.values().map(|h| h.cancel())).await;
        all.values().flat_map(|h| h.tickets()).for_each(|ticket| exchange.forget(ticket));
    }
}

/// The gateways that are connected now.
#[derive(Default)]
pub struct Gateways(Mutex<HashMap<Uuid, Arc<Gateway>>>);

impl Gateways {
    /// A gateway has connected. Its connection before this one is over, also if it does not know yet; an older life of it has
    /// nothing more to say: `None`.
    pub fn admit(&self, id: Uuid, epoch: Epoch) -> Option<Arc<Gateway>> {
        let mut gateways = self.0.lock();
        if let Some(earlier) = gateways.get(&id) {
            if earlier.epoch > epoch {
                return None;
            }
            earlier.stop.cancel();
        }
        let gateway = Arc::new(Gateway { epoch, stop: CancellationToken::new(), leases: Mutex::default() });
        gateways.insert(id, gateway.clone());
        Some(gateway)
    }

    pub fn forget(&self, id: Uuid, gateway: &Arc<Gateway>) {
        let mut gateways = self.0.lock();
        if gateways.get(&id).is_some_and(|current| Arc::ptr_eq(current, gateway)) {
            gateways.remove(&id);
        }
    }

    pub async fn end_all(&self, exchange: &Exchange) {
        let all: Vec<_> = self.0.lock().drain().map(|(_, gateway)| gateway).collect();
        join_all(all.iter().map(|gateway| gateway.end(exchange))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_life_ends_the_older_one() {
        let gateways = Gateways::default();
        let id = Uuid::from_u128(7);
        let first = gateways.admit(id, Epoch(5)).unwrap();
        let second = gateways.admit(id, Epoch(6)).unwrap();
        assert!(first.stop.is_cancelled() && !second.stop.is_cancelled());
        assert!(gateways.admit(id, Epoch(5)).is_none(), "from the past");
        gateways.forget(id, &first);
        assert!(gateways.admit(id, Epoch(5)).is_none(), "the first one's end is not the second's");
        let again = gateways.admit(id, Epoch(6)).unwrap();
        assert!(second.stop.is_cancelled() && !again.stop.is_cancelled());
        assert!(gateways.admit(Uuid::from_u128(8), Epoch(1)).is_some());
    }
}
