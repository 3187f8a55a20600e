//! The result of a fragment on its way into the shell.
//!
//! *Piped*: one consumer, read while the engine still sends. *Held* ([`crate::exchange`]): read to its end whoever wants it, and
//! by them as often as wanted. A relation is held if its engine cannot send it beside another one of the query (two streams over one
//! connection, each waiting for the other's consumer, would never end), or if the shell reads it more than once.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};
use tokio::sync::mpsc;

use super::run::Parcel;
use crate::exchange::{HeldRelation, producer_failed};

/// Batches that wait between an engine and its consumer.
pub(super) const CHANNEL: usize = 2;

/// What travels from a producer: batches, then `End`. A channel that closes without it belongs to a producer that failed.
pub(super) enum Delivery {
    Batch(Parcel),
    End,
}

/// How the shell gets a fragment's rows.
pub(super) enum Relation {
    Piped(Mutex<Option<mpsc::Receiver<Delivery>>>),
    Held(Arc<HeldRelation>),
}

impl fmt::Debug for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Piped(_) => "piped",
            Self::Held(_) => "held",
        })
    }
}

impl Relation {
    pub fn piped() -> (mpsc::Sender<Delivery>, Arc<Self>) {
        let (tx, rx) = mpsc::channel(CHANNEL);
        (tx, Arc::new(Self::Piped(Mutex::new(Some(rx)))))
    }

    /// The rows, from the first one.
    pub fn rows(&self, schema: SchemaRef) -> DfResult<SendableRecordBatchStream> {
        match self {
            Self::Piped(receiver) => {
                let receiver = receiver.lock().take().ok_or_else(|| {
                    // Only a join that ran out of memory reads its input again.
                    Error::new(state::OUT_OF_MEMORY, "out of memory")
                        .with_detail("One side of a join without equality keys does not fit in memory.")
                })?;
                Ok(Box::pin(RecordBatchStreamAdapter::new(schema, deliveries(receiver).map_err(DataFusionError::from))))
            }
            Self::Held(held) => Ok(held.rows()),
        }
    }
}

/// The batches of a channel; it must end in order.
pub(super) fn deliveries(receiver: mpsc::Receiver<Delivery>) -> impl Stream<Item = Result<RecordBatch>> + Send {
    futures::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Delivery::Batch(parcel)) => Some((Ok(parcel.batch), Some(receiver))),
            Some(Delivery::End) => None,
            None => Some((Err(producer_failed()), None)),
        }
    })
    .boxed()
}
