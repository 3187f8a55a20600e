//! A query at a PostgreSQL server: its connections, its snapshot, its running statements.
//!
//! A query with one statement here runs it as it is. One with several runs them in transactions that share a snapshot: the first
//! connection exports it, the others import it, all in the round trip that also carries the statement.

use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use parking_lot::Mutex;
use planner::catalog::EngineKind;
use planner::error::{Retry, state};
use planner::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::error::SqlState as DriverState;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connect::Connection;
use super::error::During;
use super::scan::{Answer, End, Outlet, Statement, channel, pump};
use super::server::Pool;
use super::split;
use super::working::{AGAIN, STOPPING, Working};
use crate::engine::{EngineSession, ScanRequest, SessionRequest, concurrent_scans};
use crate::pool::Credential;

const SAVEPOINT: &str = "SAVEPOINT narrows";
const ROLLBACK: &str = "ROLLBACK TO SAVEPOINT narrows";

pub struct PgSession(Arc<Session>);

pub struct Session {
    pub pool: Arc<Pool>,
    pub request: SessionRequest,
    pub comment: Arc<str>,
    pub canceled: CancellationToken,
    credential: Credential,
    /// The connections at work, for whoever waits for their end.
    working: TaskTracker,
    /// Connected when the session was opened, so that a server that is down is noticed there.
    first: Mutex<Option<Connection>>,
    snapshot: tokio::sync::Mutex<Snapshot>,
    /// One permit per connection in a transaction of the snapshot that is reading.
    readers: Arc<Semaphore>,
    /// Those that are not reading.
    resting: Mutex<Vec<Reader>>,
}

/// The snapshot all statements of the query read.
enum Snapshot {
    NotTaken,
    /// Its name, if other connections can import it.
    Taken(Option<String>),
    /// The connection that held it is gone.
    Lost,
}

/// A connection in a transaction that reads the snapshot.
struct Reader {
    connection: Connection,
    /// The one that took it.
    first: bool,
}

impl PgSession {
    pub async fn open(pool: Arc<Pool>, request: SessionRequest) -> Result<Self> {
        let credential = pool.server.credential(&request.principal);
        let first = pool.checkout(&credential).await?;
        Ok(Self(Arc::new(Session {
            comment: format!("/* narrows query={} */ ", request.query).into(),
            canceled: CancellationToken::new(),
            credential,
            working: TaskTracker::new(),
            first: Mutex::new(Some(first)),
            snapshot: tokio::sync::Mutex::new(Snapshot::NotTaken),
            readers: Arc::new(Semaphore::new(request.connections.max(1))),
            resting: Mutex::default(),
            pool,
            request,
        })))
    }
}

#[async_trait]
impl EngineSession for PgSession {
    async fn scan(&self, request: ScanRequest) -> Result<SendableRecordBatchStream> {
        let session = self.0.clone();
        let config = &session.pool.server.config;
        let statement = Statement {
            comment: session.comment.clone(),
            copy: request.estimated_rows.is_none_or(|rows| rows >= config.copy_from_rows),
            sql: request.sql,
            passthrough: request.passthrough,
            columns: request.columns.into(),
            schema: request.schema.clone(),
        };
        let table = request.single_table.zip(request.conditions_at).filter(|(table, _)| {
            let (whole, rows) = (table.estimated_rows.unwrap_or(0.0), request.estimated_rows.unwrap_or(0.0));
            // Ranges are read in full, so they are no help where an index finds the few rows that are wanted.
            let worth_it = whole >= config.split_from_rows && rows >= whole / 10.0;
            worth_it && !session.request.snapshot && session.request.connections > 1
        });
        let (outlet, rows) = channel(request.schema, session.canceled.clone(), session.pool.server.blame.clone());
        let io = session.pool.server.io.clone();
        io.spawn(async move {
            let result = match table {
                _ if outlet.canceled() => Ok(()),
                Some((table, at)) => split::scan(&session, statement, table, at, &outlet).await,
                None if session.request.snapshot => session.scan_snapshot(&statement, &outlet).await,
                None => session.scan_alone(&statement, &outlet).await,
            };
            let result = if outlet.canceled() { Err(session.pool.server.blame.canceled()) } else { result };
            // The connections go back before the reader hears of the end.
            drop(session);
            outlet.finish(result).await;
        });
        Ok(Box::pin(rows))
    }

