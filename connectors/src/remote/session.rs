//! A query's permits and session at a source elsewhere.
//!
//! Taking permits is one round trip; opening the session, asking for a scan and fetching its rows together are one more: the
//! ticket is made up here, so nothing has to be waited for in between.

use std::sync::Arc;

use async_trait::async_trait;
use cost_model::{QueryId, SourceId};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use planner::Result;

use super::fetch::{self, Fetch, Supply};
use super::site::{Connected, RemoteSite, Shared};
use crate::engine::{EngineSession, ScanRequest, SessionRequest};
use crate::site::Lease;
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
        let compression = compression(shared.dialer.options.link.as_ref());
        let scan = proto::Scan::new(self.lease.number, ticket, compression, request)?;
        shared.tell(from_gateway::Message::Scan(scan));
        let fetch = Fetch {
            ticket,
            schema: schema.clone(),
            supply: Supply::Piped,
            compression: None,
            progress: Arc::default(),
            lost: lost.clone(),
        };
        let rows = fetch::fetch(&shared.channels, fetch).await?;
        // The site keeps what it has for the lease as long as somebody reads.
        let lease = self.lease.clone();
        let rows = rows.inspect(move |_| {
            let _ = &lease;
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn concurrent_scans(&self) -> bool {
        self.lease.concurrent_scans
    }

    async fn cancel(&self) {
        let query = self.lease.query.0.as_bytes().to_vec();
        self.lease.shared().tell(from_gateway::Message::CancelQuery(proto::CancelQuery { query }));
    }
}
