//! Connections to one server, kept for reuse by account.
//!
//! The same for every engine whose connections are worth keeping; how one is opened, asked and closed is the engine's. Only a
//! connection that is as good as new comes back here: what its user did to it must not reach the next one.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cost_model::Clock;
use parking_lot::Mutex;
use planner::Result;
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The longest wait between two looks for connections that rested or lived too long.
const LOOK: Duration = Duration::from_secs(30);

/// Who connects. Every principal shares the configured account for now; pools are kept apart by it.
#[derive(Clone, Debug)]
pub struct Credential {
    pub user: Arc<str>,
    pub password: Option<SecretString>,
}

/// Opens connections.
pub trait Server: Send + Sync + 'static {
    type Connection: Connection;

    /// The connection holds the slot for as long as the server may see it.
    fn connect(
        &self,
        credential: &Credential,
        slot: Slot,
        opened: Duration,
    ) -> impl Future<Output = Result<Self::Connection>> + Send;
}

/// An open connection in the hands of one user.
pub trait Connection: Send + 'static {
    fn user(&self) -> &Arc<str>;

    /// When, on the injected clock.
    fn opened(&self) -> Duration;

    /// Whether it is known to have ended, without asking.
    fn is_closed(&self) -> bool;

    /// Asks the server whether it is still there.
    fn answers(&mut self) -> impl Future<Output = bool> + Send;

    /// Says goodbye, in the background.
    fn close(self);
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections the server sees from here.
    pub max_connections: usize,
    /// A connection is closed when it has been idle or open for so long.
    pub idle_timeout: Duration,
    pub max_lifetime: Duration,
    /// A connection that rested for as long is asked whether it is still there.
    pub trusted_rest: Duration,
    /// And may take so long to answer.
    pub patience: Duration,
}

/// A connection's place among those that the server may see.
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    changed: Arc<Notify>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.permit = None;
        self.changed.notify_one();
    }
}

struct Idle<C> {
    connection: C,
    since: Duration,
}

pub struct Pool<S: Server> {
    pub server: S,
    limits: Limits,
    clock: Arc<dyn Clock>,
    slots: Arc<Semaphore>,
    idle: Mutex<HashMap<Arc<str>, Vec<Idle<S::Connection>>>>,
    /// A connection came back or was closed.
    changed: Arc<Notify>,
}

impl<S: Server> Pool<S> {
    /// Closes what rested too long on `io`, until it is dropped itself, and what rests in it then.
    pub fn new(server: S, limits: Limits, clock: Arc<dyn Clock>, io: &Handle) -> Arc<Self> {
        let pool = Arc::new(Self {
            server,
            limits,
            clock,
            slots: Arc::new(Semaphore::new(limits.max_connections.max(1))),
            idle: Mutex::default(),
            changed: Arc::default(),
        });
        io.spawn(close_idle(Arc::downgrade(&pool), limits.idle_timeout.min(LOOK)));
        pool
    }

    /// A resting connection, or a new one as soon as the limit allows.
    pub async fn checkout(&self, credential: &Credential) -> Result<S::Connection> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(Idle { mut connection, since }) = self.rested(&credential.user) {
                let rest = self.clock.now().saturating_sub(since);
                if rest < self.limits.trusted_rest || self.answers(&mut connection).await {
                    return Ok(connection);
                }
                connection.close();
                continue;
            }
            if let Ok(permit) = self.slots.clone().try_acquire_owned() {
                let slot = Slot { permit: Some(permit), changed: self.changed.clone() };
                return self.server.connect(credential, slot, self.clock.now()).await;
            }
            self.close_another(&credential.user);
            changed.await;
        }
    }

    /// Puts a connection back that is as good as new.
    pub fn give_back(&self, connection: S::Connection) {
        let since = self.clock.now();
        if connection.is_closed() || since.saturating_sub(connection.opened()) > self.limits.max_lifetime {
            connection.close();
            return;
        }
        self.idle.lock().entry(connection.user().clone()).or_default().push(Idle { connection, since });
        self.changed.notify_one();
    }

    async fn answers(&self, connection: &mut S::Connection) -> bool {
        tokio::time::timeout(self.limits.patience, connection.answers()).await == Ok(true)
    }

    /// The one that rested shortest, so that the others can grow old.
    fn rested(&self, user: &str) -> Option<Idle<S::Connection>> {
        let mut idle = self.idle.lock();
        let connections = idle.get_mut(user)?;
        while let Some(candidate) = connections.pop() {
            if !candidate.connection.is_closed() {
                return Some(candidate);
            }
        }
        None
    }

    /// Makes room by closing a resting connection of somebody else.
    fn close_another(&self, user: &str) {
        let mut idle = self.idle.lock();
        let other = idle.iter_mut().find_map(|(owner, list)| if **owner == *user { None } else { list.pop() });
        if let Some(other) = other {
            other.connection.close();
        }
    }

    fn close_over(&self) {
        let now = self.clock.now();
        let over = |idle: &mut Idle<S::Connection>| {
            now.saturating_sub(idle.since) >= self.limits.idle_timeout
                || now.saturating_sub(idle.connection.opened()) >= self.limits.max_lifetime
                || idle.connection.is_closed()
        };
        let closing: Vec<_> = self.idle.lock().values_mut().flat_map(|list| list.extract_if(.., over)).collect();
        for idle in closing {
            idle.connection.close();
        }
    }
}

impl<S: Server> Drop for Pool<S> {
    fn drop(&mut self) {
        for idle in self.idle.get_mut().drain().flat_map(|(_, list)| list) {
            idle.connection.close();
        }
    }
}

/// Closes connections that rested or lived too long, as long as there is a pool.
async fn close_idle<S: Server>(pool: Weak<Pool<S>>, every: Duration) {
    loop {
        tokio::time::sleep(every.max(Duration::from_millis(100))).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.close_over();
    }
}
