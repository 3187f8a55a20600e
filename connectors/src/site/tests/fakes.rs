//! Engines in memory that count what is asked of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use cost_model::{Epoch, QueryId, SiteId, SourceId, SystemClock};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use planner::catalog::EngineKind;
use planner::plan::{Fragment, QueryPlan, SqlPiece, SqlTemplate};
use planner::source::FragmentRelation;
use planner::{Error, PgType, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::engine::{EngineSession, ScanRequest, SessionRequest};
use crate::site::{Executor, Lease, QueryRun, QueryStream, RuntimeSettings, Sources, SystemTables};

/// What a fake engine does with each scan.
#[derive(Clone)]
pub struct Script {
    pub batches: usize,
    pub rows_per_batch: usize,
    /// `k` is the row number modulo this.
    pub distinct: i64,
    pub pause: Duration,
    /// Fails instead of sending this batch.
    pub fails_at: Option<usize>,
    pub panics: bool,
    /// Bytes of the text column.
    pub width: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            batches: 4,
            rows_per_batch: 100,
            distinct: i64::MAX,
            pause: Duration::ZERO,
            fails_at: None,
            panics: false,
            width: 5,
        }
    }
}

/// One source and what happened at it.
pub struct Fake {
    pub script: Script,
    concurrent: bool,
    permits: Arc<Semaphore>,
    total: usize,
    pub sent: AtomicUsize,
    open: AtomicUsize,
    pub most_open: AtomicUsize,
    pub sessions: AtomicUsize,
    pub cancelled: AtomicBool,
    pub statements: parking_lot::Mutex<Vec<String>>,
}

impl Fake {
    pub fn new(script: Script) -> Arc<Self> {
        Self::limited(script, true, 8)
    }

    pub fn limited(script: Script, concurrent: bool, connections: usize) -> Arc<Self> {
        Arc::new(Self {
            script,
            concurrent,
            permits: Arc::new(Semaphore::new(connections)),
            total: connections,
            sent: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
            cancelled: AtomicBool::new(false),
            statements: parking_lot::Mutex::default(),
        })
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

struct FakeSession(Arc<Fake>);

/// Counts itself as an open scan while it lives.
struct OpenScan(Arc<Fake>);

impl Drop for OpenScan {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("t", DataType::Utf8View, true)]))
}

#[async_trait]
impl EngineSession for FakeSession {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let fake = self.0.clone();
        fake.statements.lock().push(request.sql);
        assert!(!fake.script.panics, "the driver has a defect");
        let open = fake.open.fetch_add(1, Ordering::SeqCst) + 1;
        fake.most_open.fetch_max(open, Ordering::SeqCst);
        let guard = OpenScan(fake.clone());
        let stream = futures::stream::try_unfold((0, guard), move |(batch, guard)| {
            let fake = fake.clone();
            async move {
                let script = &fake.script;
                if script.fails_at == Some(batch) {
                    return Err(Error::new(planner::error::state::CONNECTION_FAILURE, "connection lost").into());
                }
                if batch == script.batches {
                    return Ok(None);
                }
                if !script.pause.is_zero() {
                    tokio::time::sleep(script.pause).await;
                }
                fake.sent.fetch_add(1, Ordering::SeqCst);
                let first = (batch * script.rows_per_batch) as i64;
                let numbers = first..first + script.rows_per_batch as i64;
                let text = "x".repeat(script.width);
                let k: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers.clone().map(|n| n % script.distinct)));
                let t: ArrayRef = Arc::new(StringViewArray::from_iter_values(numbers.map(|n| format!("{n}{text}"))));
                Ok(Some((RecordBatch::try_new(schema(), vec![k, t])?, (batch + 1, guard))))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), stream)))
    }

    fn concurrent_scans(&self) -> bool {
        self.0.concurrent
    }

    async fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
    }
}

struct FakeLease(Arc<Fake>, OwnedSemaphorePermit);

#[async_trait]
impl Lease for FakeLease {
    fn connections(&self) -> usize {
        self.1.num_permits()
    }

    async fn open(self: Arc<Self>, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        assert_eq!(request.connections, self.connections());
        self.0.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(FakeSession(self.0.clone())))
    }
}

#[derive(Default)]
pub struct FakeSources(pub HashMap<SourceId, Arc<Fake>>);

