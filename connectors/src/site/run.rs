//! What a running query is given, and what all of its tasks share.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use cost_model::{Clock, QueryId, SiteId, SourceId};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use parking_lot::Mutex;
use planner::catalog::{EngineKind, SourceSchema};
use planner::error::state;
use planner::{Error, PgType, Result};
use tokio_util::sync::CancellationToken;

use crate::connector::{ConnectorHandle, ConnectorLease, ConnectorStatus};
use crate::engine::{EngineSession, SessionRequest};
use crate::step::Peer;

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
    /// Takes up to the requested number of a source's connections, waiting for one and taking what else is free. Apart from
    /// opening the session, so that no query holds a connection while it waits for another source.
    async fn lease(&self, source: &SourceId, request: &SessionRequest) -> Result<Arc<dyn Lease>>;

    /// The same without waiting for one; `None`: none is free.
    async fn try_lease(&self, _: &SourceId, _: &SessionRequest) -> Result<Option<Arc<dyn Lease>>> {
        Ok(None)
    }

    /// The first site, as the second one reaches it; `None` where no rows go that way.
    fn peer(&self, _from: &SiteId, _to: &SiteId) -> Option<Peer> {
        None
    }
}

/// A query's right to use a source, held until it is dropped with the session opened by it.
#[async_trait]
pub trait Lease: Send + Sync + 'static {
    /// Connections granted: one to as many as were asked for.
    fn connections(&self) -> usize;

    async fn open(self: Arc<Self>, request: SessionRequest) -> Result<Arc<dyn EngineSession>>;
}

#[async_trait]
impl Lease for ConnectorLease {
    fn connections(&self) -> usize {
        ConnectorLease::connections(self)
    }

    async fn open(self: Arc<Self>, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        ConnectorLease::open(&self, request).await
    }
}

/// A source as queries use it, whether its connector is in this process or at a site elsewhere.
#[async_trait]
pub trait SourceHandle: Send + Sync + 'static {
    fn kind(&self) -> EngineKind;

    /// Tables, columns, keys, statistics.
    async fn introspect(&self) -> Result<SourceSchema>;

    /// Names and types of a statement's result.
    async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>>;

    /// Rows that the source's optimiser expects a statement to return, if it has an idea and is not busy.
    async fn estimate(&self, sql: &str) -> Result<Option<f64>>;

    /// See [`Sources::lease`].
    async fn lease(&self, request: &SessionRequest) -> Result<Arc<dyn Lease>>;

    /// See [`Sources::try_lease`].
    async fn try_lease(&self, request: &SessionRequest) -> Result<Option<Arc<dyn Lease>>>;

    fn status(&self) -> ConnectorStatus;
}

#[async_trait]
impl SourceHandle for ConnectorHandle {
    fn kind(&self) -> EngineKind {
        Self::kind(self)
    }

    async fn introspect(&self) -> Result<SourceSchema> {
        Self::introspect(self).await
    }

    async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>> {
        Self::describe(self, sql).await
    }

    async fn estimate(&self, sql: &str) -> Result<Option<f64>> {
        Self::estimate(self, sql).await
    }

    async fn lease(&self, request: &SessionRequest) -> Result<Arc<dyn Lease>> {
        Ok(Self::lease(self, request).await?)
    }

    async fn try_lease(&self, request: &SessionRequest) -> Result<Option<Arc<dyn Lease>>> {
        Ok(Self::try_lease(self, request)?.map(|lease| lease as Arc<dyn Lease>))
    }

    fn status(&self) -> ConnectorStatus {
        Self::status(self)
    }
}

#[async_trait]
impl Sources for HashMap<SourceId, Arc<dyn SourceHandle>> {
    async fn lease(&self, source: &SourceId, request: &SessionRequest) -> Result<Arc<dyn Lease>> {
        self.get(source).ok_or_else(|| unknown(source))?.lease(request).await
    }

    async fn try_lease(&self, source: &SourceId, request: &SessionRequest) -> Result<Option<Arc<dyn Lease>>> {
        self.get(source).ok_or_else(|| unknown(source))?.try_lease(request).await
    }
}

fn unknown(source: &SourceId) -> Error {
    Error::internal(format!("there is no connector for source \"{source}\""))
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
    leases: Vec<Arc<dyn Lease>>,
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

    pub fn keep_lease(&self, lease: Arc<dyn Lease>) {
        self.sessions.lock().leases.push(lease);
    }

    /// Gives sessions, then permits back.
    pub fn release(&self) {
        let sessions = std::mem::take(&mut *self.sessions.lock());
        drop(sessions.open);
        drop(sessions.leases);
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
        let open = state.sessions.lock().open.clone();
        work.abort();
        futures::future::join_all(open.iter().map(|s| s.cancel())).await;
    }
}

fn canceled(why: &str) -> Error {
    Error::new(state::QUERY_CANCELED, format!("canceling statement due to {why}"))
}
