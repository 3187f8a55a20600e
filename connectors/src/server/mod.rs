//! A site's side of the protocol: serves gateways with the sources it has.
//!
//! A gateway's work here lives as long as its control stream: when that ends, or nothing is heard on it for the gateway's lease,
//! statements are cancelled at their engines and everything is freed ([`gateway`]). Its [steps](crate::step) are statements at the
//! site's sources or of its own compute, which reads what they return and what it fetches from other sites. Rows leave through the [exchange](crate::exchange) by
//! Arrow Flight, on connections of their own.

mod auth;
mod control;
mod encode;
mod flight;
mod gateway;
mod held;
mod inputs;
mod peers;
mod step;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cost_model::{Clock, SiteId, SourceId};
use planner::Error;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::exchange::Exchange;
use crate::site::{Executor, SourceHandle};
use crate::wire::LONGEST_MESSAGE;
use crate::wire::proto::site_server::SiteServer;
use gateway::Gateways;
pub use peers::PeerOptions;
use peers::Peers;

/// How often an idle connection is asked whether the other end is still there, and how long that may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5));

/// PEM texts.
#[derive(Clone)]
pub struct ServerTls {
    pub certificate: Vec<u8>,
    pub key: SecretString,
    /// Who must have signed the certificates that gateways show; `None`: they need none.
    pub client_authority: Option<Vec<u8>>,
}

/// Who this site is and whom it serves.
#[derive(Clone)]
pub struct SiteOptions {
    pub site: SiteId,
    /// What every gateway must know.
    pub token: Option<SecretString>,
    pub tls: Option<ServerTls>,
    /// How it connects to other sites, if it can.
    pub peers: Option<PeerOptions>,
}

/// What all connections of a site share.
pub(crate) struct Site {
    name: SiteId,
    /// In the order of the configuration.
    order: Vec<SourceId>,
    sources: HashMap<SourceId, Arc<dyn SourceHandle>>,
    exchange: Exchange,
    gateways: Gateways,
    peers: Peers,
    executor: Arc<Executor>,
    compute: Handle,
    clock: Arc<dyn Clock>,
}

/// Serves until `stop`; then what still runs is cancelled.
pub async fn serve(
    options: SiteOptions,
    listener: TcpListener,
    sources: Vec<(SourceId, Arc<dyn SourceHandle>)>,
    executor: &Arc<Executor>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let failed = |e: tonic::transport::Error| {
        Error::internal(format!("the site cannot serve: {}", crate::site::chain(&e))).with_cause(e)
    };
    let site = Arc::new(Site {
        name: options.site,
        order: sources.iter().map(|(id, _)| id.clone()).collect(),
        sources: sources.into_iter().collect(),
        exchange: Exchange::default(),
        gateways: Gateways::default(),
        peers: Peers::new(options.peers, Handle::current()),
        executor: executor.clone(),
        compute: executor.compute().clone(),
        clock,
    });
    let auth = auth::Auth::new(options.token);
    let control = SiteServer::new(control::Control(site.clone()))
        .max_decoding_message_size(LONGEST_MESSAGE)
        .max_encoding_message_size(LONGEST_MESSAGE);
    let control = tonic::service::interceptor::InterceptedService::new(control, auth.clone());
    let flight = arrow_flight::flight_service_server::FlightServiceServer::new(flight::Flight(site.clone()))
        .max_encoding_message_size(LONGEST_MESSAGE);
    let flight = tonic::service::interceptor::InterceptedService::new(flight, auth);
    let mut server =
        Server::builder().http2_keepalive_interval(Some(KEEP_ALIVE.0)).http2_keepalive_timeout(Some(KEEP_ALIVE.1));
    if let Some(tls) = options.tls {
        server = server.tls_config(tls_config(&tls)).map_err(failed)?;
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEP_ALIVE.0));
    let serving = server.add_service(control).add_service(flight).serve_with_incoming(incoming);
    let ended = tokio::select! {
        ended = serving => ended.map_err(failed),
        () = stop.cancelled() => Ok(()),
    };
    site.gateways.end_all(&site.exchange).await;
    ended
}

fn tls_config(tls: &ServerTls) -> ServerTlsConfig {
    let key = secrecy::ExposeSecret::expose_secret(&tls.key);
    let config = ServerTlsConfig::new().identity(Identity::from_pem(&tls.certificate, key));
    match &tls.client_authority {
        Some(authority) => config.client_ca_root(Certificate::from_pem(authority)),
        None => config,
    }
}
