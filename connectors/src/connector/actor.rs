//! The actor of one source: it owns the engine and decides who may ask it.

use std::sync::Arc;
use std::time::Duration;

use actix::fut::{ActorFutureExt, WrapFuture, ready};
use actix::prelude::{Actor, ActorContext, AsyncContext, Context, Handler, Message, ResponseActFuture, SpawnHandle};
use planner::catalog::SourceSchema;
use planner::error::{Retry, state};
use planner::{Error, PgType, Result};

use super::breaker::{Breaker, Circuit};
use super::shared::Shared;
use super::status::{Health, Published};
use crate::engine::{Engine, EngineSession, SessionRequest};
use crate::guardian::SignOfLife;

pub struct ConnectorActor {
    shared: Arc<Shared>,
    engine: Arc<dyn Engine>,
    breaker: Breaker,
    last_error: Option<String>,
    reached: bool,
    /// The timer of the next probe.
    retry: Option<SpawnHandle>,
    _alive: SignOfLife,
}

#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<()>")]
pub(super) struct Ping;

#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<SourceSchema>")]
pub(super) struct Introspect;

#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Vec<(String, PgType)>>")]
pub(super) struct Describe(pub Arc<str>);

#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Option<f64>>")]
pub(super) struct Estimate(pub Arc<str>);

#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Arc<dyn EngineSession>>")]
pub(super) struct OpenSession(pub SessionRequest);

/// A connection broke while a query was using it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Lost(pub Error);

/// The process has no more use for this source.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl ConnectorActor {
    pub(super) fn new(shared: Arc<Shared>, engine: Arc<dyn Engine>, breaker: Breaker, alive: SignOfLife) -> Self {
        Self { shared, engine, breaker, last_error: None, reached: false, retry: None, _alive: alive }
    }

    /// Runs a request against the engine, unless the circuit is open, and learns from its outcome.
    fn attempt<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> ResponseActFuture<Self, Result<T>> {
        if !self.breaker.admit(self.shared.clock.now()) {
            return Box::pin(ready(Err(self.unavailable())));
        }
        self.publish();
        let task = self.shared.io.spawn(work);
        let source = self.shared.source.clone();
        let outcome = async move {
            task.await.unwrap_or_else(|panic| {
                Err(Error::internal(format!("the connector of source \"{source}\" failed: {panic}"))
                    .with_source_id(source))
            })
        };
        Box::pin(outcome.into_actor(self).map(|result, actor, ctx| {
            actor.learn(result.as_ref().err(), ctx);
            result
        }))
    }

    fn learn(&mut self, error: Option<&Error>, ctx: &mut Context<Self>) {
        let failed = match error {
            Some(error) if Breaker::counts(error) => true,
            // Neither says anything of the source, but a probe must end somehow.
            Some(error) if [state::INTERNAL_ERROR, state::QUERY_CANCELED].contains(&error.sqlstate()) => {
                if self.breaker.circuit() != Circuit::HalfOpen {
                    return;
                }
                true
            }
            _ => false,
        };
        if failed {
            self.last_error = error.map(ToString::to_string);
            if let Some(delay) = self.breaker.failed(self.shared.clock.now()) {
                tracing::warn!(source = %self.shared.source, error = self.last_error, ?delay, "source is unavailable");
                self.probe_after(delay, ctx);
            }
        } else {
            if self.breaker.circuit() != Circuit::Closed {
                tracing::info!(source = %self.shared.source, "source is available again");
            }
            self.reached = true;
            self.breaker.succeeded();
        }
        self.publish();
    }

    fn probe_after(&mut self, delay: Duration, ctx: &mut Context<Self>) {
        if let Some(earlier) = self.retry.replace(ctx.run_later(delay, Self::probe)) {
            ctx.cancel_future(earlier);
        }
    }

    /// Asks a source whose waiting time is over whether it is back, so that no client's query has to find out.
    fn probe(&mut self, ctx: &mut Context<Self>) {
        if let Circuit::Open { until } = self.breaker.circuit() {
            let now = self.shared.clock.now();
            if now < until {
                self.probe_after(until - now, ctx);
            } else {
                self.ping(ctx);
            }
        }
    }

    fn ping(&mut self, ctx: &mut Context<Self>) {
        let engine = self.engine.clone();
        let ping = self.attempt(async move { engine.ping().await });
        ctx.spawn(ping.map(|_, _, _| ()));
    }

    fn publish(&self) {
        let health = match (self.breaker.circuit(), self.reached) {
            (Circuit::Closed, true) => Health::Healthy,
            (Circuit::Closed, false) => Health::Opening,
            _ => Health::Unavailable,
        };
        let published = Published {
            health,
            circuit: self.breaker.circuit(),
            consecutive_failures: self.breaker.failures(),
            last_error: self.last_error.clone(),
        };
        self.shared.published.send_if_modified(|old| {
            let changed = *old != published;
            *old = published;
            changed
        });
    }

    fn unavailable(&self) -> Error {
        let wait = match self.breaker.circuit() {
            Circuit::Open { until } => until.saturating_sub(self.shared.clock.now()),
            _ => Duration::ZERO,
        };
        unavailable(&self.shared, self.last_error.as_deref(), wait)
    }
}

