//! The network as arithmetic: no sockets and no clock, so that it can be tested to the byte and the nanosecond.
//!
//! Everything happens at its own moment of the network's time, however late [`Network::advance`] is called: a process that gets
//! its processor late delivers late, but neither loses nor gains bandwidth.

mod command;
mod event;
mod transmit;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use self::command::Command;
use self::event::{Event, Events};
use super::change::Fault;
use super::flow::{Flow, FlowId, Parcel, Payload};
use super::rate::Bucket;
use super::topology::Topology;
use super::window::Tcp;

/// What whoever owns the sockets has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// There is room for more of what the sender has.
    Room(FlowId),
    /// Something arrived for the receiver.
    Arrived(FlowId),
    /// A fault ended the connection.
    Broken(u64, Fault),
    /// Connections between two sites are accepted from now on, or refused.
    Accept(usize, usize, bool),
}

/// What a directed link has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Payload bytes, both of connections dialled this way and of answers to the other.
    pub bytes: u64,
    /// Connections dialled this way, ever.
    pub connections: u64,
    /// Those still open.
    pub open: u64,
}

#[derive(Debug)]
struct Site {
    name: String,
    egress: Bucket,
    ingress: Bucket,
    /// Fair queueing: the tags of what was served last.
    egress_served: u64,
    ingress_served: u64,
}

#[derive(Debug)]
struct Link {
    from: usize,
    to: usize,
    bucket: Bucket,
    delay: Duration,
    /// The link back.
    back: Option<usize>,
    /// A black hole.
    held: bool,
    refused: bool,
    served: u64,
    backlog: Vec<FlowId>,
    counters: Counters,
}

#[derive(Debug)]
pub(super) struct Network {
    sites: Vec<Site>,
    links: Vec<Link>,
    flows: HashMap<FlowId, Flow>,
    events: Events,
    tcp: Tcp,
    connections: u64,
}

impl Network {
    pub(super) fn new(topology: &Topology) -> Self {
        let sites = topology
            .sites
            .iter()
            .map(|s| Site {
                name: s.name.clone(),
                egress: Bucket::new(s.egress),
                ingress: Bucket::new(s.ingress),
                egress_served: 0,
                ingress_served: 0,
            })
            .collect();
        let links = topology
            .links
            .iter()
            .map(|l| Link {
                from: l.from,
                to: l.to,
                bucket: Bucket::new(l.rate),
                delay: l.delay,
                back: topology.links.iter().position(|b| (b.from, b.to) == (l.to, l.from)),
                held: false,
                refused: false,
                served: 0,
                backlog: Vec::new(),
                counters: Counters::default(),
            })
            .collect();
        Self { sites, links, flows: HashMap::new(), events: Events::default(), tcp: topology.tcp, connections: 0 }
    }

    /// A connection dialled over a link: its number, to be used with [`FlowId`]; none if the link is cut. What is sent waits for
    /// the handshake: the dialler's for one round trip, the answer for half of one more.
    pub(super) fn open(&mut self, link: usize, now: Duration) -> Option<u64> {
        let back = self.links[link].back?;
        if self.links[link].refused {
            return None;
        }
        let connection = self.connections;
        self.connections += 1;
        let (there, round_trip) = (self.links[link].delay, self.round_trip(link));
        let (dialler, answer) =
            if self.tcp.handshake { (now + round_trip, now + round_trip + there) } else { (now, now) };
        self.flows.insert(FlowId { connection, forward: true }, Flow::new(link, &self.tcp, dialler));
        self.flows.insert(FlowId { connection, forward: false }, Flow::new(back, &self.tcp, answer));
        self.links[link].counters.connections += 1;
        self.links[link].counters.open += 1;
        Some(connection)
    }

    pub(super) fn close(&mut self, connection: u64) {
        for forward in [true, false] {
            let id = FlowId { connection, forward };
            let Some(flow) = self.flows.remove(&id) else { continue };
            let link = &mut self.links[flow.link];
            link.backlog.retain(|f| *f != id);
            if forward {
                link.counters.open -= 1;
            }
        }
    }

    /// Bytes that may be pushed now.
    pub(super) fn room(&self, id: FlowId) -> usize {
        self.flows.get(&id).map_or(0, Flow::room)
    }

    pub(super) fn push(&mut self, id: FlowId, payload: Payload, now: Duration) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if !flow.has_backlog() {
            self.links[flow.link].backlog.push(id);
        }
        flow.push(payload, now);
    }

    /// The sender has nothing more at the moment.
    pub(super) fn drained(&mut self, id: FlowId) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.drained();
        }
    }

    /// What has arrived since the last call.
    pub(super) fn collect(&mut self, id: FlowId) -> VecDeque<Parcel> {
        self.flows.get_mut(&id).map(Flow::collect).unwrap_or_default()
    }

    /// The receiver took bytes; the sender's window hears of it over the link back.
    pub(super) fn taken(&mut self, id: FlowId, bytes: usize, at: Duration) {
        let Some(flow) = self.flows.get(&id) else { return };
        let back = self.links[flow.link].back.map_or(Duration::ZERO, |back| self.links[back].delay);
        self.events.push(at + back, Event::Acknowledged(id, bytes));
    }

    pub(super) fn counters(&self, link: usize) -> Counters {
        self.links[link].counters
    }

    pub(super) fn bytes(&self) -> u64 {
        self.links.iter().map(|link| link.counters.bytes).sum()
    }

    pub(super) fn is_refused(&self, link: usize) -> bool {
        self.links[link].refused
    }

    pub(super) fn is_held(&self, link: usize) -> bool {
        self.links[link].held
    }

    pub(super) fn round_trip(&self, link: usize) -> Duration {
        let link = &self.links[link];
        link.delay + link.back.map_or(Duration::ZERO, |back| self.links[back].delay)
    }

    pub(super) fn schedule(&mut self, at: Duration, command: Command) {
        self.events.push(at, Event::Command(command));
    }
}
