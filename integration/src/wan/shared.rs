//! The network, the clock, and the thread that keeps them together.
//!
//! A runtime's timers round to a millisecond, which is much of a round trip; so a thread of its own waits for the next event.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::change::Fault;
use super::flow::FlowId;
use super::network::{Network, Signal};
use super::proxy::Gate;

/// The pacer rests at least this long: at high rates many bytes are due at nearly the same time.
const REST: Duration = Duration::from_micros(100);

/// How a connection's task hears of what happens in the network.
#[derive(Debug, Default)]
pub(super) struct Bell {
    room: [Notify; 2],
    arrived: [Notify; 2],
    broken: Notify,
    fault: Mutex<Option<Fault>>,
}

impl Bell {
    pub(super) async fn room(&self, id: FlowId) {
        self.room[usize::from(id.forward)].notified().await;
    }

    pub(super) async fn arrived(&self, id: FlowId) {
        self.arrived[usize::from(id.forward)].notified().await;
    }

    pub(super) async fn broken(&self) -> Option<Fault> {
        self.broken.notified().await;
        *self.fault.lock()
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) network: Network,
    pub(super) bells: HashMap<u64, Arc<Bell>>,
    /// Of the listeners.
    pub(super) gates: Vec<Arc<Gate>>,
    signals: Vec<Signal>,
    /// Until when the pacer sleeps, if nobody wakes it; and when it last woke.
    asleep_until: Option<Duration>,
    awake_at: Duration,
    stopped: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    sooner: Condvar,
    started: Instant,
}

impl Shared {
    pub(super) fn new(network: Network) -> Self {
        let state = State {
            network,
            bells: HashMap::new(),
            gates: Vec::new(),
            signals: Vec::new(),
            asleep_until: None,
            awake_at: Duration::ZERO,
            stopped: false,
        };
        Self { state: Mutex::new(state), sooner: Condvar::new(), started: Instant::now() }
    }

    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The state as it is, without letting anything happen.
    pub(super) fn look(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Changes the network after all that happens until now, and lets happen what follows from the change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Network, Duration) -> T) -> T {
        let mut state = self.state.lock();
        let now = self.now();
        let result = change(&mut state.network, now);
        let next = state.advance(now);
        let sooner = match (next, state.asleep_until) {
            (Some(next), Some(until)) => next.max(state.awake_at + REST) < until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if sooner {
            self.sooner.notify_one();
        }
        result
    }

    /// A connection over a link, whose task hears this bell.
    pub(super) fn open(&self, link: usize, bell: &Arc<Bell>) -> Option<u64> {
        let now = self.now();
        let mut state = self.state.lock();
        let connection = state.network.open(link, now)?;
        state.bells.insert(connection, bell.clone());
        Some(connection)
    }

    pub(super) fn close(&self, connection: u64) {
        let mut state = self.state.lock();
        state.network.close(connection);
        state.bells.remove(&connection);
    }

    /// From now on faults of the link move this gate; a cut that holds already does at once.
    pub(super) fn add_gate(&self, link: usize, gate: &Arc<Gate>) {
        let mut state = self.state.lock();
        gate.set(!state.network.is_refused(link));
        state.gates.push(gate.clone());
    }

    /// Lets time pass until [`Shared::stop`].
    pub(super) fn pace(&self) {
        let mut state = self.state.lock();
        while !state.stopped {
            let now = self.now();
            let next = state.advance(now);
            state.awake_at = now;
            let until = next.map(|next| next.max(now + REST));
            state.asleep_until = until;
            match until {
                Some(until) => drop(self.sooner.wait_until(&mut state, self.started + until)),
                None => self.sooner.wait(&mut state),
            }
        }
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.sooner.notify_one();
    }
}

impl State {
    fn advance(&mut self, now: Duration) -> Option<Duration> {
        let next = self.network.advance(now, &mut self.signals);
        for signal in self.signals.drain(..) {
            let bell = |connection: u64| self.bells.get(&connection);
            match signal {
                Signal::Room(id) => bell(id.connection).inspect(|b| b.room[usize::from(id.forward)].notify_one()),
                Signal::Arrived(id) => bell(id.connection).inspect(|b| b.arrived[usize::from(id.forward)].notify_one()),
                Signal::Broken(connection, fault) => bell(connection).inspect(|b| {
                    *b.fault.lock() = Some(fault);
                    b.broken.notify_one();
                }),
                Signal::Accept(from, to, accept) => {
                    for gate in self.gates.iter().filter(|gate| gate.ends == (from, to)) {
                        gate.set(accept);
                    }
                    None
                }
            };
        }
        next
    }
}
