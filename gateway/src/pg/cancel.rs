//! Cancel requests: a second connection names a backend and its secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use dashmap::DashMap;
use parking_lot::Mutex;

use crate::queries::{Interrupt, Reason};

/// What a connection is working on, for those who want to stop it.
#[derive(Debug, Default)]
pub struct Working(Mutex<Option<Arc<Interrupt>>>);

impl Working {
    /// Cancel requests go to this statement from now on.
    pub fn set(&self, interrupt: Option<Arc<Interrupt>>) {
        *self.0.lock() = interrupt;
    }

    pub fn fire(&self, reason: Reason) {
        if let Some(interrupt) = &*self.0.lock() {
            interrupt.fire(reason);
        }
    }
}

struct Backend {
    secret: [u8; 4],
    working: Arc<Working>,
}

/// All connections by process id.
pub struct Backends {
    next: AtomicI32,
    open: DashMap<i32, Backend>,
}

/// A connection's entry, as long as it is open.
pub struct BackendKey {
    pub pid: i32,
    pub secret: [u8; 4],
    pub working: Arc<Working>,
    backends: Arc<Backends>,
}

impl Backends {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { next: AtomicI32::new(1), open: DashMap::new() })
    }

    pub fn open(self: &Arc<Self>) -> BackendKey {
        // 0 means "cannot be cancelled" to clients.
        let pid = self.next.fetch_add(1, Ordering::Relaxed).rem_euclid(i32::MAX).max(1);
        let (secret, working) = (rand::random(), Arc::new(Working::default()));
        self.open.insert(pid, Backend { secret, working: working.clone() });
        BackendKey { pid, secret, working, backends: self.clone() }
    }

    /// Wrong keys are ignored, without a word to the sender.
    pub fn cancel(&self, pid: i32, secret: &[u8]) {
        match self.open.get(&pid) {
            Some(backend) if same(&backend.secret, secret) => backend.working.fire(Reason::User),
            _ => tracing::debug!(pid, "cancel request with a wrong key"),
        }
    }
}

impl Drop for BackendKey {
    fn drop(&mut self) {
        self.backends.open.remove(&self.pid);
    }
}

/// Takes as long for keys that are nearly right as for others.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_cancels_and_only_what_runs_now() {
        let backends = Backends::new();
        let key = backends.open();
        let (first, second) = (Arc::new(Interrupt::default()), Arc::new(Interrupt::default()));
        key.working.set(Some(first.clone()));
        key.working.set(Some(second.clone()));
        let mut wrong = key.secret;
        wrong[3] ^= 1;
        backends.cancel(key.pid, &wrong);
        backends.cancel(key.pid, &key.secret[..3]);
        backends.cancel(key.pid + 1, &key.secret);
        assert_eq!(second.reason(), None);
        backends.cancel(key.pid, &key.secret);
        assert_eq!((first.reason(), second.reason()), (None, Some(Reason::User)));
        key.working.set(None);
        let pid = key.pid;
        drop(key);
        assert!(backends.open.get(&pid).is_none());
    }
}
