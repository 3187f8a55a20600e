//! For graphs with too many connected sets: which pairs of sets are worth a look.
//!
//! A state is the set of parts joined so far; each step joins two connected parts. The states that would be cheapest to
//! complete by shipping every part home are kept. The orders in which the final states read the relations then open a second,
//! wider space: all pairs of neighbouring intervals of an order (linearised dynamic programming, Neumann and Radke 2018), which
//! repairs what a greedy step did wrong. Dynamic programming over all these pairs finds a plan; the neighbourhood of that plan
//! ([`windows`]) is added, and so on until it no longer gets cheaper.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use super::pairs::Pair;
use super::sets::{RelSet, members, single};
use super::space::Space;
use super::table::{SetHasher, Table};
use super::{placed, windows};

/// As long as a round makes the plan that much cheaper, there is another.
const ENOUGH: f64 = 0.995;

#[derive(Clone)]
struct State {
    /// Ascending by their first relation.
    parts: Vec<u32>,
    /// Relations in the order of the joins, part by part as in `parts`.
    orders: Vec<Vec<u8>>,
}

/// A state with two of its parts joined.
struct Candidate {
    state: usize,
    joined: (usize, usize),
    id: u32,
    score: f64,
}

impl State {
    fn join(&self, candidate: &Candidate) -> Self {
        let (i, j) = candidate.joined;
        let mut next = self.clone();
        next.parts.remove(j);
        next.parts[i] = candidate.id;
        let right = next.orders.remove(j);
        next.orders[i].extend(right);
        next
    }
}

/// The cheapest plans over the pairs that looked promising.
pub(super) fn fill<'s, 'a>(space: &'s Space<'a>) -> Table<'s, 'a> {
    let mut table = Table::new(space);
    let mut pairs = Pairs::default();
    explore(&mut table, &mut pairs);
    let mut last = f64::INFINITY;
    while !pairs.new.is_empty() {
        table.fill(&std::mem::take(&mut pairs.new));
        match placed::cheapest(&table, 1).pop() {
            Some(plan) if plan.cost < last * ENOUGH => {
                last = plan.cost;
                windows::add(space, &plan.tree, &mut pairs);
            }
            _ => break,
        }
    }
    table
}

/// Pairs found, each once.
#[derive(Default)]
pub(super) struct Pairs {
    known: HashSet<Pair, BuildHasherDefault<SetHasher>>,
    /// Not in the table yet.
    new: Vec<Pair>,
}

impl Pairs {
    /// Whether it is new.
    pub fn add(&mut self, a: RelSet, b: RelSet) -> bool {
        let pair = if a.trailing_zeros() < b.trailing_zeros() { (a, b) } else { (b, a) };
        let new = self.known.insert(pair);
        if new {
            self.new.push(pair);
        }
        new
    }
}

fn explore(table: &mut Table<'_, '_>, pairs: &mut Pairs) {
    let space = table.space;
    let relations = space.graph.relations.len();
    let start =
        State { parts: (0..relations as u32).collect(), orders: (0..relations as u8).map(|i| vec![i]).collect() };
    let mut states = vec![start];
    for _ in 1..relations {
        let mut next: Vec<Candidate> = Vec::new();
        for (number, state) in states.iter().enumerate() {
            let costs: Vec<f64> = state.parts.iter().map(|p| home_cost(table, *p)).collect();
            for (i, j) in connected_parts(table, state) {
                let (a, b) = (state.parts[i] as usize, state.parts[j] as usize);
                let pair = (table.sets[a].set, table.sets[b].set);
                let id = table.add(pair.0 | pair.1);
                if pairs.add(pair.0, pair.1) {
                    table.consider(id as usize, a, b);
                    table.move_around(id as usize);
                }
                let others = (0..costs.len()).filter(|k| *k != i && *k != j).map(|k| costs[k]);
                let score = others.sum::<f64>() + home_cost(table, id);
                next.push(Candidate { state: number, joined: (i, j), id, score });
            }
        }
        // Stable: of equal candidates the one found first.
        next.sort_by(|a, b| a.score.total_cmp(&b.score));
        let mut chosen: Vec<State> = Vec::new();
        for candidate in next {
            let state = states[candidate.state].join(&candidate);
            if !chosen.iter().any(|c| c.parts == state.parts) {
                chosen.push(state);
            }
            if chosen.len() == space.options.beam.max(1) {
                break;
            }
        }
        states = chosen;
    }
    for state in &states {
        for order in &state.orders {
            add_intervals(space, order, pairs);
        }
    }
}

/// Having a part at home, or at its cheapest site if it may not be there.
fn home_cost(table: &Table<'_, '_>, id: u32) -> f64 {
    let home = table.had(id as usize, table.space.home);
    if home < f64::INFINITY {
        return home;
    }
    (0..table.space.routes.sites()).map(|s| table.had(id as usize, s)).fold(f64::INFINITY, f64::min)
}

fn connected_parts(table: &Table<'_, '_>, state: &State) -> Vec<(usize, usize)> {
    let shape = &table.space.shape;
    let sets: Vec<RelSet> = state.parts.iter().map(|p| table.sets[*p as usize].set).collect();
    let around: Vec<RelSet> = sets.iter().map(|s| members(*s).fold(0, |all, i| all | shape.neighbours[i])).collect();
    let mut found = Vec::new();
    for i in 0..sets.len() {
        for j in i + 1..sets.len() {
            let joins = around[i] & sets[j] != 0 && shape.is_allowed(sets[i] | sets[j]);
            if joins && shape.kind(sets[i], sets[j]).is_some() {
                found.push((i, j));
            }
        }
    }
    found
}

/// All pairs of adjacent intervals of an order that are connected.
fn add_intervals(space: &Space<'_>, order: &[u8], pairs: &mut Pairs) {
    let n = order.len();
    let shape = &space.shape;
    let mut sets = vec![vec![0 as RelSet; n + 1]; n];
    let mut connected = vec![vec![false; n + 1]; n];
    for length in 1..=n {
        for from in 0..=n - length {
            let to = from + length;
            let last = single(usize::from(order[to - 1]));
            sets[from][to] = if length == 1 { last } else { sets[from][to - 1] | last };
            connected[from][to] = length == 1;
            if !shape.is_allowed(sets[from][to]) {
                continue;
            }
            for cut in from + 1..to {
                let (a, b) = (sets[from][cut], sets[cut][to]);
                let joins = connected[from][cut] && connected[cut][to] && touch(space, a, b);
                if joins && shape.kind(a, b).is_some() {
                    connected[from][to] = true;
                    pairs.add(a, b);
                }
            }
        }
    }
}

pub(super) fn touch(space: &Space<'_>, a: RelSet, b: RelSet) -> bool {
    members(a).any(|i| space.shape.neighbours[i] & b != 0)
}