/// What a query is told while the circuit is open.
pub(super) fn unavailable(shared: &Shared, last_error: Option<&str>, wait: Duration) -> Error {
    let error = Error::new(state::CANNOT_CONNECT, format!("source \"{}\" is unavailable", shared.source))
        .with_source_id(shared.source.clone())
        .with_retry(Retry::Replica)
        .with_hint(format!("The next attempt to reach it is in {:.1} s.", wait.as_secs_f64()));
    match last_error {
        Some(last) => error.with_detail(format!("Last error: {last}")),
        None => error,
    }
}

impl Actor for ConnectorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        self.publish();
        self.ping(ctx);
    }
}

impl Handler<Ping> for ConnectorActor {
    type Result = ResponseActFuture<Self, Result<()>>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        let engine = self.engine.clone();
        self.attempt(async move { engine.ping().await })
    }
}

impl Handler<Introspect> for ConnectorActor {
    type Result = ResponseActFuture<Self, Result<SourceSchema>>;

    fn handle(&mut self, _: Introspect, _: &mut Self::Context) -> Self::Result {
        let engine = self.engine.clone();
        self.attempt(async move { engine.introspect().await })
    }
}

impl Handler<Describe> for ConnectorActor {
    type Result = ResponseActFuture<Self, Result<Vec<(String, PgType)>>>;

    fn handle(&mut self, Describe(sql): Describe, _: &mut Self::Context) -> Self::Result {
        let engine = self.engine.clone();
        self.attempt(async move { engine.describe(&sql).await })
    }
}

impl Handler<Estimate> for ConnectorActor {
    type Result = ResponseActFuture<Self, Result<Option<f64>>>;

    fn handle(&mut self, Estimate(sql): Estimate, _: &mut Self::Context) -> Self::Result {
        let engine = self.engine.clone();
        self.attempt(async move { engine.estimate(&sql).await })
    }
}

impl Handler<OpenSession> for ConnectorActor {
    type Result = ResponseActFuture<Self, Result<Arc<dyn EngineSession>>>;

    fn handle(&mut self, OpenSession(request): OpenSession, _: &mut Self::Context) -> Self::Result {
        let engine = self.engine.clone();
        self.attempt(async move { engine.session(request).await })
    }
}

impl Handler<Lost> for ConnectorActor {
    type Result = ();

    fn handle(&mut self, Lost(error): Lost, ctx: &mut Self::Context) {
        self.learn(Some(&error), ctx);
    }
}

impl Handler<Stop> for ConnectorActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// A handler with a defect.
#[cfg(test)]
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<()>")]
pub(super) struct Explode;

#[cfg(test)]
impl Handler<Explode> for ConnectorActor {
    type Result = Result<()>;

    fn handle(&mut self, _: Explode, _: &mut Self::Context) -> Self::Result {
        panic!("a defect in a handler");
    }
}
