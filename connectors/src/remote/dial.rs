//! How a site is reached.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use cost_model::{Epoch, Link, SiteId};
use planner::error::{Retry, state};
use planner::{Error, Result};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

use crate::site::chain;
use crate::wire::proto::site_client::SiteClient;
use crate::wire::proto::{self, FromGateway, FromSite, from_gateway, from_site};
use crate::wire::{LONGEST_MESSAGE, PROTOCOL, from_status, malformed};

/// What may be in flight on one stream: as much as a path of 1 Gbit/s and 64 ms holds, twice.
const WINDOW: u32 = 16 << 20;
const WINDOW_BOUNDS: (f64, f64) = ((2 << 20) as f64, (64 << 20) as f64);

/// Twice what the path holds: a sender hears only after a round trip that there is room again. All of it may have to be kept here if
/// a reader stops.
fn window(link: Option<&Link>) -> u32 {
    match link.map(|link| 2.0 * link.bandwidth * link.rtt) {
        Some(bytes) if !bytes.is_nan() => bytes.clamp(WINDOW_BOUNDS.0, WINDOW_BOUNDS.1) as u32,
        _ => WINDOW,
    }
}

/// PEM texts.
#[derive(Clone)]
pub struct RemoteTls {
    /// Who must have signed the site's certificate.
    pub authority: Vec<u8>,
    /// Certificate and key to show, where the site asks for one.
    pub identity: Option<(Vec<u8>, SecretString)>,
}

#[derive(Clone)]
pub struct RemoteSiteOptions {
    pub site: SiteId,
    /// Host and port.
    pub address: String,
    pub token: Option<SecretString>,
    pub tls: Option<RemoteTls>,
    /// This gateway: the same over its restarts.
    pub gateway: Uuid,
    /// This life of it.
    pub epoch: Epoch,
    /// How long the site may be silent before it counts as lost.
    pub timeout: Duration,
    /// What is expected of the way from it, if anything is: for windows and compression.
    pub link: Option<Link>,
    /// Decides the jitter of reconnecting.
    pub seed: u64,
}

impl RemoteSiteOptions {
    /// Whether who may connect to the one may connect to the other.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let token = |o: &Self| o.token.as_ref().map(|token| token.expose_secret().to_string());
        self.tls.is_some() == other.tls.is_some() && token(self) == token(other)
    }

    /// Whether both mean the same connection.
    pub fn same_connection(&self, other: &Self) -> bool {
        let exposed = |secret: &SecretString| secret.expose_secret().to_string();
        let tls = |o: &Self| {
            let identity = |t: &RemoteTls| t.identity.as_ref().map(|(cert, key)| (cert.clone(), exposed(key)));
            o.tls.as_ref().map(|t| (t.authority.clone(), identity(t)))
        };
        let key =
            |o: &Self| (o.site.clone(), o.address.clone(), o.token.as_ref().map(exposed), tls(o), o.timeout, o.link);
        key(self) == key(other)
    }
}

/// An established conversation.
pub struct Line {
    /// Without a limit of its own: what is said is bounded by the queries that run.
    pub out: mpsc::UnboundedSender<FromGateway>,
    pub incoming: Streaming<FromSite>,
    pub welcome: proto::Welcome,
}

#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// Makes connections to one site.
#[derive(Clone)]
pub struct Dialer {
    endpoint: Endpoint,
    pub bearer: Bearer,
    pub options: Arc<RemoteSiteOptions>,
}

