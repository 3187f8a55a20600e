//! What a query of a gateway has at one source of this site: its permits, its session, the tickets of its steps.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use cost_model::{QueryId, SourceId};
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::{EngineSession, SessionRequest};
use crate::site::Lease;
use crate::wire::Ticket;

type Opened = Option<Result<Arc<dyn EngineSession>>>;

pub struct Held {
    pub source: SourceId,
    pub request: SessionRequest,
    /// The lease was given back, or its gateway is gone.
    pub stop: CancellationToken,
    lease: OnceLock<Arc<dyn Lease>>,
    session: watch::Sender<Opened>,
    tickets: Mutex<Vec<Ticket>>,
    /// The session cannot send two results at once.
    one_by_one: AtomicBool,
    /// The end of the statement that was asked for last.
    last: Mutex<CancellationToken>,
}

/// A statement's place in the line of its session. The next one's turn comes when it is dropped.
pub struct Turn {
    before: Option<CancellationToken>,
    _mine: DropGuard,
}

impl Turn {
    pub async fn come(&self) {
        if let Some(before) = &self.before {
            before.cancelled().await;
        }
    }
}

impl Held {
    pub fn new(source: SourceId, request: SessionRequest, stop: CancellationToken) -> Self {
        let last = CancellationToken::new();
        last.cancel();
        Self {
            source,
            request,
            stop,
            lease: OnceLock::new(),
            session: watch::Sender::new(None),
            tickets: Mutex::default(),
            one_by_one: AtomicBool::new(false),
            last: Mutex::new(last),
        }
    }

    pub fn query(&self) -> QueryId {
        self.request.query
    }

    pub fn grant(&self, lease: Arc<dyn Lease>, one_by_one: bool) {
        let _ = self.lease.set(lease);
        self.one_by_one.store(one_by_one, Ordering::Relaxed);
    }

    /// Puts a statement in line, in the order in which it was asked for.
    pub fn turn(&self) -> Turn {
        let mine = CancellationToken::new();
        let before = std::mem::replace(&mut *self.last.lock(), mine.clone());
        Turn { before: self.one_by_one.load(Ordering::Relaxed).then_some(before), _mine: mine.drop_guard() }
    }

    /// Opens the session; whoever waits for it gets it, or the reason why there is none.
    pub async fn open(&self, snapshot: bool) {
        let opening = async {
            let lease = self.lease.get().cloned();
            let lease = lease.ok_or_else(|| Error::internal("a session was opened without its lease"))?;
            let request = SessionRequest { snapshot, connections: lease.connections(), ..self.request.clone() };
            lease.open(request).await
        };
        let opened = self.stop.run_until_cancelled(opening).await.unwrap_or_else(|| Err(given_up()));
        self.session.send_replace(Some(opened));
    }

    pub async fn session(&self) -> Result<Arc<dyn EngineSession>> {
        let mut opened = self.session.subscribe();
        let opened = opened.wait_for(Option::is_some).await.map_err(|_| given_up())?;
        opened.clone().unwrap_or_else(|| Err(given_up()))
    }

    pub fn add(&self, ticket: Ticket) {
        self.tickets.lock().push(ticket);
    }

    pub fn tickets(&self) -> Vec<Ticket> {
        self.tickets.lock().clone()
    }

    /// Stops what runs, at the engine too.
    pub async fn cancel(&self) {
        self.stop.cancel();
        let session = self.session.borrow().clone();
        if let Some(Ok(session)) = session {
            session.cancel().await;
        }
    }
}

pub fn given_up() -> Error {
    Error::new(state::QUERY_CANCELED, "canceling statement because its gateway has given it up")
}
