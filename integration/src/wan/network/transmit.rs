//! Time passes: events happen, and links send what waits for them.

use std::cmp::Ordering;
use std::time::Duration;

use super::{Event, Network, Signal};
use crate::wan::flow::FlowId;
use crate::wan::window::SEGMENT;

/// What one connection sends before another's turn: what its path carries in this time, in these bounds.
const TURN: Duration = Duration::from_millis(1);
const LARGEST_TURN: usize = 64 << 10;
/// The least retransmission time-out, as of Linux: idle connections are idle after it and a round trip.
const LEAST_TIMEOUT: Duration = Duration::from_millis(200);

/// What a link would send next.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// When all three buckets and the connection are ready.
    start: Duration,
    link: usize,
    from: usize,
    to: usize,
    flow: FlowId,
    tags: [u64; 3],
}

impl Turn {
    /// The earliest goes first; of those that wait for the same site, the one whose connection it served least.
    fn order(&self, other: &Self) -> Ordering {
        let [_, egress, ingress] = self.tags;
        let [_, other_egress, other_ingress] = other.tags;
        self.start.cmp(&other.start).then_with(|| match (self.from == other.from, self.to == other.to) {
            (true, _) => egress.cmp(&other_egress),
            (_, true) => ingress.cmp(&other_ingress),
            _ => Ordering::Equal,
        })
    }
}

impl Network {
    /// Lets everything happen up to now, each thing at its own time. Returns when the next will.
    pub(in crate::wan) fn advance(&mut self, now: Duration, signals: &mut Vec<Signal>) -> Option<Duration> {
        loop {
            let event = self.events.next();
            let turn = self.next_turn();
            match (event, turn) {
                (event, Some(turn)) if turn.start <= now && event.is_none_or(|at| turn.start < at) => {
                    self.transmit(turn, signals);
                }
                (Some(at), _) if at <= now => {
                    if let Some((at, event)) = self.events.pop() {
                        self.happen(event, at, signals);
                    }
                }
                (event, turn) => return event.into_iter().chain(turn.map(|t| t.start)).min(),
            }
        }
    }

    fn happen(&mut self, event: Event, at: Duration, signals: &mut Vec<Signal>) {
        match event {
            Event::Command(command) => self.execute(command, at, signals),
            Event::Acknowledged(id, bytes) => {
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.acknowledged(bytes, at);
                }
            }
            Event::Arrival(id) => {
                let Some(flow) = self.flows.get_mut(&id) else { return };
                if !self.links[flow.link].held && flow.arrive(at) {
                    signals.push(Signal::Arrived(id));
                }
            }
        }
    }

    fn next_turn(&self) -> Option<Turn> {
        let turns = (0..self.links.len()).filter_map(|link| self.turn(link));
        turns.min_by(Turn::order)
    }

    fn turn(&self, number: usize) -> Option<Turn> {
        let link = &self.links[number];
        if link.backlog.is_empty() || link.held {
            return None;
        }
        let (from, to) = (link.from, link.to);
        let sites = self.sites[from].egress.ready()?.max(self.sites[to].ingress.ready()?);
        let ready = link.bucket.ready()?.max(sites);
        // Of the connections that are ready by then, the one least served; if none is, the first that will be.
        link.backlog
            .iter()
            .filter_map(|id| {
                let flow = self.flows.get(id)?;
                let start = flow.eligible()?.max(ready);
                Some(Turn { start, link: number, from, to, flow: *id, tags: flow.tags })
            })
            .min_by_key(|turn| (turn.start, turn.tags[0]))
    }

    fn transmit(&mut self, turn: Turn, signals: &mut Vec<Signal>) {
        let Turn { start, link: number, from, to, flow: id, .. } = turn;
        let timeout = self.round_trip(number) + LEAST_TIMEOUT;
        let link = &mut self.links[number];
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let rate = link.bucket.rate().min(self.sites[from].egress.rate()).min(self.sites[to].ingress.rate());
        flow.window.decay(start, timeout);
        let Some(payload) = flow.take(rate.bytes_in(TURN, LARGEST_TURN).max(SEGMENT), start) else { return };
        let bytes = payload.len();
        let on_the_wire = [
            link.bucket.take(bytes, start),
            self.sites[from].egress.take(bytes, start),
            self.sites[to].ingress.take(bytes, start),
        ];
        let slowest = on_the_wire.into_iter().max().unwrap_or_default();
        let arrival = flow.send(payload, start + slowest + link.delay);
        self.events.push(arrival, Event::Arrival(id));
        link.counters.bytes += bytes as u64;
        let [link_tag, egress_tag, ingress_tag] = &mut flow.tags;
        serve(&mut link.served, link_tag, bytes);
        serve(&mut self.sites[from].egress_served, egress_tag, bytes);
        serve(&mut self.sites[to].ingress_served, ingress_tag, bytes);
        if flow.reopened(start) {
            signals.push(Signal::Room(id));
        }
        if !flow.has_backlog() {
            link.backlog.retain(|f| *f != id);
        }
    }
}

/// Start-time fair queueing: who was idle meanwhile gets no credit for it.
fn serve(served: &mut u64, tag: &mut u64, bytes: usize) {
    *served = (*served).max(*tag);
    *tag = *served + bytes as u64;
}
