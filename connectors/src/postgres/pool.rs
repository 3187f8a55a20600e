//! Connections to one server, kept for reuse by credential.
//!
//! Only a connection whose last statement ended well comes back here; after an error, a cancel or an abandoned result it is closed,
//! because a late cancel might hit the next query and an unread result would have to be read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cost_model::Clock;
use parking_lot::Mutex;
use planner::{Error, Result};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::lookup_host;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode as DriverSslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, Error as DriverError, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::cancel;
use super::config::{PostgresConfig, SslMode};
use super::error::{Blame, During};
use super::tls;

/// What a session's results and literals depend on. `transform_null_equals` and `array_nulls` change what statements mean,
/// `extra_float_digits` and the styles what casts to text give; everything is read-only.
const PINS: &str = "SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; \
    SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex'; \
    SET search_path = ''; SET transform_null_equals = off; SET array_nulls = on; \
    SET idle_in_transaction_session_timeout = 0; SET default_transaction_read_only = on; SET statement_timeout = 0";

/// A connection that rested longer is asked whether it is still there.
const TRUSTED_REST: Duration = Duration::from_secs(30);

/// Who connects. Every principal shares the configured account for now; pools are kept apart by it.
#[derive(Clone, Debug)]
pub struct Credential {
    user: Arc<str>,
    password: Option<SecretString>,
}

/// An open connection in the hands of one user. Dropped, it is closed at once, whatever it is doing.
pub struct Connection {
    pub client: Client,
    /// `statement_timeout` of the session in milliseconds; 0: none.
    pub statement_timeout: u64,
    user: Arc<str>,
    opened: Duration,
    /// The server's, of several that the host name may stand for; `None` for a Unix socket.
    address: Option<SocketAddr>,
    hangup: Hangup,
}

/// What it takes to cancel a connection's statement.
#[derive(Clone)]
pub struct Canceler {
    token: CancelToken,
    address: Option<SocketAddr>,
}

/// Ends the task that drives a connection, and thereby the connection.
struct Hangup(Option<AbortHandle>);

impl Drop for Hangup {
    fn drop(&mut self) {
        if let Some(io) = &self.0 {
            io.abort();
        }
    }
}

impl Connection {
    pub fn canceler(&self) -> Canceler {
        Canceler { token: self.client.cancel_token(), address: self.address }
    }

    /// Says goodbye instead of hanging up: the task sends the rest once the client is gone.
    fn close(mut self) {
        self.hangup.0 = None;
    }
}

struct Idle {
    connection: Connection,
    since: Duration,
}

/// Held by the task that drives a connection, so that a slot is free only when its connection really is closed.
struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    changed: Arc<Notify>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.permit = None;
        self.changed.notify_one();
    }
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
        let slot = Slot { permit: Some(permit), changed: self.changed.clone() };
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

async fn connect(
    config: PostgresConfig,
    credential: Credential,
    tls: MakeRustlsConnect,
    blame: Blame,
    slot: Slot,
    opened: Duration,
) -> Result<Connection> {
    let mut driver = Config::new();
    driver
        .host(&config.host)
        .port(config.port)
        .dbname(&config.database)
        .user(&*credential.user)
        .application_name(&config.application_name)
        .keepalives_idle(Duration::from_secs(60))
        .ssl_mode(match config.ssl_mode {
            SslMode::Disable => DriverSslMode::Disable,
            SslMode::Prefer => DriverSslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => DriverSslMode::Require,
        });
    if let Some(password) = &credential.password {
        driver.password(password.expose_secret());
    }
    let mut refused = None;
    for address in addresses(&config, &blame).await? {
        let mut driver = driver.clone();
        if let Some(address) = address {
            driver.hostaddr(address.ip());
        }
        match attempt(&mut driver, &tls).await {
            Ok((client, connection)) => {
                return pinned(client, connection, credential, &blame, slot, opened, address).await;
            }
            // Another address may be another server, but not one with other accounts.
            Err(e) if e.as_db_error().is_some() => return Err(blame.error(e, During::Connect)),
            Err(e) => refused = Some(e),
        }
    }
    Err(match refused {
        Some(e) => blame.error(e, During::Connect),
        None => blame.unknown_host(&config.host, "it has no address"),
    })
}

/// All addresses of the server; one `None` for a Unix socket.
async fn addresses(config: &PostgresConfig, blame: &Blame) -> Result<Vec<Option<SocketAddr>>> {
    if config.host.starts_with('/') {
        return Ok(vec![None]);
    }
    match lookup_host((config.host.as_str(), config.port)).await {
        Ok(addresses) => Ok(addresses.map(Some).collect()),
        Err(e) => Err(blame.unknown_host(&config.host, &e.to_string())),
    }
}

type DriverConnection = tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

async fn attempt(driver: &mut Config, tls: &MakeRustlsConnect) -> Result<(Client, DriverConnection), DriverError> {
    match driver.connect(tls.clone()).await {
        // A server may offer TLS that does not work; `prefer` goes on without it.
        Err(e) if driver.get_ssl_mode() == DriverSslMode::Prefer && e.to_string().contains("TLS") => {
            driver.ssl_mode(DriverSslMode::Disable).connect(tls.clone()).await
        }
        connected => connected,
    }
}

async fn pinned(
    client: Client,
    connection: DriverConnection,
    credential: Credential,
    blame: &Blame,
    slot: Slot,
    opened: Duration,
    address: Option<SocketAddr>,
) -> Result<Connection> {
    let task = tokio::spawn(async move {
        let _slot = slot;
        if let Err(e) = connection.await {
            tracing::debug!(error = %e, "connection ended");
        }
    });
    let hangup = Hangup(Some(task.abort_handle()));
    blame.result(client.batch_execute(PINS).await, During::Connect)?;
    Ok(Connection { client, statement_timeout: 0, user: credential.user, opened, address, hangup })
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
