//! One query's connection: its snapshot, its statements one after another, its cancellation.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use mysql_async::prelude::Queryable;
use mysql_async::{BinaryProtocol, Conn, QueryResult};
use planner::Result;
use planner::error::{Error, state};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use super::MySqlConfig;
use super::decode::Decoder;
use crate::engine::{EngineSession, ScanRequest, SessionRequest, UnsupportedTypes};

const BATCH_ROWS: usize = 8192;
/// Batches decoded ahead of the reader; beyond that the socket is left unread.
const AHEAD: usize = 2;
/// How long a statement that is to stop may take before its connection is given up.
const STOPPING: Duration = Duration::from_secs(3);
/// When telling it to stop is repeated.
const AGAIN: Duration = Duration::from_millis(100);

pub struct Session {
    config: Arc<MySqlConfig>,
    comment: String,
    connection: Arc<Mutex<Option<Conn>>>,
    /// The server's id of the connection, for KILL.
    id: u32,
    cancelled: Arc<AtomicBool>,
}

impl Session {
    pub async fn open(config: Arc<MySqlConfig>, request: SessionRequest) -> Result<Self> {
        let mut connection = config.connect().await?;
        if request.snapshot {
            connection
                .query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                .await
                .map_err(|e| config.error(e))?;
        }
        Ok(Self {
            comment: format!("/* narrows query={} */ ", request.query),
            id: connection.id(),
            connection: Arc::new(Mutex::new(Some(connection))),
            cancelled: Arc::default(),
            config,
        })
    }
}

#[async_trait]
impl EngineSession for Session {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let guard = self.connection.clone().lock_owned().await;
        if guard.is_none() || self.cancelled.load(Ordering::Acquire) {
            return Err(canceled(&self.config));
        }
        let lenient = self.config.unsupported == UnsupportedTypes::Null;
        let decoder = Decoder::new(request.schema.clone(), request.columns, lenient)?;
        let mut stream = RecordBatchReceiverStream::builder(request.schema, AHEAD);
        let (tx, config, id, cancelled) = (stream.tx(), self.config.clone(), self.id, self.cancelled.clone());
        let sql = format!("{}{}", self.comment, request.sql);
        // Not a task of the stream: dropping the stream must not abort it before it has told the server.
        tokio::spawn(async move { read(config, id, cancelled, guard, sql, decoder, tx).await });
        stream.spawn(async { Ok(()) });
        Ok(stream.build())
    }

    fn concurrent_scans(&self) -> bool {
        false
    }

    async fn cancel(&self) {
        if self.cancelled.swap(true, Ordering::AcqRel) {
            return;
        }
        // If nothing runs the connection is simply closed.
        match self.connection.try_lock() {
            Ok(mut guard) => drop(guard.take()),
            Err(_) => kill(&self.config, "", self.id).await,
        }
    }
}

type Batches = mpsc::Sender<Result<arrow::array::RecordBatch, DataFusionError>>;

/// How reading a statement's rows ended without an error.
enum End {
    Complete,
    /// Nobody wanted more, and the server has given the statement up.
    Stopped,
    /// Nobody wanted more, and the server is still at it.
    Busy,
}

/// Reads one statement's rows to the end, or until nobody wants them.
async fn read(
    config: Arc<MySqlConfig>,
    id: u32,
    cancelled: Arc<AtomicBool>,
    mut guard: OwnedMutexGuard<Option<Conn>>,
    sql: String,
    mut decoder: Decoder,
    tx: Batches,
) {
    let Some(mut connection) = guard.take() else { return };
    let end = stream_rows(&config, id, &mut connection, &sql, &mut decoder, &tx).await;
    // Whatever a killed connection says, it is no news of the server.
    let end = end.map_err(|e| if cancelled.load(Ordering::Acquire) { canceled(&config) } else { e });
    match end {
        Ok(End::Complete | End::Stopped) => *guard = Some(connection),
        Ok(End::Busy) => {
            kill(&config, "", id).await;
            discard(connection);
        }
        Err(error) => {
            let lost = [state::CONNECTION_FAILURE, state::QUERY_CANCELED].contains(&error.sqlstate());
            let _ = tx.send(Err(error.into())).await;
            if !lost {
                kill(&config, "", id).await;
            }
            discard(connection);
        }
    }
}

