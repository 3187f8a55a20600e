//! Fetches a relation from the site that has it, by its ticket.
//!
//! A piped relation is one stream over one connection, and breaks with it. A held one may come in several parts at once, each over
//! a connection of its own; a part whose connection breaks connects again and goes on with the first chunk that is missing. What
//! the producer says itself, above all that it has failed, is never tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::try_join_all;
use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use planner::{Error, Result};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::channels::Channels;
use super::stream::{Broken, Got, Incoming};
use crate::backoff::Backoff;
use crate::exchange::{Ledger, Portion, batch_bytes};
use crate::wire::{Ending, Order, Ticket, malformed, proto};

/// How long a part tries to go on before the connection's error is the relation's.
const RESUME_WITHIN: Duration = Duration::from_secs(4);
/// Shortest and longest wait between two attempts.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));

/// How a relation is there for whoever fetches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    Piped,
    /// To be fetched over so many connections at once.
    Held {
        parts: u32,
    },
}

pub struct Fetch {
    pub ticket: Ticket,
    pub schema: SchemaRef,
    pub supply: Supply,
    /// What is expected of it.
    pub bytes: Option<f64>,
    /// As its producer was told, if `None`.
    pub compression: Option<proto::Compression>,
    pub progress: Arc<Progress>,
    /// The site is lost, whatever the relation's own connections say.
    pub lost: CancellationToken,
}

/// What has arrived of a relation, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
    chunks: AtomicU64,
    finished: AtomicBool,
}

/// A reading of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    pub rows: u64,
    /// Bytes of Arrow data, however they were packed on the way.
    pub bytes: u64,
    pub chunks: u64,
    /// All of it.
    pub finished: bool,
}

impl Progress {
    pub fn read(&self) -> Arrived {
        Arrived {
            rows: self.rows.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            chunks: self.chunks.load(Ordering::Relaxed),
            finished: self.finished.load(Ordering::Relaxed),
        }
    }

    fn count(&self, batch: &RecordBatch) {
        self.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(batch_bytes(batch), Ordering::Relaxed);
        self.chunks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns when the site has answered on all connections; the rows come in any order if there are several.
pub async fn fetch(channels: &Arc<Channels>, fetch: Fetch) -> Result<SendableRecordBatchStream> {
    let (schema, lost, progress) = (fetch.schema.clone(), fetch.lost.clone(), fetch.progress.clone());
    let transfer = Arc::new(Transfer { channels: channels.clone(), fetch, books: Mutex::default() });
    let parts = match transfer.fetch.supply {
        Supply::Piped => 1,
        Supply::Held { parts } => parts.max(1),
    };
    let opening = try_join_all((0..parts).map(|part| transfer.clone().start(Portion { from: 0, part, parts })));
    let opened = lost.run_until_cancelled(opening).await;
    let mut rows = select_all(opened.unwrap_or_else(|| Err(channels.lost()))?);
    let channels = channels.clone();
    let rows = async_stream::try_stream! {
        loop {
            let next = tokio::select! {
                biased;
                () = lost.cancelled() => Some(Err(channels.lost())),
                next = rows.next() => next,
            };
            match next {
                Some(batch) => yield batch?,
                None => break,
            }
        }
        transfer.check()?;
        progress.finished.store(true, Ordering::Relaxed);
    };
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        schema,
        rows.map(|batch: Result<_>| batch.map_err(DataFusionError::from)),
    )))
}

/// What the parts of one relation share.
struct Transfer {
    channels: Arc<Channels>,
    fetch: Fetch,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    ledger: Ledger,
    rows: u64,
    ending: Option<Ending>,
}

