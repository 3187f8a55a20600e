//! What the types of single keys cannot say: names that must exist, keys that exclude each other, what is not safe.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::connection::{Endpoint, endpoint};
use super::load::{Located, Problem, Raw, RawSite, nearest};
use super::model::{Gateway, Site, SiteProcess, Source, Table, UnsupportedTypes, User};
use super::network::{LinkConfig, ResidencyConfig};
use super::secret::secret;
use super::tables::{TableConfig, table_placements};
use crate::pg::auth::Verifier;

/// Heartbeats come four times as often.
const SHORTEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);

/// Schemas of the gateway itself.
const RESERVED_SCHEMAS: &[&str] = &["pg_catalog", "information_schema", "narrows", "public", "pg_toast"];

/// The configuration, checked: what the process works with.
#[derive(Clone, Debug)]
pub struct Config {
    pub path: PathBuf,
    pub gateway: Gateway,
    /// What `http_listen` asks of its clients.
    pub http_token: Option<SecretString>,
    pub sites: Vec<SiteConfig>,
    /// The gateway's own site; [`Self::sites`] need not list it.
    pub home: String,
    pub links: Vec<LinkConfig>,
    pub sources: Vec<SourceConfig>,
    pub tables: Vec<TableConfig>,
    pub residency: Vec<ResidencyConfig>,
    pub users: Vec<UserConfig>,
}

#[derive(Clone, Debug)]
pub struct SiteConfig {
    pub name: String,
    /// `None`: embedded in the gateway.
    pub remote: Option<RemoteSiteConfig>,
}

#[derive(Clone, Debug)]
pub struct RemoteSiteConfig {
    pub address: String,
    pub token: Option<SecretString>,
    pub tls_ca: Option<PathBuf>,
    pub tls: Option<TlsFiles>,
    pub timeout: std::time::Duration,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A site's own file, checked.
#[derive(Clone, Debug)]
pub struct SiteProcessConfig {
    pub path: PathBuf,
    pub site: SiteProcess,
    pub token: Option<SecretString>,
    pub tls: Option<TlsFiles>,
    pub sources: Vec<SourceConfig>,
}

#[derive(Clone, Debug)]
pub struct SourceConfig {
    pub name: String,
    pub site: String,
    pub endpoint: Endpoint,
    pub max_connections: u32,
    pub unsupported_types: UnsupportedTypes,
    pub schemas: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub struct UserConfig {
    pub name: String,
    pub verifier: Verifier,
    pub max_connections: Option<u32>,
    pub max_running: Option<u32>,
    pub statement_timeout: Option<std::time::Duration>,
}

pub(super) fn check(raw: Raw, path: &Path) -> Result<Config, Vec<Problem>> {
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut checker = Checker { folder, problems: Vec::new() };
    let http_token = checker.http_token(&raw.gateway);
    let gateway = checker.gateway(raw.gateway, !raw.users.is_empty(), http_token.is_some());
    let sites = checker.sites(&raw.sites);
    let sources = checker.sources(&raw.sources, &sites);
    let tables = checker.tables(&raw.tables, &sources, sites.iter().any(|s| s.remote.is_some()));
    let home = checker.home(&sites, &raw.links, &raw.residency);
    let links = checker.links(&raw.links, &sites, &home);
    let residency = checker.residency(raw.residency, &sources, &sites, &home);
    let users = checker.users(&raw.users);
    if !checker.problems.is_empty() {
        return Err(checker.problems);
    }
    let path = path.to_path_buf();
    Ok(Config { path, gateway, http_token, sites, home, links, sources, tables, residency, users })
}

pub(super) fn check_site(raw: RawSite, path: &Path) -> Result<SiteProcessConfig, Vec<Problem>> {
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut checker = Checker { folder, problems: Vec::new() };
    let Located { line, value: mut site } = raw.site;
    checker.name(line, "site", &site.name);
    let token = checker.token(line, &site.token_env, &site.token_file);
    let tls = checker.tls_files(line, &site.tls_cert, &site.tls_key);
    if site.tls_client_ca.is_some() && tls.is_none() {
        checker.problem(line, "tls_client_ca needs tls_cert and tls_key");
    }
    if site.tls_ca.is_some() && tls.is_none() {
        checker.problem(
            line,
            "tls_ca needs tls_cert and tls_key: sites that fetch from each other all speak TLS, or none",
        );
    }
    if !site.listen.ip().is_loopback() && token.is_none() && site.tls_client_ca.is_none() {
        let message = format!(
            "listen = \"{}\" can be reached from other machines: set token_file, token_env or tls_client_ca, or use a \
             loopback address",
            site.listen
        );
        checker.problem(line, message);
    }
    site.data_dir = checker.folder.join(&site.data_dir);
    site.tls_client_ca = site.tls_client_ca.map(|p| checker.folder.join(p));
    site.tls_ca = site.tls_ca.map(|p| checker.folder.join(p));
    let this = SiteConfig { name: site.name.clone(), remote: None };
    let sources = checker.sources(&raw.sources, std::slice::from_ref(&this));
    if !checker.problems.is_empty() {
        return Err(checker.problems);
    }
    Ok(SiteProcessConfig { path: path.to_path_buf(), site, token, tls, sources })
}

pub(super) struct Checker {
    folder: PathBuf,
    problems: Vec<Problem>,
}

/// Whether it is a host and a port.
pub(super) fn is_address(text: &str) -> bool {
    let port =
        text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
    port.is_some_and(|port| port > 0)
}

impl Checker {
    pub(super) fn problem(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem { line, message: message.into() });
    }

