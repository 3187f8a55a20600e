//! Reads a fragment from its engine.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use futures::StreamExt;
use futures::stream::BoxStream;
use planner::emit::{KeyColumn, complete, render};
use planner::plan::{Fragment, KeyFilter, ParameterValue};
use planner::{Error, Result};

use super::error::translate;
use super::measure::Meter;
use crate::engine::{EngineSession, ScanRequest};
use crate::exchange;

/// A fragment with its SQL complete.
pub(super) struct Scan {
    pub request: ScanRequest,
    pub meter: Arc<Meter>,
}

/// The fragment's statement with parameter values and keys in it.
pub(super) fn request(
    fragment: &Fragment,
    parameters: &[ParameterValue],
    keys: &[Option<Vec<ScalarValue>>],
) -> Result<ScanRequest> {
    let column = |filter: &KeyFilter| KeyColumn { sql: filter.sql.clone(), ty: filter.ty };
    let filters: Vec<_> = fragment.key_filters.iter().map(column).zip(keys.iter().cloned()).collect();
    let statement = complete(&render(fragment, parameters)?, fragment.engine, &filters)?;
    let sent = fragment.key_filters.iter().zip(keys).filter(|(_, list)| list.is_some());
    let kept: Vec<f64> = sent.map(|(filter, _)| filter.kept).collect();
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
    let Scan { request, meter } = scan;
    let schema = request.schema.clone();
    let mut batches = session.scan(request).await?;
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
