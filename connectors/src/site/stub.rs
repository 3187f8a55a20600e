pub mod emit {
    use planner::plan::{ParameterValue, SqlPiece, SqlTemplate};
    pub fn render(t: &SqlTemplate, _e: planner::catalog::EngineKind, p: &[ParameterValue]) -> planner::Result<String> {
        Ok(t.0.iter().map(|x| match x {
            SqlPiece::Text(t) => t.clone(),
            SqlPiece::Parameter { index, .. } => p[index - 1].value.to_string(),
            SqlPiece::Conditions => String::new(),
        }).collect())
    }
}
pub mod optimize {
    use std::sync::Arc;
    use datafusion::optimizer::OptimizerRule;
    pub fn local_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        vec![
            Arc::new(datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate::new()),
            Arc::new(datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy::new()),
            Arc::new(datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate::new()),
        ]
    }
}
