//! The network under a virtual clock: senders that always have more, receivers that take at once.

use std::collections::HashMap;

use bytes::Bytes;

use super::*;
use crate::wan::change::Change;
use crate::wan::rate::Rate;

const MIB: u64 = 1 << 20;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn mbit(megabits: f64) -> Rate {
    Rate::mbit(megabits)
}

/// Wide windows from the start, no handshake: what is measured is the links.
fn wide() -> Tcp {
    Tcp { initial_window: 64 << 20, max_window: 64 << 20, handshake: false, ..Tcp::default() }
}

struct Simulation {
    network: Network,
    now: Duration,
    step: Duration,
    /// Bytes left to send, and the size of each write.
    senders: HashMap<FlowId, (u64, usize)>,
    received: HashMap<FlowId, u64>,
    last_arrival: HashMap<FlowId, Duration>,
}

impl Simulation {
    fn new(topology: &Topology) -> Self {
        Self {
            network: Network::new(topology),
            now: Duration::ZERO,
            step: Duration::from_micros(500),
            senders: HashMap::new(),
            received: HashMap::new(),
            last_arrival: HashMap::new(),
        }
    }

    fn send(&mut self, from: &str, to: &str, bytes: u64, write: usize) -> FlowId {
        let link = self.network.link(from, to).unwrap();
        let connection = self.network.open(link, self.now).unwrap();
        let id = FlowId { connection, forward: true };
        self.senders.insert(id, (bytes, write));
        id
    }

    fn received(&self, id: FlowId) -> u64 {
        self.received.get(&id).copied().unwrap_or(0)
    }

    /// Megabits per second of a flow over a stretch of time.
    fn rates(&mut self, ids: &[FlowId], time: Duration) -> Vec<f64> {
        let before: Vec<u64> = ids.iter().map(|id| self.received(*id)).collect();
        self.run(time);
        ids.iter()
            .zip(before)
            .map(|(id, before)| (self.received(*id) - before) as f64 * 8e-6 / time.as_secs_f64())
            .collect()
    }

    /// Fills the queues. Says whether there was room.
    fn fill(&mut self) -> bool {
        let mut filled = false;
        for (id, (left, write)) in &mut self.senders {
            while self.network.room(*id) > 0 && *left > 0 {
                let bytes = (*write).min(self.network.room(*id)).min(*left as usize);
                self.network.push(*id, Payload::Data(Bytes::from(vec![0; bytes])), self.now);
                *left -= bytes as u64;
                filled = true;
            }
        }
        filled
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.fill();
        while self.now < end {
            self.now += self.step;
            self.advance();
            while self.fill() {
                self.advance();
            }
        }
    }

    fn advance(&mut self) {
        let mut signals = Vec::new();
        self.network.advance(self.now, &mut signals);
        for signal in signals {
            let Signal::Arrived(id) = signal else { continue };
            for parcel in self.network.collect(id) {
                self.network.taken(id, parcel.payload.len(), parcel.at);
                *self.received.entry(id).or_default() += parcel.payload.len() as u64;
                self.last_arrival.insert(id, parcel.at);
            }
        }
    }
}

fn close(actual: f64, expected: f64, tolerance: f64) {
    assert!((actual / expected - 1.0).abs() <= tolerance, "{actual} instead of {expected}");
}

#[test]
fn a_transfer_takes_its_bytes_over_its_rate_and_the_delay() {
    let mut simulation = Simulation::new(&Topology::new().pair("a", "b", mbit(20.0), ms(80)).tcp(wide()));
    let flow = simulation.send("a", "b", 2_000_000, 8192);
    simulation.run(ms(1500));
    assert_eq!(simulation.received(flow), 2_000_000);
    let took = simulation.last_arrival[&flow].as_secs_f64();
    assert!((0.8 + 0.040 - 0.003..0.8 + 0.040 + 0.003).contains(&took), "{took}");
    let link = simulation.network.link("a", "b").unwrap();
    assert_eq!(simulation.network.counters(link), Counters { bytes: 2_000_000, connections: 1, open: 1 });
}

#[test]
fn a_late_clock_costs_no_bandwidth() {
    let mut simulation = Simulation::new(&Topology::new().pair("a", "b", mbit(800.0), ms(30)).tcp(wide()));
    let flow = simulation.send("a", "b", u64::MAX, 65_536);
    // Seven queues long.
    simulation.step = ms(17);
    let rate = simulation.rates(&[flow], ms(17 * 300))[0];
    close(rate, 800.0 * (1.0 - 15.0 / 5100.0), 0.005);
}

