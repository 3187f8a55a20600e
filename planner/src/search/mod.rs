//! Where a query's joins take place: the search over join order × site × method.
//!
//! Pure and deterministic: the same graph, network and constants give the same plan, ties included. Dynamic programming over
//! connected sets ([`table`], all pairs from [`pairs`]) finds the cheapest plans under additive cost where there are few enough
//! pairs, else over the pairs that a beam search picked ([`beam`]). The cheapest few ([`kbest`]) are re-costed with what runs
//! at the same time ([`recost`]); the best wins, the others are kept as alternatives.

mod beam;
pub mod graph;
mod kbest;
pub mod network;
mod pairs;
pub mod placed;
mod recost;
pub mod sets;
mod shape;
mod space;
mod table;
#[cfg(test)]
mod tests;
mod windows;

use cost_model::analytic::Constants;

use graph::JoinGraph;
use network::Network;
use placed::PlacedPlan;
use sets::{MAX_RELATIONS, MAX_SITES, contains, members};
use space::Space;
use table::Table;

/// An input of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Left = 0,
    Right = 1,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// What a plan may do besides moving whole inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    /// Keys of one input are sent ahead to filter the other.
    pub reduce: bool,
    /// Bytes go over a third site where that is faster.
    pub relay: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub constants: Constants,
    pub methods: Methods,
    /// Seconds that one unit of price is worth.
    pub price_weight: f64,
    /// Complete plans that are re-costed and kept.
    pub keep: usize,
    /// The search is exact up to this many pairs of connected sets: 10 relations in a clique, 13 in a star, 56 in a chain.
    pub exact_pairs: usize,
    /// States the beam search keeps.
    pub beam: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            constants: Constants::default(),
            methods: Methods { reduce: true, relay: true },
            price_weight: 0.0,
            keep: 24,
            exact_pairs: 30_000,
            beam: 8,
        }
    }
}

/// The winner and the plans that came close, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub best: PlacedPlan,
    pub others: Vec<PlacedPlan>,
    /// No plan has less additive cost.
    pub exact: bool,
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlan {
    /// The relation's rows may not be at that site, where the answer must be.
    Residency { relation: usize, site: usize },
    /// Nothing leads from any copy of the relation to the gateway's site.
    Unreachable { relation: usize },
    /// More relations or sites than a set holds, or none.
    Size,
    /// The non-inner joins do not fit together.
    Order,
}

/// The best plan that brings the join of all relations home.
pub fn search(graph: &JoinGraph, network: &Network, options: &Options) -> Result<Outcome, NoPlan> {
    let (relations, sites) = (graph.relations.len(), network.links.sites().len());
    if relations == 0 || relations > MAX_RELATIONS || sites > MAX_SITES || network.home >= sites {
        return Err(NoPlan::Size);
    }
    let space = Space::new(graph, network, options);
    let all_pairs = pairs::connected_pairs(&space.shape, options.exact_pairs);
    let exact = all_pairs.is_some();
    let table = match all_pairs {
        Some(pairs) => {
            let mut table = Table::new(&space);
            table.fill(&pairs);
            table
        }
        None => beam::fill(&space),
    };
    let mut plans = placed::cheapest(&table, options.keep.max(1));
    for plan in &mut plans {
        recost::recost(plan, &network.links, &options.constants);
    }
    // Stable: of plans that take the same time, the one with less work.
    plans.sort_by(|a, b| a.value(options).total_cmp(&b.value(options)));
    let mut plans = plans.into_iter();
    match plans.next() {
        Some(best) => Ok(Outcome { best, others: plans.collect(), exact }),
        None => Err(no_plan(&table, network)),
    }
}

/// Names the rule or link that is in the way.
fn no_plan(table: &Table<'_, '_>, network: &Network) -> NoPlan {
    let space = table.space;
    let alone = |relation: &usize| space.may_be_at(1 << relation);
    let all = || members(space.graph.all());
    if let Some(relation) = all().find(|r| !contains(alone(r), network.home)) {
        return NoPlan::Residency { relation, site: network.home };
    }
    match all().find(|r| table.had(*r, network.home) == f64::INFINITY) {
        Some(relation) => NoPlan::Unreachable { relation },
        None => NoPlan::Order,
    }
}