fn canceled(config: &MySqlConfig) -> Error {
    Error::new(state::QUERY_CANCELED, "canceling statement due to user request").with_source_id(config.source.clone())
}

async fn stream_rows(
    config: &MySqlConfig,
    id: u32,
    connection: &mut Conn,
    sql: &str,
    decoder: &mut Decoder,
    tx: &Batches,
) -> Result<End> {
    let started = {
        let mut starting = pin!(connection.exec_iter(sql, ()));
        let rows = tokio::select! {
            rows = &mut starting => Some(rows.map_err(|e| config.error(e))?),
            () = tx.closed() => None,
        };
        match rows {
            Some(rows) => match forward(config, rows, decoder, tx).await? {
                End::Stopped => true,
                end => return Ok(end),
            },
            None if stop(config, id, starting).await.is_none() => return Ok(End::Busy),
            None => false,
        }
    };
    // The first request reads what is left of the rows, and may hear that they were stopped.
    let mut quiet = pin!(async {
        let mut answer = connection.query_drop("DO 0").await;
        if matches!(answer, Err(mysql_async::Error::Server(_))) {
            answer = connection.query_drop("DO 0").await;
        }
        answer.is_ok()
    });
    let ended = match started {
        true => stop(config, id, quiet).await,
        false => tokio::time::timeout(STOPPING, &mut quiet).await.ok(),
    };
    Ok(if ended == Some(true) { End::Stopped } else { End::Busy })
}

/// `Stopped`: the reader went away, and the server does not know yet.
async fn forward(
    config: &MySqlConfig,
    mut rows: QueryResult<'_, 'static, BinaryProtocol>,
    decoder: &mut Decoder,
    tx: &Batches,
) -> Result<End> {
    loop {
        let row = tokio::select! {
            row = rows.next() => row.map_err(|e| config.error(e))?,
            () = tx.closed() => return Ok(End::Stopped),
        };
        let Some(row) = row else { break };
        decoder.push(row).map_err(|e| config.blame(e))?;
        if decoder.rows() == BATCH_ROWS && tx.send(Ok(decoder.finish()?)).await.is_err() {
            return Ok(End::Stopped);
        }
    }
    if decoder.rows() > 0 {
        let _ = tx.send(Ok(decoder.finish()?)).await;
    }
    Ok(End::Complete)
}

/// Tells the server to give up the connection's statement until it has ended; the connection and its snapshot stay. Once is not
/// enough: it only hits a statement that has begun.
async fn stop<F: Future>(config: &MySqlConfig, id: u32, mut end: Pin<&mut F>) -> Option<F::Output> {
    let stopping = async {
        loop {
            kill(config, "QUERY ", id).await;
            if let Ok(output) = tokio::time::timeout(AGAIN, &mut end).await {
                return output;
            }
        }
    };
    tokio::time::timeout(STOPPING, stopping).await.ok()
}

/// Ends the statement (`QUERY `) or the connection, over a connection of its own.
async fn kill(config: &MySqlConfig, what: &str, id: u32) {
    match config.connect().await {
        Ok(mut connection) => {
            if let Err(error) = connection.query_drop(format!("KILL {what}{id}")).await {
                tracing::debug!(source = %config.source, %error, "the statement had ended already");
            }
            let _ = connection.disconnect().await;
        }
        Err(error) => tracing::warn!(source = %config.source, %error, "could not cancel a statement"),
    }
}

/// Closes a connection without reading what it still has to say.
fn discard(connection: Conn) {
    tokio::spawn(async move {
        let _ = connection.disconnect().await;
    });
}