#[test]
fn one_stream_carries_its_window_each_round_trip() {
    let tcp = Tcp { max_window: 1 << 20, ..Tcp::default() };
    let mut simulation = Simulation::new(&Topology::new().pair("a", "b", mbit(1000.0), ms(100)).tcp(tcp));
    let one = simulation.send("a", "b", u64::MAX, 65_536);
    simulation.run(ms(1500));
    let alone = simulation.rates(&[one], ms(3000))[0];
    close(alone, MIB as f64 * 8e-6 / 0.1, 0.02);
    let more: Vec<FlowId> = (0..3).map(|_| simulation.send("a", "b", u64::MAX, 65_536)).collect();
    simulation.run(ms(1500));
    let together: f64 = simulation.rates(&[&more[..], &[one]].concat(), ms(3000)).iter().sum();
    close(together, 4.0 * alone, 0.02);
}

#[test]
fn slow_start_doubles_each_round_trip() {
    let mut simulation = Simulation::new(&Topology::new().pair("a", "b", Rate::UNLIMITED, ms(100)));
    let flow = simulation.send("a", "b", u64::MAX, 65_536);
    // The handshake, and the way there.
    simulation.run(ms(155));
    let rounds: Vec<u64> = (0..4)
        .map(|_| {
            let received = simulation.received(flow);
            simulation.run(ms(100));
            received
        })
        .collect();
    assert_eq!(rounds, [14_600, 3 * 14_600, 7 * 14_600, 15 * 14_600]);
}

#[test]
fn streams_share_a_link_by_bytes_whatever_their_writes() {
    let mut simulation = Simulation::new(&Topology::new().pair("a", "b", mbit(40.0), ms(30)).tcp(wide()));
    let flows: Vec<FlowId> = [700, 1460, 9000, 65_536].map(|write| simulation.send("a", "b", u64::MAX, write)).into();
    simulation.run(ms(500));
    for rate in simulation.rates(&flows, ms(4000)) {
        close(rate, 10.0, 0.02);
    }
}

#[test]
fn links_share_what_their_site_can_send_and_receive() {
    let rate = mbit(100.0);
    let both = Topology::new().mesh(&["a", "b", "c"], rate, ms(30)).tcp(wide());
    for (topology, paths) in [
        (both.clone().egress("a", rate), [("a", "b"), ("a", "c")]),
        (both.ingress("c", rate), [("a", "c"), ("b", "c")]),
    ] {
        let mut simulation = Simulation::new(&topology);
        let flows = paths.map(|(from, to)| simulation.send(from, to, u64::MAX, 65_536));
        simulation.run(ms(500));
        for rate in simulation.rates(&flows, ms(4000)) {
            close(rate, 50.0, 0.02);
        }
    }
}

#[test]
fn connections_share_their_site_over_all_links() {
    let topology = Topology::new().mesh(&["a", "b", "c"], mbit(200.0), ms(30)).egress("a", mbit(100.0)).tcp(wide());
    let mut simulation = Simulation::new(&topology);
    let flows = ["b", "c", "c", "c"].map(|to| simulation.send("a", to, u64::MAX, 65_536));
    simulation.run(ms(500));
    for rate in simulation.rates(&flows, ms(4000)) {
        close(rate, 25.0, 0.02);
    }
}

#[test]
fn a_slow_link_gets_its_rate_beside_a_fast_one() {
    let topology = Topology::new()
        .pair("a", "b", mbit(20.0), ms(30))
        .pair("a", "c", mbit(1000.0), ms(30))
        .egress("a", mbit(100.0))
        .tcp(wide());
    let mut simulation = Simulation::new(&topology);
    let flows = [simulation.send("a", "b", u64::MAX, 65_536), simulation.send("a", "c", u64::MAX, 65_536)];
    simulation.run(ms(500));
    let rates = simulation.rates(&flows, ms(4000));
    close(rates[0], 20.0, 0.03);
    close(rates[1], 80.0, 0.03);
}

#[test]
fn a_receiver_that_does_not_take_stops_the_sender() {
    let tcp = Tcp { max_window: 1 << 20, ..Tcp::default() };
    let mut network = Network::new(&Topology::new().pair("a", "b", mbit(1000.0), ms(10)).tcp(tcp));
    let connection = network.open(0, Duration::ZERO).unwrap();
    let id = FlowId { connection, forward: true };
    let mut pushed = 0;
    for millisecond in 0..5000 {
        let room = network.room(id);
        pushed += room;
        if room > 0 {
            network.push(id, Payload::Data(Bytes::from(vec![0; room])), ms(millisecond));
        }
        network.advance(ms(millisecond), &mut Vec::new());
    }
    // The first window is on its way and never acknowledged; behind it the queue is full.
    assert!((tcp.queue..=tcp.queue + tcp.initial_window).contains(&pushed), "{pushed}");
}

