//! The result of a fragment on its way into the shell.
//!
//! *Piped*: one consumer, read while the engine still sends. *Held*: read to its end first, in memory or on disk, and then as
//! often as wanted. A relation is held if its engine cannot send it beside another one of the query (two streams over one
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
use tokio::sync::{mpsc, watch};

use super::held::Held;
use super::run::Parcel;

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
    Held(watch::Receiver<Option<Arc<Held>>>),
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

    pub fn held() -> (watch::Sender<Option<Arc<Held>>>, Arc<Self>) {
        let (tx, rx) = watch::channel(None);
        (tx, Arc::new(Self::Held(rx)))
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
            Self::Held(ready) => {
                let sealed = sealed(ready.clone());
                let sealed = async move { sealed.await?.rows() };
                Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(sealed).try_flatten())))
            }
        }
    }
}

/// Waits for a held relation's last row.
pub(super) async fn sealed(mut ready: watch::Receiver<Option<Arc<Held>>>) -> Result<Arc<Held>> {
    let held = ready.wait_for(Option::is_some).await.ok().and_then(|held| held.clone());
    held.ok_or_else(producer_failed)
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

/// Follows from the producer's own error, which the query has by then: the client never sees this one.
fn producer_failed() -> Error {
    Error::internal("a relation's producer ended early")
}
