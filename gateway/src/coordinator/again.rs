//! A query whose source is lost before the first row begins again, if other placements have the same rows.
//!
//! The first row closes the fence: what was handed out came from one placement, and rows of two never mix.

use connectors::site::QueryStream;
use cost_model::QueryId;
use futures::{StreamExt, TryFutureExt, future, stream};
use planner::error::Retry;
use planner::{Error, QueryContext, Result};

use super::engine::Engine;
use super::{BatchStream, PlanRequest, QueryEngine, RunRequest};

/// The rows of a query that was started.
pub(super) fn begun(engine: Engine, request: RunRequest, stream: QueryStream) -> BatchStream {
    Box::pin(first_rows(engine, request, stream).try_flatten_stream())
}

async fn first_rows(engine: Engine, mut request: RunRequest, mut stream: QueryStream) -> Result<BatchStream> {
    let mut before: Option<Error> = None;
    loop {
        let failure = match stream.next().await {
            Some(Ok(batch)) if batch.num_rows() == 0 => continue,
            Some(Ok(batch)) => return Ok(Box::pin(stream::once(future::ready(Ok(batch))).chain(stream))),
            None => return Ok(Box::pin(stream::empty())),
            Some(Err(error)) => error,
        };
        let Some(next) = elsewhere(&engine, &request, &failure).await else {
            let Some(before) = before else { return Err(failure) };
            let more = format!("Another placement of the same rows failed before: {before}");
            let detail = failure.detail().map_or(more.clone(), |detail| format!("{detail} {more}"));
            return Err(failure.with_detail(detail));
        };
        tracing::warn!(query = %request.query, again = %next.query, error = %failure, "a query reads other placements");
        stream = engine.execute(&next)?;
        (request, before) = (next, Some(failure));
    }
}

/// The same query without the sources that failed; `None`: it needs them, or they are not to blame.
async fn elsewhere(engine: &Engine, request: &RunRequest, failure: &Error) -> Option<RunRequest> {
    // A statement of the client's own may have done something.
    let once_only = request.plan.fragments.iter().any(|f| f.passthrough);
    if once_only || request.cancel.is_cancelled() || !is_out_of_reach(failure) {
        return None;
    }
    let mut context: QueryContext = request.context.clone();
    for fragment in &request.plan.fragments {
        let failed = match failure.source_id() {
            Some(source) => *source == fragment.source,
            None => failure.site() == Some(&fragment.site),
        };
        if failed {
            context.avoid.insert(fragment.source.clone());
        }
    }
    if context.avoid.len() == request.context.avoid.len() {
        return None;
    }
    let parameter_types = request.plan.parameters.iter().copied().map(Some).collect();
    let plan = PlanRequest { sql: request.sql.clone(), parameter_types, context: context.clone() };
    let plan = engine.plan(plan).await.ok()?;
    let same_columns = plan.columns.len() == request.plan.columns.len()
        && plan.columns.iter().zip(&request.plan.columns).all(|(new, old)| new.ty == old.ty);
    if !same_columns || plan.fragments.iter().any(|f| context.avoid.contains(&f.source)) {
        return None;
    }
    let query = QueryId::at(engine.clock.unix_micros() as u64 / 1000);
    Some(RunRequest { query, plan, context, ..request.clone() })
}

fn is_out_of_reach(error: &Error) -> bool {
    let connection_exception = error.sqlstate().as_str().starts_with("08");
    error.retry() == Retry::Replica || connection_exception && matches!(error.retry(), Retry::Step | Retry::Query)
}
