//! The listener: takes connections, counts them, and tells them when to go.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cost_model::Clock;
use metrics::gauge;
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth::Users;
use super::cancel::Backends;
use super::login::{self, ALPN};
use crate::admission::Admission;
use crate::config::{Config, Gateway};
use crate::coordinator::QueryEngine;
use crate::queries::Queries;

/// A client that does not answer for this long is gone.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Connections beyond `max_connections` that may be logging in or sending a cancel request.
const LOGGING_IN: usize = 200;

/// What every session works with.
pub struct Shared {
    pub engine: Arc<dyn QueryEngine>,
    pub admission: Arc<Admission>,
    pub queries: Arc<Queries>,
    pub clock: Arc<dyn Clock>,
    pub backends: Arc<Backends>,
    pub connections: Arc<Connections>,
    pub live: ArcSwap<Live>,
    pub shutdown: Shutdown,
    /// Salts of users that do not exist are made from it.
    pub mock_secret: [u8; 32],
}

impl Shared {
    pub fn new(
        engine: Arc<dyn QueryEngine>,
        admission: Arc<Admission>,
        queries: Arc<Queries>,
        clock: Arc<dyn Clock>,
        live: Live,
    ) -> Self {
        Self {
            engine,
            admission,
            queries,
            clock,
            backends: Backends::new(),
            connections: Arc::default(),
            live: ArcSwap::from_pointee(live),
            shutdown: Shutdown::default(),
            mock_secret: rand::random(),
        }
    }
}

/// The part of the configuration that a reload may change. Sessions keep the settings they started with.
pub struct Live {
    pub gateway: Gateway,
    pub users: Users,
    pub tls: Option<Tls>,
    pub http_token: Option<SecretString>,
}

pub struct Tls {
    pub acceptor: TlsAcceptor,
    /// PEM, for SCRAM's channel binding.
    pub certificate: Vec<u8>,
}

impl Live {
    pub fn new(config: &Config) -> Result<Self, String> {
        let gateway = config.gateway.clone();
        let tls = match (&gateway.tls_cert, &gateway.tls_key) {
            (Some(certificate), Some(key)) => Some(tls(certificate, key)?),
            _ => None,
        };
        let http_token = config.http_token.clone();
        Ok(Self { gateway, users: Users::new(&config.users), tls, http_token })
    }
}

fn tls(certificate: &Path, key: &Path) -> Result<Tls, String> {
    let cannot = |path: &Path, error: &dyn std::fmt::Display| format!("cannot use {}: {error}", path.display());
    let pem = std::fs::read(certificate).map_err(|e| cannot(certificate, &e))?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|e| cannot(certificate, &e))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| cannot(key, &e))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(|e| cannot(certificate, &e))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), certificate: pem })
}

/// The two stages of stopping.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// No new connections; sessions end as soon as they are idle.
    pub drain: CancellationToken,
    /// Sessions end now.
    pub kill: CancellationToken,
}

/// How many sessions there are, in all and for each user.
#[derive(Debug, Default)]
pub struct Connections(Mutex<HashMap<String, u32>>);

/// A session's place; dropping it gives it back.
#[derive(Debug)]
pub struct ConnectionPermit {
    user: String,
    connections: Arc<Connections>,
}

impl Connections {
    pub fn open(self: &Arc<Self>, user: &str, live: &Live) -> Result<ConnectionPermit> {
        let mut open = self.0.lock();
        let all: u32 = open.values().sum();
        if all >= live.gateway.max_connections {
            return Err(Error::new(state::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
                .with_hint("max_connections in the gateway's configuration is the limit."));
        }
        let own = open.entry(user.to_string()).or_default();
        if live.users.get(user).and_then(|u| u.max_connections).is_some_and(|limit| *own >= limit) {
            return Err(Error::new(state::TOO_MANY_CONNECTIONS, format!("too many connections for role \"{user}\"")));
        }
        *own += 1;
        gauge!("narrows_connections").set(f64::from(all + 1));
        Ok(ConnectionPermit { user: user.to_string(), connections: self.clone() })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.connections.0.lock();
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
        gauge!("narrows_connections").set(f64::from(open.values().sum::<u32>()));
    }
}

/// Accepts clients until the gateway drains; returns when the last session has ended.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let sessions = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.shutdown.drain.cancelled() => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let limit = shared.live.load().gateway.max_connections as usize + LOGGING_IN;
                if sessions.len() >= limit {
                    tracing::warn!(%peer, "connection dropped: too many clients are logging in");
                    continue;
                }
                prepare(&socket);
                sessions.spawn(login::serve(shared.clone(), socket, peer.to_string()));
            }
            Err(error) => {
                // Out of file descriptors, most likely: give others time to close some.
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    sessions.close();
    sessions.wait().await;
}

fn prepare(socket: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 6);
    let configured = socket.set_nodelay(true).and_then(|()| SockRef::from(socket).set_tcp_keepalive(&keepalive));
    if let Err(error) = configured {
        tracing::debug!("cannot configure a client's socket: {error}");
    }
}