#[test]
fn a_schedule_happens_at_its_time() {
    let mut simulation = Simulation::new(&Topology::new().pair("a", "b", mbit(10.0), ms(20)).tcp(wide()));
    let flow = simulation.send("a", "b", u64::MAX, 65_536);
    for (at, rate) in [(1000, 40.0), (2000, 0.0), (3000, 10.0)] {
        let command = simulation.network.command(&Change::rate("a", "b", mbit(rate))).unwrap();
        simulation.network.schedule(ms(at), command);
    }
    simulation.step = ms(7);
    // Shifted by the delay and the step: what is received in each second was sent at that second's rate.
    simulation.run(ms(21));
    let seconds: Vec<f64> = (0..4).map(|_| simulation.rates(&[flow], ms(1001))[0]).collect();
    for (actual, expected) in seconds.iter().zip([10.0, 40.0, 0.0, 10.0]) {
        assert!((actual - expected).abs() <= 0.5, "{seconds:?}");
    }
}

#[test]
fn a_black_hole_delivers_nothing_until_it_is_mended_and_then_all() {
    let mut simulation = Simulation::new(&Topology::new().pair("a", "b", mbit(80.0), ms(40)).tcp(wide()));
    let flow = simulation.send("a", "b", 2_000_000, 65_536);
    simulation.run(ms(100));
    let fault = |simulation: &mut Simulation, fault| {
        let command = simulation.network.command(&Change::fault("b", "a", fault)).unwrap();
        simulation.network.schedule(simulation.now, command);
    };
    fault(&mut simulation, Fault::BlackHole);
    simulation.run(ms(1));
    let before = simulation.received(flow);
    assert!((600_000..1_000_000).contains(&before), "{before}");
    simulation.run(ms(5000));
    assert_eq!(simulation.received(flow), before);
    fault(&mut simulation, Fault::Mend);
    // The way of 40 ms is there at once, the rest at the link's rate.
    simulation.run(ms(2));
    assert!((before + 100_000..before + 300_000).contains(&simulation.received(flow)));
    simulation.run(ms(400));
    assert_eq!(simulation.received(flow), 2_000_000);
}

#[test]
fn a_reset_overtakes_what_waits_and_an_end_does_not() {
    for (payload, bytes) in [(Payload::Reset, 14_600), (Payload::End, 100_000)] {
        let tcp = Tcp { handshake: false, ..Tcp::default() };
        let mut network = Network::new(&Topology::new().pair("a", "b", Rate::UNLIMITED, ms(100)).tcp(tcp));
        let connection = network.open(0, Duration::ZERO).unwrap();
        let id = FlowId { connection, forward: true };
        network.push(id, Payload::Data(Bytes::from(vec![0; 100_000])), Duration::ZERO);
        network.advance(ms(1), &mut Vec::new());
        network.push(id, payload.clone(), ms(1));
        let (mut received, mut last) = (0, None);
        for millisecond in 2..2000 {
            network.advance(ms(millisecond), &mut Vec::new());
            for parcel in network.collect(id) {
                network.taken(id, parcel.payload.len(), parcel.at);
                received += parcel.payload.len();
                last = Some(parcel.payload);
            }
        }
        assert_eq!((received, last), (bytes, Some(payload)));
    }
}

#[test]
fn a_fault_names_the_connections_of_both_directions_and_no_others() {
    let mut network = Network::new(&Topology::new().mesh(&["a", "b", "c"], mbit(10.0), ms(10)));
    let mut open = |from, to| {
        let link = network.link(from, to).unwrap();
        network.open(link, Duration::ZERO).unwrap()
    };
    let (there, back, other) = (open("a", "b"), open("b", "a"), open("a", "c"));
    let mut signals = Vec::new();
    for fault in [Fault::Reset, Fault::Cut, Fault::Mend] {
        let command = network.command(&Change::fault("a", "b", fault)).unwrap();
        network.schedule(Duration::ZERO, command);
    }
    network.advance(Duration::ZERO, &mut signals);
    let expected = [
        Signal::Broken(there, Fault::Reset),
        Signal::Broken(back, Fault::Reset),
        Signal::Broken(there, Fault::Cut),
        Signal::Accept(0, 1, false),
        Signal::Broken(back, Fault::Cut),
        Signal::Accept(1, 0, false),
        Signal::Accept(0, 1, true),
        Signal::Accept(1, 0, true),
    ];
    assert_eq!(signals, expected);
    assert!(!signals.contains(&Signal::Broken(other, Fault::Cut)));
}
