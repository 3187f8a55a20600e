//! The conversation with one gateway.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cost_model::{Epoch, SourceId};
use futures::{Stream, stream};
use planner::error::state;
use planner::{Error, Result};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::Site;
use super::gateway::Gateway;
use super::held::{Held, given_up};
use super::step::Work;
use crate::engine::{SessionRequest, concurrent_scans};
use crate::site::{SourceHandle, caught};
use crate::wire::proto::reply::Result as Outcome;
use crate::wire::proto::{self, FromGateway, FromSite, from_gateway, from_site, request};
use crate::wire::{PROTOCOL, Ticket, engine_name, health_name, into_status, malformed, named_types, query_id};

/// How long a gateway may take to greet.
const GREETING: Duration = Duration::from_secs(10);
/// A lease shorter than this could not be kept up.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// Messages that wait to be sent.
const QUEUE: usize = 64;

pub struct Control(pub Arc<Site>);

/// One gateway's conversation.
#[derive(Clone)]
pub struct Conversation {
    pub site: Arc<Site>,
    gateway: Arc<Gateway>,
    out: mpsc::Sender<FromSite>,
}

#[tonic::async_trait]
impl proto::site_server::Site for Control {
    type ControlStream = Pin<Box<dyn Stream<Item = Result<FromSite, Status>> + Send>>;

    async fn control(&self, request: Request<Streaming<FromGateway>>) -> Result<Response<Self::ControlStream>, Status> {
        let mut incoming = request.into_inner();
        let greeting = tokio::time::timeout(GREETING, incoming.message()).await;
        let greeting = greeting.map_err(|_| Status::deadline_exceeded("no greeting"))??.and_then(|m| m.message);
        let Some(from_gateway::Message::Hello(hello)) = greeting else {
            return Err(into_status(&malformed("a greeting")));
        };
        let id = Uuid::from_slice(&hello.gateway).map_err(|_| into_status(&malformed("a greeting")))?;
        let gateway = self.0.gateways.admit(id, Epoch(hello.epoch)).ok_or_else(|| {
            let message =
                "a newer life of this gateway is connected: is another one running with a copy of its data_dir?";
            into_status(&Error::new(state::CANNOT_CONNECT, message))
        })?;
        tracing::info!(gateway = %id, version = hello.version, epoch = hello.epoch, "a gateway has connected");
        let (out, mut sent) = mpsc::channel(QUEUE);
        let conversation = Conversation { site: self.0.clone(), gateway, out };
        conversation.say(from_site::Message::Welcome(welcome(&self.0))).await;
        let lease = Duration::from_millis(hello.lease_ms).max(SHORTEST_LEASE);
        tokio::spawn(async move {
            let why = conversation.listen(incoming, lease).await;
            tracing::info!(gateway = %id, "a gateway has gone: {why}");
            conversation.gateway.end(&conversation.site.exchange).await;
            conversation.site.gateways.forget(id, &conversation.gateway);
        });
        Ok(Response::new(Box::pin(stream::poll_fn(move |cx| sent.poll_recv(cx).map(|m| m.map(Ok))))))
    }
}

fn welcome(site: &Site) -> proto::Welcome {
    let source = |id: &SourceId| {
        let kind = site.sources[id].kind();
        proto::Source { name: id.to_string(), engine: engine_name(kind).to_string() }
    };
    proto::Welcome {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_string(),
        functions: planner::pgsem::registry::registry().fingerprint(),
        site: site.name.to_string(),
        sources: site.order.iter().map(source).collect(),
        fetches: site.peers.can_connect(),
    }
}

impl Conversation {
    pub async fn say(&self, message: from_site::Message) {
        let _ = self.out.send(FromSite { message: Some(message) }).await;
    }

    /// Until the gateway hangs up, falls silent, or is replaced by a newer connection; says which.
    async fn listen(&self, mut incoming: Streaming<FromGateway>, lease: Duration) -> String {
        loop {
            let message = tokio::select! {
                message = incoming.message() => message,
                () = self.gateway.stop.cancelled() => return "it has connected anew".to_string(),
                () = self.out.closed() => return "it has hung up".to_string(),
                () = tokio::time::sleep(lease) => return format!("nothing heard for {} s", lease.as_secs_f64()),
            };
            match message {
                Ok(Some(FromGateway { message: Some(message) })) => self.handle(message),
                // A message this build does not know.
                Ok(Some(FromGateway { message: None })) => {}
                Ok(None) => return "it has hung up".to_string(),
                Err(status) => return status.message().to_string(),
            }
        }
    }

    /// In order, and never waiting: what takes time goes to a task of its own.
    fn handle(&self, message: from_gateway::Message) {
        let this = self.clone();
        match message {
            from_gateway::Message::Hello(_) => {}
            from_gateway::Message::Heartbeat(beat) => {
                tokio::spawn(async move {
                    let sources = this.statuses();
                    let reply = proto::HeartbeatReply { number: beat.number, sources };
                    this.say(from_site::Message::Heartbeat(reply)).await;
                });
            }
            from_gateway::Message::Request(proto::Request { number, call: Some(request::Call::Lease(lease)) }) => {
                // Known at once: the next message may give it back.
                let held = this.enter(&lease);
                self.reply(number, async move { this.lease(lease, held?).await });
            }
            from_gateway::Message::Request(proto::Request { number, call: Some(call) }) => {
                self.reply(number, async move { this.answer(call).await });
            }
            // A request this build does not know.
            from_gateway::Message::Request(_) => {}
            from_gateway::Message::Open(open) => {
                if let Some(held) = this.gateway.held(open.lease).filter(|held| !held.source.is_compute()) {
                    tokio::spawn(async move { held.open(open.snapshot).await });
                }
            }
            from_gateway::Message::Scan(scan) => this.scan(scan),
            from_gateway::Message::Release(release) => this.gateway.release(release.lease, &this.site.exchange),
            from_gateway::Message::CancelQuery(cancel) => {
                if let Ok(query) = query_id(&cancel.query) {
                    tokio::spawn(async move { this.gateway.cancel(query).await });
                }
            }
        }
    }

