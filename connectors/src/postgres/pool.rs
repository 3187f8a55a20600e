//! Connections to one server, kept for reuse by credential.
//!
//! Only a connection whose last statement ended well comes back here; after an error, a cancel or an abandoned result it is closed,
//! because a late cancel might hit the next query and an unread result would have to be read.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cost_model::Clock;
use parking_lot::Mutex;
use planner::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::PostgresConfig;
use super::connect::{Canceler, Connection, Credential, Slot, connect};
use super::error::Blame;
use super::{cancel, tls};

/// A connection that rested longer is asked whether it is still there.
const TRUSTED_REST: Duration = Duration::from_secs(30);

struct Idle {
    connection: Connection,
    since: Duration,
}

pub struct Pool {
    config: PostgresConfig,
    tls: MakeRustlsConnect,
    clock: Arc<dyn Clock>,
    io: Handle,
    pub blame: Blame,
    slots: Arc<Semaphore>,
    idle: Mutex<HashMap<Arc<str>, Vec<Idle>>>,
    /// A connection came back or was closed.
    changed: Arc<Notify>,
}

impl Pool {
    /// Connections live on `io`.
    pub fn new(config: PostgresConfig, clock: Arc<dyn Clock>, io: Handle) -> Result<Arc<Self>> {
        let tls = tls::connector(config.ssl_mode, config.ssl_root_cert.as_deref())?;
        let pool = Arc::new(Self {
            tls,
            clock,
            blame: Blame(config.source.clone()),
            slots: Arc::new(Semaphore::new(config.max_connections.max(1))),
            idle: Mutex::default(),
            changed: Arc::default(),
            io: io.clone(),
            config,
        });
        io.spawn(close_idle(Arc::downgrade(&pool), pool.config.idle_timeout.min(TRUSTED_REST)));
        Ok(pool)
    }

    pub fn credential(&self, _principal: &str) -> Credential {
        Credential { user: self.config.user.as_str().into(), password: self.config.password.clone() }
    }

    /// A resting connection, or a new one as soon as the limit allows.
    pub async fn checkout(&self, credential: &Credential) -> Result<Connection> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(Idle { connection, since }) = self.rested(&credential.user) {
                let rest = self.clock.now().saturating_sub(since);
                if rest < TRUSTED_REST || self.answers(&connection).await {
                    return Ok(connection);
                }
                continue;
            }
            if let Ok(permit) = self.slots.clone().try_acquire_owned() {
                return self.connect(credential, permit).await;
            }
            self.close_another(&credential.user);
            changed.await;
        }
    }

    /// Puts a connection back whose last statement ended well.
    pub fn give_back(&self, connection: Connection) {
        let since = self.clock.now();
        if connection.client.is_closed() || since.saturating_sub(connection.opened) > self.config.max_lifetime {
            connection.close();
            return;
        }
        self.idle.lock().entry(connection.user.clone()).or_default().push(Idle { connection, since });
        self.changed.notify_one();
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

    pub fn io(&self) -> &Handle {
        &self.io
    }

    pub fn config(&self) -> &PostgresConfig {
        &self.config
    }

    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The one that rested shortest, so that the others can grow old.
    fn rested(&self, user: &str) -> Option<Idle> {
        let mut idle = self.idle.lock();
        let connections = idle.get_mut(user)?;
        while let Some(candidate) = connections.pop() {
            if !candidate.connection.client.is_closed() {
                return Some(candidate);
            }
        }
        None
    }

    async fn answers(&self, connection: &Connection) -> bool {
        let asked = connection.client.check_connection();
        matches!(tokio::time::timeout(self.config.connect_timeout, asked).await, Ok(Ok(())))
    }

    /// Makes room by closing a resting connection of somebody else.
    fn close_another(&self, user: &str) {
        let mut idle = self.idle.lock();
        let other = idle.iter_mut().find_map(|(owner, list)| if **owner == *user { None } else { list.pop() });
        if let Some(other) = other {
            other.connection.close();
        }
    }

    async fn connect(&self, credential: &Credential, permit: OwnedSemaphorePermit) -> Result<Connection> {
        let slot = Slot::new(permit, self.changed.clone());
        let opened = self.clock.now();
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

/// Closes connections that rested or lived too long, as long as there is a pool.
async fn close_idle(pool: Weak<Pool>, every: Duration) {
    loop {
        tokio::time::sleep(every.max(Duration::from_millis(100))).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = pool.clock.now();
        let PostgresConfig { idle_timeout, max_lifetime, .. } = pool.config;
        let over = |idle: &mut Idle| {
            now.saturating_sub(idle.since) >= idle_timeout
                || now.saturating_sub(idle.connection.opened) >= max_lifetime
                || idle.connection.client.is_closed()
        };
        let closing: Vec<Idle> = pool.idle.lock().values_mut().flat_map(|list| list.extract_if(.., over)).collect();
        for idle in closing {
            idle.connection.close();
        }
    }
}
