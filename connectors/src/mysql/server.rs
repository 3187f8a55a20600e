//! A MySQL or MariaDB server as connections to it are opened, reused and told to stop.
//!
//! Back to the pool goes only a connection on which nothing but statements of ours ran, to their end: what a client's own
//! statement sets (variables, locks, temporary tables) outlives it, and a `KILL QUERY` may arrive late. The others are closed,
//! which costs little more than to reset them and pin them again.

use std::sync::Arc;
use std::time::Duration;

use cost_model::Clock;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use planner::Result;
use tokio::runtime::Handle;

use super::MySqlConfig;
use crate::pool::{self, Credential, Limits, Slot};

/// How long saying goodbye may take before the socket is closed without it.
const GOODBYE: Duration = Duration::from_secs(3);

pub type Pool = pool::Pool<MySqlServer>;

pub struct MySqlServer {
    pub config: MySqlConfig,
    pub io: Handle,
}

/// Connections live on `io`.
pub fn pool(config: MySqlConfig, clock: Arc<dyn Clock>, io: Handle) -> Arc<Pool> {
    let limits = Limits {
        max_connections: config.max_connections,
        idle_timeout: config.idle_timeout,
        max_lifetime: config.max_lifetime,
        // Nobody reads from a resting connection, so its end is only noticed by asking.
        trusted_rest: Duration::ZERO,
        patience: config.connect_timeout,
    };
    Pool::new(MySqlServer { config, io: io.clone() }, limits, clock, &io)
}

pub struct Connection {
    pub conn: Conn,
    user: Arc<str>,
    opened: Duration,
    io: Handle,
    slot: Slot,
}

impl MySqlServer {
    pub fn credential(&self, _principal: &str) -> Credential {
        Credential { user: self.config.user.as_str().into(), password: self.config.password.clone() }
    }

    /// Ends a connection's statement (`QUERY `) or the connection, over a connection of its own.
    pub async fn kill(&self, what: &str, id: u32) {
        match self.config.connect(&self.credential("")).await {
            Ok(mut connection) => {
                if let Err(error) = connection.query_drop(format!("KILL {what}{id}")).await {
                    tracing::debug!(source = %self.config.source, %error, "the statement had ended already");
                }
                let _ = connection.disconnect().await;
            }
            Err(error) => tracing::warn!(source = %self.config.source, %error, "could not cancel a statement"),
        }
    }
}

impl pool::Server for MySqlServer {
    type Connection = Connection;

    async fn connect(&self, credential: &Credential, slot: Slot, opened: Duration) -> Result<Connection> {
        let conn = self.config.connect(credential).await?;
        Ok(Connection { conn, user: credential.user.clone(), opened, io: self.io.clone(), slot })
    }
}

impl pool::Connection for Connection {
    fn user(&self) -> &Arc<str> {
        &self.user
    }

    fn opened(&self) -> Duration {
        self.opened
    }

    fn is_closed(&self) -> bool {
        self.conn.is_disconnected()
    }

    async fn answers(&mut self) -> bool {
        self.conn.ping().await.is_ok()
    }

    /// Without reading what the server may still have to say.
    fn close(self) {
        let Self { conn, slot, io, .. } = self;
        io.spawn(async move {
            let _ = tokio::time::timeout(GOODBYE, conn.disconnect()).await;
            drop(slot);
        });
    }
}
