//! What the rest of the process holds of a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::{Actor, Addr, Handler, MailboxError, Message};
use actix_rt::ArbiterHandle;
use cost_model::{Clock, QueryId, SourceId};
use parking_lot::Mutex;
use planner::catalog::{EngineKind, SourceSchema};
use planner::error::{Retry, state};
use planner::{Error, PgType, Result};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::actor::{ConnectorActor, Describe, Estimate, Introspect, Ping, Stop, unavailable};
use super::breaker::Breaker;
use super::budget::{Budget, Permits};
use super::running::Running;
use super::shared::Shared;
use super::status::{ConnectorStatus, Published};
use super::tracked::ConnectorLease;
use crate::backoff::Backoff;
use crate::engine::{Engine, EngineSession, SessionRequest};
use crate::guardian::Guardian;

/// Makes a source's engine, at start and after a panic.
pub type EngineFactory = Arc<dyn Fn() -> Result<Arc<dyn Engine>> + Send + Sync>;

/// How a source is looked after.
#[derive(Clone, Debug)]
pub struct ConnectorOptions {
    pub source: SourceId,
    /// Most connections the source sees.
    pub max_connections: usize,
    /// Failures in a row that open the circuit.
    pub failure_threshold: u32,
    /// Shortest and longest wait before an unreachable source is tried again.
    pub retry_after: (Duration, Duration),
    /// Longest wait for a permit of a query without a deadline of its own.
    pub queue_timeout: Option<Duration>,
    /// Decides the jitter.
    pub seed: u64,
}

impl ConnectorOptions {
    pub fn new(source: SourceId) -> Self {
        Self {
            source,
            max_connections: 8,
            failure_threshold: 3,
            retry_after: (Duration::from_millis(500), Duration::from_secs(30)),
            queue_timeout: None,
            seed: 0,
        }
    }
}

/// How long a request waits for an actor that is being re-created.
const RESTART_WAIT: Duration = Duration::from_secs(10);

/// A cheap, cloneable address of a connector that stays good over the connector's deaths. When the last clone is dropped the
/// connector stops; sessions it handed out live on.
#[derive(Clone)]
pub struct ConnectorHandle(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    queue_timeout: Option<Duration>,
    _stop: DropGuard,
}

