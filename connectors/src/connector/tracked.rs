//! A query's right to use a source, and the sessions it opens with it: they keep the permits, are found by a cancel, and tell the
//! actor when a connection breaks.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{Stream, ready};
use planner::{Error, Result};
use tokio_util::task::AbortOnDropHandle;

use super::actor::OpenSession;
use super::budget::Permits;
use super::handle::ConnectorHandle;
use super::running::Ticket;
use super::shared::Shared;
use crate::engine::{EngineSession, ScanRequest, SessionRequest};

/// Permits in a query's hands. They go back when this, all sessions opened with it and all their streams are dropped.
pub struct ConnectorLease {
    handle: ConnectorHandle,
    permits: Permits,
    ticket: Ticket,
}

impl ConnectorLease {
    pub(super) fn new(handle: ConnectorHandle, permits: Permits, ticket: Ticket) -> Self {
        Self { handle, permits, ticket }
    }

    /// Connections granted: one to as many as were asked for.
    pub fn connections(&self) -> usize {
        self.permits.count
    }

    /// Opens a session that may use the granted connections.
    pub async fn open(self: &Arc<Self>, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        let request = SessionRequest { connections: self.permits.count, ..request };
        let inner = self.ticket.until_canceled(self.session(request)).await?;
        self.ticket.attach(&inner).await;
        Ok(Arc::new(TrackedSession { inner, lease: self.clone() }))
    }

    /// Straight from the engine while its source is well, else by the actor, which may refuse or has news to learn.
    async fn session(&self, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        let Some(engine) = self.shared().healthy_engine() else {
            return self.handle.ask(OpenSession(request)).await;
        };
        let opening = self.shared().io.spawn(async move { engine.session(request).await });
        // Given up together with whoever waits for it.
        let opened = AbortOnDropHandle::new(opening).await;
        let opened = opened.unwrap_or_else(|panic| {
            let message = format!("the connector of source \"{}\" failed: {panic}", self.shared().source);
            Err(Error::internal(message).with_source_id(self.shared().source.clone()))
        });
        if let Err(error) = &opened {
            self.shared().learn(error).await;
        }
        opened
    }

    fn shared(&self) -> &Shared {
        self.handle.shared()
    }
}

struct TrackedSession {
    inner: Arc<dyn EngineSession>,
    lease: Arc<ConnectorLease>,
}

/// Counts a statement while it runs.
struct Statement(Arc<ConnectorLease>);

impl Statement {
    fn start(lease: &Arc<ConnectorLease>) -> Self {
        lease.shared().statements.fetch_add(1, Ordering::Relaxed);
        Self(lease.clone())
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        self.0.shared().statements.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl EngineSession for TrackedSession {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let statement = Statement::start(&self.lease);
        let inner = self.inner.scan(request).await.inspect_err(|e| self.lease.shared().report(e))?;
        Ok(Box::pin(TrackedStream { schema: inner.schema(), inner: Some((inner, statement)) }))
    }

    fn concurrent_scans(&self) -> bool {
        self.inner.concurrent_scans()
    }

    async fn cancel(&self) {
        self.inner.cancel().await;
    }
}

struct TrackedStream {
    schema: SchemaRef,
    /// The rows go first, then the permits: `None` once the stream has ended.
    inner: Option<(SendableRecordBatchStream, Statement)>,
}

impl Stream for TrackedStream {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some((stream, statement)) = &mut self.inner else { return Poll::Ready(None) };
        match ready!(stream.as_mut().poll_next(cx)) {
            Some(Ok(batch)) => Poll::Ready(Some(Ok(batch))),
            Some(Err(e)) => {
                let error = Error::from(e);
                statement.0.shared().report(&error);
                self.inner = None;
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                self.inner = None;
                Poll::Ready(None)
            }
        }
    }
}

impl RecordBatchStream for TrackedStream {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
