//! A held relation: its producer's end and its readers' end.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt};
use planner::error::state;
use planner::{Error, Result};
use tokio::sync::watch;

use super::chunk_file::{ChunkFile, ChunkFileWriter, Place};
use super::chunks::{Cutter, batch_bytes};
use super::ledger::Portion;
use crate::site::translate;
use crate::wire::MESSAGE_BYTES;

#[derive(Clone)]
enum Chunk {
    Memory(RecordBatch),
    Spilled(Arc<ChunkFile>, Place),
}

#[derive(Clone)]
enum End {
    Sealed,
    Failed(Error),
    Released,
}

struct State {
    chunks: Vec<Chunk>,
    reserved: MemoryReservation,
    amount: Amount,
    end: Option<End>,
}

/// How much there is of a relation, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub chunks: u64,
    pub rows: u64,
    /// Bytes of Arrow data.
    pub bytes: u64,
    /// Bytes on disk.
    pub spilled_bytes: u64,
    /// There will be no more.
    pub sealed: bool,
}

/// What readers, and whoever decides when it ends, have of it.
pub struct HeldRelation {
    schema: SchemaRef,
    state: watch::Sender<State>,
}

impl HeldRelation {
    /// It has at most `limit` bytes in memory, as far as the pool gives them: operators need the rest.
    pub fn start(
        schema: SchemaRef,
        pool: &Arc<dyn MemoryPool>,
        env: Arc<RuntimeEnv>,
        limit: usize,
    ) -> (Writer, Arc<Self>) {
        Self::in_chunks(schema, pool, env, limit, MESSAGE_BYTES)
    }

    pub(crate) fn in_chunks(
        schema: SchemaRef,
        pool: &Arc<dyn MemoryPool>,
        env: Arc<RuntimeEnv>,
        limit: usize,
        chunk_bytes: usize,
    ) -> (Writer, Arc<Self>) {
        let reserved = MemoryConsumer::new("held relation").register(pool);
        let state = State { chunks: Vec::new(), reserved, amount: Amount::default(), end: None };
        let relation = Arc::new(Self { schema: schema.clone(), state: watch::Sender::new(state) });
        let cutter = Cutter::new(schema, chunk_bytes);
        (Writer { relation: relation.clone(), cutter, limit, env, file: None, open: true }, relation)
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn amount(&self) -> Amount {
        self.state.borrow().amount
    }

    /// A portion's chunks, in their order, each as soon as it is there. A failure is told at once.
    pub fn read(self: &Arc<Self>, portion: Portion) -> impl Stream<Item = Result<(u64, RecordBatch)>> + Send + use<> {
        let relation = self.clone();
        let mut state = self.state.subscribe();
        async_stream::try_stream! {
            let mut next = portion.first();
            loop {
                let found = state.wait_for(|s| s.end.is_some() || next < s.amount.chunks).await.map(|s| s.chunk(next));
                let Some(chunk) = found.unwrap_or_else(|_| Err(producer_failed()))? else { break };
                let batch = match chunk {
                    Chunk::Memory(batch) => batch,
                    Chunk::Spilled(file, place) => file.read(place).map_err(translate)?,
                };
                yield (next, batch);
                next = portion.after(next);
            }
            drop(relation);
        }
    }

    /// All rows, for a reader in this process.
    pub fn rows(self: &Arc<Self>) -> SendableRecordBatchStream {
        let rows = self.read(Portion::ALL).map(|chunk| chunk.map(|(_, batch)| batch).map_err(DataFusionError::from));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }

    /// Waits for the last row.
    pub async fn sealed(&self) -> Result<Amount> {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|s| s.end.is_some()).await.map(|s| (s.end.clone(), s.amount));
        match ended {
            Ok((Some(End::Sealed), amount)) => Ok(amount),
            Ok((Some(End::Failed(error)), _)) => Err(error),
            Ok((Some(End::Released), _)) => Err(released()),
            Ok((None, _)) | Err(_) => Err(producer_failed()),
        }
    }

    /// Frees its memory and its file. Who still reads it, or waits for it, gets an error, and so does its producer.
    pub fn release(&self) {
        self.state.send_modify(|state| {
            state.end = Some(End::Released);
            state.chunks = Vec::new();
            state.reserved.free();
        });
    }
}

impl State {
    /// `None` behind the last one.
    fn chunk(&self, number: u64) -> Result<Option<Chunk>> {
        match &self.end {
            Some(End::Failed(error)) => Err(error.clone()),
            Some(End::Released) => Err(released()),
            _ => Ok(usize::try_from(number).ok().and_then(|n| self.chunks.get(n)).cloned()),
        }
    }

