//! The space of plans: what it costs to have a set of relations at a site, given what its two parts cost.
//!
//! A join takes place at one site. An input that is elsewhere is moved there, whole, or reduced first: the keys of the other
//! input go from the join's site to where this one is, and only the rows that have one of them are moved. So *move left*, *move
//! right* and *meet at a third site* are one rule, applied to the cheapest way of having each input at each site.

use super::graph::{JoinGraph, JoinKind};
use super::network::{Network, Routes};
use super::sets::{RelSet, SiteSet, contains, first, members, single};
use super::shape::Shape;
use super::{Options, Side};

pub(super) struct Space<'a> {
    pub graph: &'a JoinGraph,
    pub options: &'a Options,
    pub shape: Shape,
    pub routes: Routes,
    pub home: usize,
    computes: SiteSet,
    everywhere: SiteSet,
    /// Sites each relation's rows may be at.
    allowed: Vec<SiteSet>,
}

/// A set of relations, joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub set: RelSet,
    pub rows: f64,
    pub bytes: f64,
    /// Sites that its rows may be at.
    pub allowed: SiteSet,
    /// Sites where they can be filtered.
    filters: SiteSet,
    filters_by_list: SiteSet,
}

/// Two sets that can be joined: all that does not depend on sites.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairing {
    pub kind: JoinKind,
    /// The second set is the join's left side.
    pub swapped: bool,
    pub seconds: f64,
    /// By the set that is reduced.
    pub reductions: [Option<Reduction>; 2],
}

/// One input filtered by the keys of the other before it is moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reduction {
    pub keys: f64,
    pub bloom: bool,
    pub key_bytes: f64,
    /// Collecting the keys and filtering.
    pub work: f64,
    /// What is left.
    pub rows: f64,
    pub bytes: f64,
    /// The join over what is left.
    pub seconds: f64,
    /// Sites that can filter it this way.
    sites: SiteSet,
    key_allowed: SiteSet,
}

/// What keys leave of a relation's rows, and which edge's keys they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    kept: f64,
    edge: usize,
}

/// How a join's inputs get to its site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Whole,
    /// This input is reduced at that site, where it was made.
    Reduced(Side, usize),
}

/// 1 - e^-x without a call: what share of a domain random draws hit, when there are x draws per value.
#[inline(always)]
fn hit(x: f64) -> f64 {
    1.0 - 1.0 / (1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0))))
}

impl<'a> Space<'a> {
    pub fn new(graph: &'a JoinGraph, network: &Network, options: &'a Options) -> Self {
        let routes = Routes::new(&network.links, &options.constants, options.price_weight, options.methods.relay);
        let everywhere = first(routes.sites());
        let allowed = graph.relations.iter().map(|r| match r.leave {
            None => everywhere,
            Some(sites) => r.copies.iter().fold(sites, |all, c| all | single(c.site)) & everywhere,
        });
        Self {
            graph,
            options,
            shape: Shape::new(graph),
            routes,
            home: network.home,
            computes: (network.computes | single(network.home)) & everywhere,
            everywhere,
            allowed: allowed.collect(),
        }
    }

    pub fn set(&self, set: RelSet) -> Set {
        let rows = self.shape.rows(set);
        let bytes = match self.graph.result_bytes {
            Some(bytes) if set == self.graph.all() => bytes,
            _ => rows * self.shape.width(set),
        };
        let takes_list = set.is_power_of_two() && self.graph.relations[set.trailing_zeros() as usize].takes_keys;
        let filters_by_list = if takes_list { self.everywhere } else { self.computes };
        let allowed = self.may_be_at(set);
        Set { set, rows, bytes, allowed, filters: self.computes, filters_by_list }
    }

    pub fn may_be_at(&self, set: RelSet) -> SiteSet {
        members(set).fold(self.everywhere, |all, i| all & self.allowed[i])
    }

    /// Where a set of more than one relation can come about.
    pub fn join_sites(&self, set: &Set) -> SiteSet {
        set.allowed & self.computes
    }

    /// By relation outside a set: what the best of the set's keys leave of its rows.
    pub fn hints(&self, set: &Set) -> Vec<Hint> {
        let mut hints = vec![Hint { kept: f64::INFINITY, edge: 0 }; self.graph.relations.len()];
        for (edge, e) in self.shape.edges.iter().enumerate() {
            let inside = e.reads & set.set;
            if inside != 0 && inside != e.reads {
                let side = usize::from(!contains(set.set, e.relations[0]));
                let other = e.relations[1 - side];
                let kept = e.distinct[side] * hit(set.rows / e.distinct[side]) / e.domain;
                if kept < hints[other].kept {
                    hints[other] = Hint { kept, edge };
                }
            }
        }
        hints
    }

    /// The join of two sets, with the hints of either.
    pub fn pairing(&self, [a, b]: [&Set; 2], [by_a, by_b]: [&[Hint]; 2], both: &Set) -> Option<Pairing> {
        let (kind, swapped) = self.shape.kind(a.set, b.set)?;
        let mut reductions = [None, None];
        if self.options.methods.reduce && kind != JoinKind::NullAwareAnti {
            // Rows of the preserved side stay whether or not they have a partner.
            let any_side = matches!(kind, JoinKind::Inner | JoinKind::Semi);
            if any_side || swapped {
                reductions[0] = self.reduction(by_b, b, a, both);
            }
            if any_side || !swapped {
                reductions[1] = self.reduction(by_a, a, b, both);
            }
        }
        let seconds = self.options.constants.join(a.rows, b.rows, both.rows);
        Some(Pairing { kind, swapped, seconds, reductions })
    }

    fn reduction(&self, hints: &[Hint], from: &Set, what: &Set, both: &Set) -> Option<Reduction> {
        let constants = &self.options.constants;
        let mut best = Hint { kept: constants.worthless, edge: usize::MAX };
        for relation in members(what.set) {
            if hints[relation].kept < best.kept {
                best = hints[relation];
            }
        }
        let edge = self.shape.edges.get(best.edge)?;
        let keys = best.kept * edge.domain;
        let filter = constants.key_filter(keys, edge.width[usize::from(!contains(from.set, edge.relations[0]))]);
        let kept = best.kept + (1.0 - best.kept) * filter.false_share;
        let rows = (what.rows * kept).max(1.0);
        Some(Reduction {
            keys,
            bloom: filter.bloom,
            key_bytes: filter.bytes,
            work: constants.reduce(from.rows, keys, what.rows),
            rows,
            bytes: what.bytes * (rows / what.rows),
            seconds: constants.join(from.rows, rows, both.rows),
            sites: if filter.bloom { what.filters } else { what.filters_by_list } & from.allowed,
            key_allowed: from.allowed,
        })
    }

    /// The moves of a reduction: the keys to `at`, and what is left from there. `to` is the join's site.
    #[inline(always)]
    pub fn reducing(&self, r: &Reduction, what: &Set, at: usize, to: usize) -> f64 {
        if !contains(r.sites, at) || at == to {
            return f64::INFINITY;
        }
        let keys = self.routes.cost(to, at, r.key_bytes, r.key_allowed);
        keys + self.routes.cost(at, to, r.bytes, what.allowed)
    }

    /// The sites keys and reduced rows flow over, if not directly.
    pub fn reducing_via(&self, r: &Reduction, what: &Set, at: usize, to: usize) -> (Option<usize>, Option<usize>) {
        let keys = self.routes.cheapest(to, at, r.key_bytes, r.key_allowed);
        let rows = self.routes.cheapest(at, to, r.bytes, what.allowed);
        (keys.and_then(|(_, r)| r.via), rows.and_then(|(_, r)| r.via))
    }
}
