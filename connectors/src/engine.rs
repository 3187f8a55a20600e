//! What every engine's folder implements. The connector actor owns one [`Engine`] and adds what is the same for all: budget,
//! health, circuit breaker, back-off, supervision.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use cost_model::QueryId;
use datafusion::execution::SendableRecordBatchStream;
use planner::catalog::{EngineKind, SourceSchema};
use planner::plan::SingleTable;
use planner::{Error, PgType, Result};

use crate::step::{Produced, Step};
use crate::wire::Ticket;

/// What becomes of a column whose type Narrows does not know (`unsupported_types`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnsupportedTypes {
    /// It is left out, and an error that names it says why.
    #[default]
    Error,
    /// Its text form.
    Text,
    /// NULL in every row.
    Null,
}

/// One configured engine instance.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    fn kind(&self) -> EngineKind;

    /// Opens a connection and asks for nothing but an answer.
    async fn ping(&self) -> Result<()>;

    /// Tables, columns, keys, row counts, column statistics.
    async fn introspect(&self) -> Result<SourceSchema>;

    /// Names and types of a pass-through statement's result, without running it.
    async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>>;

    /// Rows that the engine's optimiser expects the statement to return, without running it; `None` if it has no idea.
    async fn estimate(&self, _sql: &str) -> Result<Option<f64>> {
        Ok(None)
    }

    /// Starts a query at this source. All its scans read one snapshot where the engine has one.
    async fn session(&self, request: SessionRequest) -> Result<Arc<dyn EngineSession>>;
}

/// Whether an engine's session that may use so many connections can send several scans at once.
pub fn concurrent_scans(kind: EngineKind, connections: usize) -> bool {
    match kind {
        EngineKind::Postgres => connections > 1,
        // One connection: no other one can read its snapshot.
        EngineKind::MySql => false,
        EngineKind::Files | EngineKind::System | EngineKind::Site => true,
    }
}

/// Who asks, and for what.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    pub query: QueryId,
    pub principal: Arc<str>,
    /// Connections the query may use at once (its permits), at least 1.
    pub connections: usize,
    /// More than one statement may run: all of them must read one snapshot. A query with a single scan here saves the round
    /// trips.
    pub snapshot: bool,
    /// When the query's time is up, on the injected clock.
    pub deadline: Option<Duration>,
}

/// A fragment to run.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// Complete statement, without the query-id comment, which the session adds.
    pub sql: String,
    pub columns: Vec<PgType>,
    /// Batches come in exactly this schema.
    pub schema: SchemaRef,
    pub estimated_rows: Option<f64>,
    /// Set if the session may split the scan into parallel ranges.
    pub single_table: Option<SingleTable>,
    /// Byte offset in `sql` of the template's `SqlPiece::Conditions`.
    pub conditions_at: Option<usize>,
    /// SQL of the client's own is part of it. What it does to its connection's settings must not reach another statement.
    pub passthrough: bool,
}

/// One query at one source: its connections, its snapshot, its running statements.
#[async_trait]
pub trait EngineSession: Send + Sync + 'static {
    /// Runs one fragment. Dropping the stream early cancels the statement at the engine.
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream>;

    /// Whether a second scan may run while a first one is still being read.
    fn concurrent_scans(&self) -> bool;

    /// Cancels whatever this query runs at the engine. Idempotent; returns when the engine was told.
    async fn cancel(&self);

    /// It is a session at a site elsewhere, whose steps have to do with those of other sites.
    fn is_elsewhere(&self) -> bool {
        false
    }

    /// Runs a step and reads its rows. What becomes of it elsewhere is told besides.
    async fn step(&self, step: Step) -> Result<(SendableRecordBatchStream, Option<Produced>)> {
        match step.inputs.is_empty() && step.filters.is_empty() && step.offers.is_empty() {
            true => Ok((self.scan(step.scan).await?, None)),
            false => Err(alone()),
        }
    }

    /// Starts a step that holds its rows under this ticket, for other sites. It ends with the session.
    fn produce(&self, _ticket: Ticket, _step: Step) -> Result<Produced> {
        Err(alone())
    }

    /// The keys that a step of this session offers under this ticket ([`crate::wire`]).
    async fn keys(&self, _ticket: Ticket) -> Result<SendableRecordBatchStream> {
        Err(alone())
    }

    /// When nothing more can come from it, though nobody reads from it now: why.
    async fn lost(&self) -> Error {
        std::future::pending().await
    }
}

fn alone() -> Error {
    Error::internal("a step for other sites in a process that serves none")
}