    fn add(&mut self, chunk: Chunk, rows: usize, bytes: u64) {
        if let Chunk::Spilled(_, place) = &chunk {
            self.amount.spilled_bytes += place.bytes;
        }
        self.chunks.push(chunk);
        self.amount.chunks += 1;
        self.amount.rows += rows as u64;
        self.amount.bytes += bytes;
    }

    fn is_open(&self) -> bool {
        self.end.is_none()
    }
}

/// The producer's end. Dropped before it is sealed, it leaves a failed relation.
pub struct Writer {
    relation: Arc<HeldRelation>,
    cutter: Cutter,
    limit: usize,
    env: Arc<RuntimeEnv>,
    file: Option<ChunkFileWriter>,
    open: bool,
}

impl Writer {
    /// Never waits for readers. An error, as of a full disk, is the relation's too.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let stored = self.cutter.push(batch).map_err(translate).and_then(|full| self.store(full));
        stored.inspect_err(|error| self.end(End::Failed(error.clone())))
    }

    /// There is no more.
    pub fn seal(mut self) -> Result<Amount> {
        let last = self.cutter.rest().map_err(translate).and_then(|rest| self.store(rest));
        let finished = last.and_then(|()| self.file.as_mut().map_or(Ok(()), |f| f.finish().map_err(translate)));
        match finished {
            Ok(()) => self.end(End::Sealed),
            Err(error) => {
                self.end(End::Failed(error.clone()));
                return Err(error);
            }
        }
        Ok(self.relation.amount())
    }

    /// All readers get this error.
    pub fn fail(mut self, error: Error) {
        self.end(End::Failed(error));
    }

    /// The first end counts.
    fn end(&mut self, end: End) {
        self.open = false;
        self.relation.state.send_if_modified(|state| {
            let open = state.is_open();
            if open {
                state.amount.sealed = matches!(end, End::Sealed);
                state.end = Some(end);
            }
            open
        });
    }

    fn store(&mut self, chunks: impl IntoIterator<Item = RecordBatch>) -> Result<()> {
        chunks.into_iter().try_for_each(|chunk| self.store_one(chunk))
    }

    fn store_one(&mut self, chunk: RecordBatch) -> Result<()> {
        let (rows, bytes, memory) = (chunk.num_rows(), batch_bytes(&chunk), chunk.get_array_memory_size());
        let relation = self.relation.clone();
        if !relation.state.borrow().is_open() {
            return Err(released());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let kept = relation.state.send_if_modified(|state| {
                    let fits = state.is_open()
                        && state.reserved.size() + memory <= self.limit
                        && state.reserved.try_grow(memory).is_ok();
                    if fits {
                        state.add(Chunk::Memory(chunk.clone()), rows, bytes);
                    }
                    fits
                });
                if kept {
                    return Ok(());
                }
                self.spill()?
            }
        };
        let place = file.write(&chunk).map_err(translate)?;
        let chunk = Chunk::Spilled(file.file().clone(), place);
        let added = relation.state.send_if_modified(|state| {
            let open = state.is_open();
            if open {
                state.add(chunk, rows, bytes);
            }
            open
        });
        if added { Ok(()) } else { Err(released()) }
    }

    /// All chunks so far go to a file, and so will those that follow: what does not fit leaves the memory to others.
    fn spill(&mut self) -> Result<&mut ChunkFileWriter> {
        let file = ChunkFileWriter::create(&self.env, self.relation.schema.clone()).map_err(translate)?;
        let file = self.file.insert(file);
        let before = self.relation.state.borrow().chunks.clone();
        let mut moved = Vec::with_capacity(before.len());
        for chunk in before {
            moved.push(match chunk {
                Chunk::Memory(batch) => Chunk::Spilled(file.file().clone(), file.write(&batch).map_err(translate)?),
                spilled => spilled,
            });
        }
        let bytes = moved.iter().map(|chunk| if let Chunk::Spilled(_, place) = chunk { place.bytes } else { 0 }).sum();
        self.relation.state.send_if_modified(|state| {
            if state.is_open() {
                state.chunks = moved;
                state.amount.spilled_bytes = bytes;
                state.reserved.free();
            }
            false
        });
        Ok(file)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.open {
            self.end(End::Failed(producer_failed()));
        }
    }
}

/// Follows from the producer's own error, which its query has by then: the client never sees this one.
pub(crate) fn producer_failed() -> Error {
    Error::internal("a relation's producer ended early")
}

fn released() -> Error {
    Error::new(state::QUERY_CANCELED, "the rows are not needed any more")
}
