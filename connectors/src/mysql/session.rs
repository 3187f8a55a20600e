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
use planner::catalog::EngineKind;
use planner::error::{Error, state};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use super::MySqlConfig;
use super::config::PINS;
use super::decode::Decoder;
use super::server::{Connection, Pool};
use crate::engine::{EngineSession, ScanRequest, SessionRequest, UnsupportedTypes, concurrent_scans};
use crate::pool::Connection as _;
use crate::site::caught;

const BATCH_ROWS: usize = 8192;
/// Batches decoded ahead of the reader; beyond that the socket is left unread.
const AHEAD: usize = 2;
/// How long a statement that is to stop may take before its connection is given up.
const STOPPING: Duration = Duration::from_secs(3);
/// When telling it to stop is repeated.
const AGAIN: Duration = Duration::from_millis(100);
/// Between two such requests. In MariaDB a second one and the thread that the first one wakes can block each other for 2 seconds.
const WAKING: Duration = Duration::from_millis(20);

pub struct Session {
    lent: Arc<Lent>,
    comment: String,
}

/// A query's connection. When the session and its statements are done with it, it goes back to the pool if it is as good as new.
struct Lent {
    pool: Arc<Pool>,
    /// The server's id of the connection, for KILL.
    id: u32,
    /// A transaction is open.
    snapshot: bool,
    cancelled: AtomicBool,
    /// Not for another query: something may come to light later.
    tainted: AtomicBool,
    /// A statement of the client's own ran last.
    unpinned: AtomicBool,
    killing: Mutex<()>,
    /// Locked by the statement that runs; `None` once the connection is lost.
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Lent {
    fn config(&self) -> &MySqlConfig {
        &self.pool.server.config
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn canceled(&self) -> Error {
        Error::new(state::QUERY_CANCELED, "canceling statement due to user request")
            .with_source_id(self.config().source.clone())
    }

    /// A statement of the client's own may have set what ours depend on. What else it leaves ends with the connection.
    async fn pin_again(&self, conn: &mut Conn, passthrough: bool) -> Result<()> {
        if self.unpinned.swap(passthrough, Ordering::AcqRel) && !passthrough {
            for pin in PINS {
                conn.query_drop(pin).await.map_err(|e| self.config().error(e))?;
            }
        }
        if passthrough {
            self.tainted.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Ends the connection's statement (`QUERY `) or the connection. It may arrive late.
    async fn kill(&self, what: &str) {
        self.tainted.store(true, Ordering::Release);
        let _turn = self.killing.lock().await;
        self.pool.server.kill(what, self.id).await;
        tokio::time::sleep(WAKING).await;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.try_lock().ok().and_then(|mut lent| lent.take()) else { return };
        if *self.tainted.get_mut() || *self.cancelled.get_mut() {
            connection.close();
        } else if self.snapshot {
            let pool = self.pool.clone();
            self.pool.server.io.spawn(async move {
                match connection.conn.query_drop("ROLLBACK").await {
                    Ok(()) => pool.give_back(connection),
                    Err(_) => connection.close(),
                }
            });
        } else {
            self.pool.give_back(connection);
        }
    }
}

impl Session {
    pub async fn open(pool: Arc<Pool>, request: SessionRequest) -> Result<Self> {
        let mut connection = pool.checkout(&pool.server.credential(&request.principal)).await?;
        if request.snapshot {
            let begun = connection.conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await;
            if let Err(error) = begun {
                connection.close();
                return Err(pool.server.config.error(error));
            }
        }
        let lent = Lent {
            id: connection.conn.id(),
            snapshot: request.snapshot,
            cancelled: AtomicBool::new(false),
            tainted: AtomicBool::new(false),
            unpinned: AtomicBool::new(false),
            killing: Mutex::default(),
            connection: Arc::new(Mutex::new(Some(connection))),
            pool,
        };
        Ok(Self { comment: format!("/* narrows query={} */ ", request.query), lent: Arc::new(lent) })
    }
}

#[async_trait]
impl EngineSession for Session {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let lent = self.lent.clone();
        let guard = lent.connection.clone().lock_owned().await;
        if guard.is_none() || lent.cancelled() {
            return Err(lent.canceled());
        }
        let lenient = lent.config().unsupported == UnsupportedTypes::Null;
        let decoder = Decoder::new(request.schema.clone(), request.columns, lenient)?;
        let mut stream = RecordBatchReceiverStream::builder(request.schema, AHEAD);
        let tx = stream.tx();
        let statement = Statement { sql: format!("{}{}", self.comment, request.sql), passthrough: request.passthrough };
        // Not a task of the stream: dropping the stream must not abort it before it has told the server.
        lent.pool.server.io.clone().spawn(async move { read(lent, guard, statement, decoder, tx).await });
        stream.spawn(async { Ok(()) });
        Ok(stream.build())
    }

    fn concurrent_scans(&self) -> bool {
        concurrent_scans(EngineKind::MySql, 1)
    }

    async fn cancel(&self) {
        if self.lent.cancelled.swap(true, Ordering::AcqRel) {
            return;
        }
        // If nothing runs the connection is simply closed.
        match self.lent.connection.try_lock() {
            Ok(mut guard) => drop(guard.take().map(Connection::close)),
            Err(_) => self.lent.kill("").await,
        }
    }
}

type Batches = mpsc::Sender<Result<arrow::array::RecordBatch, DataFusionError>>;

struct Statement {
    sql: String,
    /// The client's own.
    passthrough: bool,
}

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
    lent: Arc<Lent>,
    mut guard: OwnedMutexGuard<Option<Connection>>,
    statement: Statement,
    mut decoder: Decoder,
    tx: Batches,
) {
    let Some(mut connection) = guard.take() else { return };
    let end = match lent.pin_again(&mut connection.conn, statement.passthrough).await {
        // A panic must not look like the end of the rows.
        Ok(()) => caught(stream_rows(&lent, &mut connection.conn, &statement.sql, &mut decoder, &tx)).await,
        Err(error) => Err(error),
    };
    // Whatever a killed connection says, it is no news of the server.
    let end = end.map_err(|e| if lent.cancelled() { lent.canceled() } else { e });
    match end {
        Ok(End::Complete | End::Stopped) => *guard = Some(connection),
        Ok(End::Busy) => {
            lent.kill("").await;
            connection.close();
        }
        Err(error) => {
            let lost = [state::CONNECTION_FAILURE, state::QUERY_CANCELED].contains(&error.sqlstate());
            let _ = tx.send(Err(error.into())).await;
            if !lost {
                lent.kill("").await;
            }
            connection.close();
        }
    }
    // The connection is free before the reader hears of the end.
    drop(guard);
    drop(lent);
    drop(tx);
}

async fn stream_rows(
    lent: &Lent,
    connection: &mut Conn,
    sql: &str,
    decoder: &mut Decoder,
    tx: &Batches,
) -> Result<End> {
    let started = {
        let mut starting = pin!(connection.exec_iter(sql, ()));
        let rows = tokio::select! {
            rows = &mut starting => Some(rows.map_err(|e| lent.config().error(e))?),
            () = tx.closed() => None,
        };
        match rows {
            Some(rows) => match forward(lent.config(), rows, decoder, tx).await? {
                End::Stopped => true,
                end => return Ok(end),
            },
            None if stop(lent, starting).await.is_none() => return Ok(End::Busy),
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
        true => stop(lent, quiet).await,
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
async fn stop<F: Future>(lent: &Lent, mut end: Pin<&mut F>) -> Option<F::Output> {
    let stopping = async {
        loop {
            lent.kill("QUERY ").await;
            if let Ok(output) = tokio::time::timeout(AGAIN, &mut end).await {
                return output;
            }
        }
    };
    tokio::time::timeout(STOPPING, stopping).await.ok()
}
