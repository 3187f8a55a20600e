//! The relations that a step reads, as sources of the plan that the step is.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use cost_model::{Link, SourceId};
use datafusion::execution::SendableRecordBatchStream;
use planner::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::Site;
use crate::engine::{EngineSession, ScanRequest, SessionRequest};
use crate::exchange::{Claimed, Portion};
use crate::remote::{Fetch, Supply, fetch};
use crate::site::{Lease, Sources, input_source, row_width};
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
        let Input { origin, ticket, estimated_rows, .. } = &self.input;
        open(&self.site, origin, *ticket, request.schema, *estimated_rows, &self.stop).await
    }

    fn concurrent_scans(&self) -> bool {
        true
    }

    /// Its producer is told by the gateway.
    async fn cancel(&self) {}
}

/// What one connection has under way at most: an operating system gives it buffers of some megabytes, whatever HTTP/2 allows.
const IN_FLIGHT: f64 = (4 << 20) as f64;
const MOST_STREAMS: f64 = 8.0;
/// Fewer rows have arrived before more connections are up to speed.
const WORTH_STREAMS: f64 = 100_000.0;

/// Connections to fetch a relation over: as many as it takes to fill the path.
fn streams(link: Option<&Link>, rows: Option<f64>) -> u32 {
    let path = link.map_or(0.0, |link| link.bandwidth * link.rtt);
    match rows.is_none_or(|rows| rows >= WORTH_STREAMS) && path.is_finite() {
        true => (path / IN_FLIGHT).ceil().clamp(1.0, MOST_STREAMS) as u32,
        false => 1,
    }
}

/// A held relation of this or another site, as soon as it is there.
pub async fn open(
    site: &Site,
    origin: &Origin,
    ticket: Ticket,
    schema: SchemaRef,
    estimated_rows: Option<f64>,
    stop: &CancellationToken,
) -> Result<SendableRecordBatchStream> {
    match origin {
        Origin::Here => Ok(match site.exchange.claim(ticket, Portion::ALL).await? {
            Claimed::Piped(rows) => rows.batches,
            Claimed::Held { relation, .. } => relation.rows(),
        }),
        Origin::Peer(peer) => {
            let bytes = estimated_rows.map(|rows| rows * row_width(&schema) as f64);
            let request = Fetch {
                ticket,
                schema,
                bytes,
                supply: Supply::Held { parts: streams(peer.link.as_ref(), estimated_rows) },
                compression: Some(compression(peer.link.as_ref())),
                progress: Arc::default(),
                lost: stop.clone(),
            };
            fetch(&site.peers.channels(peer)?, request).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_fat_paths_get_more_connections() {
        let on =
            |mbit: f64, rtt, rows| streams(Some(&Link { bandwidth: mbit * 1e6 / 8.0, rtt, price_per_gb: 0.0 }), rows);
        assert_eq!(on(100.0, 0.15, Some(1e6)), 1);
        assert_eq!(on(1000.0, 0.15, Some(1e6)), 5);
        assert_eq!(on(1000.0, 0.15, Some(1e3)), 1, "a few rows");
        assert_eq!(on(10_000.0, 0.2, None), 8);
        assert_eq!((streams(None, None), streams(Some(&Link::LOCAL), None)), (1, 1));
    }
}
