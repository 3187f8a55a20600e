//! How many queries run at once, for the gateway and for each user.
//!
//! An actor owns the [`queue`]: who asks gets a [`Permit`] at once, waits in turn, or is refused. Dropping the permit, or the
//! future that waits for it, makes room for the next.

mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message};
use actix_rt::ArbiterHandle;
use arc_swap::ArcSwap;
use metrics::gauge;
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};
use tokio::sync::oneshot;

use queue::{Answer, Queue, Ticket};

pub use queue::Limits;

use crate::config::Config;

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        let per_user = config.gateway.max_running_per_user as usize;
        Self {
            running: config.gateway.max_running as usize,
            queued: config.gateway.max_queued as usize,
            per_user: (per_user > 0).then_some(per_user),
            users: config.users.iter().filter_map(|u| Some((u.name.clone(), u.max_running? as usize))).collect(),
        }
    }
}

/// The way to the actor. If the actor dies (a panic ends an actor for good) a new one takes its place; it no longer counts the
/// queries the old one let in.
pub struct Admission {
    arbiter: ArbiterHandle,
    gate: ArcSwap<Addr<Gate>>,
    limits: Mutex<Limits>,
    next: AtomicU64,
}

/// Leave to run, as long as it lives.
#[derive(Debug)]
pub struct Permit {
    ticket: Ticket,
    gate: Addr<Gate>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.do_send(Leave(self.ticket));
    }
}

impl Admission {
    /// The actor lives on `arbiter`.
    pub fn start(arbiter: ArbiterHandle, limits: Limits) -> Self {
        let gate = Gate::spawn(&arbiter, limits.clone());
        Self { arbiter, gate: ArcSwap::from_pointee(gate), limits: Mutex::new(limits), next: AtomicU64::new(1) }
    }

    pub fn set_limits(&self, limits: Limits) {
        *self.limits.lock() = limits.clone();
        self.gate.load().do_send(SetLimits(limits));
    }

    fn gate(&self) -> Addr<Gate> {
        let gate = self.gate.load_full();
        if gate.connected() {
            return (*gate).clone();
        }
        let limits = self.limits.lock();
        if !self.gate.load().connected() {
            tracing::error!("the admission actor died, starting a new one");
            self.gate.store(Arc::new(Gate::spawn(&self.arbiter, limits.clone())));
        }
        (**self.gate.load()).clone()
    }

    /// Waits for leave to run, `timeout` at most.
    pub async fn admit(&self, user: &Arc<str>, timeout: Option<Duration>) -> Result<Permit> {
        let (reply, answer) = oneshot::channel();
        let gate = self.gate();
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let permit = Permit { ticket, gate };
        permit.gate.do_send(Enter { ticket, user: user.clone(), reply });
        let refused = |message: String| Error::new(state::TOO_MANY_CONNECTIONS, message);
        let answer = match timeout {
            Some(timeout) => tokio::time::timeout(timeout, answer).await.map_err(|_| {
                refused(format!("too many queries are running: no room within {} ms", timeout.as_millis()))
                    .with_hint("Try again later, or raise max_running or queue_timeout in the gateway's configuration.")
            })?,
            None => answer.await,
        };
        match answer {
            Ok(true) => Ok(permit),
            Ok(false) => Err(refused("too many queries are waiting to run".to_string())
                .with_hint("Try again later, or raise max_running or max_queued in the gateway's configuration.")),
            Err(_) => Err(Error::internal("admission stopped while the query was waiting")),
        }
    }
}

/// The actor.
struct Gate {
    queue: Queue,
    waiting: HashMap<Ticket, oneshot::Sender<bool>>,
}

impl Gate {
    fn spawn(arbiter: &ArbiterHandle, limits: Limits) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, |_| Self { queue: Queue::new(limits), waiting: HashMap::new() })
    }

    fn start_all(&mut self, mut started: Vec<Ticket>) {
        while let Some(ticket) = started.pop() {
            let told = self.waiting.remove(&ticket).is_some_and(|reply| reply.send(true).is_ok());
            if !told {
                started.extend(self.queue.leave(ticket));
            }
        }
        let (running, waiting) = self.queue.counts();
        gauge!("narrows_queries_running").set(running as f64);
        gauge!("narrows_queries_queued").set(waiting as f64);
    }
}

impl Actor for Gate {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Enter {
    ticket: Ticket,
    user: Arc<str>,
    reply: oneshot::Sender<bool>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Leave(Ticket);

#[derive(Message)]
#[rtype(result = "()")]
struct SetLimits(Limits);

impl Handler<Enter> for Gate {
    type Result = ();

    fn handle(&mut self, Enter { ticket, user, reply }: Enter, _: &mut Self::Context) {
        match self.queue.request(ticket, user) {
            Answer::Wait => {
                self.waiting.insert(ticket, reply);
            }
            answer => {
                // A caller that left meanwhile has sent `Leave` already or will.
                let _ = reply.send(answer == Answer::Run);
            }
        }
        self.start_all(Vec::new());
    }
}

impl Handler<Leave> for Gate {
    type Result = ();

    fn handle(&mut self, Leave(ticket): Leave, _: &mut Self::Context) {
        self.waiting.remove(&ticket);
        let started = self.queue.leave(ticket);
        self.start_all(started);
    }
}

impl Handler<SetLimits> for Gate {
    type Result = ();

    fn handle(&mut self, SetLimits(limits): SetLimits, _: &mut Self::Context) {
        let started = self.queue.set_limits(limits);
        self.start_all(started);
    }
}
