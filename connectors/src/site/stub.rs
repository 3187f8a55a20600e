//! Stands in for the planner's emitter and optimiser until they are there.

use std::sync::Arc;

use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use planner::catalog::EngineKind;
use planner::plan::{ParameterValue, SqlPiece, SqlTemplate};
use planner::{Error, Result};

pub(super) fn render(template: &SqlTemplate, _engine: EngineKind, _parameters: &[ParameterValue]) -> Result<String> {
    let texts = template.0.iter().map(|piece| match piece {
        SqlPiece::Text(text) => Ok(text.as_str()),
        SqlPiece::Conditions => Ok(""),
        SqlPiece::Parameter { .. } => Err(Error::unsupported("a parameter in a fragment")),
    });
    texts.collect()
}

pub(super) fn local_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(SingleDistinctToGroupBy::new()),
        Arc::new(CommonSubexprEliminate::new()),
    ]
}