    fn concurrent_scans(&self) -> bool {
        concurrent_scans(EngineKind::Postgres, self.0.request.connections)
    }

    async fn cancel(&self) {
        self.0.canceled.cancel();
        self.0.working.close();
        if tokio::time::timeout(STOPPING, self.0.working.wait()).await.is_err() {
            tracing::warn!(source = %self.0.pool.server.blame.0, query = %self.0.request.query, "statements did not stop in time");
        }
    }
}

impl Session {
    pub async fn connect(&self) -> Result<Working> {
        let first = self.first.lock().take();
        let connection = match first {
            Some(connection) => connection,
            None => match self.canceled.run_until_cancelled(self.pool.checkout(&self.credential)).await {
                Some(connection) => connection?,
                None => return Err(self.pool.server.blame.canceled()),
            },
        };
        Ok(self.put_to_work(connection))
    }

    fn put_to_work(&self, connection: Connection) -> Working {
        Working::new(self.pool.clone(), connection, self.working.token())
    }

    /// The server's own time limit in milliseconds: it only matters should this process not be able to cancel, so it comes later,
    /// and in whole seconds, so that it seldom has to be changed.
    fn statement_timeout(&self) -> u64 {
        self.request.deadline.map_or(0, |at| {
            let left = at.saturating_sub(self.pool.server.clock.now());
            (left.as_secs() + 2) * 1000
        })
    }

    /// The beginning of a transaction that reads one snapshot.
    pub fn begin(&self) -> String {
        let timeout = self.statement_timeout();
        format!(
            "{}BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {timeout}",
            self.comment
        )
    }

    /// A query's only statement here.
    pub async fn scan_alone(&self, statement: &Statement, outlet: &Outlet) -> Result<()> {
        let mut working = self.connect().await?;
        let timeout = self.statement_timeout();
        let connection = working.connection()?;
        let before = if connection.statement_timeout == timeout {
            String::new()
        } else {
            connection.statement_timeout = timeout;
            format!("SET statement_timeout = {timeout}")
        };
        match pump(&connection.client, &before, statement, outlet, &self.pool.server.blame).await? {
            End::Complete if statement.passthrough => working.close(),
            End::Complete => working.give_back(),
            End::Stopped(_) => {}
        }
        Ok(())
    }

    /// One of several statements that read the same snapshot.
    async fn scan_snapshot(&self, statement: &Statement, outlet: &Outlet) -> Result<()> {
        let (reader, before, permit) = self.reader(outlet).await?;
        let first = reader.first;
        let mut working = self.put_to_work(reader.connection);
        let result = pump(&working.connection()?.client, &before, statement, outlet, &self.pool.server.blame).await;
        let kept = match &result {
            // Settings go back to what they were, too.
            Ok(End::Complete) if statement.passthrough => self.roll_back(&mut working).await,
            Ok(End::Complete) => working.take(),
            _ => None,
        };
        let kept = match (kept, result) {
            (None, Ok(End::Stopped(answer))) if !outlet.canceled() => self.recover(&mut working, answer).await,
            (kept, Ok(_)) => kept,
            (_, Err(error)) => {
                self.end_reader(None, first, permit).await;
                return Err(error);
            }
        };
        self.end_reader(kept.map(|connection| Reader { connection, first }), first, permit).await;
        Ok(())
    }

    async fn end_reader(&self, kept: Option<Reader>, first: bool, permit: OwnedSemaphorePermit) {
        match kept {
            Some(reader) => self.resting.lock().push(reader),
            None if first => *self.snapshot.lock().await = Snapshot::Lost,
            None => {}
        }
        drop(permit);
    }

