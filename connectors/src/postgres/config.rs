//! How to reach a PostgreSQL server, with secrets already resolved.

use std::path::PathBuf;
use std::time::Duration;

use cost_model::SourceId;
use secrecy::SecretString;
use serde::Deserialize;

use crate::engine::UnsupportedTypes;

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    Disable,
    /// TLS if the server has it; no certificate is checked.
    #[default]
    Prefer,
    /// TLS or nothing. As in libpq, the certificate is checked like `verify-ca` if a root certificate is given.
    Require,
    /// The server's certificate must be signed by a trusted authority.
    VerifyCa,
    /// And be made out to the server's name.
    VerifyFull,
}

#[derive(Clone, Debug)]
pub struct PostgresConfig {
    pub source: SourceId,
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Option<SecretString>,
    pub ssl_mode: SslMode,
    /// PEM file of trusted authorities; the system's are used without it.
    pub ssl_root_cert: Option<PathBuf>,
    /// For a whole attempt: name, socket, TLS and authentication.
    pub connect_timeout: Duration,
    pub application_name: String,
    /// Schemas to show; empty: all that are not PostgreSQL's own.
    pub include_schemas: Vec<String>,
    pub exclude_schemas: Vec<String>,
    pub unsupported_types: UnsupportedTypes,
    /// Connections the server sees from here, cancel requests not counted.
    pub max_connections: usize,
    /// A connection is closed when it has been idle or open for so long.
    pub idle_timeout: Duration,
    pub max_lifetime: Duration,
    /// A scan of at least so many estimated rows, or of unknown size, is a `COPY`.
    pub copy_from_rows: f64,
    /// A table of at least so many estimated rows is read in parallel ranges, if the query has connections to spare.
    pub split_from_rows: f64,
}

impl PostgresConfig {
    pub fn new(source: SourceId, host: &str, database: &str, user: &str) -> Self {
        Self {
            source,
            host: host.into(),
            port: 5432,
            database: database.into(),
            user: user.into(),
            password: None,
            ssl_mode: SslMode::default(),
            ssl_root_cert: None,
            connect_timeout: Duration::from_secs(10),
            application_name: "narrows".into(),
            include_schemas: Vec::new(),
            exclude_schemas: Vec::new(),
            unsupported_types: UnsupportedTypes::default(),
            max_connections: 8,
            idle_timeout: Duration::from_secs(300),
            max_lifetime: Duration::from_secs(3600),
            copy_from_rows: 4000.0,
            split_from_rows: 500_000.0,
        }
    }
}
