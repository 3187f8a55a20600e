//! Which queries are at a source right now, so that a cancel finds them: from the moment they wait for a permit.
//!
//! Cancelling does not pass the actor's mailbox: it must not queue behind anything, and must work while an actor is re-created.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use cost_model::QueryId;
use futures::future::join_all;
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};
use tokio_util::sync::CancellationToken;

use crate::engine::EngineSession;

#[derive(Default)]
struct Entry {
    canceled: CancellationToken,
    sessions: Vec<Weak<dyn EngineSession>>,
}

#[derive(Default)]
struct Table {
    next: u64,
    queries: HashMap<QueryId, HashMap<u64, Entry>>,
}

#[derive(Default)]
pub(super) struct Running(Mutex<Table>);

/// A query's entry; dropped, it is forgotten.
pub(super) struct Ticket {
    running: Arc<Running>,
    query: QueryId,
    number: u64,
    canceled: CancellationToken,
}

impl Running {
    pub(super) fn enter(self: &Arc<Self>, query: QueryId) -> Ticket {
        let mut table = self.0.lock();
        table.next += 1;
        let number = table.next;
        let entry = Entry::default();
        let canceled = entry.canceled.clone();
        table.queries.entry(query).or_default().insert(number, entry);
        Ticket { running: self.clone(), query, number, canceled }
    }

    /// Cancels all that a query does here; returns when the engine was told.
    pub(super) async fn cancel(&self, query: QueryId) {
        let sessions: Vec<_> = match self.0.lock().queries.get(&query) {
            None => return,
            Some(entries) => entries
                .values()
                .flat_map(|e| {
                    e.canceled.cancel();
                    e.sessions.iter().filter_map(Weak::upgrade)
                })
                .collect(),
        };
        join_all(sessions.iter().map(|s| s.cancel())).await;
    }
}

impl Ticket {
    /// Runs what comes before there is a session; a cancel ends it.
    pub(super) async fn until_canceled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.canceled
            .run_until_cancelled(work)
            .await
            .unwrap_or_else(|| Err(Error::new(state::QUERY_CANCELED, "canceling statement due to user request")))
    }

    /// From now on a cancel reaches the session. One that came just before reaches it now.
    pub(super) async fn attach(&self, session: &Arc<dyn EngineSession>) {
        if let Some(entry) = self.running.0.lock().queries.get_mut(&self.query).and_then(|e| e.get_mut(&self.number)) {
            entry.sessions.push(Arc::downgrade(session));
        }
        if self.canceled.is_cancelled() {
            session.cancel().await;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.running.0.lock();
        if let Some(entries) = table.queries.get_mut(&self.query) {
            entries.remove(&self.number);
            if entries.is_empty() {
                table.queries.remove(&self.query);
            }
        }
    }
}
