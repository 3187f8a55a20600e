//! The other sites from which this one fetches rows.

use std::sync::Arc;
use std::time::Duration;

use cost_model::Epoch;
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};
use secrecy::SecretString;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::remote::{Channels, RemoteSiteOptions, RemoteTls};
use crate::step::Peer;

/// How long one may be silent before its connections count as broken. A fetch then tries again for some seconds.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Ways to other sites that are kept: links change now and then, and each of their numbers makes another one.
const MOST: usize = 64;

/// What this site shows to the others.
#[derive(Clone, Default)]
pub struct PeerOptions {
    pub token: Option<SecretString>,
    /// `None`: they are reached without TLS.
    pub tls: Option<RemoteTls>,
}

/// Connections to them, kept for the next query.
pub struct Peers {
    /// `None`: this site cannot connect to others.
    options: Option<PeerOptions>,
    io: Handle,
    /// The newest first.
    known: Mutex<Vec<Arc<Channels>>>,
}

impl Peers {
    /// Connections live on `io`.
    pub fn new(options: Option<PeerOptions>, io: Handle) -> Self {
        Self { options, io, known: Mutex::default() }
    }

    pub fn can_connect(&self) -> bool {
        self.options.is_some()
    }

    pub fn channels(&self, peer: &Peer) -> Result<Arc<Channels>> {
        let own = self.options.as_ref().ok_or_else(|| {
            Error::new(
                state::CANNOT_CONNECT,
                "this site does not know by whom other sites' certificates must be signed",
            )
            .with_hint("Set tls_ca in its configuration.")
        })?;
        let options = RemoteSiteOptions {
            site: peer.site.clone(),
            address: peer.address.clone(),
            token: own.token.clone(),
            tls: own.tls.clone(),
            gateway: Uuid::nil(),
            epoch: Epoch(0),
            timeout: TIMEOUT,
            link: peer.link,
            seed: 0,
        };
        // Few: of each gateway one for each site.
        let mut known = self.known.lock();
        if let Some(channels) = known.iter().find(|channels| channels.options().same_connection(&options)) {
            return Ok(channels.clone());
        }
        let channels = Channels::to(options, self.io.clone())?;
        known.truncate(MOST - 1);
        known.insert(0, channels.clone());
        Ok(channels)
    }
}