impl Dialer {
    pub fn new(options: RemoteSiteOptions) -> Result<Self> {
        let bad = |what: String| Error::new(state::CONFIG_FILE_ERROR, format!("site \"{}\": {what}", options.site));
        let window = window(options.link.as_ref());
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", options.address))
            .map_err(|e| bad(format!("address \"{}\": {}", options.address, chain(&e))))?
            .connect_timeout(options.timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(window)
            // One stream of rows at a time uses a connection.
            .initial_connection_window_size(2 * window)
            .http2_keep_alive_interval(options.timeout / 2)
            .keep_alive_timeout(options.timeout / 2)
            .keep_alive_while_idle(true);
        if let Some(tls) = &options.tls {
            let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.authority));
            if let Some((certificate, key)) = &tls.identity {
                config = config.identity(Identity::from_pem(certificate, key.expose_secret()));
            }
            endpoint = endpoint.tls_config(config).map_err(|e| bad(chain(&e)))?;
        }
        let bearer = options.token.as_ref().map(|token| {
            let value = MetadataValue::try_from(format!("Bearer {}", token.expose_secret()));
            value.map_err(|_| bad("the token has characters that HTTP does not allow".to_string()))
        });
        let bearer = Bearer(bearer.transpose()?);
        Ok(Self { endpoint, bearer, options: Arc::new(options) })
    }

    /// A new connection.
    pub async fn channel(&self) -> Result<Channel> {
        self.endpoint.connect().await.map_err(|e| self.unreachable(&chain(&e)))
    }

    /// Connects and greets.
    pub async fn greet(&self) -> Result<Line> {
        let greeting = async {
            let channel = self.channel().await?;
            let mut client = SiteClient::with_interceptor(channel, self.bearer.clone())
                .max_decoding_message_size(LONGEST_MESSAGE)
                .max_encoding_message_size(LONGEST_MESSAGE);
            let (out, mut sent) = mpsc::unbounded_channel();
            let hello = proto::Hello {
                protocol: PROTOCOL,
                version: env!("CARGO_PKG_VERSION").to_string(),
                functions: planner::pgsem::registry::registry().fingerprint(),
                gateway: self.options.gateway.as_bytes().to_vec(),
                epoch: self.options.epoch.0,
                lease_ms: self.options.timeout.as_millis() as u64,
            };
            let hello = FromGateway { message: Some(from_gateway::Message::Hello(hello)) };
            let _ = out.send(hello);
            let messages = futures::stream::poll_fn(move |cx| sent.poll_recv(cx));
            let answered = client.control(messages).await.map_err(|status| self.refused(&status))?;
            let mut incoming = answered.into_inner();
            let first = incoming.message().await.map_err(|status| self.refused(&status))?;
            match first.and_then(|m| m.message) {
                Some(from_site::Message::Welcome(welcome)) => Ok(Line { out, incoming, welcome: self.check(welcome)? }),
                _ => Err(malformed("a greeting")),
            }
        };
        let patience = self.options.timeout;
        tokio::time::timeout(patience, greeting)
            .await
            .unwrap_or_else(|_| Err(self.unreachable(&format!("no answer within {} s", patience.as_secs_f64()))))
    }

    /// Another site at this address would answer for the wrong tables.
    fn check(&self, welcome: proto::Welcome) -> Result<proto::Welcome> {
        let wrong = |what: String| {
            Error::new(state::CANNOT_CONNECT, format!("{} answered, but {what}", self.options.address))
                .with_site(self.options.site.clone())
        };
        if welcome.site != self.options.site.as_str() {
            return Err(wrong(format!("it is site \"{}\", not \"{}\"", welcome.site, self.options.site)));
        }
        if welcome.protocol < PROTOCOL {
            let message = format!("it speaks an older protocol ({} instead of {PROTOCOL})", welcome.protocol);
            return Err(wrong(message).with_hint("Upgrade the site first, then the gateway."));
        }
        Ok(welcome)
    }

    pub fn unreachable(&self, why: &str) -> Error {
        let options = &self.options;
        Error::new(
            state::CANNOT_CONNECT,
            format!("site \"{}\" at {} is not reachable: {why}", options.site, options.address),
        )
        .with_site(options.site.clone())
        .with_retry(Retry::Replica)
    }

    pub fn lost(&self) -> Error {
        let site = &self.options.site;
        Error::new(state::CONNECTION_FAILURE, format!("the connection to site \"{site}\" was lost"))
            .with_site(site.clone())
            .with_retry(Retry::Replica)
    }

    /// What the end of a call means.
    pub fn refused(&self, status: &Status) -> Error {
        from_status(status).unwrap_or_else(|| {
            let why = match status.source() {
                Some(cause) if status.message() == "transport error" => chain(cause),
                _ => status.message().to_string(),
            };
            self.unreachable(&why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_twice_what_the_path_holds() {
        let link = |bandwidth, rtt| Link { bandwidth, rtt, price_per_gb: 0.0 };
        assert_eq!(window(None), WINDOW);
        assert_eq!(window(Some(&Link::LOCAL)), WINDOW, "nothing is known of it");
        assert_eq!(window(Some(&link(125e6, 0.1))), 25_000_000);
        assert_eq!(window(Some(&link(1e6, 0.01))), 2 << 20);
        assert_eq!(window(Some(&link(1.25e9, 0.2))), 64 << 20);
    }
}
