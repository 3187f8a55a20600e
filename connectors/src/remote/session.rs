//! A query's permits and session at a source elsewhere.
//!
//! Taking permits is one round trip; opening the session, asking for a scan and fetching its rows together are one more: the
//! ticket is made up here, so nothing has to be waited for in between.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use cost_model::{QueryId, SourceId};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use planner::{Error, Result};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::fetch::{self, Fetch, Supply};
use super::site::{Connected, RemoteSite, Shared};
use crate::engine::{EngineSession, ScanRequest, SessionRequest};
use crate::site::{Lease, row_width};
use crate::step::{Made, Produced, Step};
use crate::wire::proto::{self, from_gateway, reply, request};
use crate::wire::{Ticket, compression, malformed};

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
    /// `None` if it should not wait, and none is free.
    pub async fn take(
        site: RemoteSite,
        source: &SourceId,
        request: &SessionRequest,
        wait: bool,
    ) -> Result<Option<Self>> {
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
            no_wait: !wait,
        });
        match shared.call(call).await? {
            reply::Result::Granted(granted) if granted.connections == 0 => Ok(None),
            reply::Result::Granted(granted) => {
                lease.connections = granted.connections as usize;
                lease.concurrent_scans = granted.concurrent_scans;
                Ok(Some(lease))
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

impl RemoteSession {
    fn shared(&self) -> &Arc<Shared> {
        self.lease.shared()
    }

    fn lost_token(&self) -> &CancellationToken {
        &self.lease.connected.lost
    }

    /// Asks for a step, without waiting for anything.
    fn ask(&self, ticket: Ticket, step: Step) -> Result<()> {
        if self.lost_token().is_cancelled() {
            return Err(self.shared().lost());
        }
        let compression = compression(self.shared().dialer.options.link.as_ref());
        let scan = proto::Scan::new(self.lease.number, ticket, compression, step)?;
        self.shared().tell(from_gateway::Message::Scan(scan));
        Ok(())
    }

    async fn fetch(
        &self,
        ticket: Ticket,
        schema: SchemaRef,
        supply: Supply,
        bytes: Option<f64>,
    ) -> Result<SendableRecordBatchStream> {
        let (progress, lost) = (Arc::default(), self.lost_token().clone());
        let fetch = Fetch { ticket, schema: schema.clone(), supply, bytes, compression: None, progress, lost };
        let rows = fetch::fetch(&self.shared().channels, fetch).await?;
        // The site keeps what it has for the lease as long as somebody reads.
        let lease = self.lease.clone();
        let rows = rows.inspect(move |_| {
            let _ = &lease;
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

#[async_trait]
impl EngineSession for RemoteSession {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        Ok(self.step(Step::alone(request)).await?.0)
    }

    fn concurrent_scans(&self) -> bool {
        self.lease.concurrent_scans
    }

    async fn cancel(&self) {
        let query = self.lease.query.0.as_bytes().to_vec();
        self.shared().tell(from_gateway::Message::CancelQuery(proto::CancelQuery { query }));
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    async fn step(&self, step: Step) -> Result<(SendableRecordBatchStream, Option<Produced>)> {
        let (schema, ticket) = (step.scan.schema.clone(), Ticket::random());
        let bytes = step.scan.estimated_rows.map(|rows| rows * row_width(&schema) as f64);
        // Its filters are told of.
        let produced = match step.filters.is_empty() {
            true => {
                self.ask(ticket, step)?;
                None
            }
            false => Some(self.produce(ticket, step)?),
        };
        Ok((self.fetch(ticket, schema, Supply::Piped, bytes).await?, produced))
    }

    fn produce(&self, ticket: Ticket, step: Step) -> Result<Produced> {
        let (sender, made) = watch::channel(Made::default());
        self.shared().steps.lock().insert(ticket, sender);
        let produced = Produced::new(made, Watched { shared: self.shared().clone(), ticket });
        self.ask(ticket, step)?;
        Ok(produced)
    }

    async fn keys(&self, ticket: Ticket) -> Result<SendableRecordBatchStream> {
        self.fetch(ticket, crate::keys::schema(), Supply::Held { parts: 1 }, Some(0.0)).await
    }

    async fn lost(&self) -> Error {
        self.lost_token().cancelled().await;
        self.shared().lost()
    }
}

/// Ends the interest in a step's progress.
struct Watched {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.shared.steps.lock().remove(&self.ticket);
    }
}
