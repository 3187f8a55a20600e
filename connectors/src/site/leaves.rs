//! The leaves of the shell as DataFusion operators: relations, system tables, work tables.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result as DfResult, Statistics};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, TableScan, UserDefinedLogicalNode};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::work_table::WorkTableExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use futures::TryStreamExt;
use planner::Error;
use planner::source::{CatalogTable, FragmentRelation, WorkTable};

use super::relation::Relation;

/// What stands behind the leaves of one query.
pub(super) struct Leaves {
    /// By fragment; those the shell does not read are `None`.
    pub relations: Vec<Option<Arc<Relation>>>,
    /// Rows of system tables by (schema, name).
    pub system: HashMap<(String, String), Vec<RecordBatch>>,
}

#[async_trait]
impl ExtensionPlanner for Leaves {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        _node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        Ok(None)
    }

    async fn plan_table_scan(
        &self,
        _planner: &dyn PhysicalPlanner,
        scan: &TableScan,
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        if !scan.filters.is_empty() {
            return Err(Error::internal("a leaf of the shell has filters").into());
        }
        let source = scan.source.as_ref();
        if let Some(fragment) = source.downcast_ref::<FragmentRelation>() {
            let relation = self.relations.get(fragment.fragment).cloned().flatten();
            let relation =
                relation.ok_or_else(|| Error::internal("the shell reads a fragment the plan does not have"))?;
            return Ok(Some(Arc::new(RelationExec::new(fragment, relation, scan.projection.clone())?)));
        }
        if let Some(work) = source.downcast_ref::<WorkTable>() {
            let exec = WorkTableExec::new(work.name.clone(), source.schema(), scan.projection.clone())?;
            return Ok(Some(Arc::new(exec)));
        }
        if let Some(table) = source.downcast_ref::<CatalogTable>() {
            let key = (table.table.schema.clone(), table.table.name.clone());
            let rows = self.system.get(&key).ok_or_else(|| Error::internal("the shell reads a table of a source"))?;
            let exec = MemorySourceConfig::try_new_exec(
                std::slice::from_ref(rows),
                scan.source.schema(),
                scan.projection.clone(),
            )?;
            return Ok(Some(exec));
        }
        Ok(None)
    }
}

/// Reads a relation: one partition, in the order in which the engine sent it.
#[derive(Debug, Clone)]
pub(super) struct RelationExec {
    fragment: usize,
    relation: Arc<Relation>,
    source_schema: SchemaRef,
    projection: Option<Vec<usize>>,
    statistics: Arc<Statistics>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RelationExec {
    fn new(source: &FragmentRelation, relation: Arc<Relation>, projection: Option<Vec<usize>>) -> DfResult<Self> {
        let schema = match &projection {
            Some(columns) => Arc::new(source.schema.project(columns)?),
            None => source.schema.clone(),
        };
        let mut statistics = Statistics::new_unknown(&schema);
        if let Some(rows) = source.estimated_rows {
            let rows = rows.max(0.0) as usize;
            statistics = statistics
                .with_num_rows(Precision::Inexact(rows))
                .with_total_byte_size(Precision::Inexact(rows.saturating_mul(row_width(&schema))));
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            fragment: source.fragment,
            relation,
            source_schema: source.schema.clone(),
            projection,
            statistics: Arc::new(statistics),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// A guess of a row's bytes, for choosing build sides and connections.
pub(crate) fn row_width(schema: &SchemaRef) -> usize {
    const VARIABLE: usize = 32;
    schema.fields().iter().map(|f| f.data_type().primitive_width().unwrap_or(VARIABLE)).sum::<usize>().max(1)
}

impl DisplayAs for RelationExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fragment {} ({:?})", self.fragment + 1, self.relation)
    }
}

impl ExecutionPlan for RelationExec {
    fn name(&self) -> &str {
        "RelationExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let counted = BaselineMetrics::new(&self.metrics, partition);
        let projection = self.projection.clone();
        let rows = self.relation.rows(self.source_schema.clone())?.and_then(move |batch| {
            let batch = match &projection {
                Some(columns) => batch.project(columns).map_err(DataFusionError::from),
                None => Ok(batch),
            };
            if let Ok(batch) = &batch {
                counted.record_output(batch.num_rows());
            }
            futures::future::ready(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> DfResult<Arc<Statistics>> {
        Ok(self.statistics.clone())
    }
}
