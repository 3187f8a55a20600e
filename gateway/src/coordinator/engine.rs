//! Statements to plans, plans to rows: the planner and the site's compute behind one interface.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use connectors::site::{Executor, QueryRun, QueryStream, caught};
use cost_model::{Clock, SourceId};
use futures::StreamExt;
use futures::future::join_all;
use moka::sync::Cache;
use planner::bind::{self, Passthrough};
use planner::catalog::Catalog;
use planner::context::Now;
use planner::error::state;
use planner::explain::{self, Measured};
use planner::fragment::RowCounts;
use planner::plan::{QueryPlan, Question};
use planner::{Error, PgType, QueryContext, Result};

use super::again;
use super::catalog::CatalogKeeper;
use super::sources::{Connectors, Identity};
use super::system::System;
use super::{BatchStream, ExplainOptions, PlanRequest, QueryEngine, RunRequest};
use crate::config::Config;
use crate::queries::Queries;

/// Plans kept for statements that come again.
const CACHED_PLANS: u64 = 2000;
/// How long a source may take to say how many rows it expects.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Longer statements are not worth the memory.
const LONGEST_CACHED: usize = 64 << 10;

/// All that a plan depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PlanKey {
    sql: Arc<str>,
    parameter_types: Vec<Option<PgType>>,
    catalog: u64,
    /// With `now` set to zero: such plans do not depend on it.
    context: QueryContext,
}

#[derive(Clone)]
pub struct Engine {
    executor: Arc<Executor>,
    catalog: Arc<CatalogKeeper>,
    queries: Arc<Queries>,
    pub(super) clock: Arc<dyn Clock>,
    identity: Identity,
    plans: Cache<PlanKey, Arc<QueryPlan>>,
}

impl Engine {
    pub fn new(
        executor: Arc<Executor>,
        catalog: Arc<CatalogKeeper>,
        queries: Arc<Queries>,
        clock: Arc<dyn Clock>,
        identity: Identity,
    ) -> Self {
        Self { executor, catalog, queries, clock, identity, plans: Cache::new(CACHED_PLANS) }
    }

    pub(super) fn execute(&self, request: &RunRequest) -> Result<QueryStream> {
        // A prepared statement keeps its plan; what was allowed then may not be now.
        if request.plan.residency != self.catalog.snapshot().residency {
            let message = "the rules about what may leave its site have changed since this statement was planned";
            return Err(Error::new(state::FEATURE_NOT_SUPPORTED, message).with_hint("Prepare it again."));
        }
        let run = QueryRun {
            query: request.query,
            principal: request.context.principal.clone(),
            deadline: request.deadline,
            cancel: request.cancel.clone(),
        };
        let system = System {
            catalog: self.catalog.clone(),
            queries: self.queries.clone(),
            database: request.context.database.clone(),
        };
        let sources = self.catalog.connectors().reach.clone();
        let plan = request.plan.clone();
        let stream = self.executor.execute(plan, &request.parameters, run, sources, Arc::new(system))?;
        self.queries.started(request.query, &request.plan, stream.watcher());
        Ok(stream)
    }

    /// What the sources answer to a plan's questions within a moment.
    async fn asked(&self, plan: &QueryPlan) -> RowCounts {
        let connectors = self.catalog.connectors();
        let ask = |question: &Question| {
            let (question, handle) =
                (question.clone(), connectors.get(&question.source).ok().map(|c| c.handle.clone()));
            async move {
                let answer = tokio::time::timeout(ANSWER_WITHIN, handle?.estimate(&question.sql)).await;
                Some((question, answer.ok()?.ok()??))
            }
        };
        RowCounts(join_all(plan.questions.iter().map(ask)).await.into_iter().flatten().collect())
    }

