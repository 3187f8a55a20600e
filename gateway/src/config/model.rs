//! The tables of the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::schema::{Key, Section, Setting, section, setting_types};
use super::values::{ByteSize, Period};

setting_types! {
    EngineName = "`\"postgres\"`, `\"mysql\"` or `\"files\"`",
    SslMode = "`\"disable\"`, `\"prefer\"`, `\"require\"`, `\"verify-ca\"` or `\"verify-full\"`",
    UnsupportedTypes = "`\"error\"`, `\"text\"` or `\"null\"`",
    LogFormat = "`\"text\"` or `\"json\"`",
    LeaveName = "`\"never\"`, `\"aggregates\"` or a list of sites",
}

/// What speaks at the other end of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    Postgres,
    #[serde(alias = "mariadb")]
    Mysql,
    Files,
}

/// libpq's levels of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// What becomes of a column whose type has no PostgreSQL counterpart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnsupportedTypes {
    /// The column is left out; naming it is an error that says why.
    Error,
    /// The column arrives as the engine's own text.
    Text,
    /// The column is there and always NULL.
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// How far what a rule protects may go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected \"never\", \"aggregates\" or a list of sites")]
pub enum LeaveName {
    Word(LeaveWord),
    Sites(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaveWord {
    Never,
    Aggregates,
}

section! {
    /// The gateway process: listeners, limits, time-outs. There is one `[gateway]` table; leaving it out means all defaults.
    /// Durations are strings with a unit (`ms`, `s`, `m`, `h`, `d`), `"0"` switches a time-out off. Sizes are bytes or strings
    /// with a unit (`KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB`). Relative paths start at the folder of the configuration file.
    Gateway {
        /// Where PostgreSQL clients connect. An address that other machines can reach needs at least one `[[user]]`.
        listen: SocketAddr = r#""127.0.0.1:5432""#,
        /// Where `/metrics` and `/health` answer. An address that other machines can reach needs a token.
        http_listen: SocketAddr = r#""127.0.0.1:8432""#,
        /// Environment variable that holds the token `/metrics` and `/health` ask for, as `Authorization: Bearer TOKEN`.
        http_token_env: Option<String>,
        /// File whose first line is that token.
        http_token_file: Option<PathBuf>,
        /// Folder for what the gateway keeps between runs and for spilled data. Only one gateway may use it at a time.
        data_dir: PathBuf = r#""narrows-data""#,
        /// Certificate chain (PEM) shown to clients. With it TLS is offered on `listen`.
        tls_cert: Option<PathBuf>,
        /// Private key (PEM) of `tls_cert`.
        tls_key: Option<PathBuf>,
        /// Refuse clients that do not use TLS.
        tls_required: bool = "false",
        /// Name of the database clients see. A client may name any database; this one is listed.
        default_database: String = r#""narrows""#,
        /// Client connections open at once; one more is refused with SQLSTATE 53300.
        max_connections: u32 = "200",
        /// Queries running at once. Queries on system tables do not count.
        max_running: u32 = "32",
        /// Queries one user may run at once; 0 means no limit of its own.
        max_running_per_user: u32 = "0",
        /// Queries that may wait for their turn; one more is refused with SQLSTATE 53300.
        max_queued: u32 = "256",
        /// How long a query waits for its turn before it is refused with SQLSTATE 53300.
        queue_timeout: Period = r#""30s""#,
        /// Default of the setting `statement_timeout`.
        statement_timeout: Period = r#""0""#,
        /// Default of the setting `idle_session_timeout`.
        idle_timeout: Period = r#""0""#,
        /// Default of the setting `idle_in_transaction_session_timeout`.
        idle_in_transaction_timeout: Period = r#""0""#,
        /// How long a client may take to log in.
        authentication_timeout: Period = r#""60s""#,
        /// How long running queries may go on after SIGTERM before they are cancelled.
        drain_timeout: Period = r#""30s""#,
        /// Largest message a logged-in client may send.
        max_message_size: ByteSize = r#""64MiB""#,
        /// Prepared statements one connection may keep.
        max_prepared_statements: u32 = "1000",
        /// Portals and cursors one connection may keep open.
        max_portals: u32 = "100",
        /// Memory for joins, sorts and aggregates of all queries together.
        memory_limit: ByteSize = r#""2GiB""#,
        /// Disk space in `data_dir` for what does not fit in memory.
        spill_limit: ByteSize = r#""20GiB""#,
        /// How often tables and statistics are read again from the sources; `"0"` means only on demand.
        catalog_refresh: Period = r#""5m""#,
        /// Queries that take longer are logged with their text; `"0"` logs none.
        slow_query: Period = r#""10s""#,
        /// What is logged, in the syntax of `RUST_LOG`, which overrides it.
        log: String = r#""info""#,
        /// How it is logged.
        log_format: LogFormat = r#""text""#,
    }
}

section! {
    /// A datacenter. Without any `[[site]]` there is one, embedded in the gateway, called `local`. A site with an `address` is a
    /// process `narrows site` there: it has its own file with its sources and their passwords, and tells the gateway what it has.
    Site {
        /// Name, referred to by sources. A site elsewhere must call itself the same.
        name: String,
        /// Host and port of the site's `listen`. Without it the site runs inside the gateway process.
        address: Option<String>,
        /// Environment variable that holds the token the site asks for.
        token_env: Option<String>,
        /// File whose first line is that token.
        token_file: Option<PathBuf>,
        /// Certificates (PEM) of the authorities that may have signed the site's certificate. With it the connection uses TLS.
        tls_ca: Option<PathBuf>,
        /// Certificate chain (PEM) to show to the site, where it asks for one.
        tls_cert: Option<PathBuf>,
        /// Private key (PEM) of `tls_cert`.
        tls_key: Option<PathBuf>,
        /// How long the site may be silent before it counts as lost, and the gateway's work there as abandoned.
        timeout: Period = r#""5s""#,
    }
}

section! {
    /// The network path by which rows flow from one site to another. The gateway's own site is the one without `address`, or
    /// `local` if there is none; several without are all inside the gateway, so that a link of any of them is a link of the
    /// gateway's. What no `[[link]]` says is measured (round trips between gateway and sites) or assumed (100 Mbit/s).
    Link {
        /// The site that the rows come from.
        from: String,
        /// The site that they go to.
        to: String,
        /// Mbit/s that the transfers of one query may expect together; 0 is the same as `blocked`.
        mbit: Option<f64>,
        /// Round-trip time.
        rtt: Option<Period>,
        /// What 10⁹ bytes cost, in the same currency for all links.
        price_per_gb: f64 = "0.0",
        /// Host and port by which a process at `to` reaches the site `from`: who reads connects to whom it reads from. By default
        /// the address of that `[[site]]`. Not for the gateway's own site at either end.
        address: Option<String>,
        /// The same numbers hold for the other direction, too.
        both: bool = "false",
        /// Nothing may be sent directly.
        blocked: bool = "false",
    }
}

section! {
    /// In the file of `narrows site`, instead of `[gateway]` and `[[site]]`: the one site that this process is. Its sources stand
    /// below it as `[[source]]`.
    SiteProcess {
        /// Name of the site, the same as in the gateway's `[[site]]`.
        name: String,
        /// Where gateways connect. An address that other machines can reach needs a token or `tls_client_ca`.
        listen: SocketAddr = r#""127.0.0.1:8433""#,
        /// Environment variable that holds the token gateways, and other sites, must know.
        token_env: Option<String>,
        /// File whose first line is that token.
        token_file: Option<PathBuf>,
        /// Certificate chain (PEM) shown to gateways. With it the listener speaks TLS only.
        tls_cert: Option<PathBuf>,
        /// Private key (PEM) of `tls_cert`.
        tls_key: Option<PathBuf>,
        /// Certificates (PEM) of the authorities that must have signed a gateway's certificate, and another site's that fetches rows.
        tls_client_ca: Option<PathBuf>,
        /// Certificates (PEM) of the authorities that may have signed the certificates of other sites, from which this one fetches
        /// rows for joins across sites; `tls_client_ca` if it is not set. Sites show each other their own `tls_cert` and token, so
        /// those that join with each other need the same token.
        tls_ca: Option<PathBuf>,
        /// Folder for spilled data. Only one process may use it at a time.
        data_dir: PathBuf = r#""narrows-site-data""#,
        /// Memory for what is computed at this site.
        memory_limit: ByteSize = r#""2GiB""#,
        /// Disk space in `data_dir` for what does not fit in memory.
        spill_limit: ByteSize = r#""20GiB""#,
        /// What is logged, in the syntax of `RUST_LOG`, which overrides it.
        log: String = r#""info""#,
        /// How it is logged.
        log_format: LogFormat = r#""text""#,
    }
}

section! {
    /// An engine that holds data. Its default schema appears as schema `<name>`, its other schemas as `<name>_<schema>`.
    /// The connection is given either as `url` or as `host`, `port`, `database`, `user`; the password, if it is not part of the
    /// URL, by one of `password_env`, `password_file`, `password`.
    Source {
        /// Name of the source and of its main schema: lower case letters, digits, underscores.
        name: String,
        /// The site it belongs to; may be left out if there is only one.
        site: Option<String>,
        /// What it is. MariaDB is `"mysql"`.
        engine: EngineName,
        /// `postgres://user:password@host:port/database?sslmode=require` or `mysql://…`.
        url: Option<SecretString>,
        /// Host name or address.
        host: Option<String>,
        /// Port; by default 5432 or 3306.
        port: Option<u16>,
        /// Database. For MySQL and MariaDB the main schema.
        database: Option<String>,
        /// User at the engine.
        user: Option<String>,
        /// Password in clear; prefer `password_env` or `password_file`.
        password: Option<SecretString>,
        /// Environment variable that holds the password.
        password_env: Option<String>,
        /// File whose first line is the password.
        password_file: Option<PathBuf>,
        /// Protection of the connection, as libpq understands it. Without it `prefer`, or what the URL says.
        sslmode: Option<SslMode>,
        /// Certificates (PEM) of the authorities to trust instead of the system's.
        sslrootcert: Option<PathBuf>,
        /// Folder of an engine `"files"`: each `*.parquet` or `*.csv` file, or folder of such files, is a table.
        path: Option<PathBuf>,
        /// Connections open to the engine at once.
        max_connections: u32 = "10",
        /// What becomes of columns whose type Narrows does not know.
        unsupported_types: UnsupportedTypes = r#""error""#,
        /// Schemas to show; all but the engine's own if left out.
        schemas: Option<Vec<String>>,
    }
}

section! {
    /// Gives a table a name of its own, beside the schemas that sources have anyway: one table of one source (`source` and
    /// `remote`), or one whose rows are at several placements (`[[table.placement]]`).
    Table {
        /// Schema it appears in.
        schema: String = r#""public""#,
        /// Name it appears under.
        name: String,
        /// The source that holds it.
        source: Option<String>,
        /// Its name there, with schema if that is not the source's default: `orders`, `sales.orders`.
        remote: Option<String>,
        /// Where its rows are, instead of `source` and `remote`.
        placement: Option<Vec<TablePlacement>>,
    }
}

section! {
    /// A rule about where values of a table may be. It is a hard constraint: a query that would break it is refused with SQLSTATE
    /// 42501. Where several rules speak of one column, all of them hold.
    Residency {
        /// The source that holds the table.
        source: String,
        /// Its name there, with schema if that is not the source's default: `customers`, `sales.customers`.
        table: String,
        /// The columns that the rule is about; all if left out.
        columns: Option<Vec<String>>,
        /// `"never"`: the values stay at their site; its source may filter and join by them. `"aggregates"`: besides, count, sum, avg,
        /// min, max and the like of them may leave. A list of sites: the values may be there as well, and reach clients if the
        /// gateway's own site is among them.
        leave: LeaveName,
    }
}

section! {
    /// One of several places where rows of the `[[table]]` above it are. Placements with the same `where`, or without any, hold
    /// the same rows: they are replicas, and a query reads one of them. Placements with different ones hold different rows, which
    /// together are the table. All need the same columns with the same types; lengths may differ.
    TablePlacement {
        /// The source.
        source: String,
        /// The table's name there, with schema if that is not the source's default.
        remote: String,
        /// SQL condition over the table's columns that is true for every row here: `region = 'eu'`. A query whose own conditions
        /// contradict it does not ask this source. Constants mean the same in every session: the time zone is UTC.
        r#where: Option<String>,
        /// Name of the rows that are here, where `where` cannot tell them from others: placements of one part are replicas.
        part: Option<String>,
    }
}

impl Setting for Vec<TablePlacement> {
    const TYPE: &'static str = "list of tables";
    const TABLES: &'static [Key] = TablePlacement::KEYS;
}

section! {
    /// Somebody who may log in. Without any `[[user]]` everybody on this machine may, under any name and without password.
    /// The password is given by exactly one of `password_verifier` (made by `narrows hash-password`), `password_env` and
    /// `password_file`.
    User {
        /// Name to log in with.
        name: String,
        /// SCRAM-SHA-256 verifier: it lets the user in and does not contain the password.
        password_verifier: Option<SecretString>,
        /// Environment variable that holds the password.
        password_env: Option<String>,
        /// File whose first line is the password.
        password_file: Option<PathBuf>,
        /// Connections this user may open at once.
        max_connections: Option<u32>,
        /// Queries this user may run at once, instead of `max_running_per_user`.
        max_running: Option<u32>,
        /// Default of `statement_timeout` for this user.
        statement_timeout: Option<Period>,
    }
}

/// What may stand in a gateway's file.
pub(super) const GATEWAY_TABLES: &[&str] = &["gateway", "site", "link", "source", "table", "residency", "user"];
/// What may stand in a site's.
pub(super) const SITE_TABLES: &[&str] = &["site", "source"];