    /// A connection that reads the snapshot, and what has to be sent ahead of its statement.
    async fn reader(&self, outlet: &Outlet) -> Result<(Reader, String, OwnedSemaphorePermit)> {
        let closed = |_| Error::internal("a session's connections are gone");
        let permit = self.readers.clone().acquire_owned().await.map_err(closed)?;
        let rested = self.resting.lock().pop();
        if let Some(reader) = rested {
            return Ok((reader, SAVEPOINT.into(), permit));
        }
        let mut snapshot = self.snapshot.lock().await;
        let begin = self.begin();
        match &*snapshot {
            Snapshot::NotTaken => {
                let mut working = self.connect().await?;
                let (name, before) = if self.request.connections > 1 {
                    let export = format!("{begin}; SELECT pg_export_snapshot()");
                    let name = self.ask(&mut working, &export, outlet).await?.into_iter().flatten().next();
                    (name, SAVEPOINT.into())
                } else {
                    (None, format!("{begin}; {SAVEPOINT}"))
                };
                *snapshot = Snapshot::Taken(name);
                let connection = working.take().ok_or_else(|| Error::internal("no connection"))?;
                Ok((Reader { connection, first: true }, before, permit))
            }
            Snapshot::Taken(Some(name)) => {
                let before = format!("{begin}; SET TRANSACTION SNAPSHOT '{name}'; {SAVEPOINT}");
                let mut working = self.connect().await?;
                let connection = working.take().ok_or_else(|| Error::internal("no connection"))?;
                Ok((Reader { connection, first: false }, before, permit))
            }
            Snapshot::Taken(None) | Snapshot::Lost => {
                Err(Error::new(state::CONNECTION_FAILURE, "the connection that held the query's snapshot is gone")
                    .with_retry(Retry::Query))
            }
        }
    }

    /// The values of the first row that any statement of a script gives. It may have to wait for a lock.
    pub async fn ask(&self, working: &mut Working, script: &str, outlet: &Outlet) -> Result<Vec<Option<String>>> {
        let messages = tokio::select! {
            messages = working.connection()?.client.simple_query(script) => messages,
            () = outlet.stopped() => return Err(self.pool.server.blame.canceled()),
        };
        let messages = self.pool.server.blame.result(messages, During::Statement)?;
        let row = messages.iter().find_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(row.map(|row| (0..row.len()).map(|i| row.get(i).map(String::from)).collect()).unwrap_or_default())
    }

    async fn roll_back(&self, working: &mut Working) -> Option<Connection> {
        let client = &working.connection().ok()?.client;
        if client.batch_execute(ROLLBACK).await.is_ok() { working.take() } else { None }
    }

    /// Stops a statement whose rows nobody wants any more without losing the transaction.
    async fn recover(&self, working: &mut Working, answer: Option<Answer>) -> Option<Connection> {
        let connection = working.connection().ok()?;
        let recovered = tokio::time::timeout(STOPPING, self.roll_back_running(connection, answer)).await;
        if recovered == Ok(true) { working.take() } else { None }
    }

    async fn roll_back_running(&self, connection: &Connection, answer: Option<Answer>) -> bool {
        let client = &connection.client;
        // Unless the cancel was seen to have arrived it may still hit a later statement.
        let mut arrived = pin!(async {
            match answer {
                Some(answer) => answer.drain().await,
                None => is_aborted(client).await,
            }
        });
        loop {
            self.pool.server.cancel(&connection.canceler()).await;
            if let Ok(arrived) = tokio::time::timeout(AGAIN, &mut arrived).await {
                return arrived && client.batch_execute(ROLLBACK).await.is_ok();
            }
        }
    }
}

/// Whether the statement before this one has failed, and with it the transaction.
async fn is_aborted(client: &Client) -> bool {
    let asked = client.batch_execute("SELECT 1").await;
    asked.is_err_and(|e| e.code() == Some(&DriverState::IN_FAILED_SQL_TRANSACTION))
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(unused) = self.first.get_mut().take() {
            self.pool.give_back(unused);
        }
        let readers = std::mem::take(self.resting.get_mut());
        if readers.is_empty() {
            return;
        }
        let pool = self.pool.clone();
        let io = pool.server.io.clone();
        io.spawn(async move {
            for Reader { connection, .. } in readers {
                if connection.client.batch_execute("COMMIT").await.is_ok() {
                    pool.give_back(connection);
                }
            }
        });
    }
}
