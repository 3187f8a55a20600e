//! Opening a connection: the address, TLS, the account, the settings it is pinned to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use planner::Result;
use secrecy::ExposeSecret;
use tokio::net::lookup_host;
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode as DriverSslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, Error as DriverError, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::{PostgresConfig, SslMode};
use super::error::{Blame, During};
use crate::pool::{self, Credential, Slot};

/// What a session's results and literals depend on. `transform_null_equals` and `array_nulls` change what statements mean,
/// `extra_float_digits` and the styles what casts to text give; everything is read-only.
const PINS: &str = "SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; \
    SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex'; \
    SET search_path = ''; SET transform_null_equals = off; SET array_nulls = on; \
    SET idle_in_transaction_session_timeout = 0; SET default_transaction_read_only = on; SET statement_timeout = 0";

/// A server that only computes notices by this that this process was killed. Older ones than 14, and some systems, do not have it.
const NOTICE_HANGUP: &str = "SET client_connection_check_interval = '1s'";

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
    pub token: CancelToken,
    pub address: Option<SocketAddr>,
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
}

impl pool::Connection for Connection {
    fn user(&self) -> &Arc<str> {
        &self.user
    }

    fn opened(&self) -> Duration {
        self.opened
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn answers(&mut self) -> bool {
        self.client.check_connection().await.is_ok()
    }

    /// Instead of hanging up: the task sends the rest once the client is gone.
    fn close(mut self) {
        self.hangup.0 = None;
    }
}

/// Connects to the first of the server's addresses that answers, and pins the session.
pub async fn connect(
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
        // Free only when the connection really is closed.
        let _slot = slot;
        if let Err(e) = connection.await {
            tracing::debug!(error = %e, "connection ended");
        }
    });
    let hangup = Hangup(Some(task.abort_handle()));
    let (pinned, _) = tokio::join!(client.batch_execute(PINS), client.batch_execute(NOTICE_HANGUP));
    blame.result(pinned, During::Connect)?;
    Ok(Connection { client, statement_timeout: 0, user: credential.user, opened, address, hangup })
}
