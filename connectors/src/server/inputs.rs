//! The relations that a step reads, as sources of the plan that the step is.

use std::sync::Arc;

use async_trait::async_trait;
use cost_model::SourceId;
use datafusion::execution::SendableRecordBatchStream;
use planner::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::Site;
use crate::engine::{EngineSession, ScanRequest, SessionRequest};
use crate::exchange::{Claimed, Portion};
use crate::remote::{Fetch, Supply, fetch};
use crate::site::{Lease, Sources, input_source};
use crate::step::{Input, Origin};
use crate::wire::{Ticket, compression};

/// The step's inputs by their number.
pub struct Inputs {
    pub site: Arc<Site>,
    pub stop: CancellationToken,
    pub inputs: Vec<Input>,
}

#[async_trait]
impl Sources for Inputs {
    async fn lease(&self, source: &SourceId, _: &SessionRequest) -> Result<Arc<dyn Lease>> {
        let number = (0..self.inputs.len()).find(|number| input_source(*number) == *source);
        let input = number.map(|number| self.inputs[number].clone());
        let input = input.ok_or_else(|| Error::internal(format!("a step has no input {source}")))?;
        Ok(Arc::new(OneInput { site: self.site.clone(), stop: self.stop.clone(), input }))
    }
}

struct OneInput {
    site: Arc<Site>,
    stop: CancellationToken,
    input: Input,
}

#[async_trait]
impl Lease for OneInput {
    fn connections(&self) -> usize {
        1
    }

    async fn open(self: Arc<Self>, _: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        Ok(self)
    }
}

#[async_trait]
impl EngineSession for OneInput {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let Input { origin, ticket, .. } = &self.input;
        open(&self.site, origin, *ticket, request.schema, &self.stop).await
    }

    fn concurrent_scans(&self) -> bool {
        true
    }

    /// Its producer is told by the gateway.
    async fn cancel(&self) {}
}

/// A held relation of this or another site, as soon as it is there.
pub async fn open(
    site: &Site,
    origin: &Origin,
    ticket: Ticket,
    schema: arrow::datatypes::SchemaRef,
    stop: &CancellationToken,
) -> Result<SendableRecordBatchStream> {
    match origin {
        Origin::Here => Ok(match site.exchange.claim(ticket, Portion::ALL).await? {
            Claimed::Piped(rows) => rows.batches,
            Claimed::Held { relation, .. } => relation.rows(),
        }),
        Origin::Peer(peer) => {
            let request = Fetch {
                ticket,
                schema,
                supply: Supply::Held { parts: 1 },
                compression: Some(compression(peer.link.as_ref())),
                progress: Arc::default(),
                lost: stop.clone(),
            };
            fetch(&site.peers.channels(peer)?, request).await
        }
    }
}
