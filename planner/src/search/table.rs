//! Dynamic programming over sets and sites: the cheapest additive cost of every set at every site.
//!
//! The state is (set, site), in two tables: `made` is the cost of joining (or scanning) it there, `had` of having it there, made
//! or moved. Which pairs of sets are looked at is the caller's choice: all of them gives the optimum.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Side;
use super::pairs::Pair;
use super::sets::{RelSet, contains, members, single};
use super::space::{Hint, Pairing, Set, Space, Way};

/// Sets are spread well enough by one multiplication. Never iterated over: nothing depends on the order.
#[derive(Default)]
pub(super) struct SetHasher(u64);

impl Hasher for SetHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }

    fn write_u64(&mut self, set: u64) {
        let mixed = (self.0 ^ set).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

pub(super) type SetMap<V> = HashMap<RelSet, V, BuildHasherDefault<SetHasher>>;

/// Costs of sets, which are called by the order they were added in.
pub(super) struct Table<'s, 'a> {
    pub space: &'s Space<'a>,
    pub sets: Vec<Set>,
    ids: SetMap<u32>,
    made: Vec<f64>,
    had: Vec<f64>,
    /// The least of what a set costs where it is made.
    least: Vec<f64>,
    hints: Vec<Hint>,
    /// Pairs that make a set, by set.
    pub pairs: Vec<Vec<(u32, u32)>>,
}

impl<'s, 'a> Table<'s, 'a> {
    /// The relations alone.
    pub fn new(space: &'s Space<'a>) -> Self {
        let mut table = Self {
            space,
            sets: vec![],
            ids: SetMap::default(),
            made: vec![],
            had: vec![],
            least: vec![],
            hints: vec![],
            pairs: vec![],
        };
        for (i, relation) in space.graph.relations.iter().enumerate() {
            let id = table.add(single(i)) as usize;
            let Set { rows, bytes, .. } = table.sets[id];
            for copy in relation.copies.iter().filter(|c| c.site < space.routes.sites()) {
                let made = &mut table.made[id * space.routes.sites() + copy.site];
                *made = made.min(space.options.constants.scan(copy.engine, rows, bytes));
            }
            table.move_around(id);
        }
        table
    }

    /// Takes more pairs into account, from the smallest set to the largest.
    pub fn fill(&mut self, pairs: &[Pair]) {
        let mut unions: Vec<RelSet> = pairs.iter().map(|(a, b)| a | b).collect();
        unions.sort_unstable_by_key(|u| (u.count_ones(), *u));
        unions.dedup();
        unions.into_iter().for_each(|union| {
            self.add(union);
        });
        let seen: Vec<usize> = self.pairs.iter().map(Vec::len).collect();
        for (a, b) in pairs {
            let (Some(a_id), Some(b_id), Some(id)) = (self.id(*a), self.id(*b), self.id(a | b)) else { continue };
            self.pairs[id as usize].push((a_id, b_id));
        }
        let mut order: Vec<usize> = (self.space.graph.relations.len()..self.sets.len()).collect();
        order.sort_by_key(|id| (self.sets[*id].set.count_ones(), self.sets[*id].set));
        let mut cheaper = vec![false; self.sets.len()];
        for id in order {
            for pair in 0..self.pairs[id].len() {
                let (a, b) = self.pairs[id][pair];
                let (a, b) = (a as usize, b as usize);
                if pair >= seen[id] || cheaper[a] || cheaper[b] {
                    cheaper[id] |= self.consider(id, a, b);
                }
            }
            if cheaper[id] {
                self.move_around(id);
            }
        }
    }

    pub fn id(&self, set: RelSet) -> Option<u32> {
        self.ids.get(&set).copied()
    }

    pub fn made(&self, id: usize, site: usize) -> f64 {
        self.made[id * self.space.routes.sites() + site]
    }

    pub fn had(&self, id: usize, site: usize) -> f64 {
        self.had[id * self.space.routes.sites() + site]
    }

    pub fn pairing(&self, id: usize, a: usize, b: usize) -> Option<Pairing> {
        let relations = self.space.graph.relations.len();
        let hints = [a, b].map(|id| &self.hints[id * relations..(id + 1) * relations]);
        self.space.pairing([&self.sets[a], &self.sets[b]], hints, &self.sets[id])
    }

    /// Cost of moving a set whole.
    pub fn moving(&self, id: usize, from: usize, to: usize) -> f64 {
        let set = &self.sets[id];
        if contains(set.allowed, to) { self.space.routes.cost(from, to, set.bytes, set.allowed) } else { f64::INFINITY }
    }

    pub fn add(&mut self, set: RelSet) -> u32 {
        if let Some(id) = self.id(set) {
            return id;
        }
        let id = self.sets.len() as u32;
        self.sets.push(self.space.set(set));
        self.hints.extend(self.space.hints(&self.sets[id as usize]));
        self.least.push(f64::INFINITY);
        self.pairs.push(Vec::new());
        self.ids.insert(set, id);
        let cells = self.sets.len() * self.space.routes.sites();
        self.made.resize(cells, f64::INFINITY);
        self.had.resize(cells, f64::INFINITY);
        id
    }

    /// The ways of making a set at a site from two others, with their costs. `visit` returns the cost above which it wants no
    /// more.
    #[inline(always)]
    pub fn ways(
        &self,
        a: usize,
        b: usize,
        pairing: &Pairing,
        site: usize,
        mut limit: f64,
        mut visit: impl FnMut(Way, f64) -> f64,
    ) {
        let sites = self.space.routes.sites();
        let had = [self.had[a * sites + site], self.had[b * sites + site]];
        let whole = had[0] + had[1] + pairing.seconds;
        if whole < limit {
            limit = visit(Way::Whole, whole);
        }
        for (side, what, other) in [(Side::Left, a, had[1]), (Side::Right, b, had[0])] {
            let Some(reduction) = &pairing.reductions[side as usize] else { continue };
            let base = other + reduction.seconds + reduction.work;
            if base + self.least[what] >= limit {
                continue;
            }
            for (at, made) in self.made[what * sites..(what + 1) * sites].iter().enumerate() {
                let before = base + made;
                if before < limit {
                    let cost = before + self.space.reducing(reduction, &self.sets[what], at, site);
                    if cost < limit {
                        limit = visit(Way::Reduced(side, at), cost);
                    }
                }
            }
        }
    }

    /// Whether a pair makes its set cheaper anywhere.
    pub fn consider(&mut self, id: usize, a: usize, b: usize) -> bool {
        let Some(pairing) = self.pairing(id, a, b) else { return false };
        let mut cheaper = false;
        for site in members(self.space.join_sites(&self.sets[id])) {
            let mut best = self.made(id, site);
            self.ways(a, b, &pairing, site, best, |_, cost| {
                (best, cheaper) = (cost, true);
                cost
            });
            self.made[id * self.space.routes.sites() + site] = best;
        }
        cheaper
    }

    /// Once a set is made everywhere it can be: where it is cheaper to move it to.
    pub fn move_around(&mut self, id: usize) {
        let sites = self.space.routes.sites();
        self.least[id] = (0..sites).map(|site| self.made(id, site)).fold(f64::INFINITY, f64::min);
        for to in 0..sites {
            let mut best = self.made(id, to);
            for from in (0..sites).filter(|from| *from != to) {
                let made = self.made(id, from);
                if made < best {
                    best = best.min(made + self.moving(id, from, to));
                }
            }
            self.had[id * sites + to] = best;
        }
    }
}
