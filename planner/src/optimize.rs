//! Which of DataFusion's logical rules run, and when.
//!
//! Before cutting, only rules run that keep a plan expressible in SQL: decorrelation, cross-join elimination, filter, limit and
//! projection push-down, constant folding. Rules that would hide `count(DISTINCT)` from an engine or rename shared
//! subexpressions run afterwards, on the shell only. Type coercion never runs: the binder has typed everything.

use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::{Expr, Filter, LogicalPlan};
use datafusion_optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion_optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion_optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion_optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion_optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion_optimizer::eliminate_filter::EliminateFilter;
use datafusion_optimizer::eliminate_group_by_constant::EliminateGroupByConstant;
use datafusion_optimizer::eliminate_join::EliminateJoin;
use datafusion_optimizer::eliminate_limit::EliminateLimit;
use datafusion_optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion_optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion_optimizer::optimize_projections::OptimizeProjections;
use datafusion_optimizer::push_down_filter::PushDownFilter;
use datafusion_optimizer::push_down_limit::PushDownLimit;
use datafusion_optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion_optimizer::rewrite_set_comparison::RewriteSetComparison;
use datafusion_optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion_optimizer::simplify_expressions::SimplifyExpressions;
use datafusion_optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion_optimizer::{Optimizer, OptimizerContext, OptimizerRule};

use crate::bind::expr::merged_filter;
use crate::empty_relation::PropagateEmpty;
use crate::error::Result;
use crate::prune;
use crate::unions::FlattenUnions;

pub type Rule = Arc<dyn OptimizerRule + Send + Sync>;

fn before_cutting() -> Vec<Rule> {
    vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(FlattenUnions),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(EliminateJoin::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(EliminateLimit::new()),
        Arc::new(PropagateEmpty::default()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownLimit::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(EliminateGroupByConstant::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

fn after_cutting() -> Vec<Rule> {
    vec![
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(PushDownLimit::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// What only the place that runs a shell can do: these rules need DataFusion's function registry, or rename what they share.
pub fn local_rules() -> Vec<Rule> {
    vec![
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(SingleDistinctToGroupBy::new()),
        Arc::new(CommonSubexprEliminate::new()),
    ]
}

/// DataFusion's options as Narrows wants them everywhere: uncorrelated scalar subqueries stay in place and run once.
pub fn options() -> ConfigOptions {
    let mut options = ConfigOptions::default();
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = true;
    options.optimizer.filter_null_join_keys = false;
    options
}

fn run(rules: Vec<Rule>, plan: LogicalPlan) -> Result<LogicalPlan> {
    let config = OptimizerContext::new_with_config_options(Arc::new(options())).without_query_execution_start_time();
    Ok(Optimizer::with_rules(rules).optimize(plan, &config, |_, _| ())?)
}

/// Makes a bound plan ready for cutting.
pub fn optimize(plan: LogicalPlan) -> Result<LogicalPlan> {
    let pruned = prune::parts(run(before_cutting(), plan)?)?;
    // What is left of a table in parts may be its only part.
    let plan = if pruned.transformed { run(before_cutting(), pruned.data)? } else { pruned.data };
    guarded(plan)
}

/// A condition over the rows of a plan in the form that filters have when they are cut.
pub(crate) fn simplified(condition: Expr, over: LogicalPlan) -> Result<Expr> {
    let filter = LogicalPlan::Filter(Filter::try_new(condition.clone(), Arc::new(over))?);
    match run(vec![Arc::new(SimplifyExpressions::new())], filter)? {
        LogicalPlan::Filter(filter) => Ok(filter.predicate),
        _ => Ok(condition),
    }
}

/// Filters were merged: none may fail on a row that another one leaves out.
fn guarded(plan: LogicalPlan) -> Result<LogicalPlan> {
    let guarded = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Filter(mut filter) => {
            filter.predicate = merged_filter(filter.predicate)?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(guarded.data)
}

/// Columns that nobody reads are dropped, down to the fragments' scans.
pub fn drop_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    run(vec![Arc::new(OptimizeProjections::new())], plan)
}

/// What remains to be done for the shell, which only DataFusion will see.
pub fn optimize_shell(plan: LogicalPlan) -> Result<LogicalPlan> {
    guarded(run(after_cutting(), plan)?)
}
