//! A session in a query's hands: it keeps the permits, is found by a cancel, and tells the actor when a connection breaks.

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

use super::budget::Permits;
use super::running::Ticket;
use super::shared::Shared;
use crate::engine::{EngineSession, ScanRequest};

/// What a query holds of a source; the session and each of its streams keep it.
struct Lease {
    shared: Arc<Shared>,
    _permits: Permits,
    _ticket: Ticket,
}

pub(super) struct TrackedSession {
    inner: Arc<dyn EngineSession>,
    lease: Arc<Lease>,
}

impl TrackedSession {
    pub async fn new(inner: Arc<dyn EngineSession>, shared: Arc<Shared>, permits: Permits, ticket: Ticket) -> Self {
        ticket.attach(&inner).await;
        Self { inner, lease: Arc::new(Lease { shared, _permits: permits, _ticket: ticket }) }
    }
}

/// Counts a statement while it runs.
struct Statement(Arc<Lease>);

impl Statement {
    fn start(lease: &Arc<Lease>) -> Self {
        lease.shared.statements.fetch_add(1, Ordering::Relaxed);
        Self(lease.clone())
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        self.0.shared.statements.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl EngineSession for TrackedSession {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let statement = Statement::start(&self.lease);
        let inner = self.inner.scan(request).await.inspect_err(|e| self.lease.shared.report(e))?;
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
                statement.0.shared.report(&error);
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
