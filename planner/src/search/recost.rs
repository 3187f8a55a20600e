//! What a complete plan really takes: independent branches run at the same time, and transfers at the same time share links.
//!
//! Additive cost, which the search needs, counts the work of every branch one after the other. Here the plan's steps are played
//! through as a small fluid simulation: a step starts when its inputs are there; transfers get equal shares of every link, and
//! of every site's egress and ingress, that they cross. A scan streams into its move; everything else is complete before it
//! moves.

use cost_model::Links;
use cost_model::analytic::{Constants, Transfer};

use super::Side;
use super::placed::{Placed, PlacedJoin, PlacedPlan};

struct Step {
    /// Steps that must have ended before this starts.
    after: Vec<usize>,
    /// A step that must have started before, and ended before this ends.
    with: Option<usize>,
    /// Seconds that pass first: work, or the round trip.
    delay: f64,
    /// Bytes before compression.
    bytes: f64,
    hops: Vec<(usize, usize, Transfer)>,
}

struct Simulation<'a> {
    links: &'a Links,
    constants: &'a Constants,
    steps: Vec<Step>,
    wan_bytes: f64,
    price: f64,
}

/// Sets the plan's seconds, bytes and price.
pub(super) fn recost(plan: &mut PlacedPlan, links: &Links, constants: &Constants) {
    let mut simulation = Simulation { links, constants, steps: Vec::new(), wan_bytes: 0.0, price: 0.0 };
    let end = simulation.arrive(&plan.tree, plan.tree.bytes(), plan.home, plan.via);
    plan.seconds = simulation.run(end);
    (plan.wan_bytes, plan.price) = (simulation.wan_bytes, simulation.price);
}

impl Simulation<'_> {
    fn work(&mut self, seconds: f64, after: Vec<usize>) -> usize {
        self.steps.push(Step { after, with: None, delay: seconds, bytes: 0.0, hops: Vec::new() });
        self.steps.len() - 1
    }

    /// A transfer, unless it is nowhere to go.
    fn transfer(
        &mut self,
        (from, to): (usize, usize),
        via: Option<usize>,
        bytes: f64,
        after: usize,
        piped: bool,
    ) -> usize {
        if from == to {
            return after;
        }
        let stops: Vec<usize> = std::iter::once(from).chain(via).chain([to]).collect();
        let hop = |w: &[usize]| self.links.link(w[0], w[1]).map(|l| (w[0], w[1], self.constants.transfer(&l)));
        let hops: Vec<_> = stops.windows(2).filter_map(hop).collect();
        for (_, _, t) in &hops {
            self.wan_bytes += t.wire_bytes(bytes);
            self.price += bytes * t.price_per_byte;
        }
        let delay = hops.iter().map(|(_, _, t)| t.rtt_seconds).sum();
        let (after, with) = if piped { (self.steps[after].after.clone(), Some(after)) } else { (vec![after], None) };
        self.steps.push(Step { after, with, delay, bytes, hops });
        self.steps.len() - 1
    }

    /// The last step of making a plan's rows, where they are made.
    fn make(&mut self, plan: &Placed) -> usize {
        match plan {
            Placed::Relation { seconds, .. } => self.work(*seconds, vec![]),
            Placed::Join(join) => self.join(join),
        }
    }

    fn arrive(&mut self, plan: &Placed, bytes: f64, to: usize, via: Option<usize>) -> usize {
        let made = self.make(plan);
        self.transfer((plan.site(), to), via, bytes, made, matches!(plan, Placed::Relation { .. }))
    }

    fn join(&mut self, join: &PlacedJoin) -> usize {
        let method = &join.method;
        let inputs = [&join.left, &join.right];
        let Some(r) = &method.reduction else {
            let ends = [0, 1].map(|i| self.arrive(inputs[i], inputs[i].bytes(), join.site, method.via[i]));
            return self.work(join.seconds, ends.to_vec());
        };
        let (reduced, other) = if r.side == Side::Left { (0, 1) } else { (1, 0) };
        let other_end = self.arrive(inputs[other], inputs[other].bytes(), join.site, method.via[other]);
        let made = self.make(inputs[reduced]);
        let at = inputs[reduced].site();
        let keys = self.transfer((join.site, at), r.via, r.key_bytes, other_end, false);
        let filtered = self.work(r.seconds, vec![keys, made]);
        let reduced_end = self.transfer((at, join.site), method.via[reduced], r.bytes, filtered, false);
        self.work(join.seconds, vec![other_end, reduced_end])
    }

    /// Seconds until that step has ended.
    fn run(&self, last: usize) -> f64 {
        let n = self.steps.len();
        let mut ended = vec![false; n];
        let mut delay: Vec<f64> = self.steps.iter().map(|s| s.delay).collect();
        let mut bytes: Vec<f64> = self.steps.iter().map(|s| if s.hops.is_empty() { 0.0 } else { s.bytes }).collect();
        let mut now = 0.0;
        while !ended[last] {
            let running: Vec<usize> =
                (0..n).filter(|i| !ended[*i] && self.steps[*i].after.iter().all(|a| ended[*a])).collect();
            let sending: Vec<usize> = running.iter().copied().filter(|i| delay[*i] <= 0.0 && bytes[*i] > 0.0).collect();
            let rates: Vec<f64> = sending.iter().map(|i| self.rate(*i, &sending)).collect();
            let next_delay = running.iter().map(|i| delay[*i]).filter(|d| *d > 0.0);
            let next_sent = sending.iter().zip(&rates).map(|(i, rate)| bytes[*i] / rate);
            let next = next_delay.chain(next_sent).fold(f64::INFINITY, f64::min);
            if next < f64::INFINITY {
                now += next;
                for i in &running {
                    delay[*i] = spent(delay[*i], next);
                }
                for (i, rate) in sending.iter().zip(&rates) {
                    bytes[*i] = spent(bytes[*i], next * rate);
                }
            }
            // In the order of their numbers, so that a move ends with its scan.
            let mut any = next < f64::INFINITY;
            for i in running {
                if delay[i] <= 0.0 && bytes[i] <= 0.0 && self.steps[i].with.is_none_or(|w| ended[w]) {
                    (ended[i], any) = (true, true);
                }
            }
            if !any {
                return f64::INFINITY;
            }
        }
        now
    }

    /// Bytes a second of one transfer, each of these taking its share.
    fn rate(&self, step: usize, sending: &[usize]) -> f64 {
        let crossing = |cross: &dyn Fn(usize, usize) -> bool| {
            sending.iter().flat_map(|i| &self.steps[*i].hops).filter(|(from, to, _)| cross(*from, *to)).count() as f64
        };
        let mut rate = f64::INFINITY;
        for (from, to, transfer) in &self.steps[step].hops {
            let link = self.links.link(*from, *to).map_or(0.0, |l| l.bandwidth);
            let shared = (link / crossing(&|f, t| (f, t) == (*from, *to)))
                .min(self.links.egress(*from) / crossing(&|f, _| f == *from))
                .min(self.links.ingress(*to) / crossing(&|_, t| t == *to));
            rate = rate.min(shared / transfer.wire_per_byte).min(1.0 / transfer.seconds_per_byte);
        }
        rate
    }
}

/// What is left; a rest that rounding made is none.
fn spent(left: f64, part: f64) -> f64 {
    if left <= part * (1.0 + 1e-12) { 0.0 } else { left - part }
}
