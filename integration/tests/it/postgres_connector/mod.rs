//! The PostgreSQL connector against a real server.

mod cancel;
mod catalog;
mod limits;
mod snapshots;
mod tls;
mod values;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use connectors::engine::{Engine, EngineSession, ScanRequest, SessionRequest, UnsupportedTypes};
use connectors::postgres::{PostgresConfig, PostgresEngine};
use cost_model::{Clock, QueryId, SourceId, SystemClock};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use integration::servers::TestPostgres;
use planner::{Error, PgType, Result};
use tokio::runtime::Handle;

use crate::conformance::subject::eventually;

/// One server for all tests that do not stop it; it ends with the process.
fn server() -> &'static TestPostgres {
    static SERVER: OnceLock<TestPostgres> = OnceLock::new();
    SERVER.get_or_init(|| TestPostgres::start(&[]).unwrap())
}

fn config(server: &TestPostgres, application: &str) -> PostgresConfig {
    let mut config = PostgresConfig::new(SourceId::new("pg"), "127.0.0.1", "postgres", "postgres");
    config.port = server.port;
    config.application_name = application.into();
    config.unsupported_types = UnsupportedTypes::Text;
    config
}

fn clock() -> Arc<dyn Clock> {
    SystemClock::shared()
}

fn engine(config: PostgresConfig) -> PostgresEngine {
    PostgresEngine::new(config, clock(), Handle::current()).unwrap()
}

fn query_id() -> QueryId {
    QueryId(uuid::Uuid::now_v7())
}

fn request(connections: usize, snapshot: bool) -> SessionRequest {
    SessionRequest { query: query_id(), principal: "ada".into(), connections, snapshot, deadline: None }
}

/// A scan of columns `c0`, `c1`, … of these types.
fn scan(sql: &str, columns: &[PgType], estimated_rows: Option<f64>) -> ScanRequest {
    let fields = columns.iter().enumerate().map(|(i, ty)| Field::new(format!("c{i}"), ty.repr(), true));
    ScanRequest {
        sql: sql.into(),
        columns: columns.to_vec(),
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        estimated_rows,
        single_table: None,
        conditions_at: None,
        passthrough: false,
    }
}

/// Few rows: the extended protocol. Unknown: COPY.
const FEW: Option<f64> = Some(1.0);
const MANY: Option<f64> = None;

async fn collect(mut stream: SendableRecordBatchStream) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch.map_err(Error::from)?);
    }
    Ok(concat_batches(&stream.schema(), &batches)?)
}

async fn rows(engine: &PostgresEngine, request: ScanRequest) -> Result<RecordBatch> {
    let session = engine.session(self::request(1, false)).await?;
    collect(session.scan(request).await?).await
}

/// The only column of a scan.
async fn column(engine: &PostgresEngine, sql: &str, ty: PgType, estimated_rows: Option<f64>) -> Result<ArrayRef> {
    Ok(rows(engine, scan(sql, &[ty], estimated_rows)).await?.column(0).clone())
}

/// Server processes that this application has and that are doing what the condition says.
fn processes(server: &TestPostgres, application: &str, condition: &str) -> usize {
    let sql = format!("select count(*) from pg_stat_activity where application_name = '{application}' and {condition}");
    server.sql(&sql).unwrap().trim().parse().unwrap()
}

async fn open(engine: &PostgresEngine, connections: usize, snapshot: bool) -> Arc<dyn EngineSession> {
    engine.session(request(connections, snapshot)).await.unwrap()
}