    fn reply(&self, number: u64, answer: impl Future<Output = Result<Outcome>> + Send + 'static) {
        let this = self.clone();
        tokio::spawn(async move {
            let result = caught(answer).await.unwrap_or_else(|error| Outcome::Error((&error).into()));
            let reply = proto::Reply { number, result: Some(result) };
            this.say(from_site::Message::Reply(reply)).await;
        });
    }

    async fn answer(&self, call: request::Call) -> Result<Outcome> {
        Ok(match call {
            request::Call::Introspect(call) => {
                Outcome::Schema(self.site.source(&call.source)?.introspect().await?.into())
            }
            request::Call::Describe(call) => {
                Outcome::Columns(named_types(self.site.source(&call.source)?.describe(&call.sql).await?))
            }
            request::Call::Estimate(call) => {
                let rows = self.site.source(&call.source)?.estimate(&call.sql).await?;
                Outcome::Estimated(proto::Estimated { rows })
            }
            request::Call::Lease(_) => return Err(malformed("a request")),
        })
    }

    async fn lease(&self, lease: proto::Lease, held: Arc<Held>) -> Result<Outcome> {
        if held.source == SourceId::compute(&self.site.name) {
            // Its steps share the site's threads and memory; there is nothing to wait for.
            let granted = proto::Granted { connections: lease.connections.max(1), concurrent_scans: true };
            return Ok(Outcome::Granted(granted));
        }
        let granting = async {
            let source = self.site.source(&lease.source)?;
            let granted = match lease.no_wait {
                true => source.try_lease(&held.request).await?,
                false => Some(source.lease(&held.request).await?),
            };
            Ok((source.kind(), granted))
        };
        let granted = held.stop.run_until_cancelled(granting).await.unwrap_or_else(|| Err(given_up()));
        let (kind, granted) = granted.inspect_err(|_| self.gateway.release(lease.lease, &self.site.exchange))?;
        let Some(granted) = granted else {
            self.gateway.release(lease.lease, &self.site.exchange);
            return Ok(Outcome::Granted(proto::Granted::default()));
        };
        let connections = granted.connections();
        let concurrent_scans = concurrent_scans(kind, connections);
        held.grant(granted, !concurrent_scans);
        Ok(Outcome::Granted(proto::Granted { connections: connections as u32, concurrent_scans }))
    }

    fn enter(&self, lease: &proto::Lease) -> Result<Arc<Held>> {
        let left = lease.time_left_us.map(Duration::from_micros);
        let request = SessionRequest {
            query: query_id(&lease.query)?,
            principal: lease.principal.as_str().into(),
            connections: lease.connections.max(1) as usize,
            snapshot: false,
            deadline: left.map(|left| self.site.clock.now() + left),
        };
        self.gateway.enter(lease.lease, SourceId::new(&lease.source), request).ok_or_else(|| malformed("a lease"))
    }

    fn scan(&self, scan: proto::Scan) {
        let Ok(ticket) = Ticket::read(&scan.ticket) else { return };
        // A lease that was given back meanwhile: whoever comes for the rows is told that there are none.
        let Some(held) = self.gateway.held(scan.lease) else { return };
        held.add(ticket);
        let compression = scan.compression();
        let work = Work { conversation: self.clone(), held, ticket, started: Instant::now() };
        let begun = scan.step().and_then(|step| match step.hold {
            true => work.hold(step),
            false => {
                work.pipe(step, compression);
                Ok(())
            }
        });
        if let Err(error) = begun
            && let Some(offer) = self.site.exchange.offer(ticket)
        {
            offer.send(Err(error));
        }
    }

    fn statuses(&self) -> Vec<proto::SourceStatus> {
        let status = |id: &SourceId| {
            let status = self.site.sources[id].status();
            proto::SourceStatus {
                name: id.to_string(),
                health: health_name(status.health).to_string(),
                last_error: status.last_error,
                running_statements: status.running_statements as u64,
                permits_in_use: status.permits_in_use as u64,
                permit_limit: status.permit_limit as u64,
                waiting: status.waiting as u64,
                restarts: status.restarts,
            }
        };
        self.site.order.iter().map(status).collect()
    }
}

impl Site {
    pub(super) fn source(&self, name: &str) -> Result<&Arc<dyn SourceHandle>> {
        self.sources.get(&SourceId::new(name)).ok_or_else(|| {
            let message = format!("site \"{}\" has no source \"{name}\" (any more)", self.name);
            Error::new(state::UNDEFINED_OBJECT, message).with_site(self.name.clone())
        })
    }
}