impl Transfer {
    /// Opens a part's first connection.
    async fn start(self: Arc<Self>, portion: Portion) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let mut patience = Patience::new(u64::from(portion.part));
        let incoming = self.connect(portion, &mut patience).await?;
        Ok(self.part(portion, incoming, patience).boxed())
    }

    async fn connect(&self, portion: Portion, patience: &mut Patience) -> Result<Incoming> {
        loop {
            let from = self.books.lock().ledger.missing(Portion { from: 0, ..portion });
            let Fetch { ticket, compression, bytes, .. } = self.fetch;
            let order = Order { ticket, portion: Portion { from, ..portion }, compression };
            match patience.limit(Incoming::open(&self.channels, &order, bytes)).await {
                Some(Ok(incoming)) => {
                    patience.connected();
                    return Ok(incoming);
                }
                Some(Err(Broken::Said(error))) => return Err(error),
                Some(Err(Broken::Off(error))) if self.is_held() => patience.wait(error).await?,
                Some(Err(Broken::Off(error))) => return Err(error),
                None => return Err(self.channels.lost()),
            }
        }
    }

    fn is_held(&self) -> bool {
        self.fetch.supply != Supply::Piped
    }

    fn part(
        self: Arc<Self>,
        portion: Portion,
        mut incoming: Incoming,
        mut patience: Patience,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send {
        async_stream::try_stream! {
            loop {
                let off = match incoming.next().await {
                    Ok(Got::Batch(number, batch)) => {
                        if let Some(batch) = self.receive(number, batch)? {
                            patience.reset();
                            yield batch;
                        }
                        continue;
                    }
                    Ok(Got::Ending(ending)) if self.is_held() => {
                        self.ended(ending)?;
                        break;
                    }
                    Ok(Got::End) if !self.is_held() => break,
                    Ok(Got::Ending(_) | Got::End) => self.channels.lost().with_detail("The rows ended too early."),
                    Err(Broken::Off(error)) => error,
                    Err(Broken::Said(error)) => Err(error)?,
                };
                if !self.is_held() {
                    Err(off)?;
                } else {
                    patience.wait(off).await?;
                    incoming = self.connect(portion, &mut patience).await?;
                }
            }
            incoming.give_back();
        }
    }

    /// The batch, unless it has come already.
    fn receive(&self, number: Option<u64>, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let batch = crate::exchange::conform(&batch, &self.fetch.schema)
            .map_err(|error| malformed("a batch").with_detail(error.to_string()))?;
        if self.is_held() {
            let mut books = self.books.lock();
            if !books.ledger.insert(number.ok_or_else(|| malformed("a chunk without number"))?) {
                return Ok(None);
            }
            books.rows += batch.num_rows() as u64;
        }
        self.fetch.progress.count(&batch);
        Ok(Some(batch))
    }

    fn ended(&self, ending: Ending) -> Result<()> {
        let mut books = self.books.lock();
        books.ledger.seal(ending.chunks)?;
        books.ending = Some(ending);
        Ok(())
    }

    /// That all of a held relation is there, once every part has ended.
    fn check(&self) -> Result<()> {
        let books = self.books.lock();
        let complete = books.ledger.is_complete() && books.ending.is_some_and(|ending| ending.rows == books.rows);
        if !self.is_held() || complete {
            return Ok(());
        }
        Err(Error::internal("a relation has arrived incomplete").with_site(self.channels.options().site.clone()))
    }
}

/// What is left of it: connections may break now and then, but not for long.
struct Patience {
    backoff: Backoff,
    until: Option<Instant>,
    /// When the connection was made that is used now.
    connected: Option<Instant>,
}

impl Patience {
    fn new(seed: u64) -> Self {
        Self { backoff: Backoff::new(RETRY_AFTER.0, RETRY_AFTER.1, seed), until: None, connected: None }
    }

    /// There is a connection again.
    fn connected(&mut self) {
        self.connected = Some(Instant::now());
    }

    /// Rows have come.
    fn reset(&mut self) {
        if self.until.take().is_some() {
            self.backoff.reset();
        }
    }

    /// Before another attempt; the error if there will be none.
    async fn wait(&mut self, error: Error) -> Result<()> {
        let now = Instant::now();
        // It was good for a while: rows may be long in coming.
        if self.connected.take().is_some_and(|since| now >= since + RESUME_WITHIN) {
            self.reset();
        }
        let until = *self.until.get_or_insert(now + RESUME_WITHIN);
        let next = now + self.backoff.next_delay();
        if next >= until {
            return Err(error);
        }
        tokio::time::sleep_until(next).await;
        Ok(())
    }

    /// An attempt after a failure may not last longer than there is patience.
    async fn limit<T>(&self, attempt: impl Future<Output = T>) -> Option<T> {
        match self.until {
            Some(until) => tokio::time::timeout_at(until, attempt).await.ok(),
            None => Some(attempt.await),
        }
    }
}
