//! Planning times, for the bars: printed, not asserted, since other work shares the machine. For the same reason the best of
//! three searches counts.

use std::time::Instant;

use super::fixture::{Form, Random, equal, graph, network, relation};
use crate::search::graph::JoinGraph;
use crate::search::{Options, search};

/// TPC-H's query 8 with partsupp and a second supplier's nation: 10 relations over the sites.
fn tpch(random: &mut Random, sites: usize) -> JoinGraph {
    let rows = [200e3, 10e3, 6e6, 1.5e6, 150e3, 25.0, 25.0, 5.0, 800e3, 25.0];
    let kept = [0.007, 1.0, 1.0, 0.3, 1.0, 1.0, 1.0, 0.2, 1.0, 1.0];
    let all: Vec<_> = rows
        .iter()
        .zip(kept)
        .map(|(r, k)| relation(random.below(sites), *r, r * k, random.between(8.0, 60.0)))
        .collect();
    let keys = [(0, 2), (1, 2), (3, 2), (4, 3), (5, 4), (7, 5), (6, 1), (0, 8), (1, 8), (9, 4)];
    let conditions = keys.iter().map(|(key, reference)| equal(&all, *key, *reference)).collect();
    JoinGraph { relations: all, conditions, ..JoinGraph::default() }
}

fn print(name: &str, rounds: usize, sites: usize, mut make: impl FnMut(&mut Random) -> JoinGraph) {
    let mut random = Random(8);
    let mut times = Vec::new();
    let mut exact = 0;
    for _ in 0..rounds {
        let (graph, network) = (make(&mut random), network(&mut random, sites));
        exact += usize::from(search(&graph, &network, &Options::default()).unwrap().exact);
        let time = || {
            let started = Instant::now();
            search(&graph, &network, &Options::default()).unwrap();
            started.elapsed().as_secs_f64() * 1e3
        };
        times.push([(); 3].map(|()| time()).into_iter().fold(f64::INFINITY, f64::min));
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((rounds - 1) as f64 * share) as usize];
    println!("{name:22} p50 {:7.2} ms  p95 {:7.2} ms  ({exact} of {rounds} exact)", at(0.5), at(0.95));
}

#[test]
#[ignore = "prints times"]
fn planning_times() {
    for (form, relations) in [
        (Form::Chain, 10),
        (Form::Star, 10),
        (Form::Mixed, 10),
        (Form::Clique, 10),
        (Form::Chain, 20),
        (Form::Star, 20),
        (Form::Mixed, 20),
        (Form::Clique, 20),
    ] {
        print(&format!("{form:?} {relations} x 8"), 100, 8, |random| graph(random, form, relations, 8));
    }
    print("TPC-H 10 x 8", 100, 8, |random| tpch(random, 8));
}
