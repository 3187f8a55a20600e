//! A query's permits and session at a source elsewhere.
//!
//! Taking permits is one round trip; opening the session, asking for a scan and fetching its rows together are one more: the
//! ticket is made up here, so nothing has to be waited for in between.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use async_trait::async_trait;
use cost_model::{QueryId, SourceId};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt};
use planner::{Error, Result};

use super::channels::Taken;
use super::site::{Connected, RemoteSite, Shared};
use crate::engine::{EngineSession, ScanRequest, SessionRequest};
use crate::site::Lease;
use crate::wire::proto::{self, from_gateway, reply, request};
use crate::wire::{Ticket, from_status, malformed};

/// Permits at the site; given back when this is dropped, also while they are still waited for.
pub struct RemoteLease {
    site: RemoteSite,
    number: u64,
    query: QueryId,
    connections: usize,
    concurrent_scans: bool,
    connected: Arc<Connected>,
}

impl RemoteLease {
    pub async fn take(site: RemoteSite, source: &SourceId, request: &SessionRequest) -> Result<Self> {
        let shared = site.shared.clone();
        let number = shared.next_lease();
        let connected = shared.connected()?;
        let mut lease = Self { site, number, query: request.query, connections: 0, concurrent_scans: false, connected };
        let time_left = request.deadline.map(|at| at.saturating_sub(shared.clock.now()));
        let call = request::Call::Lease(proto::Lease {
            lease: number,
            source: source.to_string(),
            query: request.query.0.as_bytes().to_vec(),
            principal: request.principal.to_string(),
            connections: request.connections as u32,
            time_left_us: time_left.map(|left| left.as_micros() as u64),
        });
        match shared.call(call).await? {
            reply::Result::Granted(granted) => {
                lease.connections = granted.connections as usize;
                lease.concurrent_scans = granted.concurrent_scans;
                Ok(lease)
            }
            _ => Err(malformed("a reply")),
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.site.shared
    }
}

impl Drop for RemoteLease {
    fn drop(&mut self) {
        self.shared().tell(from_gateway::Message::Release(proto::Release { lease: self.number }));
    }
}

#[async_trait]
impl Lease for RemoteLease {
    fn connections(&self) -> usize {
        self.connections
    }

    async fn open(self: Arc<Self>, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        let open = proto::Open { lease: self.number, snapshot: request.snapshot };
        self.shared().tell(from_gateway::Message::Open(open));
        Ok(Arc::new(RemoteSession { lease: self }))
    }
}

struct RemoteSession {
    lease: Arc<RemoteLease>,
}

#[async_trait]
impl EngineSession for RemoteSession {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let (shared, lost) = (self.lease.shared(), &self.lease.connected.lost);
        if lost.is_cancelled() {
            return Err(shared.lost());
        }
        let (schema, ticket) = (request.schema.clone(), Ticket::random());
        let scan = proto::Scan::new(self.lease.number, ticket, proto::Compression::Lz4, request)?;
        shared.tell(from_gateway::Message::Scan(scan));
        let fetch = async {
            let taken = shared.channels.take().await?;
            let ticket = arrow_flight::Ticket { ticket: ticket.0.to_vec().into() };
            let got = taken.client().do_get(ticket).await.map_err(|status| ended(shared, &status))?;
            Ok((taken, got.into_inner()))
        };
        let fetched = lost.run_until_cancelled(fetch).await;
        let (taken, messages) = fetched.unwrap_or_else(|| Err(shared.lost()))?;
        let batches = FlightRecordBatchStream::new_from_flight_data(
            messages.map_err(|status| FlightError::Tonic(Box::new(status))),
        );
        let rows = rows(self.lease.clone(), taken, batches, schema.clone());
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows.map_err(DataFusionError::from))))
    }

    fn concurrent_scans(&self) -> bool {
        self.lease.concurrent_scans
    }

    async fn cancel(&self) {
        let query = self.lease.query.0.as_bytes().to_vec();
        self.lease.shared().tell(from_gateway::Message::CancelQuery(proto::CancelQuery { query }));
    }
}

/// Ends with an error as soon as the site is lost, whatever the rows' own connection says.
fn rows(
    lease: Arc<RemoteLease>,
    taken: Taken,
    mut batches: FlightRecordBatchStream,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    async_stream::try_stream! {
        loop {
            let batch = tokio::select! {
                biased;
                () = lease.connected.lost.cancelled() => Some(Err(lease.shared().lost())),
                batch = batches.next() => batch.map(|b| b.map_err(|error| failed(lease.shared(), error))),
            };
            let Some(batch) = batch else { break };
            let batch = batch?;
            if batch.schema_ref().fields().len() != schema.fields().len() {
                Err(malformed("a batch"))?;
            }
            yield batch;
        }
        taken.give_back();
    }
}

/// What the site said last, or that it could not say anything any more.
fn ended(shared: &Shared, status: &tonic::Status) -> Error {
    let said = from_status(status).map(|error| error.with_site(shared.site().clone()));
    said.unwrap_or_else(|| shared.lost().with_detail(status.message().to_string()))
}

fn failed(shared: &Shared, error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => ended(shared, &status),
        other => malformed("a batch").with_detail(other.to_string()),
    }
}
