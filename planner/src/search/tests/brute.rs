//! All plans, one by one, and the cost of a plan: written from the description, sharing no code with the search but the model's
//! constants.

use cost_model::analytic::Constants;

use crate::search::graph::{Condition, JoinGraph};
use crate::search::network::Network;
use crate::search::placed::{Placed, PlacedJoin, PlacedPlan};
use crate::search::sets::{contains, members};
use crate::search::{Options, Side};

pub struct Brute<'a> {
    pub graph: &'a JoinGraph,
    pub network: &'a Network,
    pub options: &'a Options,
}

pub struct Reduced {
    keys: f64,
    bytes: f64,
    bloom: bool,
    kept: f64,
}

impl Brute<'_> {
    fn constants(&self) -> &Constants {
        &self.options.constants
    }

    /// Graphs here have inner joins and one equality between two relations.
    pub fn rows(&self, set: u64) -> f64 {
        let mut rows: f64 = members(set).map(|i| self.graph.relations[i].rows).product();
        for condition in &self.graph.conditions {
            if condition.reads() & !set == 0 {
                rows *= match condition {
                    Condition::Equal { left, right } => 1.0 / left.distinct.max(right.distinct),
                    Condition::Other { selectivity, .. } => *selectivity,
                };
            }
        }
        rows.max(1.0)
    }

    pub fn bytes(&self, set: u64) -> f64 {
        self.rows(set) * members(set).map(|i| self.graph.relations[i].width).sum::<f64>()
    }

    pub fn may_be_at(&self, set: u64, site: usize) -> bool {
        members(set).all(|i| {
            let r = &self.graph.relations[i];
            r.leave.is_none_or(|sites| contains(sites, site)) || r.copies.iter().any(|c| c.site == site)
        })
    }

    fn direct(&self, from: usize, to: usize, bytes: f64) -> f64 {
        let Some(link) = self.network.links.link(from, to) else { return f64::INFINITY };
        let transfer = self.constants().transfer(&link);
        transfer.seconds(bytes) + bytes * transfer.price_per_byte * self.options.price_weight
    }

    /// The cheapest way, over a third site or not, for bytes of that set.
    fn moving(&self, set: u64, from: usize, to: usize, bytes: f64) -> f64 {
        if from == to {
            return 0.0;
        }
        if !self.may_be_at(set, to) {
            return f64::INFINITY;
        }
        let mut best = self.direct(from, to, bytes);
        for via in 0..self.network.links.sites().len() {
            let (Some(one), Some(two)) = (self.network.links.link(from, via), self.network.links.link(via, to)) else {
                continue;
            };
            if via != from && via != to && self.options.methods.relay && self.may_be_at(set, via) {
                let (one, two) = (self.constants().transfer(&one), self.constants().transfer(&two));
                let price = (one.price_per_byte + two.price_per_byte) * self.options.price_weight;
                let pace = one.seconds_per_byte.max(two.seconds_per_byte) + price;
                best = best.min(one.rtt_seconds + two.rtt_seconds + bytes * pace);
            }
        }
        best
    }

    pub fn reduced(&self, from: u64, what: u64) -> Option<Reduced> {
        let mut best: Option<(f64, f64, f64)> = None;
        for condition in &self.graph.conditions {
            let Condition::Equal { left, right } = condition else { continue };
            let (key, other) = if contains(from, left.relation) { (left, right) } else { (right, left) };
            if contains(from, key.relation) && contains(what, other.relation) {
                let x = self.rows(from) / key.distinct;
                let hit = 1.0 - 1.0 / (1.0 + x + x * x / 2.0 + x * x * x / 6.0);
                let keys = key.distinct * hit;
                let kept = keys / key.distinct.max(other.distinct);
                if best.is_none_or(|b| kept < b.0) {
                    best = Some((kept, keys, key.width));
                }
            }
        }
        let (kept, keys, width) = best?;
        let filter = self.constants().key_filter(keys, width);
        let kept_with_false = kept + (1.0 - kept) * filter.false_share;
        let worthwhile = self.options.methods.reduce && kept <= self.constants().worthless;
        worthwhile.then_some(Reduced { keys, bytes: filter.bytes, bloom: filter.bloom, kept: kept_with_false })
    }

    fn can_filter(&self, what: u64, at: usize, bloom: bool) -> bool {
        let lists = what.count_ones() == 1 && self.graph.relations[what.trailing_zeros() as usize].takes_keys;
        contains(self.network.computes, at) || (lists && !bloom)
    }

    /// Cost of reducing `what` at `at` by keys from `to` and moving the rest to `to`, and of the join over it.
    fn reducing(&self, from: u64, what: u64, at: usize, to: usize) -> f64 {
        let Some(r) = self.reduced(from, what) else { return f64::INFINITY };
        if at == to || !self.can_filter(what, at, r.bloom) || !self.may_be_at(from, at) {
            return f64::INFINITY;
        }
        let rows = (self.rows(what) * r.kept).max(1.0);
        self.moving(from, to, at, r.bytes)
            + self.constants().reduce(self.rows(from), r.keys, self.rows(what))
            + self.moving(what, at, to, self.bytes(what) * rows / self.rows(what))
            + self.constants().join(self.rows(from), rows, self.rows(from | what))
    }

    /// Site and cost of every plan for a set, whole trees.
    pub fn plans(&self, set: u64) -> Vec<(usize, f64)> {
        let mut all = Vec::new();
        if set.count_ones() == 1 {
            let relation = &self.graph.relations[set.trailing_zeros() as usize];
            let scan =
                |c: &crate::search::graph::Copy| self.constants().scan(c.engine, self.rows(set), self.bytes(set));
            return relation.copies.iter().map(|c| (c.site, scan(c))).collect();
        }
        let connects = |a: u64, b: u64| self.graph.conditions.iter().any(|c| c.reads() & a != 0 && c.reads() & b != 0);
        let lowest = set & set.wrapping_neg();
        let sites = 0..self.network.links.sites().len();
        for a in (1..set).filter(|a| a & !set == 0 && a & lowest != 0) {
            let b = set & !a;
            if !connects(a, b) {
                continue;
            }
            let (lefts, rights) = (self.plans(a), self.plans(b));
            let join = self.constants().join(self.rows(a), self.rows(b), self.rows(set));
            for site in sites.clone() {
                if !contains(self.network.computes, site) || !self.may_be_at(set, site) {
                    continue;
                }
                let moves = |part: u64| {
                    sites.clone().map(|at| self.moving(part, at, site, self.bytes(part))).collect::<Vec<_>>()
                };
                let (move_a, move_b) = (moves(a), moves(b));
                let reduce_a: Vec<f64> = sites.clone().map(|at| self.reducing(b, a, at, site)).collect();
                let reduce_b: Vec<f64> = sites.clone().map(|at| self.reducing(a, b, at, site)).collect();
                for (at_a, cost_a) in &lefts {
                    for (at_b, cost_b) in &rights {
                        let made = cost_a + cost_b;
                        all.push((site, made + move_a[*at_a] + move_b[*at_b] + join));
                        all.push((site, made + move_a[*at_a] + reduce_b[*at_b]));
                        all.push((site, made + reduce_a[*at_a] + move_b[*at_b]));
                    }
                }
            }
        }
        all.retain(|(_, cost)| cost.is_finite());
        all
    }

    /// Costs of all plans that end at home, ascending.
    pub fn costs(&self) -> Vec<f64> {
        let all = self.graph.all();
        let home = |(site, cost): (usize, f64)| cost + self.moving(all, site, self.network.home, self.bytes(all));
        let mut costs: Vec<f64> = self.plans(all).into_iter().map(home).filter(|c| c.is_finite()).collect();
        costs.sort_by(f64::total_cmp);
        costs
    }

    /// The additive cost of a plan, from its tree alone. Panics where the tree breaks a rule.
    pub fn cost(&self, plan: &PlacedPlan) -> f64 {
        let (set, cost) = self.made(&plan.tree);
        assert_eq!(set, self.graph.all());
        cost + self.moving(set, plan.tree.site(), self.network.home, self.bytes(set))
    }

    fn made(&self, tree: &Placed) -> (u64, f64) {
        match tree {
            Placed::Relation { relation, site, .. } => {
                let set = 1 << relation;
                let at_site = |(at, _): &(usize, f64)| at == site;
                let scans = self.plans(set).into_iter().filter(at_site);
                (set, scans.map(|(_, cost)| cost).fold(f64::INFINITY, f64::min))
            }
            Placed::Join(join) => self.join(join),
        }
    }

    fn join(&self, join: &PlacedJoin) -> (u64, f64) {
        let ((a, cost_a), (b, cost_b)) = (self.made(&join.left), self.made(&join.right));
        assert_eq!(a & b, 0);
        let (both, made) = (a | b, cost_a + cost_b);
        assert!(contains(self.network.computes, join.site) && self.may_be_at(both, join.site));
        assert!((join.rows / self.rows(both) - 1.0).abs() < 1e-6, "{} instead of {}", join.rows, self.rows(both));
        let moved = |set: u64, from: &Placed| self.moving(set, from.site(), join.site, self.bytes(set));
        let work = match join.method.reduction.as_ref().map(|r| r.side) {
            None => {
                let join_work = self.constants().join(self.rows(a), self.rows(b), self.rows(both));
                moved(a, &join.left) + moved(b, &join.right) + join_work
            }
            Some(Side::Left) => moved(b, &join.right) + self.reducing(b, a, join.left.site(), join.site),
            Some(Side::Right) => moved(a, &join.left) + self.reducing(a, b, join.right.site(), join.site),
        };
        (both, made + work)
    }
}
