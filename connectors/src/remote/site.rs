//! One site elsewhere: what is known of it, and how to ask it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, Addr};
use actix_rt::ArbiterHandle;
use cost_model::{Clock, SiteId, SourceId};
use parking_lot::Mutex;
use planner::catalog::EngineKind;
use planner::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::channels::Channels;
use super::dial::{Dialer, RemoteSiteOptions};
use super::proxy::{Call, HangUp, ProxyActor, Tell};
use super::source::RemoteSource;
use crate::connector::{Circuit, ConnectorStatus, Health};
use crate::guardian::Guardian;
use crate::keys::NOT_LISTED;
use crate::step::Made;
use crate::wire::Ticket;
use crate::wire::proto::{self, from_gateway, reply, request};

/// How it stands with a site.
#[derive(Clone, Debug)]
pub enum SiteState {
    /// Not reached yet since the gateway started.
    Connecting,
    Connected(Arc<Connected>),
    Lost(Error),
}

/// One connection's time.
#[derive(Debug)]
pub struct Connected {
    /// The site's build.
    pub version: String,
    /// Its functions compute what ours compute.
    pub same_functions: bool,
    /// It can fetch rows from other sites.
    pub fetches: bool,
    /// Fires when the connection is lost.
    pub lost: CancellationToken,
}

/// What the actor, the sources and their sessions share.
pub(super) struct Shared {
    pub dialer: Dialer,
    pub io: Handle,
    pub clock: Arc<dyn Clock>,
    pub channels: Arc<Channels>,
    pub state: watch::Sender<SiteState>,
    pub statuses: Mutex<HashMap<SourceId, proto::SourceStatus>>,
    /// What it had when it was connected last.
    pub known: Mutex<Vec<(SourceId, EngineKind)>>,
    /// Round trip of the last heartbeat, in µs; 0 if there was none yet.
    pub round_trip: AtomicU64,
    /// The steps that somebody watches.
    pub steps: Mutex<HashMap<Ticket, watch::Sender<Made>>>,
    address: watch::Sender<Option<Addr<ProxyActor>>>,
    next_lease: AtomicU64,
}

/// A site elsewhere. Dropping the last clone hangs up.
#[derive(Clone)]
pub struct RemoteSite {
    pub(super) shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

impl RemoteSite {
    /// Starts connecting. A site that cannot be reached is a state, not an error.
    pub fn start(
        options: RemoteSiteOptions,
        clock: Arc<dyn Clock>,
        arbiter: ArbiterHandle,
        io: Handle,
    ) -> Result<Self> {
        let seed = options.seed;
        let dialer = Dialer::new(options)?;
        let shared = Arc::new(Shared {
            channels: Arc::new(Channels::new(dialer.clone(), io.clone())),
            dialer,
            io: io.clone(),
            clock,
            state: watch::Sender::new(SiteState::Connecting),
            statuses: Mutex::default(),
            known: Mutex::default(),
            round_trip: AtomicU64::new(0),
            steps: Mutex::default(),
            address: watch::Sender::new(None),
            next_lease: AtomicU64::new(1),
        });
        let stop = CancellationToken::new();
        let guardian = Guardian { arbiter, clock: shared.clock.clone(), seed, stop: stop.clone() };
        io.spawn(keep(shared.clone(), guardian));
        Ok(Self { shared, _stop: Arc::new(stop.drop_guard()) })
    }

    pub fn name(&self) -> &SiteId {
        &self.shared.dialer.options.site
    }

    pub fn address(&self) -> &str {
        &self.shared.dialer.options.address
    }

    pub fn state(&self) -> SiteState {
        self.shared.state.borrow().clone()
    }

    /// Changes of state as they happen.
    pub fn watch(&self) -> watch::Receiver<SiteState> {
        self.shared.state.subscribe()
    }

    /// Its sources, as they were when it was connected last.
    pub fn sources(&self) -> Vec<(SourceId, EngineKind)> {
        self.shared.known.lock().clone()
    }

    pub fn options(&self) -> &RemoteSiteOptions {
        &self.shared.dialer.options
    }

    /// Of the last heartbeat.
    pub fn round_trip(&self) -> Option<Duration> {
        Some(self.shared.round_trip.load(Ordering::Relaxed)).filter(|t| *t > 0).map(Duration::from_micros)
    }

