//! The rows of a query, as its reader gets them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use futures::future::join_all;
use futures::{Future, Stream};
use parking_lot::Mutex;
use planner::{Error, Result};
use tokio::sync::mpsc;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::measure::{FragmentMeasure, Measurements, Meter, OperatorMeasure, measure_operators};
use super::relation::Delivery;
use super::run::RunState;

/// What a run writes down for its measurements.
#[derive(Default)]
pub(super) struct Notes {
    pub meters: Mutex<Vec<Arc<Meter>>>,
    pub operators: Mutex<Operators>,
}

#[derive(Default)]
pub(super) enum Operators {
    /// DataFusion was not asked.
    #[default]
    None,
    Running(Arc<dyn ExecutionPlan>),
    Ended(Vec<OperatorMeasure>),
}

impl Notes {
    fn fragments(&self) -> Vec<FragmentMeasure> {
        let mut fragments: Vec<_> = self.meters.lock().iter().map(|m| m.read()).collect();
        fragments.sort_by_key(|f| f.fragment);
        fragments
    }

    /// Reads the operators' metrics and lets go of the operators: some keep what they built as long as they live.
    pub fn end(&self) {
        let mut operators = self.operators.lock();
        if let Operators::Running(plan) = &*operators {
            *operators = Operators::Ended(measure_operators(plan));
        }
    }
}

/// A look at a query that runs elsewhere in this process.
#[derive(Clone)]
pub struct Watcher(Arc<Notes>);

impl Watcher {
    /// The fragments that have been asked for, as far as they are.
    pub fn fragments(&self) -> Vec<FragmentMeasure> {
        self.0.fragments()
    }
}

/// A running query. It ends with its last row or its first error; dropping it earlier stops all of its work at once.
pub struct QueryStream {
    schema: SchemaRef,
    receiver: mpsc::Receiver<Delivery>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    state: Arc<RunState>,
    notes: Arc<Notes>,
    started: Instant,
    rows: u64,
    /// Seconds from start to end, once it has ended.
    ended: Option<f64>,
}

impl QueryStream {
    pub(super) fn new(
        schema: SchemaRef,
        receiver: mpsc::Receiver<Delivery>,
        state: Arc<RunState>,
        notes: Arc<Notes>,
    ) -> Self {
        let stopped = Box::pin(state.stop.clone().cancelled_owned());
        Self { schema, receiver, stopped, state, notes, started: Instant::now(), rows: 0, ended: None }
    }

    pub fn watcher(&self) -> Watcher {
        Watcher(self.notes.clone())
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What was measured so far; complete when the stream has ended.
    pub fn measurements(&self) -> Measurements {
        Measurements {
            fragments: self.notes.fragments(),
            operators: match &*self.notes.operators.lock() {
                Operators::None => Vec::new(),
                Operators::Running(plan) => measure_operators(plan),
                Operators::Ended(measured) => measured.clone(),
            },
            rows: self.rows,
            seconds: self.ended.unwrap_or_else(|| self.started.elapsed().as_secs_f64()),
        }
    }

    /// Waits a moment for what sites elsewhere have to tell of the query after its end.
    pub async fn told(&self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let meters = self.notes.meters.lock().clone();
        let _ = tokio::time::timeout(PATIENCE, join_all(meters.iter().map(|meter| meter.told()))).await;
    }

    fn end(&mut self) {
        self.ended = Some(self.started.elapsed().as_secs_f64());
        self.receiver.close();
        while self.receiver.try_recv().is_ok() {}
    }
}

impl Stream for QueryStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended.is_some() {
            return Poll::Ready(None);
        }
        let delivery = match self.stopped.as_mut().poll(cx) {
            Poll::Ready(()) => None,
            Poll::Pending => ready!(self.receiver.poll_recv(cx)),
        };
        match delivery {
            Some(Delivery::Batch(parcel)) => {
                self.rows += parcel.batch.num_rows() as u64;
                Poll::Ready(Some(Ok(parcel.batch)))
            }
            Some(Delivery::End) => {
                self.end();
                Poll::Ready(None)
            }
            None => {
                self.end();
                let lost = || Error::internal("a query ended without a result");
                Poll::Ready(Some(Err(self.state.error().cloned().unwrap_or_else(lost))))
            }
        }
    }
}

impl Drop for QueryStream {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.state.stop.cancel();
        }
    }
}
