//! The search finds the optimum, and what it says of a plan is true of it.

use super::brute::Brute;
use super::fixture::{FORMS, Form, Random, graph, network};
use crate::search::graph::{Copy, JoinGraph};
use crate::search::network::Network;
use crate::search::placed::PlacedPlan;
use crate::search::sets::{contains, first};
use crate::search::{Methods, NoPlan, Options, search};

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

/// All plans of a search, cheapest first under additive cost.
fn plans(graph: &JoinGraph, network: &Network, options: &Options) -> Vec<PlacedPlan> {
    let outcome = search(graph, network, options).unwrap();
    let mut plans: Vec<PlacedPlan> = std::iter::once(outcome.best).chain(outcome.others).collect();
    plans.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    plans
}

fn optimum(graph: &JoinGraph, network: &Network, options: &Options) -> f64 {
    plans(graph, network, options)[0].cost
}

/// Rules of residence, engines without keys, sites without a process.
fn restrict(random: &mut Random, graph: &mut JoinGraph, network: &mut Network) {
    for relation in &mut graph.relations {
        if random.below(3) == 0 {
            // Home stays possible.
            relation.leave = Some(random.next() | 1);
        }
        if random.below(4) == 0 {
            let first = relation.copies[0];
            relation.copies.push(Copy { site: (first.site + 1 + random.below(2)) % 3, ..first });
        }
    }
    network.computes = random.next() & 7 | 1;
}

#[test]
fn the_cheapest_plans_are_those_of_trying_all() {
    let mut random = Random(1);
    let mut with_reduction = 0;
    for round in 0..120 {
        let form = FORMS[round % 4];
        let relations = if round % 20 == 0 && form != Form::Clique { 5 } else { 2 + round % 3 };
        let mut graph = graph(&mut random, form, relations, 3);
        let mut network = network(&mut random, 3);
        let price_weight = if round % 5 == 0 { 10.0 } else { 0.0 };
        let options = Options { price_weight, ..Options::default() };
        if round % 2 == 1 || relations == 5 {
            restrict(&mut random, &mut graph, &mut network);
        }
        let brute = Brute { graph: &graph, network: &network, options: &options };
        let expected = brute.costs();
        let found = plans(&graph, &network, &options);
        assert_eq!(found.len(), expected.len().min(options.keep), "round {round}");
        for (i, plan) in found.iter().enumerate() {
            assert!(close(plan.cost, expected[i]), "round {round}, plan {i}: {} instead of {}", plan.cost, expected[i]);
            assert!(close(plan.cost, brute.cost(plan)), "round {round}, plan {i}: its tree costs {}", brute.cost(plan));
            assert!(found[..i].iter().all(|p| p.tree != plan.tree), "round {round}: plan {i} twice");
        }
        with_reduction += usize::from(format!("{:?}", found[0].tree).contains("reduction: Some"));
    }
    assert!((10..110).contains(&with_reduction), "{with_reduction} of 120 reduce");
}

#[test]
fn the_tree_of_a_large_plan_costs_what_is_said() {
    let mut random = Random(2);
    for form in FORMS {
        let (graph, network) = (graph(&mut random, form, 9, 5), network(&mut random, 5));
        let options = Options::default();
        let brute = Brute { graph: &graph, network: &network, options: &options };
        for plan in plans(&graph, &network, &options) {
            assert!(close(plan.cost, brute.cost(&plan)));
        }
    }
}

#[test]
fn beam_search_comes_close_to_the_optimum() {
    let mut random = Random(3);
    let (mut worst, mut dearer): (f64, usize) = (1.0, 0);
    for round in 0..200 {
        let (graph, network) = (graph(&mut random, FORMS[round % 4], 10, 4), network(&mut random, 4));
        let exact = search(&graph, &network, &Options::default()).unwrap();
        let beam = Options { exact_pairs: 0, ..Options::default() };
        assert!(exact.exact && !search(&graph, &network, &beam).unwrap().exact);
        let ratio = optimum(&graph, &network, &beam) / optimum(&graph, &network, &Options::default());
        assert!((0.999_999..=1.1).contains(&ratio), "round {round}: {ratio}");
        worst = worst.max(ratio);
        dearer += usize::from(ratio > 1.000_001);
    }
    println!("beam over exact: worst {worst:.4}, dearer in {dearer} of 200");
}

#[test]
fn more_possibilities_never_make_the_optimum_dearer() {
    let mut random = Random(4);
    for round in 0..60 {
        let mut graph = graph(&mut random, FORMS[round % 4], 6, 3);
        let network = network(&mut random, 5);
        let with = |computes, reduce, relay| {
            let options = Options { methods: Methods { reduce, relay }, ..Options::default() };
            optimum(&graph, &Network { computes, ..network.clone() }, &options)
        };
        let at_home = with(1, false, false);
        let sites: Vec<f64> = (1..=5).map(|n| with(first(n), false, false)).collect();
        assert!(close(at_home, sites[0]));
        assert!(sites.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-9)), "{sites:?}");
        let (relays, reduces, both) = (with(31, false, true), with(31, true, false), with(31, true, true));
        assert!(relays <= sites[4] * (1.0 + 1e-9) && reduces <= sites[4] * (1.0 + 1e-9));
        assert!(both <= relays.min(reduces) * (1.0 + 1e-9));
        let free = optimum(&graph, &network, &Options::default());
        graph.relations[round % 6].leave = Some(1);
        assert!(free <= optimum(&graph, &network, &Options::default()) * (1.0 + 1e-9));
    }
}

#[test]
fn the_same_question_gets_the_same_answer() {
    let mut random = Random(5);
    for form in FORMS {
        let (graph, network) = (graph(&mut random, form, 8, 4), network(&mut random, 4));
        for exact_pairs in [0, 30_000] {
            let options = Options { exact_pairs, ..Options::default() };
            assert_eq!(search(&graph, &network, &options), search(&graph, &network, &options));
        }
    }
}

#[test]
fn a_rule_of_residence_that_leaves_no_plan_is_named() {
    let mut random = Random(6);
    let mut graph = graph(&mut random, Form::Chain, 4, 3);
    let network = network(&mut random, 3);
    graph.relations[2].copies[0].site = 1;
    graph.relations[2].leave = Some(0b110);
    let expected = NoPlan::Residency { relation: 2, site: 0 };
    assert_eq!(search(&graph, &network, &Options::default()), Err(expected));
    // At home, the others come to it.
    let home = Network { home: 2, ..network };
    let plan = search(&graph, &home, &Options::default()).unwrap().best;
    assert!(contains(0b110, plan.tree.site()));
}

#[test]
fn a_site_without_a_way_home_is_named() {
    let mut random = Random(7);
    let mut graph = graph(&mut random, Form::Chain, 3, 1);
    graph.relations[1].copies[0].site = 2;
    let mut network = network(&mut random, 3);
    let mut links = cost_model::Links::new(network.links.sites().to_vec());
    links.set(2, 1, network.links.link(2, 1).unwrap());
    network.links = links.clone();
    assert_eq!(search(&graph, &network, &Options::default()), Err(NoPlan::Unreachable { relation: 1 }));
    links.set(1, 0, network.links.link(2, 1).unwrap());
    network.links = links;
    assert!(search(&graph, &network, &Options::default()).is_ok());
    let no_relay = Options { methods: Methods { reduce: true, relay: false }, ..Options::default() };
    assert!(search(&graph, &network, &no_relay).is_err() || network.computes & 2 != 0);
}
