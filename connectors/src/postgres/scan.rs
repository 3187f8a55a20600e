//! One statement on one connection, its rows decoded into a bounded channel.
//!
//! The channel is the back-pressure: while its reader does not read, this task waits, then the driver stops reading the socket,
//! then the server stops producing. When the reader goes away or the query is cancelled, the statement is stopped at the server.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::RecordBatchStream;
use futures::future::maybe_done;
use futures::{Stream, StreamExt};
use planner::error::state;
use planner::{Error, PgType, Result};
use postgres_types::{FromSql, Type};
use tokio::sync::mpsc;
use tokio_postgres::{Client, CopyOutStream, Error as DriverError, Row, RowStream};
use tokio_util::sync::CancellationToken;

use super::decode::{CopyReader, RowDecoder};
use super::error::{Blame, During};

/// Batches that wait for the reader.
const CHANNEL: usize = 3;

/// A statement and what it gives.
#[derive(Clone)]
pub struct Statement {
    /// `/* narrows query=… */`
    pub comment: Arc<str>,
    pub sql: String,
    pub columns: Arc<[PgType]>,
    pub schema: SchemaRef,
    /// It may have changed its connection's settings.
    pub passthrough: bool,
    /// Many rows are expected: worth a second round trip for the faster protocol.
    pub copy: bool,
}

/// What goes through the channel. Rows that just stop coming are not a result: its end must be said.
pub enum Item {
    Batch(RecordBatch),
    Failed(Error),
    Done,
}

/// The writing end.
#[derive(Clone)]
pub struct Outlet {
    items: mpsc::Sender<Item>,
    canceled: CancellationToken,
}

impl Outlet {
    pub async fn send(&self, item: Item) {
        tokio::select! {
            _ = self.items.send(item) => {}
            () = self.canceled.cancelled() => {}
        }
    }

    /// The last word: it may wait as long as there is a reader.
    pub async fn finish(&self, result: Result<()>) {
        let item = match result {
            Ok(()) => Item::Done,
            Err(error) => Item::Failed(error),
        };
        let _ = self.items.send(item).await;
    }

    pub fn canceled(&self) -> bool {
        self.canceled.is_cancelled()
    }

    /// Until nobody wants more rows.
    pub async fn stopped(&self) {
        tokio::select! {
            () = self.items.closed() => {}
            () = self.canceled.cancelled() => {}
        }
    }
}

/// The reading end.
pub struct Rows {
    items: mpsc::Receiver<Item>,
    schema: SchemaRef,
    blame: Blame,
    ended: bool,
}

pub fn channel(schema: SchemaRef, canceled: CancellationToken, blame: Blame) -> (Outlet, Rows) {
    let (sender, items) = mpsc::channel(CHANNEL);
    (Outlet { items: sender, canceled }, Rows { items, schema, blame, ended: false })
}

impl Stream for Rows {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = match ready!(self.items.poll_recv(cx)) {
            Some(Item::Batch(batch)) => return Poll::Ready(Some(Ok(batch))),
            Some(Item::Done) => None,
            Some(Item::Failed(error)) => Some(Err(self.blame.own(error).into())),
            None => {
                let error = Error::internal("reading a statement's result ended without a word");
                Some(Err(self.blame.own(error).into()))
            }
        };
        self.ended = true;
        self.items.close();
        Poll::Ready(item)
    }
}

impl RecordBatchStream for Rows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// How a statement ended that did not fail.
pub enum End {
    Complete,
    /// Nobody wanted more. The server may still be at it; its remaining answer, if it had begun one.
    Stopped(Option<Answer>),
}

/// Runs a statement to its end. `before` is sent ahead in the same round trip.
pub async fn pump(client: &Client, before: &str, statement: &Statement, outlet: &Outlet, blame: &Blame) -> Result<End> {
    let mut stopped = pin!(outlet.stopped());
    let mut answer = tokio::select! {
        biased;
        answer = Answer::start(client, before, statement, blame) => answer?,
        () = &mut stopped => return Ok(End::Stopped(None)),
    };
    loop {
        let more = tokio::select! {
            biased;
            more = answer.next(blame) => more?,
            () = &mut stopped => return Ok(End::Stopped(Some(answer))),
        };
        if !more {
            break;
        }
        if answer.is_full() {
            outlet.send(Item::Batch(answer.take()?)).await;
            if outlet.canceled() {
                return Ok(End::Stopped(Some(answer)));
            }
        }
    }
    if let Some(rest) = answer.finish()? {
        outlet.send(Item::Batch(rest)).await;
    }
    Ok(End::Complete)
}

/// The rows of a statement as they come.
pub enum Answer {
    Copy(Pin<Box<CopyOutStream>>, CopyReader),
    /// The types are known with the first row.
    Query(Pin<Box<RowStream>>, Statement, Option<RowDecoder>),
}

