//! Answers a query over the files: bound and optimised by the planner, run by DataFusion on the site's compute.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use cost_model::Clock;
use datafusion::catalog::Session as DataFusionSession;
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, TableScan, UserDefinedLogicalNode};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::work_table::WorkTableExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use futures::StreamExt;
use planner::bind::{BoundQuery, Passthrough, bind, parse};
use planner::catalog::{Catalog, EngineKind};
use planner::context::{Now, QueryContext};
use planner::source::{CatalogTable, WorkTable};
use planner::{Error, PgType, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::folder::{Folder, Found};
use super::prune::bounds;
use super::scan::FilesExec;
use super::table::FilesTable;
use crate::engine::{EngineSession, ScanRequest, concurrent_scans};
use crate::site::compute::caught;
use crate::site::error::translate;
use crate::site::executor::Shared;
use crate::site::planning::Session;
use crate::site::result::conform;

/// What all sessions at one folder share.
pub(super) struct Environment {
    pub folder: Folder,
    pub shared: Arc<Shared>,
    pub compute: Handle,
    pub clock: Arc<dyn Clock>,
}

impl Environment {
    /// Binds a statement against the tables as they were found last.
    pub fn bind(&self, sql: &str) -> Result<(BoundQuery, BTreeMap<String, Found>)> {
        let found = self.folder.tables()?;
        let catalog: Catalog = super::catalog(&self.folder.config, &found);
        let context = QueryContext { now: Now::at(self.clock.unix_micros()), ..QueryContext::default() };
        let mut statements = parse(sql)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(Error::unsupported("more than one statement in a query of a source"));
        };
        let bound = bind(&statement.statement, &catalog, &context, sql, &[], &Passthrough::default())?;
        Ok((bound, found))
    }

    /// The tables that a plan reads, as they are now.
    fn current(&self, plan: &LogicalPlan, bound: &BTreeMap<String, Found>) -> Result<HashMap<String, Arc<FilesTable>>> {
        let mut names = Vec::new();
        let visited = plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(table) = scan.source.downcast_ref::<CatalogTable>()
            {
                names.push(table.placement.remote_name.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        });
        visited.map_err(translate)?;
        let table = |name: String| {
            let unreadable = || Error::internal("a table was bound that was not found");
            let planned = bound.get(&name).ok_or_else(unreadable)?.as_ref().map_err(Error::clone)?;
            let now = self.folder.current(&name, planned)?;
            Ok((name, now))
        };
        names.into_iter().map(table).collect()
    }

    pub async fn plan(
        self: &Arc<Self>,
        sql: String,
        stop: CancellationToken,
    ) -> Result<(Arc<dyn ExecutionPlan>, Session)> {
        let environment = self.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            let (bound, tables) = environment.bind(&sql)?;
            let plan = planner::optimize::optimize(bound.plan)?;
            let plan = planner::optimize::optimize_shell(plan)?;
            let plan = with_bounds(plan).map_err(translate)?;
            let tables = environment.current(&plan, &tables)?;
            Ok::<_, Error>((plan, tables))
        });
        let (plan, tables) = prepared.await.map_err(|e| Error::internal(e.to_string()))??;
        let env = self.shared.query_env(self.shared.query_pool())?;
        let partitions = self.shared.settings.target_partitions;
        let session = Session::new(&self.shared.settings, env, stop, &plan, partitions);
        let plan = session.optimize(plan)?;
        let leaves = Leaves { environment: self.clone(), tables, partitions };
        let operators = session.plan(&plan, Arc::new(leaves)).await?;
        Ok((operators, session))
    }
}

/// A filter right above a scan is shown to it, and stays.
fn with_bounds(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let shown = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Filter(mut filter) = node else { return Ok(Transformed::no(node)) };
        let input = Arc::unwrap_or_clone(filter.input);
        let (input, shown) = show(input, &filter.predicate);
        filter.input = Arc::new(input);
        Ok(if shown {
            Transformed::yes(LogicalPlan::Filter(filter))
        } else {
            Transformed::no(LogicalPlan::Filter(filter))
        })
    })?;
    Ok(shown.data)
}

fn show(plan: LogicalPlan, predicate: &datafusion::logical_expr::Expr) -> (LogicalPlan, bool) {
    match plan {
        LogicalPlan::TableScan(mut scan) if scan.source.is::<CatalogTable>() => {
            scan.filters.push(predicate.clone());
            (LogicalPlan::TableScan(scan), true)
        }
        LogicalPlan::SubqueryAlias(mut alias) => {
            let (input, shown) = show(Arc::unwrap_or_clone(alias.input), predicate);
            alias.input = Arc::new(input);
            (LogicalPlan::SubqueryAlias(alias), shown)
        }
        other => (other, false),
    }
}

