//! MySQL and MariaDB, by mysql_async's binary protocol.
//!
//! All statements of a query at one source run one after another on one connection, inside one consistent snapshot: neither
//! engine can share a snapshot between connections. Sessions are pinned to UTC, utf8mb4 and a fixed `sql_mode`, so escaping and
//! dates mean the same on every server.

mod config;
mod decode;
mod error;
mod introspect;
mod session;
mod types;

use std::sync::Arc;

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use planner::catalog::{EngineKind, SourceSchema};
use planner::error::state;
use planner::{Error, PgType, Result};

pub use config::{MySqlConfig, Tls};

use crate::engine::{Engine, EngineSession, SessionRequest};

#[derive(Debug)]
pub struct MySql {
    config: Arc<MySqlConfig>,
}

impl MySql {
    pub fn new(config: MySqlConfig) -> Self {
        Self { config: Arc::new(config) }
    }
}

#[async_trait]
impl Engine for MySql {
    fn kind(&self) -> EngineKind {
        EngineKind::MySql
    }

    async fn ping(&self) -> Result<()> {
        let mut connection = self.config.connect().await?;
        let answer = connection.query_drop("SELECT 1").await;
        let closed = connection.disconnect().await;
        answer.and(closed).map_err(|e| self.config.error(e))
    }

    async fn introspect(&self) -> Result<SourceSchema> {
        let mut connection = self.config.connect().await?;
        let schema = introspect::introspect(&mut connection, &self.config).await;
        let _ = connection.disconnect().await;
        schema
    }

    async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>> {
        let mut connection = self.config.connect().await?;
        let prepared = connection.prep(sql).await;
        let statement = prepared.map_err(|e| self.config.error(e))?;
        let columns: Vec<_> = statement.columns().iter().map(types::of_result_column).collect();
        let _ = connection.disconnect().await;
        if columns.is_empty() {
            let error = Error::new(state::SYNTAX_ERROR, "the statement does not return rows");
            return Err(error.with_source_id(self.config.source.clone()));
        }
        Ok(columns)
    }

    async fn session(&self, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        Ok(Arc::new(session::Session::open(self.config.clone(), request).await?))
    }
}