    /// The plan, and whether it is good at any other moment: not if it took the time into account, nor if a source said what a
    /// statement of the client's own returns.
    async fn bind_and_cut(&self, request: &PlanRequest, catalog: &Catalog) -> Result<(QueryPlan, bool)> {
        let statements = bind::parse(&request.sql)?;
        let [statement] = statements.as_slice() else {
            return Err(Error::new(state::SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement"));
        };
        let mut passthrough = Passthrough::default();
        for (source, sql) in statement.passthrough.iter().cloned() {
            let id = SourceId::new(&source);
            let columns = self.catalog.connectors().get(&id)?.handle.describe(&sql).await?;
            passthrough.calls.insert((id, sql), columns);
        }
        let context = QueryContext { now: request.context.now.unread(), ..request.context.clone() };
        let bound =
            bind::bind(&statement.statement, catalog, &context, &request.sql, &request.parameter_types, &passthrough)
                .map_err(|e| explain_missing(e, catalog))?;
        let plan = planner::fragment::plan(bound.clone(), catalog, &context)?;
        let answers = self.asked(&plan).await;
        let plan = match answers.0.is_empty() {
            true => plan,
            false => planner::fragment::plan_with(bound, catalog, &context, &answers)?,
        };
        Ok((plan, !context.now.was_read() && statement.passthrough.is_empty()))
    }
}

#[async_trait]
impl QueryEngine for Engine {
    fn check_syntax(&self, sql: &str) -> Result<()> {
        bind::parse(sql).map(drop)
    }

    async fn plan(&self, request: PlanRequest) -> Result<Arc<QueryPlan>> {
        let catalog = self.catalog.snapshot();
        let key = (request.sql.len() <= LONGEST_CACHED).then(|| PlanKey {
            sql: request.sql.clone(),
            parameter_types: request.parameter_types.clone(),
            catalog: catalog.version,
            context: QueryContext { now: Now::at(0), ..request.context.clone() },
        });
        if let Some(plan) = key.as_ref().and_then(|key| self.plans.get(key)) {
            return Ok(plan);
        }
        let (plan, lasting) = caught(self.bind_and_cut(&request, &catalog)).await?;
        let plan = Arc::new(plan);
        if let Some(key) = key.filter(|_| lasting) {
            self.plans.insert(key, plan.clone());
        }
        Ok(plan)
    }

    async fn run(&self, request: RunRequest) -> Result<BatchStream> {
        let stream = self.execute(&request)?;
        Ok(again::begun(self.clone(), request, stream))
    }

    async fn explain(&self, request: RunRequest, options: ExplainOptions) -> Result<Vec<String>> {
        let mut shown = explain::Options { verbose: options.verbose, ..explain::Options::default() };
        if !options.analyze {
            return Ok(explain::explain(&request.plan, shown));
        }
        let started = Instant::now();
        let mut stream = self.execute(&request)?;
        while let Some(batch) = stream.next().await {
            batch?;
        }
        stream.told().await;
        let measurements = stream.measurements();
        let mut measured = vec![Measured::default(); request.plan.fragments.len()];
        for fragment in &measurements.fragments {
            if let Some(place) = measured.get_mut(fragment.fragment) {
                let seconds = fragment.seconds.unwrap_or_default();
                *place = Measured { rows: fragment.rows, bytes: fragment.bytes, seconds, keys: fragment.keys.clone() };
            }
        }
        shown.measured = Some(&measured);
        shown.execution_seconds = options.timing.then(|| started.elapsed().as_secs_f64());
        Ok(explain::explain(&request.plan, shown))
    }

    async fn refresh_catalog(&self, source: Option<SourceId>) -> Result<Vec<(SourceId, Error)>> {
        self.catalog.refresh(source).await
    }

    async fn reload(&self, config: Arc<Config>) {
        let before = self.catalog.connectors();
        match Connectors::start(&config, &self.executor, &self.clock, self.identity, Some(&before)) {
            Ok(connectors) => self.catalog.reconfigure(&config, connectors).await,
            Err(error) => {
                tracing::error!(%error, "the sources of the new configuration cannot be used; the old ones stay")
            }
        }
    }
}

/// A missing table may only be out of reach.
fn explain_missing(error: Error, catalog: &Catalog) -> Error {
    if !matches!(error.sqlstate(), state::UNDEFINED_TABLE | state::INVALID_SCHEMA_NAME) {
        return error;
    }
    if let Some((site, why)) = catalog.unavailable_sites.first_key_value()
        && error.hint().is_none()
    {
        return error.with_hint(format!("Site \"{site}\" has not answered ({why}); what it has is not known."));
    }
    let Some((source, why)) = catalog
        .unavailable
        .iter()
        .find(|(id, _)| error.message().contains(&format!("\"{id}")))
        .or_else(|| catalog.unavailable.first_key_value())
    else {
        return error;
    };
    let named = error.message().contains(&format!("\"{source}"));
    if named {
        return Error::new(state::CANNOT_CONNECT, format!("source \"{source}\" is not available: {why}"))
            .with_source_id(source.clone())
            .with_hint("Its tables are back when it answers; table narrows.sources shows its state.");
    }
    let hint = format!("Source \"{source}\" does not answer ({why}); its tables are missing.");
    match error.hint() {
        Some(_) => error,
        None => error.with_hint(hint),
    }
}
