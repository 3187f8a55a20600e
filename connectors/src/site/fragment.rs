//! Reads a fragment from its engine.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use futures::stream::BoxStream;
use planner::emit::{KeyColumn, KeyValues, Statement, complete, fill, render};
use planner::plan::{Fragment, KeyFilter, ParameterValue};
use planner::{Error, Result};

use super::error::translate;
use super::measure::Meter;
use crate::engine::{EngineSession, ScanRequest};
use crate::exchange;
use crate::step::Step;

/// A fragment ready to be asked for.
pub(super) struct Scan {
    pub step: Step,
    pub meter: Arc<Meter>,
}

/// The fragment's statement with parameter values and the keys that are known in it. Those that are not leave holes.
pub(super) fn request(fragment: &Fragment, parameters: &[ParameterValue], keys: Vec<KeyValues>) -> Result<ScanRequest> {
    let kept =
        |(filter, values): (&KeyFilter, &KeyValues)| matches!(values, KeyValues::Listed(_)).then_some(filter.kept);
    let kept: Vec<f64> = fragment.key_filters.iter().zip(&keys).filter_map(kept).collect();
    let unfinished = keys.iter().any(|values| matches!(values, KeyValues::Later(_)));
    let column = |filter: &KeyFilter| KeyColumn { sql: filter.sql.clone(), ty: filter.ty };
    let filters: Vec<_> = fragment.key_filters.iter().map(column).zip(keys).collect();
    let filled = fill(&render(fragment, parameters)?, fragment.engine, &filters)?;
    let statement = if unfinished { Statement { sql: filled, conditions_at: None } } else { complete(&filled)? };
    Ok(ScanRequest {
        sql: statement.sql,
        conditions_at: statement.conditions_at,
        columns: fragment.columns.clone(),
        schema: fragment.schema.clone(),
        estimated_rows: fragment.estimated_rows.map(|rows| rows * kept.iter().product::<f64>()),
        // What is left is found by an index: reading the table in ranges would look into it once for each.
        single_table: fragment.single_table.clone().filter(|_| kept.is_empty()),
        passthrough: fragment.passthrough,
    })
}

/// The fragment's rows, checked and counted.
pub(super) async fn read(session: &dyn EngineSession, scan: Scan) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let Scan { step, meter } = scan;
    let schema = step.scan.schema.clone();
    let (mut batches, produced) = session.step(step).await?;
    if let Some(produced) = produced {
        meter.filtered_by(produced);
    }
    Ok(async_stream::try_stream! {
        while let Some(batch) = batches.next().await {
            let batch = conform(batch.map_err(translate)?, &schema)?;
            if batch.num_rows() > 0 {
                meter.count(&batch);
                yield batch;
            }
        }
        meter.end();
    }
    .boxed())
}

/// A connector that answers in other types than the plan says would make every operator above it wrong.
fn conform(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if Arc::ptr_eq(batch.schema_ref(), schema) {
        return Ok(batch);
    }
    exchange::conform(&batch, schema).map_err(|e| {
        Error::internal("a source answered in other columns than it was asked for").with_detail(e.to_string())
    })
}
