//! What a running query is given, and what all of its tasks share.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use cost_model::{Clock, QueryId, SourceId};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};
use tokio_util::sync::CancellationToken;

use crate::engine::{EngineSession, SessionRequest};

/// Who runs a query, and until when.
#[derive(Clone, Debug)]
pub struct QueryRun {
    pub query: QueryId,
    pub principal: Arc<str>,
    /// When `statement_timeout` ends it, on the injected clock.
    pub deadline: Option<Duration>,
    /// The client's cancel.
    pub cancel: CancellationToken,
}

/// The connectors of a site, as its compute sees them.
#[async_trait]
pub trait Sources: Send + Sync + 'static {
    /// Takes up to `connections` of a source's permits, all at once, waiting for as long as none is free. Never waits for more
    /// than one. Held until the lease is dropped.
    async fn lease(&self, source: &SourceId, request: SessionRequest) -> Result<Lease>;
}

/// A query's right to use a source.
pub struct Lease {
    /// Connections granted: 1 to those asked for.
    pub connections: usize,
    pub opener: Arc<dyn OpenSession>,
    /// The permits.
    pub guard: Box<dyn Any + Send + Sync>,
}

/// Opens the one session of a query at a source. Apart from taking the lease, so that no query holds a connection while it
/// waits for permits elsewhere.
#[async_trait]
pub trait OpenSession: Send + Sync + 'static {
    async fn open(&self, request: SessionRequest) -> Result<Arc<dyn EngineSession>>;
}

/// Tables that the gateway itself makes (`pg_catalog`, `narrows`), as they are when the query runs.
#[async_trait]
pub trait SystemTables: Send + Sync + 'static {
    /// All rows, in the table's schema, that this principal may see.
    async fn rows(&self, schema: &str, name: &str, principal: &str) -> Result<Vec<RecordBatch>>;
}

/// What the tasks of one query share: its end, its sessions, its memory.
pub(super) struct RunState {
    pub run: QueryRun,
    pub pool: Arc<dyn MemoryPool>,
    /// Set when the query must end early: failed, cancelled, timed out, or its reader went away.
    pub stop: CancellationToken,
    /// Set when all its work has ended by itself.
    pub done: CancellationToken,
    error: OnceLock<Error>,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    open: Vec<Arc<dyn EngineSession>>,
    leases: Vec<Box<dyn Any + Send + Sync>>,
}

impl RunState {
    pub fn new(run: QueryRun, pool: Arc<dyn MemoryPool>) -> Arc<Self> {
        Arc::new(Self {
            run,
            pool,
            stop: CancellationToken::new(),
            done: CancellationToken::new(),
            error: OnceLock::new(),
            sessions: Mutex::default(),
        })
    }

    /// Ends the query. The first error is the one the client gets: later ones follow from it.
    pub fn fail(&self, error: Error) {
        let _ = self.error.set(error);
        self.stop.cancel();
    }

    pub fn error(&self) -> Option<&Error> {
        self.error.get()
    }

    /// Keeps a session to be cancelled with the query. One that opened too late is cancelled at once.
    pub async fn keep(&self, session: Arc<dyn EngineSession>) {
        self.sessions.lock().open.push(session.clone());
        if self.stop.is_cancelled() {
            session.cancel().await;
        }
    }

    pub fn keep_lease(&self, lease: Box<dyn Any + Send + Sync>) {
        self.sessions.lock().leases.push(lease);
    }

    /// Gives sessions, then permits back.
    pub fn release(&self) {
        let sessions = std::mem::take(&mut *self.sessions.lock());
        drop(sessions.open);
        drop(sessions.leases);
    }

    async fn cancel_sessions(&self) {
        let open = self.sessions.lock().open.clone();
        futures::future::join_all(open.iter().map(|s| s.cancel())).await;
    }

    /// Accounts for a batch as long as it waits in a channel. Never refused: channels are short, and an operator that can
    /// spill may have taken all there is.
    pub fn parcel(&self, batch: RecordBatch) -> Parcel {
        let reserved = MemoryConsumer::new("batches on their way").register(&self.pool);
        reserved.grow(batch.get_array_memory_size());
        Parcel { batch, _reserved: reserved }
    }
}

/// A batch under way, with its memory.
pub(super) struct Parcel {
    pub batch: RecordBatch,
    _reserved: MemoryReservation,
}

/// Watches over a query from outside the compute threads: cancel, deadline and a reader that left reach the engines at once,
/// however busy those threads are.
pub(super) async fn watch(state: Arc<RunState>, work: tokio::task::AbortHandle, clock: Arc<dyn Clock>) {
    let deadline = async {
        match state.run.deadline {
            Some(at) => tokio::time::sleep(at.saturating_sub(clock.now())).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = state.done.cancelled() => {}
        () = state.stop.cancelled() => {}
        () = state.run.cancel.cancelled() => state.fail(canceled("user request")),
        () = deadline => state.fail(canceled("statement timeout")),
    }
    if !state.done.is_cancelled() {
        state.cancel_sessions().await;
        work.abort();
    }
}

fn canceled(why: &str) -> Error {
    Error::new(state::QUERY_CANCELED, format!("canceling statement due to {why}"))
}
