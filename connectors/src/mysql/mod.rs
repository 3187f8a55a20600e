//! MySQL and MariaDB, by mysql_async's binary protocol.
//!
//! All statements of a query at one source run one after another on one connection, inside one consistent snapshot: neither
//! engine can share a snapshot between connections. Sessions are pinned to UTC, utf8mb4 and a fixed `sql_mode`, so escaping and
//! dates mean the same on every server.

mod config;
mod decode;
mod error;
mod introspect;
mod server;
mod session;
mod types;

use std::sync::Arc;

use async_trait::async_trait;
use cost_model::Clock;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use planner::catalog::{EngineKind, SourceSchema};
use planner::error::state;
use planner::{Error, PgType, Result};
use tokio::runtime::Handle;

pub use config::{MySqlConfig, Tls};

use self::server::{Connection, Pool};
use crate::engine::{Engine, EngineSession, SessionRequest};
use crate::pool::Connection as _;

pub struct MySql {
    pool: Arc<Pool>,
}

impl MySql {
    /// Connects to nothing. Connections will live on `io`.
    pub fn new(config: MySqlConfig, clock: Arc<dyn Clock>, io: Handle) -> Self {
        Self { pool: server::pool(config, clock, io) }
    }

    fn config(&self) -> &MySqlConfig {
        &self.pool.server.config
    }

    async fn connect(&self) -> Result<Connection> {
        self.pool.checkout(&self.pool.server.credential("")).await
    }

    /// A connection on which a statement failed is not used again.
    fn done<T>(&self, connection: Connection, result: Result<T>) -> Result<T> {
        match result {
            Ok(_) => self.pool.give_back(connection),
            Err(_) => connection.close(),
        }
        result
    }
}

/// Names and types of a statement's result.
async fn describe(connection: &mut Conn, config: &MySqlConfig, sql: &str) -> Result<Vec<(String, PgType)>> {
    let statement = connection.prep(sql).await.map_err(|e| config.error(e))?;
    let columns: Vec<_> = statement.columns().iter().map(types::of_result_column).collect();
    connection.close(statement).await.map_err(|e| config.error(e))?;
    if columns.is_empty() {
        let error = Error::new(state::SYNTAX_ERROR, "the statement does not return rows");
        return Err(error.with_source_id(config.source.clone()));
    }
    Ok(columns)
}

#[async_trait]
impl Engine for MySql {
    fn kind(&self) -> EngineKind {
        EngineKind::MySql
    }

    async fn ping(&self) -> Result<()> {
        let mut connection = self.connect().await?;
        let answer = connection.conn.ping().await.map_err(|e| self.config().error(e));
        self.done(connection, answer)
    }

    async fn introspect(&self) -> Result<SourceSchema> {
        let mut connection = self.connect().await?;
        let schema = introspect::introspect(&mut connection.conn, self.config()).await;
        self.done(connection, schema)
    }

    async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>> {
        let mut connection = self.connect().await?;
        let described = describe(&mut connection.conn, self.config(), sql).await;
        self.done(connection, described)
    }

    async fn session(&self, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        Ok(Arc::new(session::Session::open(self.pool.clone(), request).await?))
    }
}
