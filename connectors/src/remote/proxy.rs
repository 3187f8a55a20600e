//! The actor that keeps one site's control connection.
//!
//! It only decides: connecting and reading run on the multi-threaded runtime and tell it what happened. Every message of a
//! connection carries the connection's number, so that the last words of an old one are not taken for news.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use cost_model::SourceId;
use planner::{Error, Result};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::dial::Line;
use super::site::{Connected, Shared, SiteState};
use crate::backoff::Backoff;
use crate::guardian::SignOfLife;
use crate::wire::engine_kind;
use crate::wire::proto::{self, FromGateway, FromSite, from_gateway, from_site, reply, request};

/// Shortest and longest wait before a lost site is tried again.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

type Answer = oneshot::Sender<Result<reply::Result>>;

/// Asks the site.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Call {
    pub call: request::Call,
    pub answer: Answer,
}

/// Tells the site.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Tell(pub from_gateway::Message);

/// The gateway needs the site no longer.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HangUp;

#[derive(Message)]
#[rtype(result = "()")]
struct Dialed(u64, Result<Line>);

#[derive(Message)]
#[rtype(result = "()")]
struct Heard(u64, FromSite);

#[derive(Message)]
#[rtype(result = "()")]
struct Ended(u64, Error);

struct Live {
    out: mpsc::UnboundedSender<FromGateway>,
    lost: CancellationToken,
    _reader: AbortOnDropHandle<()>,
}

/// Also if the actor panics: what waits for the site must not wait for ever.
impl Drop for Live {
    fn drop(&mut self) {
        self.lost.cancel();
    }
}

pub struct ProxyActor {
    shared: Arc<Shared>,
    /// Counts connections and attempts at them.
    number: u64,
    live: Option<Live>,
    pending: HashMap<u64, Answer>,
    next_request: u64,
    /// When the site was heard last.
    heard: Duration,
    /// When the heartbeat under way was sent.
    beat: (u64, Duration),
    backoff: Backoff,
    _alive: SignOfLife,
}

impl ProxyActor {
    pub fn new(shared: Arc<Shared>, alive: SignOfLife) -> Self {
        let backoff = Backoff::new(RETRY_AFTER.0, RETRY_AFTER.1, shared.dialer.options.seed);
        Self {
            shared,
            number: 0,
            live: None,
            pending: HashMap::new(),
            next_request: 0,
            heard: Duration::ZERO,
            beat: (0, Duration::ZERO),
            backoff,
            _alive: alive,
        }
    }

    fn timeout(&self) -> Duration {
        self.shared.dialer.options.timeout
    }

    fn dial(&mut self, ctx: &mut Context<Self>) {
        self.number += 1;
        let (number, dialer, me) = (self.number, self.shared.dialer.clone(), ctx.address());
        self.shared.io.spawn(async move {
            let line = dialer.greet().await;
            me.do_send(Dialed(number, line));
        });
    }

