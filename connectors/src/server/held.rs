//! What a query of a gateway has at one source of this site: its permits, its session, the tickets of its scans.

use std::sync::Arc;
use std::sync::OnceLock;

use cost_model::QueryId;
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::engine::{EngineSession, SessionRequest};
use crate::site::Lease;
use crate::wire::Ticket;

type Opened = Option<Result<Arc<dyn EngineSession>>>;

pub struct Held {
    pub request: SessionRequest,
    /// The lease was given back, or its gateway is gone.
    pub stop: CancellationToken,
    lease: OnceLock<Arc<dyn Lease>>,
    session: watch::Sender<Opened>,
    tickets: Mutex<Vec<Ticket>>,
}

impl Held {
    pub fn new(request: SessionRequest, stop: CancellationToken) -> Self {
        Self { request, stop, lease: OnceLock::new(), session: watch::Sender::new(None), tickets: Mutex::default() }
    }

    pub fn query(&self) -> QueryId {
        self.request.query
    }

    pub fn grant(&self, lease: Arc<dyn Lease>) {
        let _ = self.lease.set(lease);
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