impl ConnectorHandle {
    /// Starts the connector: its actor on `arbiter`, its input and output on `io`. Fails only if the engine cannot be made; a
    /// source that cannot be reached is a state, not an error.
    pub fn start(
        options: ConnectorOptions,
        factory: EngineFactory,
        clock: Arc<dyn Clock>,
        arbiter: ArbiterHandle,
        io: Handle,
    ) -> Result<Self> {
        let engine = factory()?;
        let shared = Arc::new(Shared {
            source: options.source,
            kind: engine.kind(),
            clock,
            budget: Budget::new(options.max_connections),
            running: Arc::new(Running::default()),
            statements: AtomicUsize::new(0),
            restarts: AtomicU64::new(0),
            published: watch::Sender::new(Published::opening()),
            engine: Mutex::new(None),
            io: io.clone(),
            address: watch::Sender::new(None),
        });
        let stop = CancellationToken::new();
        let (seed, threshold, (base, cap)) = (options.seed, options.failure_threshold, options.retry_after);
        let guardian = Guardian { arbiter, clock: shared.clock.clone(), seed, stop: stop.clone() };
        let breaker = move |n| Breaker::new(threshold, Backoff::new(base, cap, seed.wrapping_add(n)));
        io.spawn(keep(shared.clone(), guardian, engine, factory, breaker));
        Ok(Self(Arc::new(Inner { shared, queue_timeout: options.queue_timeout, _stop: stop.drop_guard() })))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub fn source(&self) -> &SourceId {
        &self.0.shared.source
    }

    pub fn kind(&self) -> EngineKind {
        self.0.shared.kind
    }

    pub async fn ping(&self) -> Result<()> {
        let _permit = self.permits(1, None).await?;
        self.ask(Ping).await
    }

    pub async fn introspect(&self) -> Result<SourceSchema> {
        let _permit = self.permits(1, None).await?;
        self.ask(Introspect).await
    }

    /// Names and types of a statement's result.
    pub async fn describe(&self, sql: &str) -> Result<Vec<(String, PgType)>> {
        let _permit = self.permits(1, None).await?;
        self.ask(Describe(sql.into())).await
    }

    /// See [`Engine::estimate`]. Not if a connection for it had to be waited for.
    pub async fn estimate(&self, sql: &str) -> Result<Option<f64>> {
        self.check()?;
        let Some(_permit) = self.0.shared.budget.try_acquire(1) else { return Ok(None) };
        self.ask(Estimate(sql.into())).await
    }

    /// Waits in line for permits. Apart from opening the session, so that a query may take what it needs of several sources
    /// before it connects to any.
    pub async fn lease(&self, request: &SessionRequest) -> Result<Arc<ConnectorLease>> {
        let ticket = self.0.shared.running.enter(request.query);
        let permits = ticket.until_canceled(self.permits(request.connections, request.deadline)).await?;
        Ok(Arc::new(ConnectorLease::new(self.clone(), permits, ticket)))
    }

    /// The same without waiting: `None` where others use or wait for all there are.
    pub fn try_lease(&self, request: &SessionRequest) -> Result<Option<Arc<ConnectorLease>>> {
        self.check()?;
        let ticket = self.0.shared.running.enter(request.query);
        let permits = self.0.shared.budget.try_acquire(request.connections);
        Ok(permits.map(|permits| Arc::new(ConnectorLease::new(self.clone(), permits, ticket))))
    }

    /// Waits in line for permits, then opens a session.
    pub async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn EngineSession>> {
        self.lease(&request).await?.open(request).await
    }

    /// Cancels all that a query does at this source. Idempotent; returns when the engine was told.
    pub async fn cancel(&self, query: QueryId) {
        self.0.shared.running.cancel(query).await;
    }

    pub fn status(&self) -> ConnectorStatus {
        let shared = &self.0.shared;
        let published = shared.published.borrow().clone();
        ConnectorStatus {
            source: shared.source.clone(),
            kind: shared.kind,
            health: published.health,
            circuit: published.circuit,
            consecutive_failures: published.consecutive_failures,
            last_error: published.last_error,
            running_statements: shared.statements.load(Ordering::Relaxed),
            permits_in_use: shared.budget.in_use(),
            permit_limit: shared.budget.limit(),
            waiting: shared.budget.waiting(),
            restarts: shared.restarts.load(Ordering::Relaxed),
        }
    }

    /// Changes of health and circuit as they happen.
    pub fn watch(&self) -> watch::Receiver<Published> {
        self.0.shared.published.subscribe()
    }

    /// Permits, unless the circuit is open: nobody stands in line for a source that is down.
    async fn permits(&self, wanted: usize, deadline: Option<Duration>) -> Result<Permits> {
        self.check()?;
        let shared = &self.0.shared;
        let deadline = deadline.or_else(|| self.0.queue_timeout.map(|t| shared.clock.now() + t));
        let permits = shared.budget.acquire(shared.source.as_str(), wanted, deadline, shared.clock.as_ref()).await;
        permits.map_err(|e| e.with_source_id(shared.source.clone()))
    }

    /// An error while the circuit is open.
    fn check(&self) -> Result<()> {
        let shared = &self.0.shared;
        let published = shared.published.borrow().clone();
        match published.refused_for(shared.clock.now()) {
            Some(wait) => Err(unavailable(shared, published.last_error.as_deref(), wait)),
            None => Ok(()),
        }
    }

    /// Sends a request to the actor. If the actor dies over it, its successor gets it once more: most likely it was another
    /// request that killed it.
    pub(super) async fn ask<M, T>(&self, message: M) -> Result<T>
    where
        M: Message<Result = Result<T>> + Clone + Send + 'static,
        T: Send + 'static,
        ConnectorActor: Handler<M>,
    {
        for _ in 0..2 {
            match self.actor().await?.send(message.clone()).await {
                Ok(result) => return result,
                Err(MailboxError::Closed | MailboxError::Timeout) => {}
            }
        }
        Err(self.restarting())
    }

    async fn actor(&self) -> Result<Addr<ConnectorActor>> {
        let mut address = self.0.shared.address.subscribe();
        let alive = address.wait_for(|a| a.as_ref().is_some_and(Addr::connected));
        match tokio::time::timeout(RESTART_WAIT, alive).await {
            Ok(Ok(actor)) => (*actor).clone().ok_or_else(|| self.restarting()),
            _ => Err(self.restarting()),
        }
    }

    fn restarting(&self) -> Error {
        let source = self.source();
        Error::new(state::CONNECTION_FAILURE, format!("the connector of source \"{source}\" is being restarted"))
            .with_source_id(source.clone())
            .with_retry(Retry::Step)
    }
}

/// Keeps a connector's actor alive until the source is given up. `engine` is the first actor's, each next one gets a new one.
async fn keep(
    shared: Arc<Shared>,
    guardian: Guardian,
    engine: Arc<dyn Engine>,
    factory: EngineFactory,
    breaker: impl Fn(u64) -> Breaker,
) {
    let source = &shared.source;
    let make = || factory().inspect_err(|error| tracing::error!(%source, %error, "no engine")).ok();
    let mut first = Some(engine);
    let last = guardian.run(
        &shared.address,
        |arbiter, alive| {
            let engine = first.take().or_else(make)?;
            *shared.engine.lock() = Some(engine.clone());
            let (shared, breaker) = (shared.clone(), breaker(shared.restarts.load(Ordering::Relaxed)));
            Some(ConnectorActor::start_in_arbiter(arbiter, move |_| {
                ConnectorActor::new(shared, engine, breaker, alive)
            }))
        },
        || {
            *shared.engine.lock() = None;
            let restarts = shared.restarts.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::error!(%source, restarts, "connector died, restarting it");
        },
    );
    if let Some(actor) = last.await {
        actor.do_send(Stop);
    }
}
