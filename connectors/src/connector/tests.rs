//! Connectors over an engine whose behaviour the test decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_rt::{Arbiter, ArbiterHandle, System};
use arrow::array::{Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use cost_model::{Clock, QueryId, SourceId, SystemClock};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use planner::catalog::{EngineKind, SourceSchema};
use planner::error::state;
use planner::{Error, PgType, Result};
use tokio::runtime::Handle;

use super::actor::Explode;
use super::*;
use crate::engine::{Engine, EngineSession, ScanRequest, SessionRequest};

#[derive(Default)]
struct Remote {
    down: AtomicBool,
    asked: AtomicUsize,
    canceled: AtomicUsize,
}

struct TestEngine(Arc<Remote>);

impl TestEngine {
    fn reach(&self) -> Result<()> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.down.load(Ordering::SeqCst) {
            return Err(Error::new(state::CANNOT_CONNECT, "connection refused"));
        }
        Ok(())
    }
}

#[async_trait]
impl Engine for TestEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Files
    }

    async fn ping(&self) -> Result<()> {
        self.reach()
    }

    async fn introspect(&self) -> Result<SourceSchema> {
        panic!("a defect in introspection");
    }

    async fn describe(&self, _: &str) -> Result<Vec<(String, PgType)>> {
        self.reach()?;
        Err(Error::new(state::SYNTAX_ERROR, "syntax error"))
    }

    async fn session(&self, _: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        self.reach()?;
        Ok(Arc::new(TestSession(self.0.clone())))
    }
}

struct TestSession(Arc<Remote>);

#[async_trait]
impl EngineSession for TestSession {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let batch = RecordBatch::try_new(request.schema.clone(), vec![Arc::new(Int32Array::from(vec![1]))])?;
        let lost = Error::new(state::CONNECTION_FAILURE, "connection closed");
        let batches = futures::stream::iter([Ok(batch.clone()), Ok(batch), Err(lost.into())]);
        Ok(Box::pin(RecordBatchStreamAdapter::new(request.schema, batches)))
    }

    fn concurrent_scans(&self) -> bool {
        false
    }

    async fn cancel(&self) {
        self.0.canceled.fetch_add(1, Ordering::SeqCst);
    }
}

fn arbiter() -> ArbiterHandle {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let system = System::new();
        system.block_on(async { tell.send(Arbiter::current()).unwrap() });
        system.run().unwrap();
    });
    told.recv().unwrap()
}

fn connect(name: &str, arbiter: &ArbiterHandle) -> (ConnectorHandle, Arc<Remote>, Arc<dyn Clock>) {
    let remote = Arc::new(Remote::default());
    let clock = SystemClock::shared();
    let mut options = ConnectorOptions::new(SourceId::new(name));
    options.max_connections = 2;
    options.retry_after = (Duration::from_millis(100), Duration::from_millis(400));
    let engine = remote.clone();
    let factory: EngineFactory = Arc::new(move || Ok(Arc::new(TestEngine(engine.clone()))));
    let handle = ConnectorHandle::start(options, factory, clock.clone(), arbiter.clone(), Handle::current()).unwrap();
    (handle, remote, clock)
}

fn request(query: QueryId) -> SessionRequest {
    SessionRequest { query, principal: "ada".into(), connections: 1, snapshot: false, deadline: None }
}

fn query(n: u64) -> QueryId {
    QueryId::at(n)
}

