//! The connectors of the embedded sites, made from the configuration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::System;
use connectors::connector::{ConnectorHandle, ConnectorOptions, EngineFactory};
use connectors::engine::{Engine, UnsupportedTypes};
use connectors::files::{CsvOptions, FilesConfig, FilesEngine};
use connectors::mysql::{MySql, MySqlConfig, Tls};
use connectors::postgres::{PostgresConfig, PostgresEngine, SslMode};
use connectors::site::Executor;
use cost_model::{Clock, SiteId, SourceId};
use planner::{Error, Result};

use crate::config::{self, Config, Endpoint, Server, SourceConfig};

/// One configured source and the way to it.
#[derive(Clone)]
pub struct Connector {
    pub site: SiteId,
    pub handle: ConnectorHandle,
}

/// All sources, in the order of the configuration.
#[derive(Clone, Default)]
pub struct Connectors {
    pub order: Vec<SourceId>,
    pub by_id: HashMap<SourceId, Connector>,
}

/// Longest wait for a connection of a query without a deadline of its own.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(60);

impl Connectors {
    pub fn start(config: &Config, executor: &Arc<Executor>, clock: &Arc<dyn Clock>) -> Result<Self> {
        let mut connectors = Self::default();
        for (n, source) in config.sources.iter().enumerate() {
            let id = SourceId::new(&source.name);
            let mut options = ConnectorOptions::new(id.clone());
            options.max_connections = source.max_connections.max(1) as usize;
            options.queue_timeout = Some(QUEUE_TIMEOUT);
            options.seed = clock.unix_micros() as u64 ^ n as u64;
            let factory = factory(source, executor, clock);
            let arbiter = System::current().arbiter().clone();
            let io = tokio::runtime::Handle::current();
            let handle = ConnectorHandle::start(options, factory, clock.clone(), arbiter, io)?;
            connectors.order.push(id.clone());
            connectors.by_id.insert(id, Connector { site: SiteId::new(&source.site), handle });
        }
        Ok(connectors)
    }

    pub fn handles(&self) -> HashMap<SourceId, ConnectorHandle> {
        self.by_id.iter().map(|(id, c)| (id.clone(), c.handle.clone())).collect()
    }

    pub fn get(&self, id: &SourceId) -> Result<&Connector> {
        self.by_id.get(id).ok_or_else(|| {
            Error::new(planner::error::state::UNDEFINED_OBJECT, format!("source \"{id}\" does not exist"))
        })
    }
}

fn factory(source: &SourceConfig, executor: &Arc<Executor>, clock: &Arc<dyn Clock>) -> EngineFactory {
    let (source, executor, clock) = (source.clone(), executor.clone(), clock.clone());
    Arc::new(move || engine(&source, &executor, &clock))
}

fn engine(source: &SourceConfig, executor: &Arc<Executor>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Engine>> {
    Ok(match &source.endpoint {
        Endpoint::Postgres(server) => {
            let io = tokio::runtime::Handle::current();
            Arc::new(PostgresEngine::new(postgres_config(source, server), clock.clone(), io)?)
        }
        Endpoint::MySql(server) => {
            Arc::new(MySql::new(mysql(source, server), clock.clone(), tokio::runtime::Handle::current()))
        }
        Endpoint::Files(path) => {
            let config = FilesConfig {
                source: SourceId::new(&source.name),
                site: SiteId::new(&source.site),
                folder: path.clone(),
                csv: CsvOptions::default(),
                unsupported_types: policy(source.unsupported_types),
            };
            Arc::new(FilesEngine::new(config, executor, clock.clone()))
        }
    })
}

fn policy(policy: config::UnsupportedTypes) -> UnsupportedTypes {
    match policy {
        config::UnsupportedTypes::Error => UnsupportedTypes::Error,
        config::UnsupportedTypes::Text => UnsupportedTypes::Text,
        config::UnsupportedTypes::Null => UnsupportedTypes::Null,
    }
}

fn postgres_config(source: &SourceConfig, server: &Server) -> PostgresConfig {
    let mut config = PostgresConfig::new(SourceId::new(&source.name), &server.host, &server.database, &server.user);
    config.port = server.port;
    config.password = server.password.clone();
    config.ssl_mode = match server.sslmode {
        crate::config::SslMode::Disable => SslMode::Disable,
        crate::config::SslMode::Prefer => SslMode::Prefer,
        crate::config::SslMode::Require => SslMode::Require,
        crate::config::SslMode::VerifyCa => SslMode::VerifyCa,
        crate::config::SslMode::VerifyFull => SslMode::VerifyFull,
    };
    config.ssl_root_cert = server.sslrootcert.clone();
    config.include_schemas = source.schemas.clone().unwrap_or_default();
    config.unsupported_types = policy(source.unsupported_types);
    config.max_connections = source.max_connections.max(1) as usize;
    config
}

fn mysql(source: &SourceConfig, server: &Server) -> MySqlConfig {
    let mut config = MySqlConfig::new(SourceId::new(&source.name), &server.host, &server.database, &server.user);
    config.port = server.port;
    config.password = server.password.clone();
    config.tls = match server.sslmode {
        crate::config::SslMode::Disable => Tls::Disable,
        crate::config::SslMode::Prefer => Tls::Prefer,
        crate::config::SslMode::Require => Tls::Require,
        crate::config::SslMode::VerifyCa => Tls::VerifyCa,
        crate::config::SslMode::VerifyFull => Tls::VerifyFull,
    };
    config.root_certificates = server.sslrootcert.clone();
    config.schemas = source.schemas.clone();
    config.unsupported = policy(source.unsupported_types);
    config.max_connections = source.max_connections.max(1) as usize;
    config
}
