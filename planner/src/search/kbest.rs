//! The K cheapest complete plans, cheapest first, read from the table of costs (lazy k-best of Huang and Chiang, 2005).
//!
//! The table keeps costs only. A state's ways are listed when a plan needs them, and its second best way only when some plan
//! is built on it, so the K plans cost little more than the first.

use std::collections::HashMap;

use super::Side;
use super::sets::contains;
use super::space::Way;
use super::table::Table;

/// What a plan asks of a state: to be made at a site, or to be had there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Goal {
    pub id: u32,
    pub site: u32,
    pub made: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Scan,
    /// Made there and moved.
    From(u32),
    Join {
        a: u32,
        b: u32,
        way: Way,
    },
}

/// A step with the ranks of the plans below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Derivation {
    pub cost: f64,
    pub step: Step,
    own: f64,
    pub ranks: [usize; 2],
}

#[derive(Default)]
struct Ranked {
    best: Vec<Derivation>,
    /// Candidates for the next rank.
    open: Vec<Derivation>,
}

pub(super) struct KBest<'t, 's, 'a> {
    table: &'t Table<'s, 'a>,
    most: usize,
    /// Never iterated over.
    goals: HashMap<Goal, Ranked>,
}

/// The goals below a step.
pub(super) fn below(goal: Goal, step: &Step) -> [Option<Goal>; 2] {
    let had = |id| Some(Goal { id, site: goal.site, made: false });
    let made = |id, site: usize| Some(Goal { id, site: site as u32, made: true });
    match *step {
        Step::Scan => [None, None],
        Step::From(site) => [Some(Goal { id: goal.id, site, made: true }), None],
        Step::Join { a, b, way: Way::Whole } => [had(a), had(b)],
        Step::Join { a, b, way: Way::Reduced(Side::Left, at) } => [made(a, at), had(b)],
        Step::Join { a, b, way: Way::Reduced(Side::Right, at) } => [had(a), made(b, at)],
    }
}

impl<'t, 's, 'a> KBest<'t, 's, 'a> {
    pub fn new(table: &'t Table<'s, 'a>, most: usize) -> Self {
        Self { table, most, goals: HashMap::new() }
    }

    /// The plan of that rank (from 0) for a goal.
    pub fn plan(&mut self, goal: Goal, rank: usize) -> Option<Derivation> {
        if !self.goals.contains_key(&goal) {
            let open = self.candidates(goal);
            self.goals.insert(goal, Ranked { best: Vec::new(), open });
        }
        while self.goals[&goal].best.len() <= rank {
            let ranked = self.goals.get_mut(&goal)?;
            let next = (0..ranked.open.len()).min_by(|a, b| ranked.open[*a].cost.total_cmp(&ranked.open[*b].cost))?;
            let next = ranked.open.remove(next);
            ranked.best.push(next);
            // Each combination of ranks is reached one way: the first rank grows only while the second is 0.
            let [one, two] = next.ranks;
            let more = [(next.ranks[1] == 0).then_some([one + 1, two]), Some([one, two + 1])];
            for ranks in more.into_iter().flatten() {
                if let Some(derivation) = self.derivation(goal, next.step, next.own, ranks) {
                    self.goals.get_mut(&goal)?.open.push(derivation);
                }
            }
        }
        self.goals[&goal].best.get(rank).copied()
    }

    fn derivation(&mut self, goal: Goal, step: Step, own: f64, ranks: [usize; 2]) -> Option<Derivation> {
        let mut cost = own;
        for (goal, rank) in below(goal, &step).into_iter().zip(ranks) {
            match goal {
                Some(_) if rank >= self.most => return None,
                Some(goal) => cost += self.plan(goal, rank)?.cost,
                None if rank > 0 => return None,
                None => {}
            }
        }
        Some(Derivation { cost, step, own, ranks })
    }

    /// All steps that lead to a goal, with the best plans below them: the cheapest few.
    fn candidates(&self, goal: Goal) -> Vec<Derivation> {
        let table = self.table;
        let (id, site) = (goal.id as usize, goal.site as usize);
        let mut all = Cheapest { most: self.most, found: Vec::new(), limit: f64::INFINITY };
        if !goal.made {
            for from in 0..table.space.routes.sites() {
                let moving = if from == site { 0.0 } else { table.moving(id, from, site) };
                all.add(table.made(id, from) + moving, Step::From(from as u32));
            }
        } else if id < table.space.graph.relations.len() {
            all.add(table.made(id, site), Step::Scan);
        } else if contains(table.space.join_sites(&table.sets[id]), site) {
            for (a, b) in &table.pairs[id] {
                let Some(pairing) = table.pairing(id, *a as usize, *b as usize) else { continue };
                table.ways(*a as usize, *b as usize, &pairing, site, all.limit, |way, cost| {
                    all.add(cost, Step::Join { a: *a, b: *b, way })
                });
            }
        }
        let below_cost = |step: &Step| -> f64 {
            let costs = below(goal, step).into_iter().flatten().map(|g| {
                let (id, site) = (g.id as usize, g.site as usize);
                if g.made { table.made(id, site) } else { table.had(id, site) }
            });
            costs.sum()
        };
        let derivation = |(cost, step)| Derivation { cost, step, own: cost - below_cost(&step), ranks: [0, 0] };
        all.sorted().into_iter().map(derivation).collect()
    }
}

/// The few cheapest of many steps.
struct Cheapest {
    most: usize,
    found: Vec<(f64, Step)>,
    /// What is not below is not among them.
    limit: f64,
}

impl Cheapest {
    fn add(&mut self, cost: f64, step: Step) -> f64 {
        if cost < self.limit {
            self.found.push((cost, step));
            if self.found.len() >= 4 * self.most {
                self.shorten();
                self.limit = self.found[self.most - 1].0;
            }
        }
        self.limit
    }

    fn shorten(&mut self) {
        // Stable: equal costs stay in the order of pairs and ways.
        self.found.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        self.found.truncate(self.most);
    }

    fn sorted(mut self) -> Vec<(f64, Step)> {
        self.shorten();
        self.found
    }
}