    fn gateway(&mut self, located: Located<Gateway>, has_users: bool, has_token: bool) -> Gateway {
        let Located { line, value: mut gateway } = located;
        let authenticated = [
            ("listen", gateway.listen, has_users, "add a [[user]]"),
            ("http_listen", gateway.http_listen, has_token, "set http_token_env or http_token_file"),
        ];
        for (name, address, protected, remedy) in authenticated {
            if !address.ip().is_loopback() && !protected {
                self.problem(
                    line,
                    format!(
                        "{name} = \"{address}\" can be reached from other machines: {remedy} or use a loopback address"
                    ),
                );
            }
        }
        if gateway.tls_cert.is_some() != gateway.tls_key.is_some() {
            self.problem(line, "tls_cert and tls_key belong together");
        }
        if gateway.tls_required && gateway.tls_cert.is_none() {
            self.problem(line, "tls_required needs tls_cert and tls_key");
        }
        for (name, limit) in [("max_connections", gateway.max_connections), ("max_running", gateway.max_running)] {
            if limit == 0 {
                self.problem(line, format!("{name} must be at least 1"));
            }
        }
        if gateway.max_message_size.0 < 1 << 16 || gateway.max_message_size.0 > 1 << 30 {
            self.problem(line, "max_message_size must be between 64KiB and 1GiB");
        }
        gateway.data_dir = self.folder.join(&gateway.data_dir);
        gateway.tls_cert = gateway.tls_cert.map(|p| self.folder.join(p));
        gateway.tls_key = gateway.tls_key.map(|p| self.folder.join(p));
        gateway
    }

    fn http_token(&mut self, gateway: &Located<Gateway>) -> Option<SecretString> {
        let Gateway { http_token_env, http_token_file, .. } = &gateway.value;
        let token = secret("http_token", &None, http_token_env, http_token_file, &self.folder);
        token.unwrap_or_else(|message| {
            self.problem(gateway.line, message);
            None
        })
    }

    fn sites(&mut self, sites: &[Located<Site>]) -> Vec<SiteConfig> {
        if sites.is_empty() {
            return vec![SiteConfig { name: "local".to_string(), remote: None }];
        }
        let mut seen = HashSet::new();
        let mut out = Vec::new();
        for site in sites {
            self.name(site.line, "site", &site.name);
            if !seen.insert(&site.name) {
                self.problem(site.line, format!("there are two sites \"{}\"", site.name));
            }
            let remote = self.remote_site(site);
            out.push(SiteConfig { name: site.name.clone(), remote });
        }
        out
    }

    fn remote_site(&mut self, site: &Located<Site>) -> Option<RemoteSiteConfig> {
        let token = self.token(site.line, &site.token_env, &site.token_file);
        let tls = self.tls_files(site.line, &site.tls_cert, &site.tls_key);
        let Some(address) = &site.address else {
            if token.is_some() || tls.is_some() || site.tls_ca.is_some() {
                self.problem(site.line, format!("site \"{}\": an embedded site has no token and no TLS", site.name));
            }
            return None;
        };
        if !is_address(address) {
            let message = format!("site \"{}\": address = \"{address}\" is not a host and a port", site.name);
            self.problem(site.line, message);
        }
        if tls.is_some() && site.tls_ca.is_none() {
            self.problem(site.line, format!("site \"{}\": tls_cert needs tls_ca", site.name));
        }
        if site.timeout.0 < SHORTEST_TIMEOUT {
            let message = format!("site \"{}\": timeout must be at least {SHORTEST_TIMEOUT:?}", site.name);
            self.problem(site.line, message);
        }
        Some(RemoteSiteConfig {
            address: address.clone(),
            token,
            tls_ca: site.tls_ca.as_ref().map(|p| self.folder.join(p)),
            tls,
            timeout: site.timeout.0,
        })
    }

    fn token(&mut self, line: usize, env: &Option<String>, file: &Option<PathBuf>) -> Option<SecretString> {
        secret("token", &None, env, file, &self.folder).unwrap_or_else(|message| {
            self.problem(line, message);
            None
        })
    }

    fn tls_files(&mut self, line: usize, cert: &Option<PathBuf>, key: &Option<PathBuf>) -> Option<TlsFiles> {
        match (cert, key) {
            (Some(cert), Some(key)) => {
                Some(TlsFiles { certificate: self.folder.join(cert), key: self.folder.join(key) })
            }
            (None, None) => None,
            _ => {
                self.problem(line, "tls_cert and tls_key belong together");
                None
            }
        }
    }

