//! The chunks of one relation on disk, each an Arrow IPC stream of its own: any of them can be read while others are written.

use std::fs::File;
use std::io::{Cursor, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use planner::Error;

use super::chunks::conform;

/// Lives as long as one of its chunks, its writer or a reader; then it is removed.
pub(super) struct ChunkFile {
    schema: SchemaRef,
    reader: File,
    _file: Arc<dyn SpillFile>,
}

/// Where a chunk is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    at: u64,
    pub bytes: u64,
}

impl ChunkFile {
    pub fn read(&self, place: Place) -> DfResult<RecordBatch> {
        let mut bytes = vec![0; place.bytes as usize];
        // Just written, so it is in the page cache: no thread is asked.
        self.reader.read_exact_at(&mut bytes, place.at).map_err(DataFusionError::IoError)?;
        let chunk = StreamReader::try_new(Cursor::new(bytes), None)?.next();
        let chunk = chunk.ok_or_else(|| Error::internal("a chunk on disk has no rows"))??;
        conform(&chunk, &self.schema)
    }
}

pub(super) struct ChunkFileWriter {
    // Before the file: what is written is accounted to it.
    writer: Box<dyn SpillWriter>,
    file: Arc<ChunkFile>,
    at: u64,
}

impl ChunkFileWriter {
    pub fn create(env: &RuntimeEnv, schema: SchemaRef) -> DfResult<Self> {
        let file = env.disk_manager.create_tmp_file("held relation")?;
        let writer = file.open_writer()?;
        let path = file.path().ok_or_else(|| Error::internal("a spill file has no path"))?;
        let reader = File::open(path).map_err(DataFusionError::IoError)?;
        Ok(Self { writer, file: Arc::new(ChunkFile { schema, reader, _file: file }), at: 0 })
    }

    pub fn file(&self) -> &Arc<ChunkFile> {
        &self.file
    }

    pub fn write(&mut self, chunk: &RecordBatch) -> DfResult<Place> {
        let mut encoder = StreamWriter::try_new(Vec::new(), &self.file.schema)?;
        encoder.write(chunk)?;
        let bytes = encoder.into_inner()?;
        self.writer.write_all(&bytes).map_err(DataFusionError::IoError)?;
        self.writer.flush().map_err(DataFusionError::IoError)?;
        let place = Place { at: self.at, bytes: bytes.len() as u64 };
        self.at += place.bytes;
        Ok(place)
    }

    pub fn finish(&mut self) -> DfResult<()> {
        self.writer.finish()
    }
}
