//! Where a source is and how to log in there, whichever way the file says it.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::model::{EngineName, Source, SslMode};
use super::secret::secret;

/// A source's engine with everything that is needed to reach it.
#[derive(Clone, Debug)]
pub enum Endpoint {
    Postgres(Server),
    MySql(Server),
    Files(PathBuf),
}

/// A database server and the account to use there.
#[derive(Clone, Debug)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Option<SecretString>,
    pub sslmode: SslMode,
    pub sslrootcert: Option<PathBuf>,
}

/// For people; without the password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut server =
            |scheme: &str, s: &Server| write!(f, "{scheme}://{}@{}:{}/{}", s.user, s.host, s.port, s.database);
        match self {
            Self::Postgres(s) => server("postgres", s),
            Self::MySql(s) => server("mysql", s),
            Self::Files(path) => write!(f, "files in {}", path.display()),
        }
    }
}

/// What `source` says, or what is wrong with it.
pub(super) fn endpoint(source: &Source, folder: &Path) -> Result<Endpoint, String> {
    match source.engine {
        EngineName::Files => files(source, folder),
        EngineName::Postgres => server(source, folder, &["postgres", "postgresql"], 5432).map(Endpoint::Postgres),
        EngineName::Mysql => server(source, folder, &["mysql", "mariadb"], 3306).map(Endpoint::MySql),
    }
}

fn files(source: &Source, folder: &Path) -> Result<Endpoint, String> {
    let server_keys = [
        ("url", source.url.is_some()),
        ("host", source.host.is_some()),
        ("port", source.port.is_some()),
        ("database", source.database.is_some()),
        ("user", source.user.is_some()),
        ("sslmode", source.sslmode.is_some()),
        ("sslrootcert", source.sslrootcert.is_some()),
    ];
    if let Some((key, _)) = server_keys.iter().find(|(_, set)| *set) {
        return Err(format!("an engine \"files\" has no \"{key}\""));
    }
    let path = source.path.as_ref().ok_or("an engine \"files\" needs \"path\"")?;
    Ok(Endpoint::Files(folder.join(path)))
}

fn server(source: &Source, folder: &Path, schemes: &[&str], default_port: u16) -> Result<Server, String> {
    if source.path.is_some() {
        return Err("only an engine \"files\" has a \"path\"".to_string());
    }
    let from_url = source.url.as_ref().map(|url| parse_url(url.expose_secret(), schemes)).transpose()?;
    let parts = [
        ("host", source.host.is_some()),
        ("port", source.port.is_some()),
        ("database", source.database.is_some()),
        ("user", source.user.is_some()),
    ];
    if let (Some(_), Some((key, _))) = (&from_url, parts.iter().find(|(_, set)| *set)) {
        return Err(format!("\"url\" and \"{key}\" exclude each other"));
    }
    let own_password = secret("password", &source.password, &source.password_env, &source.password_file, folder)?;
    let sslrootcert = source.sslrootcert.as_ref().map(|p| folder.join(p));
    let mut server = match from_url {
        Some(server) => server,
        None => Server {
            host: source.host.clone().ok_or("\"url\" or \"host\" is missing")?,
            port: source.port.unwrap_or(default_port),
            database: source.database.clone().ok_or("\"database\" is missing")?,
            user: source.user.clone().ok_or("\"user\" is missing")?,
            password: None,
            sslmode: SslMode::Prefer,
            sslrootcert: None,
        },
    };
    if server.port == 0 {
        server.port = default_port;
    }
    server.sslmode = source.sslmode.unwrap_or(server.sslmode);
    server.sslrootcert = sslrootcert.or(server.sslrootcert);
    server.password = match (own_password, server.password) {
        (Some(_), Some(_)) => return Err("the URL already has a password".to_string()),
        (own, url) => own.or(url),
    };
    Ok(server)
}

/// The error never repeats the URL: it may hold a password.
fn parse_url(text: &str, schemes: &[&str]) -> Result<Server, String> {
    let url = Url::parse(text).map_err(|e| format!("\"url\" is not a URL: {e}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("\"url\" must start with {}://, not {}://", schemes[0], url.scheme()));
    }
    let decode = |s: &str| percent_decode(s).ok_or_else(|| "\"url\" has a bad % escape".to_string());
    let mut sslmode = SslMode::Prefer;
    let mut sslrootcert = None;
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "sslmode" => sslmode = parse_sslmode(&value)?,
            "sslrootcert" => sslrootcert = Some(PathBuf::from(value.into_owned())),
            other => return Err(format!("\"url\" has an unknown parameter \"{other}\" (known: sslmode, sslrootcert)")),
        }
    }
    let non_empty = |s: String, what: &str| if s.is_empty() { Err(format!("\"url\" names no {what}")) } else { Ok(s) };
    let host = decode(url.host_str().unwrap_or("").trim_matches(['[', ']']))?;
    Ok(Server {
        host: non_empty(host, "host")?,
        port: url.port().unwrap_or(0),
        database: non_empty(decode(url.path().trim_start_matches('/'))?, "database")?,
        user: non_empty(decode(url.username())?, "user")?,
        password: url.password().map(decode).transpose()?.map(SecretString::from),
        sslmode,
        sslrootcert,
    })
}

fn parse_sslmode(text: &str) -> Result<SslMode, String> {
    Ok(match text {
        "disable" => SslMode::Disable,
        "allow" | "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        other => return Err(format!("unknown sslmode \"{other}\" (disable, prefer, require, verify-ca, verify-full)")),
    })
}

fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'%' {
            let hex = std::str::from_utf8(bytes.get(i + 1..i + 3)?).ok()?;
            out.push(u8::from_str_radix(hex, 16).ok()?);
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let s = parse_url("postgres://al%40ice:p%2Fw@[::1]:6000/d%20b?sslmode=require", &["postgres"]).unwrap();
        assert_eq!((s.host.as_str(), s.port, s.database.as_str(), s.user.as_str()), ("::1", 6000, "d b", "al@ice"));
        assert_eq!(s.password.unwrap().expose_secret(), "p/w");
        assert_eq!(s.sslmode, SslMode::Require);
    }

    #[test]
    fn a_bad_url_does_not_leak_the_password() {
        for url in [
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h",
            "postgres://u:hunter2@h/d?x=1",
            "postgres://u:hunter2@h:x/d",
        ] {
            let error = parse_url(url, &["postgres"]).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
