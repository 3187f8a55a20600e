//! The sources, made from the configuration: those of this process and those of sites elsewhere.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::System;
use async_trait::async_trait;
use connectors::connector::{ConnectorHandle, ConnectorOptions, EngineFactory};
use connectors::engine::{Engine, SessionRequest, UnsupportedTypes};
use connectors::files::{CsvOptions, FilesConfig, FilesEngine};
use connectors::mysql::{MySql, MySqlConfig, Tls};
use connectors::postgres::{PostgresConfig, PostgresEngine, SslMode};
use connectors::remote::{RemoteSite, RemoteSiteOptions, RemoteTls};
use connectors::site::{Executor, Lease, SourceHandle, Sources};
use connectors::step::Peer;
use cost_model::{Clock, Epoch, SiteId, SourceId};
use planner::{Error, Result};
use uuid::Uuid;

use super::network;
use crate::config::{
    self, Config, Endpoint, LinkConfig, RemoteSiteConfig, ResidencyConfig, Server, SourceConfig, TlsFiles,
};

/// One source and the way to it.
#[derive(Clone)]
pub struct Connector {
    pub site: SiteId,
    pub handle: Arc<dyn SourceHandle>,
}

/// A site of the configuration.
#[derive(Clone)]
pub struct Site {
    pub name: SiteId,
    /// `None`: embedded in this process.
    pub remote: Option<RemoteSite>,
}

/// All sources known now: those of this process in the order of the configuration, then those of each site elsewhere.
#[derive(Clone)]
pub struct Connectors {
    pub order: Vec<SourceId>,
    pub by_id: HashMap<SourceId, Connector>,
    pub sites: Vec<Site>,
    /// What queries use of them.
    pub reach: Arc<Reach>,
    /// The gateway's own site.
    pub home: SiteId,
    pub links: Arc<[LinkConfig]>,
    /// How a site elsewhere (the second) reaches another one (the first).
    pub addresses: Arc<HashMap<(SiteId, SiteId), String>>,
    pub residency: Arc<[ResidencyConfig]>,
    /// Sources of this process, the first ones of `order`.
    local: usize,
}

/// Sources and sites, as queries use them.
#[derive(Default)]
pub struct Reach {
    handles: HashMap<SourceId, Arc<dyn SourceHandle>>,
    /// A site elsewhere (the first), as another one (the second) reaches it.
    peers: HashMap<(SiteId, SiteId), Peer>,
}

#[async_trait]
impl Sources for Reach {
    async fn lease(&self, source: &SourceId, request: &SessionRequest) -> Result<Arc<dyn Lease>> {
        self.handles.lease(source, request).await
    }

    async fn try_lease(&self, source: &SourceId, request: &SessionRequest) -> Result<Option<Arc<dyn Lease>>> {
        self.handles.try_lease(source, request).await
    }

    fn peer(&self, from: &SiteId, to: &SiteId) -> Option<Peer> {
        self.peers.get(&(from.clone(), to.clone())).cloned()
    }
}

/// Who this process is to the sites elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The same over restarts.
    pub gateway: Uuid,
    pub epoch: Epoch,
}

