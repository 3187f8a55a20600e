//! A configured PostgreSQL server.

use std::sync::Arc;

use async_trait::async_trait;
use cost_model::Clock;
use planner::catalog::{EngineKind, SourceSchema};
use planner::error::state;
use planner::{Error, PgType, Result};
use tokio::runtime::Handle;
use tokio_postgres::SimpleQueryMessage;

use super::config::PostgresConfig;
use super::connect::Connection;
use super::error::During;
use super::introspect;
use super::server::{self, Pool};
use super::session::PgSession;
use super::types;
use crate::engine::{Engine, EngineSession, SessionRequest};

pub struct PostgresEngine {
    pool: Arc<Pool>,
}

impl PostgresEngine {
    /// Reads certificates, connects to nothing. Connections will live on `io`.
    pub fn new(config: PostgresConfig, clock: Arc<dyn Clock>, io: Handle) -> Result<Self> {
        Ok(Self { pool: server::pool(config, clock, io)? })
    }

    async fn connect(&self) -> Result<Connection> {
        self.pool.checkout(&self.pool.server.credential("")).await
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Postgres
    }

    async fn ping(&self) -> Result<()> {
        let connection = self.connect().await?;
        self.pool.server.blame.result(connection.client.check_connection().await, During::Connect)?;
        self.pool.give_back(connection);
        Ok(())
    }

    async fn introspect(&self) -> Result<SourceSchema> {
        let connection = self.connect().await?;
        let schema = introspect::read(&connection.client, &self.pool.server.config);
        let schema = self.pool.server.blame.result(schema.await, During::PassThrough)?;
        self.pool.give_back(connection);
        Ok(schema)
    }

    async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>> {
        let connection = self.connect().await?;
        let described = connection.client.prepare(&format!("/* narrows */ {sql}")).await;
        let described = self.pool.server.blame.result(described, During::PassThrough)?;
        let columns = described.columns().iter().map(|column| {
            let ty =
                types::result_type(column.type_(), column.type_modifier(), self.pool.server.config.unsupported_types);
            let ty = ty.ok_or_else(|| {
                let (name, ty) = (column.name(), column.type_());
                self.pool.server.blame.own(Error::unsupported(format!("type {ty} of result column \"{name}\"")))
            })?;
            Ok((column.name().to_string(), ty))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        if columns.is_empty() {
            return Err(self
                .pool
                .server
                .blame
                .own(Error::new(state::SYNTAX_ERROR, "the statement does not return rows")));
        }
        drop(described);
        self.pool.give_back(connection);
        Ok(columns)
    }

    async fn estimate(&self, sql: &str) -> Result<Option<f64>> {
        let connection = self.connect().await?;
        let explained = connection.client.simple_query(&format!("/* narrows */ EXPLAIN (FORMAT JSON) {sql}")).await;
        let explained = self.pool.server.blame.result(explained, During::PassThrough)?;
        self.pool.give_back(connection);
        let text = explained.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let plan: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(text).ok());
        Ok(plan.and_then(|plan| plan.pointer("/0/Plan/Plan Rows")?.as_f64()))
    }

    async fn session(&self, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        Ok(Arc::new(PgSession::open(self.pool.clone(), request).await?))
    }
}