fn scan() -> ScanRequest {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]));
    ScanRequest {
        sql: "SELECT 1".into(),
        columns: vec![PgType::INT4],
        schema,
        estimated_rows: None,
        single_table: None,
        conditions_at: None,
        passthrough: false,
    }
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_and_statements_are_counted_until_the_last_stream_is_gone() {
    let (handle, _, _) = connect("a", &arbiter());
    let session = handle.open_session(request(query(1))).await.unwrap();
    let mut stream = session.scan(scan()).await.unwrap();
    drop(session);
    let status = handle.status();
    assert_eq!((status.permits_in_use, status.permit_limit, status.running_statements), (1, 2, 1));
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(handle.status().permits_in_use, 1);
    assert!(stream.next().await.unwrap().is_ok());
    assert!(stream.next().await.unwrap().is_err());
    assert_eq!((handle.status().permits_in_use, handle.status().running_statements), (0, 0));
    eventually("the lost connection is seen", || handle.status().consecutive_failures == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_source_opens_the_circuit_and_closes_it_by_itself() {
    let (handle, remote, _) = connect("a", &arbiter());
    eventually("healthy", || handle.status().health == Health::Healthy).await;
    remote.down.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(handle.open_session(request(query(1))).await.err().unwrap().message(), "connection refused");
    }
    assert_eq!(handle.status().health, Health::Unavailable);
    let asked = remote.asked.load(Ordering::SeqCst);
    for _ in 0..20 {
        let error = handle.open_session(request(query(1))).await.err().unwrap();
        assert_eq!(error.sqlstate(), state::CANNOT_CONNECT);
        assert!(error.message().contains("source \"a\" is unavailable"), "{error}");
        assert!(error.detail().unwrap().contains("connection refused"), "{error}");
    }
    assert!(remote.asked.load(Ordering::SeqCst) <= asked + 2, "refused without asking the source");
    remote.down.store(false, Ordering::SeqCst);
    eventually("recovered", || handle.status().health == Health::Healthy).await;
    handle.open_session(request(query(1))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_statements_do_not_open_the_circuit() {
    let (handle, _, _) = connect("a", &arbiter());
    for _ in 0..5 {
        assert_eq!(handle.describe("selec").await.unwrap_err().sqlstate(), state::SYNTAX_ERROR);
    }
    assert_eq!(handle.status().health, Health::Healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_handler_is_survived_by_handle_sessions_and_neighbours() {
    let arbiter = arbiter();
    let (handle, _, _) = connect("a", &arbiter);
    let (neighbour, _, _) = connect("b", &arbiter);
    let session = handle.open_session(request(query(1))).await.unwrap();
    let kept = handle.clone();
    assert!(handle.ask(Explode).await.is_err());
    // Whoever asked hears of it before the guardian does.
    eventually("restarted", || handle.status().restarts >= 1).await;
    kept.open_session(request(query(2))).await.unwrap();
    assert!(session.scan(scan()).await.unwrap().next().await.unwrap().is_ok());
    neighbour.open_session(request(query(3))).await.unwrap();
    assert_eq!(neighbour.status().restarts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_an_engine_is_an_error_and_kills_nobody() {
    let (handle, _, _) = connect("a", &arbiter());
    let error = handle.introspect().await.unwrap_err();
    assert_eq!(error.sqlstate(), state::INTERNAL_ERROR);
    assert!(error.message().contains("a defect in introspection"), "{error}");
    assert_eq!(handle.status().restarts, 0);
    handle.open_session(request(query(1))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_sessions_and_those_still_in_line() {
    let (handle, remote, clock) = connect("a", &arbiter());
    let (first, second) = (query(1), query(2));
    let session = handle.open_session(SessionRequest { connections: 2, ..request(first) }).await.unwrap();
    handle.cancel(first).await;
    assert_eq!(remote.canceled.load(Ordering::SeqCst), 1);

    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.open_session(request(second)).await.err().map(|e| e.sqlstate()) }
    });
    eventually("in line", || handle.status().waiting == 1).await;
    handle.cancel(second).await;
    assert_eq!(waiting.await.unwrap(), Some(state::QUERY_CANCELED));

    let deadline = Some(clock.now() + Duration::from_millis(30));
    let late = handle.open_session(SessionRequest { deadline, ..request(second) }).await.err().unwrap();
    assert_eq!(late.sqlstate(), state::TOO_MANY_CONNECTIONS);
    assert_eq!(late.source_id().map(SourceId::as_str), Some("a"));
    drop(session);
    handle.cancel(first).await;
    assert_eq!(remote.canceled.load(Ordering::SeqCst), 1, "a finished query is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_handle_takes_the_actor_along() {
    let (handle, remote, _) = connect("a", &arbiter());
    handle.ping().await.unwrap();
    let handles = Arc::strong_count(&remote);
    drop(handle);
    eventually("engine dropped", || Arc::strong_count(&remote) < handles).await;
}