/// Longest wait for a connection of a query without a deadline of its own.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts a connector for each source of this process.
pub fn start_local(
    sources: &[SourceConfig],
    executor: &Arc<Executor>,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<(SourceId, ConnectorHandle)>> {
    let start = |(n, source): (usize, &SourceConfig)| {
        let id = SourceId::new(&source.name);
        let mut options = ConnectorOptions::new(id.clone());
        options.max_connections = source.max_connections.max(1) as usize;
        options.queue_timeout = Some(QUEUE_TIMEOUT);
        options.seed = clock.unix_micros() as u64 ^ n as u64;
        let factory = factory(source, executor, clock);
        let arbiter = System::current().arbiter().clone();
        let io = tokio::runtime::Handle::current();
        Ok((id, ConnectorHandle::start(options, factory, clock.clone(), arbiter, io)?))
    };
    sources.iter().enumerate().map(start).collect()
}

impl Connectors {
    /// Connections to sites elsewhere go on being used where their configuration is the same as `before`.
    pub fn start(
        config: &Config,
        executor: &Arc<Executor>,
        clock: &Arc<dyn Clock>,
        identity: Identity,
        before: Option<&Self>,
    ) -> Result<Self> {
        let mut connectors = Self {
            order: Vec::new(),
            by_id: HashMap::new(),
            sites: Vec::new(),
            reach: Arc::default(),
            home: SiteId::new(&config.home),
            links: config.links.clone().into(),
            addresses: Arc::new(network::addresses(config)),
            residency: config.residency.clone().into(),
            local: 0,
        };
        for site in &config.sites {
            let remote = match &site.remote {
                None => None,
                Some(remote) => Some(remote_site(&site.name, remote, clock, identity, before)?),
            };
            connectors.sites.push(Site { name: SiteId::new(&site.name), remote });
        }
        for ((id, handle), source) in start_local(&config.sources, executor, clock)?.into_iter().zip(&config.sources) {
            connectors.order.push(id.clone());
            connectors.by_id.insert(id, Connector { site: SiteId::new(&source.site), handle: Arc::new(handle) });
        }
        connectors.local = connectors.order.len();
        Ok(connectors.with_sites_sources().0)
    }

    /// The same with what the sites elsewhere have now, and what is wrong with that.
    pub fn with_sites_sources(&self) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut new = self.clone();
        let gone = new.order.split_off(self.local);
        gone.iter().for_each(|id| drop(new.by_id.remove(id)));
        for (site, remote) in self.sites.iter().filter_map(|s| s.remote.as_ref().map(|r| (&s.name, r))) {
            for (id, kind) in remote.sources() {
                if let Some(other) = new.by_id.get(&id) {
                    problems
                        .push(format!("source \"{id}\" of site \"{site}\" is there already, at \"{}\"", other.site));
                    continue;
                }
                let handle = Arc::new(remote.source(id.clone(), kind));
                new.order.push(id.clone());
                new.by_id.insert(id, Connector { site: site.clone(), handle });
            }
        }
        let mut handles: HashMap<SourceId, Arc<dyn SourceHandle>> =
            new.by_id.iter().map(|(id, c)| (id.clone(), c.handle.clone())).collect();
        for remote in self.sites.iter().filter_map(|s| s.remote.as_ref()) {
            handles.insert(SourceId::compute(remote.name()), Arc::new(remote.compute()));
        }
        let peers = network::peers(&new);
        new.reach = Arc::new(Reach { handles, peers });
        (new, problems)
    }

    pub fn get(&self, id: &SourceId) -> Result<&Connector> {
        self.by_id.get(id).ok_or_else(|| {
            Error::new(planner::error::state::UNDEFINED_OBJECT, format!("source \"{id}\" does not exist"))
        })
    }
}

fn remote_site(
    name: &str,
    config: &RemoteSiteConfig,
    clock: &Arc<dyn Clock>,
    identity: Identity,
    before: Option<&Connectors>,
) -> Result<RemoteSite> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|e| {
            let message = format!("site \"{name}\": cannot read {}: {e}", path.display());
            Error::new(planner::error::state::CONFIG_FILE_ERROR, message)
        })
    };
    let identity_of = |tls: &TlsFiles| {
        let key = String::from_utf8_lossy(&read(&tls.key)?).into_owned();
        Ok::<_, Error>((read(&tls.certificate)?, key.into()))
    };
    let tls = match &config.tls_ca {
        None => None,
        Some(authority) => {
            let identity = config.tls.as_ref().map(identity_of).transpose()?;
            Some(RemoteTls { authority: read(authority)?, identity })
        }
    };
    let options = RemoteSiteOptions {
        site: SiteId::new(name),
        address: config.address.clone(),
        token: config.token.clone(),
        tls,
        gateway: identity.gateway,
        epoch: identity.epoch,
        timeout: config.timeout,
        link: None,
        seed: clock.unix_micros() as u64,
    };
    let running = before.into_iter().flat_map(|b| &b.sites).filter_map(|s| s.remote.as_ref());
    if let Some(running) = running.into_iter().find(|r| r.options().same_connection(&options)) {
        return Ok(running.clone());
    }
    let arbiter = System::current().arbiter().clone();
    RemoteSite::start(options, clock.clone(), arbiter, tokio::runtime::Handle::current())
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
