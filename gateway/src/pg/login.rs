//! From an accepted socket to a session: encryption, start-up packet, password.
//!
//! Nothing a stranger sends is taken on trust: messages are small until the password is right, the whole exchange has a time
//! limit, and an unknown user fails at the same place and in the same words as one with a wrong password.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pgwire::api::auth::sasl::scram::ScramServerAuth;
use planner::Error;
use planner::error::state;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::auth::Verifier;
use super::cancel::BackendKey;
use super::server::{ConnectionPermit, Live, Shared};
use super::session::Session;
use super::settings::Settings;
use super::wire::backend::{self, Severity};
use super::wire::frontend::{Startup, sasl_initial, sasl_response};
use super::wire::{Connection, ReadError, Stream};
use crate::queries::Origin;

/// PostgreSQL's limit for start-up packets and for what comes before authentication.
const SMALL_MESSAGE: usize = 10_000;

/// The protocol's name in TLS negotiation.
pub const ALPN: &[u8] = b"postgresql";

const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Why there is no session.
enum Refusal {
    /// The client left, or asked for something that is done.
    Gone,
    Told(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<io::Error> for Refusal {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io => Self::Gone,
            ReadError::BadLength(_) => {
                Self::Told(Error::new(state::PROTOCOL_VIOLATION, "invalid length of startup packet"))
            }
        }
    }
}

/// Serves one client from the first byte to the last.
pub async fn serve(shared: Arc<Shared>, socket: TcpStream, peer: String) {
    let limit = shared.live.load().gateway.authentication_timeout.limit().unwrap_or(Duration::from_secs(3600));
    match timeout(limit, log_in(&shared, socket, &peer)).await {
        Ok(Some((session, permit))) => {
            session.run().await;
            drop(permit);
        }
        Ok(None) => {}
        Err(_) => tracing::debug!(peer, "authentication timeout"),
    }
}

async fn log_in(shared: &Arc<Shared>, socket: TcpStream, peer: &str) -> Option<(Session, ConnectionPermit)> {
    let live = shared.live.load_full();
    let (mut conn, packet) = encrypt(shared, &live, socket).await.ok()?;
    let started = match packet {
        Ok(parameters) => start(shared, &live, &mut conn, peer, &parameters).await,
        Err(refusal) => Err(refusal),
    };
    match started {
        Ok((key, origin, settings, permit)) => {
            conn.set_max_message(live.gateway.max_message_size.0 as usize);
            Some((Session::new(shared.clone(), conn, key, origin, settings), permit))
        }
        Err(Refusal::Told(error)) => {
            tracing::info!(peer, "connection refused: {error}");
            backend::report(&mut conn.out, Severity::Fatal, &error);
            let _ = conn.flush().await;
            conn.close().await;
            None
        }
        Err(Refusal::Gone) => None,
    }
}

type Parameters = Vec<(String, String)>;

/// Up to the start-up packet. There are two ways to TLS: asked for by a packet, or begun at once as PostgreSQL 17 clients may.
async fn encrypt(
    shared: &Shared,
    live: &Live,
    socket: TcpStream,
) -> io::Result<(Connection, Result<Parameters, Refusal>)> {
    let mut first = [0];
    let direct = socket.peek(&mut first).await? == 1 && first[0] == 0x16;
    let mut conn = match (&live.tls, direct) {
        (_, false) => Connection::new(Stream::Plain(socket), SMALL_MESSAGE),
        (Some(tls), true) => {
            let stream = tls.acceptor.accept(socket).await?;
            if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Connection::new(Stream::Tls(Box::new(stream)), SMALL_MESSAGE)
        }
        (None, true) => return Err(io::ErrorKind::Unsupported.into()),
    };
    loop {
        match startup_packet(shared, &mut conn).await {
            Ok(None) => match &live.tls {
                Some(tls) if !conn.is_tls() => {
                    conn.out.push(b'S');
                    conn.flush().await?;
                    // Bytes sent ahead of the handshake are not protected by it: refuse them.
                    let socket = conn.into_plain().ok_or(io::ErrorKind::InvalidData)?;
                    let stream = tls.acceptor.accept(socket).await?;
                    conn = Connection::new(Stream::Tls(Box::new(stream)), SMALL_MESSAGE);
                }
                _ => {
                    conn.out.push(b'N');
                    conn.flush().await?;
                }
            },
            Ok(Some(parameters)) => return Ok((conn, Ok(parameters))),
            Err(refusal) => return Ok((conn, Err(refusal))),
        }
    }
}

/// The start-up packet's parameters; `None` if the client asks for encryption first.
async fn startup_packet(shared: &Shared, conn: &mut Connection) -> Result<Option<Parameters>, Refusal> {
    loop {
        let body = conn.read_startup().await?.ok_or(Refusal::Gone)?;
        match Startup::decode(body)? {
            Startup::Ssl => return Ok(None),
            Startup::Gss => {
                conn.out.push(b'N');
                conn.flush().await?;
            }
            Startup::Cancel { pid, secret } => {
                shared.backends.cancel(pid, &secret);
                return Err(Refusal::Gone);
            }
            Startup::Session { major: 3, minor, parameters } => {
                let unknown: Vec<&str> =
                    parameters.iter().map(|(n, _)| n.as_str()).filter(|n| n.starts_with("_pq_.")).collect();
                if minor > 0 || !unknown.is_empty() {
                    backend::negotiate_protocol_version(&mut conn.out, 0x0003_0000, &unknown);
                }
                if parameters
                    .iter()
                    .any(|(n, v)| n == "replication" && !matches!(v.as_str(), "false" | "off" | "0" | "no"))
                {
                    return Err(Error::unsupported("replication").into());
                }
                return Ok(Some(parameters.into_iter().filter(|(n, _)| !n.starts_with("_pq_.")).collect()));
            }
            Startup::Session { major, minor, .. } => {
                let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
                return Err(Error::new(state::FEATURE_NOT_SUPPORTED, message).into());
            }
        }
    }
}