impl Answer {
    async fn start(client: &Client, before: &str, statement: &Statement, blame: &Blame) -> Result<Self> {
        let Statement { comment, sql, columns, schema, copy, .. } = statement;
        let text = format!("{comment}{sql}");
        let before = async { if before.is_empty() { Ok(()) } else { client.batch_execute(before).await } };
        if !copy {
            let none: [(i32, Type); 0] = [];
            let answer = pipelined(before, async { Ok(Vec::new()) }, client.query_typed_raw(&text, none)).await;
            let (rows, _) = blame.result(answer, During::Statement)?;
            return Ok(Self::Query(Box::pin(rows), statement.clone(), None));
        }
        // COPY does not say which types it sends; this does, in the same round trip and without running anything.
        let types = async {
            let described = client.prepare(&text).await?;
            Ok(described.columns().iter().map(|c| c.type_().oid()).collect())
        };
        let copy = format!("{comment}COPY (\n{sql}\n) TO STDOUT (FORMAT binary)");
        let answer = pipelined(before, types, client.copy_out(&copy)).await;
        let (rows, sent) = blame.result(answer, During::Statement)?;
        let sent = sent
            .ok_or_else(|| Error::new(state::FDW_ERROR, "a statement gives a column of a type that is not built in"))?;
        let decoder = RowDecoder::new(schema.clone(), columns, &sent)?;
        Ok(Self::Copy(Box::pin(rows), CopyReader::new(decoder)))
    }

    /// Takes in what came next; false at the end.
    async fn next(&mut self, blame: &Blame) -> Result<bool> {
        match self {
            Self::Copy(rows, reader) => match rows.next().await {
                Some(chunk) => reader.feed(&blame.result(chunk, During::Statement)?).map(|()| true),
                None => Ok(false),
            },
            Self::Query(rows, statement, decoder) => match rows.next().await {
                Some(row) => {
                    let row = blame.result(row, During::Statement)?;
                    let decoder = match decoder {
                        Some(decoder) => decoder,
                        None => {
                            let sent: Vec<u32> = row.columns().iter().map(|c| c.type_().oid()).collect();
                            decoder.insert(RowDecoder::new(statement.schema.clone(), &statement.columns, &sent)?)
                        }
                    };
                    decoder.row((0..row.len()).map(|i| raw(&row, i))).map(|()| true)
                }
                None => Ok(false),
            },
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Copy(_, reader) => reader.is_full(),
            Self::Query(_, _, decoder) => decoder.as_ref().is_some_and(RowDecoder::is_full),
        }
    }

    fn take(&mut self) -> Result<RecordBatch> {
        match self {
            Self::Copy(_, reader) => reader.take(),
            Self::Query(_, _, Some(decoder)) => decoder.take(),
            Self::Query(_, statement, None) => Ok(RecordBatch::new_empty(statement.schema.clone())),
        }
    }

    fn finish(self) -> Result<Option<RecordBatch>> {
        match self {
            Self::Copy(_, reader) => reader.finish(),
            Self::Query(_, _, Some(mut decoder)) if !decoder.is_empty() => decoder.take().map(Some),
            Self::Query(..) => Ok(None),
        }
    }

    /// Reads the rest and throws it away; true if the statement ended because it was cancelled.
    pub async fn drain(self) -> bool {
        let canceled = |e: DriverError| e.code() == Some(&tokio_postgres::error::SqlState::QUERY_CANCELED);
        match self {
            Self::Copy(mut rows, _) => loop {
                match rows.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(e)) => return canceled(e),
                    None => return false,
                }
            },
            Self::Query(mut rows, ..) => loop {
                match rows.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(e)) => return canceled(e),
                    None => return false,
                }
            },
        }
    }
}

/// Sends requests one behind the other and waits for the last one's answer; the first error counts. The types are `None` if they
/// could not be told without asking again, which would have to wait behind the last request.
async fn pipelined<T>(
    before: impl Future<Output = Result<(), DriverError>>,
    types: impl Future<Output = Result<Vec<u32>, DriverError>>,
    last: impl Future<Output = Result<T, DriverError>>,
) -> Result<(T, Option<Vec<u32>>), DriverError> {
    let (mut before, mut types, mut last) = (pin!(maybe_done(before)), pin!(maybe_done(types)), pin!(last));
    let last = poll_fn(|cx| {
        let _ = (before.as_mut().poll(cx), types.as_mut().poll(cx));
        let last = ready!(last.as_mut().poll(cx));
        // Answers come in order: these may have come since.
        let _ = (before.as_mut().poll(cx), types.as_mut().poll(cx));
        Poll::Ready(last)
    })
    .await;
    before.as_mut().take_output().transpose()?;
    let types = types.as_mut().take_output().transpose()?;
    Ok((last?, types))
}

/// A field's bytes, whatever its type.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn raw(row: &Row, column: usize) -> Option<&[u8]> {
    row.try_get::<_, Option<Raw<'_>>>(column).ok().flatten().map(|r| r.0)
}