    pub fn source(&self, id: SourceId, kind: EngineKind) -> RemoteSource {
        RemoteSource::new(self.clone(), id, kind)
    }

    /// Its compute, as a source.
    pub fn compute(&self) -> RemoteSource {
        self.source(SourceId::compute(self.name()), EngineKind::Site)
    }

    /// It is there and computes what this process computes.
    pub fn computes(&self) -> bool {
        matches!(&*self.shared.state.borrow(), SiteState::Connected(now) if now.same_functions && now.fetches)
    }
}

impl Shared {
    pub fn site(&self) -> &SiteId {
        &self.dialer.options.site
    }

    /// The connection to use now, or why there is none.
    pub fn connected(&self) -> Result<Arc<Connected>> {
        match &*self.state.borrow() {
            SiteState::Connected(connected) => Ok(connected.clone()),
            SiteState::Connecting => Err(self.dialer.unreachable("it has not answered yet")),
            SiteState::Lost(error) => Err(error.clone()),
        }
    }

    pub fn next_lease(&self) -> u64 {
        self.next_lease.fetch_add(1, Ordering::Relaxed)
    }

    /// A request and its answer.
    pub async fn call(&self, call: request::Call) -> Result<reply::Result> {
        self.connected()?;
        let (answer, answered) = oneshot::channel();
        let actor = self.address.borrow().clone().ok_or_else(|| self.lost())?;
        actor.send(Call { call, answer }).await.map_err(|_| self.lost())?;
        match answered.await.unwrap_or_else(|_| Err(self.lost()))? {
            reply::Result::Error(error) => Err(Error::from(error).with_site(self.site().clone())),
            other => Ok(other),
        }
    }

    /// News of steps.
    pub fn progress(&self, progress: proto::Progress) {
        let steps = self.steps.lock();
        for sent in progress.relations {
            let Some(made) = Ticket::read(&sent.ticket).ok().and_then(|ticket| steps.get(&ticket)) else { continue };
            let count = |n: u64| usize::try_from(n).ok().filter(|_| n != NOT_LISTED);
            made.send_modify(|made| {
                *made = Made {
                    rows: sent.rows,
                    bytes: sent.bytes,
                    spilled_bytes: sent.spilled_bytes,
                    seconds: Duration::from_micros(sent.elapsed_us).as_secs_f64(),
                    done: sent.done,
                    sealed: sent.sealed,
                    // Said when they are known.
                    keys: if sent.keys.is_empty() {
                        std::mem::take(&mut made.keys)
                    } else {
                        sent.keys.into_iter().map(count).collect()
                    },
                }
            });
        }
    }

    /// A message without an answer.
    pub fn tell(&self, message: from_gateway::Message) {
        if let Some(actor) = self.address.borrow().as_ref() {
            actor.do_send(Tell(message));
        }
    }

    pub fn lost(&self) -> Error {
        self.dialer.lost()
    }

    /// What is known of a source without asking.
    pub fn status(&self, source: &SourceId, kind: EngineKind) -> ConnectorStatus {
        let lost = self.connected().err();
        let known = self.statuses.lock().get(source).cloned().unwrap_or_default();
        let health = if lost.is_some() { Health::Unavailable } else { crate::wire::health(&known.health) };
        ConnectorStatus {
            source: source.clone(),
            kind,
            health,
            circuit: Circuit::Closed,
            consecutive_failures: 0,
            last_error: lost.map(|e| e.to_string()).or(known.last_error),
            running_statements: known.running_statements as usize,
            permits_in_use: known.permits_in_use as usize,
            permit_limit: known.permit_limit as usize,
            waiting: known.waiting as usize,
            restarts: known.restarts,
        }
    }
}

/// Keeps the site's actor alive until the site is given up.
async fn keep(shared: Arc<Shared>, guardian: Guardian) {
    let last = guardian.run(
        &shared.address,
        |arbiter, alive| {
            let own = shared.clone();
            Some(ProxyActor::start_in_arbiter(arbiter, move |_| ProxyActor::new(own, alive)))
        },
        || tracing::error!(site = %shared.site(), "the actor of this site has died, restarting it"),
    );
    if let Some(actor) = last.await {
        actor.do_send(HangUp);
    }
}
