//! Does every row of a placement satisfy its predicate? Queries miss rows that do not.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use connectors::site::{Executor, QueryRun, SystemTables};
use cost_model::{Clock, QueryId};
use futures::StreamExt;
use planner::bind::{self, Passthrough};
use planner::catalog::{Catalog, Part, Placement, Table};
use planner::context::QueryContext;
use planner::{Error, Result};
use tokio_util::sync::CancellationToken;

use crate::coordinator::sources::Connectors;

/// Where a placement stands as a table of its own while its rows are counted.
const SCHEMA: &str = "narrows_check";

/// What is wrong with the rows of the placements that have predicates.
pub(super) async fn violated(
    executor: &Executor,
    catalog: &Catalog,
    connectors: &Connectors,
    clock: &Arc<dyn Clock>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for table in catalog.tables() {
        for placement in table.placements.iter().filter(|p| !catalog.unavailable.contains_key(&p.source)) {
            let (Some(predicate), Some(part)) = (&placement.predicate, &placement.part) else { continue };
            let said = format!("[[table]] {}.{}: where = \"{predicate}\"", table.schema, table.name);
            let source = &placement.source;
            match count(executor, catalog, connectors, clock, placement, part, predicate).await {
                Ok(0) => {}
                Ok(rows) => problems.push(format!("{said} is not true for {rows} rows at source \"{source}\"")),
                Err(error) => problems.push(format!("{said} could not be checked at source \"{source}\": {error}")),
            }
        }
    }
    problems
}

/// How many rows the predicate is not true for.
async fn count(
    executor: &Executor,
    catalog: &Catalog,
    connectors: &Connectors,
    clock: &Arc<dyn Clock>,
    placement: &Placement,
    part: &Part,
    predicate: &str,
) -> Result<i64> {
    let placement = Placement { predicate: None, part: None, ..placement.clone() };
    let table = Table { placements: vec![placement], ..Table::clone(&part.table) };
    let name = planner::pgsem::text::quote::quote_ident(&table.name).to_string();
    let sql = format!("SELECT count(*) FROM {SCHEMA}.{name} WHERE (\n{predicate}\n) IS NOT TRUE");
    let mut catalog = catalog.clone();
    catalog.schemas.entry(SCHEMA.to_string()).or_default().insert(table.name.clone(), Arc::new(table));
    let context = QueryContext::default();
    let statements = bind::parse(&sql)?;
    let [statement] = statements.as_slice() else { return Err(Error::internal("a predicate of two statements")) };
    let bound = bind::bind(&statement.statement, &catalog, &context, &sql, &[], &Passthrough::default())?;
    let plan = planner::fragment::plan(bound, &catalog, &context)?;
    let run = QueryRun {
        query: QueryId::at(clock.unix_micros() as u64 / 1000),
        principal: context.principal.clone(),
        deadline: None,
        cancel: CancellationToken::new(),
    };
    let mut stream = executor.execute(Arc::new(plan), &[], run, connectors.reach.clone(), Arc::new(NoTables))?;
    while let Some(batch) = stream.next().await {
        let batch: RecordBatch = batch?;
        if let Some(count) = batch.column(0).as_primitive_opt::<Int64Type>().filter(|c| !c.is_empty()) {
            return Ok(count.value(0));
        }
    }
    Err(Error::internal("a count without a row"))
}

/// Nothing that is counted is the gateway's own.
struct NoTables;

#[async_trait]
impl SystemTables for NoTables {
    async fn rows(&self, schema: &str, name: &str, _principal: &str) -> Result<Vec<RecordBatch>> {
        Err(Error::internal(format!("{schema}.{name} was read by a check")))
    }
}
