//! Rows on their way to the client.

use arrow::array::RecordBatch;
use futures::{FutureExt, StreamExt};
use planner::Result;

use super::fault::Fault;
use super::stop::Stop;
use crate::admission::Permit;
use crate::coordinator::BatchStream;
use crate::pg::encode::{CopyEncoder, RowEncoder};
use crate::pg::wire::Connection;
use crate::pg::wire::connection::HIGH_WATER;
use crate::queries::{Phase, QueryGuard};

/// The rows of a query that have not been sent yet. Dropping it stops the query.
pub struct RowSource {
    stream: Option<BatchStream>,
    batch: Option<RecordBatch>,
    next_row: usize,
    /// What a running query holds; local rows have neither.
    pub guard: Option<QueryGuard>,
    _permit: Option<Permit>,
}

/// What becomes of the rows.
pub enum Sink<'a> {
    Rows(&'a RowEncoder),
    Copy(&'a CopyEncoder),
    /// MOVE.
    Discard,
}

impl Sink<'_> {
    fn encode(&self, batch: &RecordBatch, from: usize, to: usize, out: &mut Vec<u8>) -> Result<usize> {
        match self {
            Self::Rows(encoder) => encoder.encode(batch, from..to, HIGH_WATER, out),
            Self::Copy(encoder) => encoder.encode(batch, from..to, HIGH_WATER, out),
            Self::Discard => Ok(to - from),
        }
    }
}

impl RowSource {
    pub fn running(stream: BatchStream, guard: QueryGuard, permit: Option<Permit>) -> Self {
        Self { stream: Some(stream), batch: None, next_row: 0, guard: Some(guard), _permit: permit }
    }

    pub fn local(batch: RecordBatch, guard: Option<QueryGuard>) -> Self {
        Self { stream: None, batch: Some(batch), next_row: 0, guard, _permit: None }
    }

    /// Sends up to `limit` rows. Returns how many, and whether that was the end.
    ///
    /// Large results leave in large writes; but rows never lie around while the producer takes its time.
    pub async fn pump(
        &mut self,
        conn: &mut Connection,
        stop: &Stop,
        sink: &Sink<'_>,
        limit: u64,
    ) -> Result<(u64, bool), Fault> {
        let result = self.pump_inner(conn, stop, sink, limit).await;
        if let (Err(fault), Some(guard)) = (&result, &mut self.guard) {
            match fault {
                Fault::Error(error) | Fault::Fatal(error) => guard.failed(error.sqlstate()),
                Fault::Gone => guard.failed(planner::error::state::CONNECTION_FAILURE),
            }
        }
        result
    }

    async fn pump_inner(
        &mut self,
        conn: &mut Connection,
        stop: &Stop,
        sink: &Sink<'_>,
        limit: u64,
    ) -> Result<(u64, bool), Fault> {
        self.phase(Phase::Running);
        let mut sent = 0;
        let mut unflushed = false;
        loop {
            if sent >= limit {
                self.phase(Phase::Suspended);
                return Ok((sent, false));
            }
            if let Some(batch) = self.batch.as_ref().filter(|b| self.next_row < b.num_rows()) {
                let left = usize::try_from(limit - sent).unwrap_or(usize::MAX);
                let to = batch.num_rows().min(self.next_row.saturating_add(left));
                let n = sink.encode(batch, self.next_row, to, &mut conn.out)?;
                self.next_row += n;
                sent += n as u64;
                unflushed = true;
                if let Some(guard) = &self.guard {
                    guard.set_phase(Phase::Sending);
                    guard.add_rows(n as u64);
                }
                if conn.pending_output() >= HIGH_WATER {
                    stop.flush(conn).await?;
                    unflushed = false;
                }
                stop.check()?;
                continue;
            }
            self.batch = None;
            let Some(stream) = self.stream.as_mut() else { return Ok((sent, true)) };
            stop.check()?;
            let next = match stream.next().now_or_never() {
                Some(next) => next,
                None => {
                    if unflushed {
                        stop.flush(conn).await?;
                        unflushed = false;
                    }
                    stop.wait(conn, stream.next()).await?
                }
            };
            match next {
                Some(Ok(batch)) => {
                    self.batch = Some(batch);
                    self.next_row = 0;
                }
                Some(Err(error)) => {
                    self.stream = None;
                    // A query that was stopped may report that in its own words.
                    stop.check()?;
                    return Err(error.into());
                }
                None => self.stream = None,
            }
        }
    }

    fn phase(&self, phase: Phase) {
        if let Some(guard) = &self.guard {
            guard.set_phase(phase);
        }
    }
}
