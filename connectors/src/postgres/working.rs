//! A connection while a statement runs on it.

use std::sync::Arc;
use std::time::Duration;

use planner::{Error, Result};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::connect::Connection;
use super::server::Pool;
use crate::pool::Connection as _;

/// How long a stopped statement may take to end before its connection is given up.
pub const STOPPING: Duration = Duration::from_secs(3);
/// When a cancel that changed nothing is repeated.
pub const AGAIN: Duration = Duration::from_millis(100);
/// A statement that failed by itself has ended by then.
const AT_ONCE: Duration = Duration::from_millis(5);

/// Dropped before the connection was taken out again, the statement is stopped at the server and the connection closed.
pub struct Working {
    pool: Arc<Pool>,
    connection: Option<(Connection, TaskTrackerToken)>,
}

impl Working {
    /// The token is held until the statement has ended, however it does.
    pub fn new(pool: Arc<Pool>, connection: Connection, token: TaskTrackerToken) -> Self {
        Self { pool, connection: Some((connection, token)) }
    }

    pub fn connection(&mut self) -> Result<&mut Connection> {
        let connection = self.connection.as_mut().map(|(connection, _)| connection);
        connection.ok_or_else(|| Error::internal("a connection was used after it was given back"))
    }

    pub fn take(&mut self) -> Option<Connection> {
        self.connection.take().map(|(connection, _)| connection)
    }

    /// Back to the pool: its statement ended well.
    pub fn give_back(mut self) {
        if let Some(connection) = self.take() {
            self.pool.give_back(connection);
        }
    }

    /// Not to be used again.
    pub fn close(mut self) {
        if let Some(connection) = self.take() {
            connection.close();
        }
    }

    /// Ends the transaction first.
    pub async fn commit(mut self) {
        if let Ok(connection) = self.connection()
            && connection.client.batch_execute("COMMIT").await.is_ok()
        {
            self.give_back();
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some((connection, token)) = self.connection.take()
            && !connection.client.is_closed()
        {
            let pool = self.pool.clone();
            let io = pool.server.io.clone();
            io.spawn(async move {
                if stop(&pool, &connection).await {
                    connection.close();
                }
                drop(token);
            });
        }
    }
}

/// Cancels until nothing is running; false if that did not come about. Once is not enough: requests are sent one behind the
/// other, and a cancel only hits the one that is running when it arrives.
async fn stop(pool: &Pool, connection: &Connection) -> bool {
    let quiet = async |patience| tokio::time::timeout(patience, connection.client.check_connection()).await.is_ok();
    let canceler = connection.canceler();
    let stopping = async {
        let mut ended = quiet(AT_ONCE).await;
        while !ended {
            pool.server.cancel(&canceler).await;
            ended = quiet(AGAIN).await;
        }
    };
    tokio::time::timeout(STOPPING, stopping).await.is_ok()
}