struct Leaves {
    environment: Arc<Environment>,
    tables: HashMap<String, Arc<FilesTable>>,
    partitions: usize,
}

#[async_trait]
impl ExtensionPlanner for Leaves {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        _node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn DataFusionSession,
        _context: &PhysicalPlanningContext,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        Ok(None)
    }

    async fn plan_table_scan(
        &self,
        _planner: &dyn PhysicalPlanner,
        scan: &TableScan,
        _session: &dyn DataFusionSession,
        _context: &PhysicalPlanningContext,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        let source = scan.source.as_ref();
        if let Some(work) = source.downcast_ref::<WorkTable>() {
            let exec = WorkTableExec::new(work.name.clone(), source.schema(), scan.projection.clone())?;
            return Ok(Some(Arc::new(exec)));
        }
        let Some(bound) = source.downcast_ref::<CatalogTable>() else { return Ok(None) };
        let name = &bound.placement.remote_name;
        let table = self.tables.get(name).ok_or_else(|| Error::internal("a plan reads a table it does not name"))?;
        let all = source.schema();
        let projection = scan.projection.clone().unwrap_or_else(|| (0..all.fields().len()).collect());
        let mut found = Vec::new();
        let column = |name: &str| all.index_of(name).ok();
        scan.filters.iter().for_each(|f| bounds(f, &column, &mut found));
        let schema: SchemaRef = Arc::new(all.project(&projection)?);
        let config = Arc::new(self.environment.folder.config.clone());
        let sizes = (self.partitions, self.environment.shared.settings.batch_size);
        Ok(Some(Arc::new(FilesExec::new(name, config, table.clone(), schema, projection, &found, sizes))))
    }
}

/// One query at one folder. There is no snapshot: each scan reads the files as they are when it starts.
pub(super) struct FilesSession {
    pub environment: Arc<Environment>,
    pub stop: CancellationToken,
}

#[async_trait]
impl EngineSession for FilesSession {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        if self.stop.is_cancelled() {
            return Err(canceled());
        }
        let (client, receiver) = mpsc::channel::<Result<arrow::record_batch::RecordBatch>>(2);
        let (environment, stop) = (self.environment.clone(), self.stop.child_token());
        let schema = request.schema.clone();
        let (planned, ready) = tokio::sync::oneshot::channel();
        let (stop_work, stopped) = (stop.clone(), stop.clone());
        let work = self.environment.compute.spawn(async move {
            let run = caught(async {
                let plan = environment.plan(request.sql, stop_work).await;
                let rows = plan.and_then(|(operators, session)| {
                    execute_stream(operators, session.state.task_ctx()).map_err(translate)
                });
                let mut rows = match rows {
                    Ok(rows) => rows,
                    Err(error) => {
                        drop(planned.send(Err(error)));
                        return Ok(());
                    }
                };
                drop(planned.send(Ok(())));
                while let Some(batch) = rows.next().await {
                    let batch = conform(batch.map_err(translate)?, &request.columns, &request.schema)?;
                    if client.send(Ok(batch)).await.is_err() {
                        break;
                    }
                }
                Ok(())
            });
            let outcome = tokio::select! {
                outcome = run => outcome,
                () = stopped.cancelled() => Err(canceled()),
            };
            if let Err(error) = outcome {
                let _ = client.send(Err(error)).await;
            }
        });
        let work = Running { _work: AbortOnDropHandle::new(work), stop };
        match ready.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            // A panic while planning, or a cancel: the reason is in the channel.
            Err(_) => {
                let mut receiver = receiver;
                return Err(match receiver.recv().await {
                    Some(Err(error)) => error,
                    _ => Error::internal("a scan of files ended without a result"),
                });
            }
        }
        let rows = futures::stream::unfold((receiver, work), |(mut receiver, work)| async move {
            receiver.recv().await.map(|batch| (batch.map_err(Into::into), (receiver, work)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn concurrent_scans(&self) -> bool {
        concurrent_scans(EngineKind::Files, 1)
    }

    async fn cancel(&self) {
        self.stop.cancel();
    }
}

/// The work of a scan ends with its stream.
struct Running {
    _work: AbortOnDropHandle<()>,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn canceled() -> Error {
    Error::new(planner::error::state::QUERY_CANCELED, "canceling statement due to user request")
}

/// Names and types of a statement's result.
pub(super) fn described(bound: &BoundQuery) -> Vec<(String, PgType)> {
    bound.columns.iter().map(|c| (c.name.clone(), c.ty)).collect()
}
