//! From a shell to DataFusion operators.
//!
//! Nothing is analysed or coerced here: the binder has typed every expression, and DataFusion's own coercions are not
//! PostgreSQL's. The logical rules that must not run before fragments are cut (they hide aggregates and rename columns) run now.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::SpillCompression;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::{Join, LogicalPlan};
use datafusion::optimizer::Optimizer;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_optimizer::{PhysicalOptimizerRule, ensure_coop::EnsureCooperative};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use planner::Result;
use planner::source::{CatalogTable, FragmentRelation};
use tokio_util::sync::CancellationToken;

use super::RuntimeSettings;
use super::error::translate;
use super::interrupt::Interruptible;
use super::leaves::row_width;

/// Above this share of the memory limit a join sorts its inputs, which can spill, instead of hashing one, which cannot.
const HASH_SHARE: f64 = 0.25;

/// How one query is planned and run.
pub(crate) struct Session {
    pub state: SessionState,
}

impl Session {
    pub fn new(
        settings: &RuntimeSettings,
        env: Arc<RuntimeEnv>,
        stop: CancellationToken,
        shell: &LogicalPlan,
        partitions: usize,
    ) -> Self {
        let partitions = partitions.max(1);
        let mut config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(settings.batch_size)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false)
            .with_collect_statistics(false)
            .with_spill_compression(SpillCompression::Lz4Frame)
            .with_sort_spill_reservation_bytes((settings.memory_limit / (16 * partitions)).min(10 << 20));
        let options = config.options_mut();
        options.execution.skip_physical_aggregate_schema_check = true;
        // Relations take no filters while they are read, and a group's first row by another key is not PostgreSQL's.
        options.optimizer.enable_dynamic_filter_pushdown = false;
        options.optimizer.enable_topk_aggregation = false;
        options.optimizer.prefer_hash_join = largest_build_side(shell) <= settings.memory_limit as f64 * HASH_SHARE;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(env)
            .with_analyzer_rules(Vec::new())
            .with_optimizer_rules(Vec::new())
            .with_aggregate_functions(vec![first_value_udaf()])
            .with_physical_optimizer_rules(physical_rules(stop))
            .build();
        Self { state }
    }

    /// The logical rules that were left for now.
    pub fn optimize(&self, shell: LogicalPlan) -> Result<LogicalPlan> {
        let optimizer = Optimizer::with_rules(planner::optimize::local_rules());
        optimizer.optimize(shell, &self.state, |_, _| {}).map_err(translate)
    }

    pub async fn plan(
        &self,
        shell: &LogicalPlan,
        leaves: Arc<dyn ExtensionPlanner + Send + Sync>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![leaves]);
        planner.create_physical_plan(shell, &self.state).await.map_err(translate)
    }
}

/// DataFusion's rules, with ours behind the one that makes leaves yield.
fn physical_rules(stop: CancellationToken) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let ours: Arc<dyn PhysicalOptimizerRule + Send + Sync> = Arc::new(Interruptible { stop });
    let mut rules = PhysicalOptimizer::new().rules;
    let behind =
        rules.iter().position(|r| r.name() == EnsureCooperative::new().name()).map_or(rules.len(), |at| at + 1);
    rules.insert(behind, ours);
    rules
}

/// Projections, filters and limits over one leaf.
pub(super) fn is_pipeline(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().into_iter().all(is_pipeline)
        }
        _ => false,
    }
}

/// Bytes that the largest hash table of a join would take, by the planner's row estimates.
fn largest_build_side(shell: &LogicalPlan) -> f64 {
    let mut largest: f64 = 0.0;
    let _ = shell.apply_with_subqueries(|plan| {
        if let LogicalPlan::Join(Join { left, right, null_aware, on, .. }) = plan
            && !on.is_empty()
            && !null_aware
        {
            // The physical optimizer builds on the smaller side, for outer joins too.
            largest = largest.max(bytes(left).min(bytes(right)));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    largest
}

fn bytes(plan: &LogicalPlan) -> f64 {
    rows(plan) * row_width(plan.schema().inner()) as f64
}

/// The rows of the largest relation below: a join by key seldom has more. 0 where nobody knows.
fn rows(plan: &LogicalPlan) -> f64 {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let fragment = scan.source.downcast_ref::<FragmentRelation>().and_then(|f| f.estimated_rows);
            let table = scan.source.downcast_ref::<CatalogTable>().and_then(|t| t.table.rows);
            fragment.or(table).unwrap_or(0.0)
        }
        other => other.inputs().into_iter().map(rows).fold(0.0, f64::max),
    }
}
