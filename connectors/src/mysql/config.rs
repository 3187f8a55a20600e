//! Where the server is and how a connection to it is set up.

use std::path::PathBuf;
use std::time::Duration;

use cost_model::SourceId;
use mysql_async::{Conn, OptsBuilder, SslOpts};
use planner::Result;
use planner::error::Error;
use secrecy::{ExposeSecret, SecretString};

use crate::engine::UnsupportedTypes;
use crate::pool::Credential;

/// libpq's `sslmode`, as far as MySQL knows the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Disable,
    /// Encrypt if the server can.
    Prefer,
    /// Encrypt; any certificate will do.
    Require,
    /// Encrypt and check who signed the certificate.
    VerifyCa,
    /// And whom it names.
    VerifyFull,
}

#[derive(Clone, Debug)]
pub struct MySqlConfig {
    pub source: SourceId,
    pub host: String,
    pub port: u16,
    /// The main schema.
    pub database: String,
    pub user: String,
    pub password: Option<SecretString>,
    pub tls: Tls,
    /// Certificates (PEM) of the authorities to trust.
    pub root_certificates: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// Schemas to show; all but the server's own if `None`.
    pub schemas: Option<Vec<String>>,
    pub unsupported: UnsupportedTypes,
    /// Connections the server sees from here, those that cancel not counted.
    pub max_connections: usize,
    /// A connection is closed when it has been idle or open for so long.
    pub idle_timeout: Duration,
    pub max_lifetime: Duration,
}

/// What escaping, dates and arithmetic depend on.
pub(super) const PINS: [&str; 5] = [
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    // MariaDB keeps what a subquery answered under the outer columns' values as their own collation compares them, whatever
    // collation the subquery compares them with. MySQL has no such cache.
    "SET SESSION time_zone = '+00:00' /*M! , optimizer_switch = 'subquery_cache=off' */",
    "SET NAMES utf8mb4",
    // Otherwise `IS NULL` finds the row inserted last.
    "SET SESSION sql_auto_is_null = 0",
    "SET SESSION TRANSACTION READ ONLY",
];

impl MySqlConfig {
    pub fn new(source: SourceId, host: &str, database: &str, user: &str) -> Self {
        Self {
            source,
            host: host.into(),
            port: 3306,
            database: database.into(),
            user: user.into(),
            password: None,
            tls: Tls::Prefer,
            root_certificates: None,
            connect_timeout: Duration::from_secs(10),
            schemas: None,
            unsupported: UnsupportedTypes::default(),
            max_connections: 8,
            idle_timeout: Duration::from_secs(300),
            max_lifetime: Duration::from_secs(3600),
        }
    }

    fn options(&self, credential: &Credential, tls: bool) -> OptsBuilder {
        let ssl = SslOpts::default()
            .with_danger_accept_invalid_certs(matches!(self.tls, Tls::Prefer | Tls::Require))
            .with_danger_skip_domain_validation(self.tls != Tls::VerifyFull)
            .with_root_certs(self.root_certificates.iter().cloned().map(Into::into).collect());
        OptsBuilder::default()
            .ip_or_hostname(self.host.clone())
            .tcp_port(self.port)
            .user(Some(credential.user.to_string()))
            .pass(credential.password.as_ref().map(|p| p.expose_secret().to_string()))
            .db_name(Some(self.database.clone()))
            // A Unix socket would bypass whatever shapes or protects the network path.
            .prefer_socket(false)
            .tcp_nodelay(true)
            .max_allowed_packet(Some(64 << 20))
            .wait_timeout(Some(28_800))
            // Each statement closes the one before it; with none, nobody would close them.
            .stmt_cache_size(1)
            .ssl_opts(tls.then_some(ssl))
            .setup(PINS.to_vec())
    }

    /// A pinned connection.
    pub(super) async fn connect(&self, credential: &Credential) -> Result<Conn> {
        let first = self.try_connect(credential, self.tls != Tls::Disable).await;
        let connected = match first {
            Err(e) if self.tls == Tls::Prefer && is_without_tls(&e) => self.try_connect(credential, false).await,
            other => other,
        };
        connected.map_err(|e| super::error::not_connected(&self.source, e))
    }

    async fn try_connect(&self, credential: &Credential, tls: bool) -> Result<Conn, mysql_async::Error> {
        let connecting = Conn::new(self.options(credential, tls));
        tokio::time::timeout(self.connect_timeout, connecting).await.unwrap_or_else(|_| {
            Err(mysql_async::IoError::Io(std::io::Error::from(std::io::ErrorKind::TimedOut)).into())
        })
    }

    /// Says of an error in a value where it came from.
    pub(super) fn blame(&self, error: Error) -> Error {
        let detail = error.detail().map_or_else(String::new, |d| format!("{d} "));
        error.with_detail(format!("{detail}At source \"{}\".", self.source)).with_source_id(self.source.clone())
    }

    pub(super) fn error(&self, error: mysql_async::Error) -> Error {
        super::error::from_mysql(&self.source, error)
    }
}

fn is_without_tls(error: &mysql_async::Error) -> bool {
    matches!(error, mysql_async::Error::Driver(mysql_async::DriverError::NoClientSslFlagFromServer))
}
