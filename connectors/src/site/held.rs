//! A relation that was read to its end: in memory while it is small, otherwise in one spill file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use datafusion::common::Result as DfResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use planner::Result;

use super::error::translate;
use super::measure::Meter;

/// Sealed: complete and immutable.
pub(super) struct Held {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    spilled: Option<(Arc<dyn SpillFile>, SpillManager)>,
    _reserved: MemoryReservation,
}

impl Held {
    pub fn rows(&self) -> DfResult<SendableRecordBatchStream> {
        match &self.spilled {
            Some((file, manager)) => manager.read_spill_as_stream(file.clone(), None),
            None => {
                let batches = futures::stream::iter(self.batches.clone().into_iter().map(Ok));
                Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches)))
            }
        }
    }
}

/// Takes batches until it is sealed.
pub(super) struct Holder {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Bytes it may have in memory: operators above need the rest.
    limit: usize,
    reserved: MemoryReservation,
    env: Arc<RuntimeEnv>,
    file: Option<(Arc<dyn SpillFile>, StreamWriter<Box<dyn SpillWriter>>)>,
}

impl Holder {
    pub fn new(schema: SchemaRef, limit: usize, pool: &Arc<dyn MemoryPool>, env: Arc<RuntimeEnv>) -> Self {
        let reserved = MemoryConsumer::new("held relation").register(pool);
        Self { schema, batches: Vec::new(), limit, reserved, env, file: None }
    }

    pub fn add(&mut self, batch: RecordBatch) -> Result<()> {
        if self.file.is_none() {
            let bytes = batch.get_array_memory_size();
            if self.reserved.size() + bytes <= self.limit && self.reserved.try_grow(bytes).is_ok() {
                self.batches.push(batch);
                return Ok(());
            }
        }
        self.spill(&batch).map_err(translate)
    }

    /// Everything so far goes to the file with the batch that did not fit, and so does what follows.
    fn spill(&mut self, batch: &RecordBatch) -> DfResult<()> {
        let (_, writer) = match &mut self.file {
            Some(file) => file,
            None => {
                let file = self.env.disk_manager.create_tmp_file("held relation")?;
                let writer = StreamWriter::try_new(file.open_writer()?, &self.schema)?;
                self.file.insert((file, writer))
            }
        };
        for earlier in self.batches.drain(..) {
            writer.write(&compact(&earlier)?)?;
        }
        self.reserved.free();
        Ok(writer.write(&compact(batch)?)?)
    }

    pub fn seal(self, meter: &Meter) -> Result<Held> {
        let mut spilled = None;
        if let Some((file, mut writer)) = self.file {
            writer.finish().map_err(|e| translate(e.into()))?;
            writer.get_mut().finish().map_err(translate)?;
            meter.spilled.store(file.size().unwrap_or(0), Ordering::Relaxed);
            let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
            spilled = Some((file, SpillManager::new(self.env, metrics, self.schema.clone())));
        }
        Ok(Held { schema: self.schema, batches: self.batches, spilled, _reserved: self.reserved })
    }
}

/// View arrays are written with all their buffers, also those a slice no longer looks at.
pub(crate) fn compact(batch: &RecordBatch) -> DfResult<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column.clone(),
    });
    let rows = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &rows)?)
}
