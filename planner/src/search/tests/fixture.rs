//! Random graphs and networks, the same in every run.

use cost_model::{EngineKind, Link, Links};

use crate::search::graph::{Condition, Copy, JoinGraph, Key, Relation};
use crate::search::network::Network;
use crate::search::sets::first;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly over the orders of magnitude.
    pub fn magnitude(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Chain,
    Star,
    Clique,
    /// A tree with some edges more.
    Mixed,
}

pub const FORMS: [Form; 4] = [Form::Chain, Form::Star, Form::Clique, Form::Mixed];

pub fn relation(site: usize, table_rows: f64, rows: f64, width: f64) -> Relation {
    Relation {
        copies: vec![Copy { site, engine: EngineKind::Postgres }],
        rows,
        table_rows,
        width,
        leave: None,
        takes_keys: true,
    }
}

pub fn equal(graph: &[Relation], key_of: usize, reference_of: usize) -> Condition {
    let values = graph[key_of].table_rows;
    let left = Key { relation: key_of, distinct: values, width: 8.0 };
    let distinct = values.min(graph[reference_of].table_rows);
    Condition::Equal { left, right: Key { relation: reference_of, distinct, width: 8.0 } }
}

pub fn graph(random: &mut Random, form: Form, relations: usize, sites: usize) -> JoinGraph {
    let all: Vec<Relation> = (0..relations)
        .map(|_| {
            let table_rows = random.magnitude(10.0, 1e7);
            let kept = if random.below(2) == 0 { 1.0 } else { random.magnitude(0.001, 1.0) };
            let rows = (table_rows * kept).max(1.0);
            Relation {
                takes_keys: random.below(3) > 0,
                ..relation(random.below(sites), table_rows, rows, random.between(4.0, 120.0))
            }
        })
        .collect();
    let mut conditions = Vec::new();
    let connect = |random: &mut Random, a: usize, b: usize, conditions: &mut Vec<Condition>| {
        let (key, reference) = if random.below(2) == 0 { (a, b) } else { (b, a) };
        conditions.push(equal(&all, key, reference));
    };
    for i in 1..relations {
        match form {
            Form::Chain => connect(random, i - 1, i, &mut conditions),
            Form::Star => connect(random, 0, i, &mut conditions),
            Form::Clique => (0..i).for_each(|j| connect(random, j, i, &mut conditions)),
            Form::Mixed => {
                let j = random.below(i);
                connect(random, j, i, &mut conditions);
                let k = random.below(i);
                if k != j && random.below(3) == 0 {
                    connect(random, k, i, &mut conditions);
                }
            }
        }
    }
    JoinGraph { relations: all, conditions, ..JoinGraph::default() }
}

pub fn network(random: &mut Random, sites: usize) -> Network {
    let mut links = Links::new((0..sites).map(|i| format!("s{i}").as_str().into()).collect());
    for from in 0..sites {
        for to in 0..sites {
            let (bandwidth, rtt) = (random.magnitude(1e6, 1e8), random.magnitude(0.005, 0.2));
            links.set(from, to, Link { bandwidth, rtt, price_per_gb: 0.05 });
        }
    }
    Network { links, computes: first(sites), home: 0 }
}

/// All links alike.
pub fn even_network(sites: usize, bandwidth: f64, rtt: f64) -> Network {
    let mut links = Links::new((0..sites).map(|i| format!("s{i}").as_str().into()).collect());
    for (from, to) in (0..sites * sites).map(|i| (i / sites, i % sites)) {
        links.set(from, to, Link { bandwidth, rtt, price_per_gb: 0.0 });
    }
    Network { links, computes: first(sites), home: 0 }
}