    fn sources(&mut self, sources: &[Located<Source>], sites: &[SiteConfig]) -> Vec<SourceConfig> {
        let mut seen = HashSet::new();
        let mut out = Vec::new();
        for source in sources {
            let line = source.line;
            self.name(line, "source", &source.name);
            if RESERVED_SCHEMAS.contains(&source.name.as_str()) {
                self.problem(line, format!("\"{}\" is a schema of the gateway itself", source.name));
            }
            if !seen.insert(&source.name) {
                self.problem(line, format!("there are two sources \"{}\"", source.name));
            }
            let site = match (&source.site, sites) {
                (Some(name), _) if sites.iter().any(|s| s.name == *name && s.remote.is_none()) => name.clone(),
                (Some(name), _) if sites.iter().any(|s| s.name == *name) => {
                    let message = format!(
                        "source \"{}\": site \"{name}\" is a process of its own: its sources stand in its own file",
                        source.name
                    );
                    self.problem(line, message);
                    continue;
                }
                (Some(site), _) => {
                    let hint = nearest(site, sites.iter().map(|s| s.name.as_str()));
                    self.problem(line, format!("source \"{}\": there is no [[site]] \"{site}\"{hint}", source.name));
                    continue;
                }
                (None, [only]) if only.remote.is_none() => only.name.clone(),
                (None, _) => {
                    self.problem(
                        line,
                        format!("source \"{}\": \"site\" must say which of the sites it belongs to", source.name),
                    );
                    continue;
                }
            };
            if source.max_connections == 0 {
                self.problem(line, format!("source \"{}\": max_connections must be at least 1", source.name));
            }
            match endpoint(source, &self.folder) {
                Ok(endpoint) => out.push(SourceConfig {
                    name: source.name.clone(),
                    site,
                    endpoint,
                    max_connections: source.max_connections,
                    unsupported_types: source.unsupported_types,
                    schemas: source.schemas.clone(),
                }),
                Err(message) => self.problem(line, format!("source \"{}\": {message}", source.name)),
            }
        }
        out
    }

    /// `more`: sources that are not known yet may turn up at sites elsewhere.
    fn tables(&mut self, tables: &[Located<Table>], sources: &[SourceConfig], more: bool) -> Vec<TableConfig> {
        let mut seen = HashSet::new();
        let mut out = Vec::new();
        for table in tables {
            if !seen.insert((&table.schema, &table.name)) {
                self.problem(table.line, format!("there are two tables \"{}.{}\"", table.schema, table.name));
            }
            if table.schema != "public" && RESERVED_SCHEMAS.contains(&table.schema.as_str()) {
                self.problem(table.line, format!("\"{}\" is a schema of the gateway itself", table.schema));
            }
            let placements = table_placements(table).unwrap_or_else(|message| {
                self.problem(table.line, format!("table \"{}\": {message}", table.name));
                Vec::new()
            });
            for placement in &placements {
                if !more && !sources.iter().any(|s| s.name == placement.source) {
                    let hint = nearest(&placement.source, sources.iter().map(|s| s.name.as_str()));
                    let message =
                        format!("table \"{}\": there is no [[source]] \"{}\"{hint}", table.name, placement.source);
                    self.problem(table.line, message);
                }
            }
            out.push(TableConfig { schema: table.schema.clone(), name: table.name.clone(), placements });
        }
        out
    }

    fn users(&mut self, users: &[Located<User>]) -> Vec<UserConfig> {
        let mut seen = HashSet::new();
        let mut out = Vec::new();
        for user in users {
            if user.name.is_empty() || user.name.contains('\0') {
                self.problem(user.line, "a user needs a name");
            }
            if !seen.insert(&user.name) {
                self.problem(user.line, format!("there are two users \"{}\"", user.name));
            }
            match self.verifier(user) {
                Ok(verifier) => out.push(UserConfig {
                    name: user.name.clone(),
                    verifier,
                    max_connections: user.max_connections,
                    max_running: user.max_running,
                    statement_timeout: user.statement_timeout.map(|p| p.0),
                }),
                Err(message) => self.problem(user.line, format!("user \"{}\": {message}", user.name)),
            }
        }
        out
    }

    fn verifier(&self, user: &User) -> Result<Verifier, String> {
        let password: Option<SecretString> =
            secret("password", &None, &user.password_env, &user.password_file, &self.folder)?;
        match (&user.password_verifier, password) {
            (Some(_), Some(_)) => Err("password_verifier excludes password_env and password_file".to_string()),
            (None, None) => Err("needs password_verifier, password_env or password_file".to_string()),
            (Some(verifier), None) => verifier.expose_secret().parse(),
            (None, Some(password)) => Ok(Verifier::from_password(password.expose_secret())),
        }
    }

    /// Names of sites and sources become parts of SQL names: they must need no quotes.
    fn name(&mut self, line: usize, what: &str, name: &str) {
        let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
        let rest = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || (c == '-' && what == "site"));
        if !first || !rest || name.len() > 63 {
            let message = format!(
                "{what} name \"{name}\": use lower case letters, digits and underscores, starting with a letter"
            );
            self.problem(line, message);
        }
    }
}
