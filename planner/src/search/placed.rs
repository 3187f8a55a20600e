//! The search's answer: a tree of joins, each with its site and its method.

use super::graph::JoinKind;
use super::kbest::{Goal, KBest, Step, below};
use super::space::Way;
use super::table::Table;
use super::{Options, Side};

/// A relation or join, and where its rows come about.
#[derive(Clone, Debug, PartialEq)]
pub enum Placed {
    Relation { relation: usize, site: usize, rows: f64, bytes: f64, seconds: f64 },
    Join(Box<PlacedJoin>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlacedJoin {
    pub kind: JoinKind,
    pub left: Placed,
    pub right: Placed,
    pub site: usize,
    pub method: Method,
    pub rows: f64,
    pub bytes: f64,
    /// Of the join itself.
    pub seconds: f64,
}

/// How a join's inputs get to its site. Which of them move is told by their sites: none, left, right, or both to a third.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// The site an input is relayed over, if not sent directly.
    pub via: [Option<usize>; 2],
    pub reduction: Option<PlacedReduction>,
}

/// One input is filtered where it is by the other's keys, which are sent there from the join's site.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedReduction {
    /// The input that gets smaller.
    pub side: Side,
    pub keys: f64,
    /// A Bloom filter instead of a list.
    pub bloom: bool,
    pub key_bytes: f64,
    pub via: Option<usize>,
    /// Of collecting the keys and filtering.
    pub seconds: f64,
    /// What is left and moved.
    pub rows: f64,
    pub bytes: f64,
}

/// A complete plan and what it is predicted to take.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedPlan {
    pub tree: Placed,
    /// Where the answer goes, and over which site if not directly.
    pub home: usize,
    pub via: Option<usize>,
    /// Seconds of all steps together, prices included: what the search minimises.
    pub cost: f64,
    /// Seconds until the answer is at home, with what runs at the same time.
    pub seconds: f64,
    /// Compressed bytes on all links.
    pub wan_bytes: f64,
    pub price: f64,
}

impl Placed {
    pub fn site(&self) -> usize {
        match self {
            Self::Relation { site, .. } => *site,
            Self::Join(join) => join.site,
        }
    }

    pub fn rows(&self) -> f64 {
        match self {
            Self::Relation { rows, .. } => *rows,
            Self::Join(join) => join.rows,
        }
    }

    pub fn bytes(&self) -> f64 {
        match self {
            Self::Relation { bytes, .. } => *bytes,
            Self::Join(join) => join.bytes,
        }
    }
}

impl PlacedPlan {
    /// What objective the winner is picked by.
    pub fn value(&self, options: &Options) -> f64 {
        self.seconds + self.price * options.price_weight
    }
}

/// The K cheapest plans that bring everything home, not yet re-costed.
pub(super) fn cheapest(table: &Table<'_, '_>, most: usize) -> Vec<PlacedPlan> {
    let Some(id) = table.id(table.space.graph.all()) else { return vec![] };
    let home = table.space.home;
    let goal = Goal { id, site: home as u32, made: false };
    let mut search = KBest::new(table, most);
    let mut plans = Vec::new();
    while plans.len() < most {
        let Some(derivation) = search.plan(goal, plans.len()) else { break };
        let Some((tree, via)) = had(table, &mut search, goal, plans.len()) else { break };
        plans.push(PlacedPlan { tree, home, via, cost: derivation.cost, seconds: 0.0, wan_bytes: 0.0, price: 0.0 });
    }
    plans
}

/// The plan for having a set at a site, and the site it is relayed over.
fn had(
    table: &Table<'_, '_>,
    search: &mut KBest<'_, '_, '_>,
    goal: Goal,
    rank: usize,
) -> Option<(Placed, Option<usize>)> {
    let derivation = search.plan(goal, rank)?;
    let from = below(goal, &derivation.step)[0]?;
    let set = &table.sets[goal.id as usize];
    let route = table.space.routes.cheapest(from.site as usize, goal.site as usize, set.bytes, set.allowed)?;
    Some((made(table, search, from, derivation.ranks[0])?, route.1.via))
}

fn made(table: &Table<'_, '_>, search: &mut KBest<'_, '_, '_>, goal: Goal, rank: usize) -> Option<Placed> {
    let derivation = search.plan(goal, rank)?;
    let (id, site) = (goal.id as usize, goal.site as usize);
    let set = table.sets[id];
    let (a, b, way) = match derivation.step {
        Step::Join { a, b, way } => (a as usize, b as usize, way),
        _ => {
            let seconds = derivation.cost;
            return Some(Placed::Relation { relation: id, site, rows: set.rows, bytes: set.bytes, seconds });
        }
    };
    let pairing = table.pairing(id, a, b)?;
    let mut inputs = Vec::new();
    let mut via = [None; 2];
    for (i, input) in below(goal, &derivation.step).into_iter().enumerate() {
        let input = input?;
        let plan = if input.made {
            made(table, search, input, derivation.ranks[i])?
        } else {
            let (plan, over) = had(table, search, input, derivation.ranks[i])?;
            via[i] = over;
            plan
        };
        inputs.push(plan);
    }
    let (mut seconds, mut reduction) = (pairing.seconds, None);
    if let Way::Reduced(side, at) = way {
        let r = pairing.reductions[side as usize]?;
        let (keys_via, rows_via) = table.space.reducing_via(&r, &table.sets[[a, b][side as usize]], at, site);
        via[side as usize] = rows_via;
        seconds = r.seconds;
        reduction = Some(PlacedReduction {
            side: if pairing.swapped { side.other() } else { side },
            keys: r.keys,
            bloom: r.bloom,
            key_bytes: r.key_bytes,
            via: keys_via,
            seconds: r.work,
            rows: r.rows,
            bytes: r.bytes,
        });
    }
    if pairing.swapped {
        inputs.reverse();
        via.reverse();
    }
    let (right, left) = (inputs.pop()?, inputs.pop()?);
    let method = Method { via, reduction };
    let join = PlacedJoin { kind: pairing.kind, left, right, site, method, rows: set.rows, bytes: set.bytes, seconds };
    Some(Placed::Join(Box::new(join)))
}
