//! What a query took: for EXPLAIN ANALYZE, and for the cost model that learns from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use cost_model::SourceId;
use datafusion::physical_plan::{ExecutionPlan, displayable};

use crate::exchange::batch_bytes;
use crate::step::{Made, Produced};

/// One fragment, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct FragmentMeasure {
    /// Index into `QueryPlan::fragments`.
    pub fragment: usize,
    pub source: SourceId,
    pub rows: u64,
    /// Bytes of Arrow data.
    pub bytes: u64,
    /// From asking the engine to the last row; `None` if it was not read to its end.
    pub seconds: Option<f64>,
    /// From asking the engine to the first batch.
    pub first_row_seconds: Option<f64>,
    /// Connections the query held at the source.
    pub connections: usize,
    /// It was read whole before the shell started on it.
    pub held: bool,
    /// Bytes of it that went to disk.
    pub spilled_bytes: u64,
    /// For each of its key filters the keys that were sent; `None`: too many.
    pub keys: Vec<Option<usize>>,
}

/// One operator of the shell.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorMeasure {
    /// 0 for the root.
    pub depth: usize,
    /// Name and details in one line.
    pub text: String,
    pub rows: Option<u64>,
    /// Time spent computing, summed over threads.
    pub seconds: Option<f64>,
    pub spilled_bytes: u64,
}

/// All that was measured of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    pub fragments: Vec<FragmentMeasure>,
    /// In the order of a printed plan; empty if the query was one fragment that streamed straight through.
    pub operators: Vec<OperatorMeasure>,
    pub rows: u64,
    /// From start to the last row.
    pub seconds: f64,
}

/// Counts a fragment while it is read.
#[derive(Debug)]
pub(super) struct Meter {
    fragment: usize,
    source: SourceId,
    connections: usize,
    held: bool,
    started: Instant,
    rows: AtomicU64,
    bytes: AtomicU64,
    /// Nanoseconds after `started`, 0 if it has not happened.
    first: AtomicU64,
    last: AtomicU64,
    pub spilled: AtomicU64,
    keys: Vec<KeysSent>,
    elsewhere: OnceLock<Elsewhere>,
}

/// The keys of one of its filters.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeysSent {
    /// So many are in its statement; `None`: too many.
    Here(Option<usize>),
    /// Its site gets them.
    Elsewhere,
}

/// What a site elsewhere tells of a fragment.
#[derive(Debug)]
enum Elsewhere {
    /// It has the rows: none of them are counted here.
    Rows(Produced),
    /// The filters alone.
    Filters(Produced),
}

impl Meter {
    pub fn start(fragment: usize, source: SourceId, connections: usize, held: bool, keys: Vec<KeysSent>) -> Arc<Self> {
        Arc::new(Self {
            fragment,
            source,
            connections,
            held,
            started: Instant::now(),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            first: AtomicU64::new(0),
            last: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
            keys,
            elsewhere: OnceLock::new(),
        })
    }

    /// Its rows stay elsewhere.
    pub fn made_by(&self, produced: Produced) {
        let _ = self.elsewhere.set(Elsewhere::Rows(produced));
    }

    /// Its site waits for the keys of some of its filters.
    pub fn filtered_by(&self, produced: Produced) {
        let _ = self.elsewhere.set(Elsewhere::Filters(produced));
    }

    /// Until its site has told all there is to tell.
    pub async fn told(&self) {
        if let Some(Elsewhere::Rows(produced)) = self.elsewhere.get() {
            produced.done().await;
        }
    }

    fn elapsed(&self) -> u64 {
        (self.started.elapsed().as_nanos() as u64).max(1)
    }

    pub fn count(&self, batch: &RecordBatch) {
        self.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(batch_bytes(batch), Ordering::Relaxed);
        let _ = self.first.compare_exchange(0, self.elapsed(), Ordering::Relaxed, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.last.store(self.elapsed(), Ordering::Relaxed);
    }

    pub fn read(&self) -> FragmentMeasure {
        let seconds = |nanos: &AtomicU64| match nanos.load(Ordering::Relaxed) {
            0 => None,
            n => Some(Duration::from_nanos(n).as_secs_f64()),
        };
        let (made, elsewhere) = match self.elsewhere.get() {
            Some(Elsewhere::Rows(produced)) => (produced.made(), true),
            Some(Elsewhere::Filters(produced)) => (produced.made(), false),
            None => (Made::default(), false),
        };
        // In the order of the filters: its site knows those that were not known here.
        let mut later = made.keys.into_iter();
        let keys = self.keys.iter().map(|keys| match keys {
            KeysSent::Here(keys) => *keys,
            KeysSent::Elsewhere => later.next().flatten(),
        });
        let keys = keys.collect();
        if elsewhere {
            return FragmentMeasure {
                fragment: self.fragment,
                source: self.source.clone(),
                rows: made.rows,
                bytes: made.bytes,
                seconds: made.sealed.then_some(made.seconds),
                first_row_seconds: None,
                connections: self.connections,
                held: true,
                spilled_bytes: made.spilled_bytes,
                keys,
            };
        }
        FragmentMeasure {
            fragment: self.fragment,
            source: self.source.clone(),
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            seconds: seconds(&self.last),
            first_row_seconds: seconds(&self.first),
            connections: self.connections,
            held: self.held,
            spilled_bytes: self.spilled.load(Ordering::Relaxed),
            keys,
        }
    }
}

/// The operators of a plan that runs or has run.
pub(super) fn measure_operators(plan: &Arc<dyn ExecutionPlan>) -> Vec<OperatorMeasure> {
    let mut found = Vec::new();
    let mut todo = vec![(0, plan)];
    while let Some((depth, node)) = todo.pop() {
        let metrics = node.metrics();
        let metric =
            |get: fn(&datafusion::physical_plan::metrics::MetricsSet) -> Option<usize>| metrics.as_ref().and_then(get);
        found.push(OperatorMeasure {
            depth,
            text: displayable(node.as_ref()).one_line().to_string().trim_end().to_string(),
            rows: metric(|m| m.output_rows()).map(|r| r as u64),
            seconds: metric(|m| m.elapsed_compute()).map(|n| Duration::from_nanos(n as u64).as_secs_f64()),
            spilled_bytes: metric(|m| m.spilled_bytes()).unwrap_or(0) as u64,
        });
        todo.extend(node.children().into_iter().rev().map(|c| (depth + 1, c)));
    }
    found
}
