//! A running network, as tests, benchmarks and the demo hold it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::change::{Change, Fault};
use super::network::{Counters, Network};
use super::proxy::Listener;
use super::rate::Rate;
use super::shared::Shared;
use super::topology::Topology;

/// Ends, with all its connections, when it is dropped. It has its own threads: it can be used inside and outside of a runtime.
#[derive(Debug)]
pub struct Wan {
    shared: Arc<Shared>,
    /// Until the end.
    runtime: Option<Runtime>,
}

impl Wan {
    pub(super) fn start(topology: &Topology) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(Network::new(topology)));
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("wan-carrier").enable_all().build()?;
        let pacer = shared.clone();
        std::thread::Builder::new().name("wan-pacer".into()).spawn(move || pacer.pace())?;
        Ok(Self { shared, runtime: Some(runtime) })
    }

    /// A port on loopback that leads from one site to an address at another.
    pub fn listen(&self, from: &str, to: &str, address: SocketAddr) -> io::Result<SocketAddr> {
        let (link, ends) = {
            let state = self.shared.look();
            let link = state.network.link(from, to)?;
            // Bytes have to come back.
            state.network.link(to, from)?;
            (link, state.network.ends(link))
        };
        let Some(runtime) = &self.runtime else { return Err(io::ErrorKind::NotConnected.into()) };
        let (listener, gate) = Listener::new(link, ends, address)?;
        let port = listener.address();
        self.shared.add_gate(link, &gate);
        drop(runtime.spawn(listener.run(self.shared.clone())));
        gate.settle()?;
        Ok(port)
    }

    /// Makes a change now. Returns when new connections see it.
    pub fn apply(&self, change: &Change) -> io::Result<()> {
        self.schedule(&[(Duration::ZERO, change.clone())])?;
        let gates = self.shared.look().gates.clone();
        gates.iter().try_for_each(|gate| gate.settle())
    }

    /// Makes changes at times from now on.
    pub fn schedule(&self, changes: &[(Duration, Change)]) -> io::Result<()> {
        self.shared.change(|network, now| {
            let commands: io::Result<Vec<_>> =
                changes.iter().map(|(after, change)| Ok((now + *after, network.command(change)?))).collect();
            for (at, command) in commands? {
                network.schedule(at, command);
            }
            Ok(())
        })
    }

    /// What a directed link has carried since the start.
    pub fn counters(&self, from: &str, to: &str) -> io::Result<Counters> {
        self.shared.change(|network, _| network.link(from, to).map(|link| network.counters(link)))
    }

    /// Bytes over all links since the start.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.change(|network, _| network.bytes())
    }

    pub fn set_rate(&self, from: &str, to: &str, rate: Rate) -> io::Result<()> {
        self.apply(&Change::rate(from, to, rate))
    }

    pub fn set_delay(&self, from: &str, to: &str, delay: Duration) -> io::Result<()> {
        self.apply(&Change::delay(from, to, delay))
    }

    /// Ends all connections between two sites and refuses new ones.
    pub fn cut(&self, a: &str, b: &str) -> io::Result<()> {
        self.apply(&Change::fault(a, b, Fault::Cut))
    }

    /// Keeps and accepts connections between two sites, and delivers nothing.
    pub fn black_hole(&self, a: &str, b: &str) -> io::Result<()> {
        self.apply(&Change::fault(a, b, Fault::BlackHole))
    }

    /// Breaks all connections between two sites with a reset.
    pub fn reset(&self, a: &str, b: &str) -> io::Result<()> {
        self.apply(&Change::fault(a, b, Fault::Reset))
    }

    /// Ends a cut or a black hole.
    pub fn mend(&self, a: &str, b: &str) -> io::Result<()> {
        self.apply(&Change::fault(a, b, Fault::Mend))
    }
}

impl Drop for Wan {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed inside another runtime.
            runtime.shutdown_background();
        }
    }
}
