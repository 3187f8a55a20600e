//! Every query that is there right now, whatever it is doing: for `narrows.queries`, cancel, metrics and the slow log.

mod interrupt;

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connectors::site::{FragmentMeasure, Watcher};
use cost_model::{Clock, QueryId};
use dashmap::DashMap;
use metrics::{counter, histogram};
use parking_lot::RwLock;
use planner::error::SqlState;
use planner::plan::QueryPlan;

pub use interrupt::{Interrupt, Reason};

/// Longer texts are shown cut.
const SHOWN_TEXT: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    Planning = 0,
    /// Waits for admission.
    Queued = 1,
    /// Runs; no row has been sent.
    Running = 2,
    /// Rows are being sent.
    Sending = 3,
    /// The client has fetched a part and may fetch more.
    Suspended = 4,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planning => "planning",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Sending => "sending",
            Self::Suspended => "suspended",
        })
    }
}

/// Whose query it is.
#[derive(Clone, Debug)]
pub struct Origin {
    pub user: Arc<str>,
    pub database: Arc<str>,
    pub application: Arc<str>,
    pub client: Arc<str>,
    /// Backend process id as the client knows it.
    pub backend: i32,
}

/// A query's state as a row of `narrows.queries`.
#[derive(Clone, Debug)]
pub struct QueryInfo {
    pub id: QueryId,
    pub origin: Origin,
    pub text: Arc<str>,
    pub phase: Phase,
    /// µs since 1970-01-01 UTC.
    pub started_micros: i64,
    pub elapsed: Duration,
    pub rows_sent: u64,
}

struct Record {
    origin: Origin,
    text: Arc<str>,
    started: Duration,
    started_micros: i64,
    phase: AtomicU8,
    rows: AtomicU64,
    interrupt: Arc<Interrupt>,
    /// Once it runs: its plan, and how far it is.
    steps: OnceLock<(Arc<QueryPlan>, Watcher)>,
}

/// All queries of this gateway.
pub struct Queries {
    clock: Arc<dyn Clock>,
    running: DashMap<QueryId, Arc<Record>>,
    /// Queries that take longer are logged.
    slow: RwLock<Option<Duration>>,
}

/// A query's place among all of them; dropping it takes the query off.
pub struct QueryGuard {
    pub id: QueryId,
    queries: Arc<Queries>,
    record: Arc<Record>,
    error: Option<SqlState>,
}

impl Queries {
    pub fn new(clock: Arc<dyn Clock>, slow: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { clock, running: DashMap::new(), slow: RwLock::new(slow) })
    }

    pub fn set_slow(&self, slow: Option<Duration>) {
        *self.slow.write() = slow;
    }

    pub fn register(self: &Arc<Self>, origin: Origin, text: &str, interrupt: Arc<Interrupt>) -> QueryGuard {
        let started_micros = self.clock.unix_micros();
        let id = QueryId::at((started_micros / 1000) as u64);
        let record = Arc::new(Record {
            origin,
            text: text[..text.floor_char_boundary(SHOWN_TEXT)].into(),
            started: self.clock.now(),
            started_micros,
            phase: AtomicU8::new(Phase::Planning as u8),
            rows: AtomicU64::new(0),
            interrupt,
            steps: OnceLock::new(),
        });
        self.running.insert(id, record.clone());
        QueryGuard { id, queries: self.clone(), record, error: None }
    }

    /// All queries, oldest first.
    pub fn list(&self) -> Vec<QueryInfo> {
        let now = self.clock.now();
        let mut list: Vec<QueryInfo> =
            self.running.iter().map(|entry| info(*entry.key(), entry.value(), now)).collect();
        list.sort_by_key(|q| q.id);
        list
    }

    /// A query has started.
    pub fn started(&self, id: QueryId, plan: &Arc<QueryPlan>, watcher: Watcher) {
        if let Some(record) = self.running.get(&id) {
            let _ = record.steps.set((plan.clone(), watcher));
        }
    }

    /// The plans of the queries that run, and how far each of their fragments is, oldest first.
    pub fn steps(&self) -> Vec<(QueryId, Arc<QueryPlan>, Vec<FragmentMeasure>)> {
        let running = self.running.iter();
        let mut all: Vec<_> = running
            .filter_map(|entry| {
                entry.value().steps.get().map(|(plan, watcher)| (*entry.key(), plan.clone(), watcher.fragments()))
            })
            .collect();
        all.sort_by_key(|(id, ..)| *id);
        all
    }

    /// Cancels a query by id; false if it is not there.
    pub fn cancel(&self, id: QueryId, reason: Reason) -> bool {
        let interrupt = self.running.get(&id).map(|record| record.interrupt.clone());
        interrupt.map(|i| i.fire(reason)).is_some()
    }
}

fn info(id: QueryId, record: &Record, now: Duration) -> QueryInfo {
    let phases = [Phase::Planning, Phase::Queued, Phase::Running, Phase::Sending, Phase::Suspended];
    QueryInfo {
        id,
        origin: record.origin.clone(),
        text: record.text.clone(),
        phase: phases[usize::from(record.phase.load(Ordering::Relaxed)).min(phases.len() - 1)],
        started_micros: record.started_micros,
        elapsed: now.saturating_sub(record.started),
        rows_sent: record.rows.load(Ordering::Relaxed),
    }
}

impl QueryGuard {
    pub fn set_phase(&self, phase: Phase) {
        self.record.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub fn add_rows(&self, rows: u64) {
        self.record.rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub fn interrupt(&self) -> &Arc<Interrupt> {
        &self.record.interrupt
    }

    /// The query ends with this error.
    pub fn failed(&mut self, code: SqlState) {
        self.error = Some(code);
    }
}

impl Drop for QueryGuard {
    fn drop(&mut self) {
        self.queries.running.remove(&self.id);
        let info = info(self.id, &self.record, self.queries.clock.now());
        let outcome = self.error.map_or("ok".to_string(), |code| code.to_string());
        counter!("narrows_queries_total", "outcome" => outcome.clone()).increment(1);
        counter!("narrows_rows_sent_total").increment(info.rows_sent);
        histogram!("narrows_query_seconds").record(info.elapsed.as_secs_f64());
        if self.queries.slow.read().is_some_and(|slow| info.elapsed >= slow) {
            tracing::warn!(
                query = %self.id, user = %info.origin.user, seconds = info.elapsed.as_secs_f64(), rows = info.rows_sent, outcome,
                sql = %info.text, "slow query"
            );
        }
    }
}