#[async_trait]
impl Sources for FakeSources {
    async fn lease(&self, source: &SourceId, request: &SessionRequest) -> Result<Arc<dyn Lease>> {
        let fake = self.0[source].clone();
        let connections = request.connections.min(fake.total);
        let permits = fake.permits.clone().acquire_many_owned(connections as u32).await.unwrap();
        Ok(Arc::new(FakeLease(fake, permits)))
    }
}

pub struct NoSystemTables;

#[async_trait]
impl SystemTables for NoSystemTables {
    async fn rows(&self, _schema: &str, _name: &str, _principal: &str) -> Result<Vec<RecordBatch>> {
        let k: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let t: ArrayRef = Arc::new(StringViewArray::from(vec!["one", "two"]));
        Ok(vec![RecordBatch::try_new(schema(), vec![k, t])?])
    }
}

/// A site with fake sources, and plans over them.
pub struct Bench {
    pub executor: Executor,
    pub sources: Arc<FakeSources>,
    fragments: Vec<Fragment>,
    _dir: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut RuntimeSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = RuntimeSettings { target_partitions: 2, ..RuntimeSettings::new(dir.path(), Epoch(1)) };
        change(&mut settings);
        let executor = Executor::start(settings, SystemClock::shared()).unwrap();
        Self { executor, sources: Arc::default(), fragments: Vec::new(), _dir: dir }
    }

    pub fn source(&mut self, name: &str, fake: Arc<Fake>) {
        Arc::get_mut(&mut self.sources).expect("before it runs").0.insert(name.into(), fake);
    }

    /// A fragment at a source, as a scan to build a shell of.
    pub fn fragment(&mut self, source: &str, estimated_rows: Option<f64>) -> LogicalPlanBuilder {
        let number = self.fragments.len();
        self.fragments.push(Fragment {
            source: source.into(),
            site: SiteId::new("here"),
            engine: EngineKind::Postgres,
            sql: SqlTemplate(vec![SqlPiece::Text(format!("SELECT {number}"))]),
            columns: vec![PgType::INT8, PgType::TEXT],
            schema: schema(),
            estimated_rows,
            estimated_bytes: None,
            estimated_seconds: None,
            single_table: None,
            passthrough: false,
            inputs: Vec::new(),
            key_filters: Vec::new(),
            position: 0,
        });
        self.scan(number)
    }

    /// The same fragment once more.
    pub fn scan(&self, fragment: usize) -> LogicalPlanBuilder {
        let relation = FragmentRelation {
            fragment,
            columns: vec![PgType::INT8, PgType::TEXT],
            schema: schema(),
            estimated_rows: self.fragments[fragment].estimated_rows,
            origin: None,
        };
        LogicalPlanBuilder::scan(format!("f{fragment}"), Arc::new(relation), None).unwrap()
    }

    pub fn plan(&self, shell: LogicalPlan) -> Arc<QueryPlan> {
        Arc::new(QueryPlan {
            columns: Vec::new(),
            parameters: Vec::new(),
            fragments: self.fragments.clone(),
            shell,
            local: Vec::new(),
            residency: Arc::default(),
            placements: Vec::new(),
            questions: Vec::new(),
        })
    }

    pub fn start(&self, shell: LogicalPlan) -> QueryStream {
        self.start_with(shell, run())
    }

    pub fn start_with(&self, shell: LogicalPlan, run: QueryRun) -> QueryStream {
        let plan = self.plan(shell);
        self.executor.execute(plan, &[], run, self.sources.clone(), Arc::new(NoSystemTables)).unwrap()
    }

    pub async fn rows(&self, shell: LogicalPlan) -> Result<Vec<RecordBatch>> {
        self.start(shell).try_collect().await
    }

    /// Waits until nothing of any query is left.
    pub async fn quiet(&self) -> bool {
        for _ in 0..100 {
            if self.executor.usage() == (0, 0) && self.sources.0.values().all(|f| f.open.load(Ordering::SeqCst) == 0) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

pub fn run() -> QueryRun {
    QueryRun {
        query: QueryId::at(1_700_000_000_000),
        principal: "tester".into(),
        deadline: None,
        cancel: CancellationToken::new(),
    }
}

pub fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(|b| b.num_rows()).sum()
}

/// The single number of a result.
pub fn number(batches: &[RecordBatch]) -> i64 {
    let with_row = batches.iter().find(|b| b.num_rows() == 1).expect("one row");
    with_row.column(0).as_any().downcast_ref::<Int64Array>().expect("bigint").value(0)
}
