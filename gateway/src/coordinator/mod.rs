//! Planning and running queries, as the front ends see it.
//!
//! A front end knows clients and sessions; a [`QueryEngine`] knows the catalog, the planner and the sites. Between them stand
//! immutable plans and streams of record batches.

mod again;
mod catalog;
mod engine;
pub(crate) mod names;
pub(crate) mod network;
mod placements;
mod residency;
pub(crate) mod sources;
mod start;
mod system;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use cost_model::{QueryId, SourceId};
use futures::Stream;
use planner::plan::{ParameterValue, QueryPlan};
use planner::{Error, PgType, QueryContext, Result};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

pub use start::start;

/// The rows of a query, in the order of its result. Dropping it stops the query wherever it runs.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// A query to plan.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// One SELECT, VALUES, TABLE or WITH, without semicolon. Positions in errors count from its first character.
    pub sql: Arc<str>,
    /// Types the client gave for `$1`, `$2`, …; `None` where the planner has to find them.
    pub parameter_types: Vec<Option<PgType>>,
    pub context: QueryContext,
}

/// A plan about to run.
#[derive(Clone, Debug)]
pub struct RunRequest {
    pub query: QueryId,
    /// The text it was planned from.
    pub sql: Arc<str>,
    pub plan: Arc<QueryPlan>,
    /// Exactly one for each of the plan's parameters, of its type.
    pub parameters: Vec<ParameterValue>,
    /// The context it was planned with.
    pub context: QueryContext,
    /// When `statement_timeout` ends the query, on the injected clock; `cancel` fires then, too.
    pub deadline: Option<Duration>,
    /// Fires when nobody wants the rows any more: cancel, time-out, client gone, shutdown.
    pub cancel: CancellationToken,
}

/// What EXPLAIN shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExplainOptions {
    /// Run the query and show what happened.
    pub analyze: bool,
    pub verbose: bool,
    pub costs: bool,
    pub timing: bool,
}

#[async_trait]
pub trait QueryEngine: Send + Sync + 'static {
    /// Syntax only. All statements of a string are checked before the first one runs.
    fn check_syntax(&self, sql: &str) -> Result<()>;

    /// Binds, optimises and cuts. Called for every execution: a cache of plans is the engine's business.
    async fn plan(&self, request: PlanRequest) -> Result<Arc<QueryPlan>>;

    /// Starts a plan. Errors may come from here or, later, from the stream.
    async fn run(&self, request: RunRequest) -> Result<BatchStream>;

    /// The lines of EXPLAIN.
    async fn explain(&self, request: RunRequest, options: ExplainOptions) -> Result<Vec<String>>;

    /// Reads the tables of one source again, or of all; says which sources did not answer.
    async fn refresh_catalog(&self, source: Option<SourceId>) -> Result<Vec<(SourceId, Error)>>;

    /// The configuration was read again: sources may have come or gone. Running queries keep theirs.
    async fn reload(&self, config: Arc<Config>);
}