    fn connected(&mut self, line: Line, ctx: &mut Context<Self>) {
        let (number, me, mut incoming) = (self.number, ctx.address(), line.incoming);
        let dialer = self.shared.dialer.clone();
        let reader = self.shared.io.spawn(async move {
            let end = loop {
                match incoming.message().await {
                    // Waits for the actor: a site that talks too much is not listened to faster.
                    Ok(Some(message)) => {
                        if me.send(Heard(number, message)).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => break dialer.unreachable("it has hung up"),
                    Err(status) => break dialer.refused(&status),
                }
            };
            me.do_send(Ended(number, end));
        });
        let lost = CancellationToken::new();
        self.live = Some(Live { out: line.out, lost: lost.clone(), _reader: AbortOnDropHandle::new(reader) });
        self.heard = self.shared.clock.now();
        self.backoff.reset();
        let site = self.shared.site();
        let known = |source: &proto::Source| match engine_kind(&source.engine) {
            Some(kind) => Some((SourceId::new(&source.name), kind)),
            None => {
                tracing::error!(%site, source = source.name, engine = source.engine, "an engine this build does not know");
                None
            }
        };
        let sources: Vec<_> = line.welcome.sources.iter().filter_map(known).collect();
        let connected = Connected {
            same_functions: line.welcome.functions == planner::pgsem::registry::registry().fingerprint(),
            version: line.welcome.version,
            fetches: line.welcome.fetches,
            lost,
        };
        tracing::info!(%site, version = connected.version, sources = sources.len(), "connected to the site");
        *self.shared.known.lock() = sources;
        self.shared.state.send_replace(SiteState::Connected(Arc::new(connected)));
        self.heartbeat();
    }

    /// All that waits for the site learns that it waits in vain.
    fn lose(&mut self, error: Error, ctx: &mut Context<Self>) {
        if self.live.take().is_some() {
            tracing::warn!(site = %self.shared.site(), %error, "the site is lost");
        }
        self.shared.channels.clear();
        for (_, answer) in self.pending.drain() {
            let _ = answer.send(Err(self.shared.lost()));
        }
        self.shared.state.send_replace(SiteState::Lost(error));
        ctx.run_later(self.backoff.next_delay(), |this, ctx| this.dial(ctx));
    }

    fn say(&self, message: from_gateway::Message) {
        let Some(live) = &self.live else { return };
        // An error means that the connection has ended: its reader is about to say so.
        let _ = live.out.send(FromGateway { message: Some(message) });
    }

    fn heartbeat(&mut self) {
        self.beat = (self.beat.0 + 1, self.shared.clock.now());
        self.say(from_gateway::Message::Heartbeat(proto::Heartbeat { number: self.beat.0 }));
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.live.is_none() {
            return;
        }
        let silent = self.shared.clock.now().saturating_sub(self.heard);
        if silent >= self.timeout() {
            self.number += 1;
            let error = self.shared.dialer.unreachable(&format!("nothing heard for {:.1} s", silent.as_secs_f64()));
            return self.lose(error, ctx);
        }
        self.heartbeat();
    }
}

impl Actor for ProxyActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        ctx.run_interval(self.timeout() / 4, Self::tick);
        self.dial(ctx);
    }
}

impl Handler<Dialed> for ProxyActor {
    type Result = ();
    fn handle(&mut self, Dialed(number, line): Dialed, ctx: &mut Self::Context) {
        match line {
            _ if number != self.number => {}
            Ok(line) => self.connected(line, ctx),
            Err(error) => {
                // Once is enough in the log.
                if matches!(&*self.shared.state.borrow(), SiteState::Connecting) {
                    tracing::warn!(site = %self.shared.site(), %error, "the site does not answer");
                }
                self.lose(error, ctx);
            }
        }
    }
}

impl Handler<Heard> for ProxyActor {
    type Result = ();
    fn handle(&mut self, Heard(number, message): Heard, _: &mut Self::Context) {
        if number != self.number {
            return;
        }
        self.heard = self.shared.clock.now();
        match message.message {
            Some(from_site::Message::Reply(reply)) => {
                if let (Some(answer), Some(result)) = (self.pending.remove(&reply.number), reply.result) {
                    let _ = answer.send(Ok(result));
                }
            }
            Some(from_site::Message::Heartbeat(beat)) => {
                if beat.number == self.beat.0 {
                    let micros = (self.heard.saturating_sub(self.beat.1).as_micros() as u64).max(1);
                    self.shared.round_trip.store(micros, Ordering::Relaxed);
                }
                let statuses = beat.sources.into_iter().map(|s| (SourceId::new(&s.name), s));
                *self.shared.statuses.lock() = statuses.collect();
            }
            Some(from_site::Message::Progress(progress)) => self.shared.progress(progress),
            Some(from_site::Message::Welcome(_)) | None => {}
        }
    }
}

impl Handler<Ended> for ProxyActor {
    type Result = ();
    fn handle(&mut self, Ended(number, error): Ended, ctx: &mut Self::Context) {
        if number == self.number {
            self.number += 1;
            self.lose(error, ctx);
        }
    }
}

impl Handler<Call> for ProxyActor {
    type Result = ();
    fn handle(&mut self, Call { call, answer }: Call, _: &mut Self::Context) {
        if self.live.is_none() {
            let _ = answer.send(Err(self.shared.lost()));
            return;
        }
        self.next_request += 1;
        self.pending.insert(self.next_request, answer);
        let request = proto::Request { number: self.next_request, call: Some(call) };
        self.say(from_gateway::Message::Request(request));
    }
}

impl Handler<Tell> for ProxyActor {
    type Result = ();
    fn handle(&mut self, Tell(message): Tell, _: &mut Self::Context) {
        self.say(message);
    }
}

impl Handler<HangUp> for ProxyActor {
    type Result = ();
    fn handle(&mut self, _: HangUp, ctx: &mut Self::Context) {
        self.live = None;
        ctx.stop();
    }
}