async fn start(
    shared: &Arc<Shared>,
    live: &Live,
    conn: &mut Connection,
    peer: &str,
    parameters: &[(String, String)],
) -> Result<(BackendKey, Origin, Settings, ConnectionPermit), Refusal> {
    let get = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let user = get("user").filter(|u| !u.is_empty()).ok_or_else(|| {
        Error::new(state::INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet")
    })?;
    let database = get("database").filter(|d| !d.is_empty()).unwrap_or(&live.gateway.default_database);
    if live.gateway.tls_required && !conn.is_tls() {
        let message = "this gateway accepts encrypted connections only";
        return Err(Error::new(state::INVALID_AUTHORIZATION, message)
            .with_hint("Connect with sslmode=require.")
            .into());
    }
    if !live.users.trusts_everybody() {
        authenticate(shared, live, conn, user).await?;
    }
    let permit = shared.connections.open(user, live)?;
    let key = shared.backends.open();
    let mut settings = Settings::new(user, database);
    initial_settings(&mut settings, live, user, parameters)?;
    let origin = Origin {
        user: user.into(),
        database: database.into(),
        application: settings.application_name().into(),
        client: peer.into(),
        backend: key.pid,
    };
    Ok((key, origin, settings, permit))
}

/// SCRAM-SHA-256; over TLS bound to the server's certificate if the client can.
async fn authenticate(shared: &Shared, live: &Live, conn: &mut Connection, user: &str) -> Result<(), Refusal> {
    let failed = || Error::new(state::INVALID_PASSWORD, format!("password authentication failed for user \"{user}\""));
    let verifier = match live.users.get(user) {
        Some(known) => known.verifier.clone(),
        None => Verifier::mock(user, &shared.mock_secret),
    };
    let mut server = ScramServerAuth::new();
    let mut offered = vec![SCRAM];
    if let (true, Some(tls)) = (conn.is_tls(), &live.tls)
        && server.configure_certificate(&tls.certificate).is_ok()
    {
        offered.insert(0, SCRAM_PLUS);
    }
    backend::authentication_sasl(&mut conn.out, &offered);
    conn.flush().await?;
    let (mechanism, first) = sasl_initial(conn.read_frame().await?.ok_or(Refusal::Gone)?)?;
    if !offered.contains(&mechanism.as_str()) {
        let message = "client selected an invalid SASL authentication mechanism";
        return Err(Error::new(state::PROTOCOL_VIOLATION, message).into());
    }
    let (reply, exchange) =
        server.on_client_first_message_with_secret(&first, verifier.secret()).map_err(|e| malformed(&e))?;
    backend::authentication_sasl_continue(&mut conn.out, reply.as_bytes());
    conn.flush().await?;
    let last = sasl_response(conn.read_frame().await?.ok_or(Refusal::Gone)?)?;
    let proof = exchange.on_client_final_message(&last).map_err(|error| {
        tracing::debug!(user, "SCRAM exchange failed: {error}");
        failed()
    })?;
    if live.users.get(user).is_none() {
        return Err(failed().into());
    }
    backend::authentication_sasl_final(&mut conn.out, proof.as_bytes());
    Ok(())
}

fn malformed(error: &pgwire::error::PgWireError) -> Error {
    Error::new(state::PROTOCOL_VIOLATION, "malformed SCRAM message").with_detail(error.to_string())
}

/// The configuration's defaults, then what the client asks for.
fn initial_settings(
    settings: &mut Settings,
    live: &Live,
    user: &str,
    parameters: &[(String, String)],
) -> planner::Result<()> {
    let gateway = &live.gateway;
    let own = live.users.get(user).and_then(|u| u.statement_timeout);
    let timeouts = [
        ("statement_timeout", own.unwrap_or(gateway.statement_timeout.0)),
        ("idle_session_timeout", gateway.idle_timeout.0),
        ("idle_in_transaction_session_timeout", gateway.idle_in_transaction_timeout.0),
    ];
    for (name, value) in timeouts {
        settings.set_initial(name, &value.as_millis().min(i32::MAX as u128).to_string())?;
    }
    for (name, value) in parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => {
                for (name, value) in options(value)? {
                    settings.set_initial(&name, &value)?;
                }
            }
            name => settings.set_initial(name, value)?,
        }
    }
    Ok(())
}

/// `-c name=value --name=value`, backslash before a space that is part of a value.
fn options(text: &str) -> planner::Result<Vec<(String, String)>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_ascii_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    let mut out = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let invalid =
            || Error::new(state::SYNTAX_ERROR, format!("invalid command-line argument for server process: {word}"));
        let setting = match (word.strip_prefix("-c"), word.strip_prefix("--")) {
            (Some(""), _) => words.next().ok_or_else(invalid)?,
            (Some(setting), _) | (None, Some(setting)) => setting.to_string(),
            (None, None) => return Err(invalid()),
        };
        let (name, value) = setting.split_once('=').ok_or_else(invalid)?;
        out.push((name.replace('-', "_"), value.to_string()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_options() {
        let found = options(r"-c timezone=UTC --work-mem=1MB -csearch_path=a,\ b").unwrap();
        let expected = [("timezone", "UTC"), ("work_mem", "1MB"), ("search_path", "a, b")];
        assert_eq!(found, expected.map(|(n, v)| (n.to_string(), v.to_string())));
        assert!(options("-x").is_err());
        assert!(options("-c").is_err());
    }
}
