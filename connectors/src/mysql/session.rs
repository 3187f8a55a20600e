//! One query's connection: its snapshot, its statements one after another, its cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use planner::Result;
use planner::error::{Error, state};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use super::MySqlConfig;
use super::decode::Decoder;
use crate::engine::{EngineSession, ScanRequest, SessionRequest, UnsupportedTypes};

const BATCH_ROWS: usize = 8192;
/// Batches decoded ahead of the reader; beyond that the socket is left unread.
const AHEAD: usize = 2;

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
            return Err(Error::new(state::QUERY_CANCELED, "canceling statement due to user request"));
        }
        let lenient = self.config.unsupported == UnsupportedTypes::Null;
        let decoder = Decoder::new(request.schema.clone(), request.columns, lenient)?;
        let mut stream = RecordBatchReceiverStream::builder(request.schema, AHEAD);
        let (tx, config, id) = (stream.tx(), self.config.clone(), self.id);
        let sql = format!("{}{}", self.comment, request.sql);
        // Not a task of the stream: dropping the stream must not abort it before it has told the server.
        tokio::spawn(async move { read(config, id, guard, sql, decoder, tx).await });
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
            Err(_) => kill(&self.config, self.id).await,
        }
    }
}

type Batches = mpsc::Sender<Result<arrow::array::RecordBatch, DataFusionError>>;

/// Reads one statement's rows to the end, or until nobody wants them. A connection with unread rows is thrown away.
async fn read(
    config: Arc<MySqlConfig>,
    id: u32,
    mut guard: OwnedMutexGuard<Option<Conn>>,
    sql: String,
    mut decoder: Decoder,
    tx: Batches,
) {
    let Some(mut connection) = guard.take() else { return };
    match stream_rows(&config, &mut connection, &sql, &mut decoder, &tx).await {
        Ok(true) => *guard = Some(connection),
        Ok(false) => {
            kill(&config, id).await;
            discard(connection);
        }
        Err(error) => {
            let fatal = error.sqlstate() == state::CONNECTION_FAILURE;
            let _ = tx.send(Err(error.into())).await;
            if fatal {
                discard(connection);
            } else {
                kill(&config, id).await;
                discard(connection);
            }
        }
    }
}

/// `false` if the reader went away.
async fn stream_rows(
    config: &MySqlConfig,
    connection: &mut Conn,
    sql: &str,
    decoder: &mut Decoder,
    tx: &Batches,
) -> Result<bool> {
    let failed = |e| config.error(e);
    let mut rows = tokio::select! {
        rows = connection.exec_iter(sql, ()) => rows.map_err(failed)?,
        () = tx.closed() => return Ok(false),
    };
    loop {
        let row = tokio::select! {
            row = rows.next() => row.map_err(failed)?,
            () = tx.closed() => return Ok(false),
        };
        let Some(row) = row else { break };
        decoder.push(row).map_err(|e| e.with_source_id(config.source.clone()))?;
        if decoder.rows() == BATCH_ROWS && tx.send(Ok(decoder.finish()?)).await.is_err() {
            return Ok(false);
        }
    }
    drop(rows);
    if decoder.rows() > 0 && tx.send(Ok(decoder.finish()?)).await.is_err() {
        return Ok(true);
    }
    Ok(true)
}

/// Ends the statement at the server, over a connection of its own.
async fn kill(config: &MySqlConfig, id: u32) {
    match config.connect().await {
        Ok(mut connection) => {
            if let Err(error) = connection.query_drop(format!("KILL {id}")).await {
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
