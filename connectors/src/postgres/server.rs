//! A PostgreSQL server as connections to it are opened, reused and told to stop.
//!
//! Only a connection whose last statement ended well goes back to the pool; after an error, a cancel or an abandoned result it is
//! closed, because a late cancel might hit the next query and an unread result would have to be read.

use std::sync::Arc;
use std::time::Duration;

use cost_model::Clock;
use planner::{Error, Result};
use tokio::runtime::Handle;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::PostgresConfig;
use super::connect::{Canceler, Connection, connect};
use super::error::Blame;
use super::{cancel, tls};
use crate::pool::{self, Credential, Limits, Slot};

/// A connection that rested longer is asked whether it is still there. Its end is mostly noticed before.
const TRUSTED_REST: Duration = Duration::from_secs(30);

pub type Pool = pool::Pool<PgServer>;

pub struct PgServer {
    pub config: PostgresConfig,
    pub clock: Arc<dyn Clock>,
    pub io: Handle,
    pub blame: Blame,
    tls: MakeRustlsConnect,
}

/// Connections live on `io`.
pub fn pool(config: PostgresConfig, clock: Arc<dyn Clock>, io: Handle) -> Result<Arc<Pool>> {
    let limits = Limits {
        max_connections: config.max_connections,
        idle_timeout: config.idle_timeout,
        max_lifetime: config.max_lifetime,
        trusted_rest: TRUSTED_REST,
        patience: config.connect_timeout,
    };
    let tls = tls::connector(config.ssl_mode, config.ssl_root_cert.as_deref())?;
    let blame = Blame(config.source.clone());
    let server = PgServer { config, clock: clock.clone(), io: io.clone(), blame, tls };
    Ok(Pool::new(server, limits, clock, &io))
}

impl PgServer {
    pub fn credential(&self, _principal: &str) -> Credential {
        Credential { user: self.config.user.as_str().into(), password: self.config.password.clone() }
    }

    /// Asks the server to give up what a connection is doing; returns when it was told.
    pub async fn cancel(&self, canceler: &Canceler) {
        let Canceler { token, address } = canceler.clone();
        let (host, tls) = (self.config.host.clone(), self.tls.clone());
        let asking = async move {
            match address {
                Some(address) => cancel::request(&token, address, &host, tls).await,
                None => Ok(token.cancel_query(tls).await?),
            }
        };
        match self.io.spawn(tokio::time::timeout(self.config.connect_timeout, asking)).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(source = %self.config.source, %error, "cancel request failed"),
            Ok(Err(_)) => tracing::warn!(source = %self.config.source, "cancel request timed out"),
            Err(error) => tracing::warn!(source = %self.config.source, %error, "cancel request was not sent"),
        }
    }
}

impl pool::Server for PgServer {
    type Connection = Connection;

    async fn connect(&self, credential: &Credential, slot: Slot, opened: Duration) -> Result<Connection> {
        let connecting =
            connect(self.config.clone(), credential.clone(), self.tls.clone(), self.blame.clone(), slot, opened);
        let limit = self.config.connect_timeout;
        // On the input/output runtime, whoever asks: a socket belongs to the runtime it was made on.
        match self.io.spawn(tokio::time::timeout(limit, connecting)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(_)) => Err(self.blame.timed_out(limit)),
            Err(e) => Err(Error::internal(format!("connecting failed: {e}"))),
        }
    }
}
