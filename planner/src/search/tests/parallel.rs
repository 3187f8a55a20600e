//! Re-costing: what runs at the same time, and what shares a link.

use cost_model::analytic::Constants;
use cost_model::{EngineKind, Link};

use super::fixture::{FORMS, Random, even_network, graph, network, relation};
use crate::search::graph::{Copy, JoinGraph, JoinKind};
use crate::search::placed::{Method, Placed, PlacedJoin, PlacedPlan};
use crate::search::recost::recost;
use crate::search::{Options, search};

/// Nothing takes time but the wire, which carries 1 MB/s, and round trips of half a second.
fn only_wire() -> Constants {
    let mut constants = Constants::default();
    constants.codecs = [constants.codecs[0]; 3];
    constants
}

fn scan(relation: usize, site: usize, megabytes: f64, seconds: f64) -> Placed {
    Placed::Relation { relation, site, rows: 1.0, bytes: megabytes * 1e6, seconds }
}

fn join(left: Placed, right: Placed, site: usize) -> Placed {
    let method = Method { via: [None, None], reduction: None };
    Placed::Join(Box::new(PlacedJoin {
        kind: JoinKind::Inner,
        left,
        right,
        site,
        method,
        rows: 1.0,
        bytes: 0.0,
        seconds: 0.25,
    }))
}

fn seconds(tree: Placed, change: impl FnOnce(&mut cost_model::Links)) -> (f64, f64) {
    let mut links = even_network(4, 1e6, 0.5).links;
    change(&mut links);
    let mut plan = PlacedPlan { tree, home: 0, via: None, cost: 0.0, seconds: 0.0, wan_bytes: 0.0, price: 0.0 };
    recost(&mut plan, &links, &only_wire());
    ((plan.seconds * 1e6).round() / 1e6, plan.wan_bytes)
}

#[test]
fn branches_over_different_links_run_at_the_same_time() {
    let plan = || join(scan(0, 1, 3.0, 0.0), scan(1, 2, 5.0, 0.0), 0);
    assert_eq!(seconds(plan(), |_| ()), (0.5 + 5.0 + 0.25, 8e6));
    // The site takes in 2 MB in a second, half for each, as long as both send; then the link is what limits.
    assert_eq!(seconds(plan(), |l| l.limit_site(0, f64::INFINITY, 1.6e6)).0, 0.5 + 3.0 / 0.8 + (5.0 - 3.0) + 0.25);
}

#[test]
fn transfers_over_one_link_share_it() {
    let plan = join(scan(0, 1, 3.0, 0.0), scan(1, 1, 5.0, 0.0), 0);
    assert_eq!(seconds(plan, |_| ()).0, 0.5 + 8.0 + 0.25);
}

#[test]
fn a_scan_streams_into_its_move_and_a_join_does_not() {
    let long_scan = join(scan(0, 1, 3.0, 9.0), scan(1, 0, 1.0, 0.0), 0);
    assert_eq!(seconds(long_scan, |_| ()).0, 9.0 + 0.25);
    let mut below = join(scan(0, 1, 1.0, 2.0), scan(1, 1, 1.0, 2.0), 1);
    if let Placed::Join(join) = &mut below {
        join.bytes = 4e6;
    }
    let above = join(below, scan(2, 0, 1.0, 0.0), 0);
    assert_eq!(seconds(above, |_| ()).0, 2.0 + 0.25 + 0.5 + 4.0 + 0.25);
}

#[test]
fn without_anything_at_the_same_time_seconds_are_the_additive_cost() {
    let mut random = Random(21);
    for form in FORMS {
        let (graph, network) = (graph(&mut random, form, 7, 4), network(&mut random, 4));
        let outcome = search(&graph, &network, &Options::default()).unwrap();
        let all = || outcome.others.iter().chain([&outcome.best]);
        assert!(all().all(|p| p.seconds <= p.cost * (1.0 + 1e-9) && p.seconds > 0.0));
        assert!(all().any(|p| p.seconds < p.cost * 0.999));
        assert!(all().all(|p| p.seconds >= outcome.best.seconds));
    }
    let network = network(&mut random, 2);
    let graph = JoinGraph { relations: vec![relation(0, 1e5, 1e5, 50.0)], ..JoinGraph::default() };
    let plan = search(&graph, &network, &Options::default()).unwrap().best;
    assert_eq!((plan.seconds, plan.wan_bytes), (plan.cost, 0.0));
}

#[test]
fn a_replica_nearby_is_read_and_a_price_makes_it_dearer() {
    let mut network = even_network(3, 1e6, 0.01);
    network.links.set(1, 0, Link { bandwidth: 2e6, rtt: 0.01, price_per_gb: 100.0 });
    let mut graph = JoinGraph { relations: vec![relation(1, 1e5, 1e5, 100.0)], ..JoinGraph::default() };
    graph.relations[0].copies.push(Copy { site: 2, engine: EngineKind::Postgres });
    let site = |price_weight| {
        search(&graph, &network, &Options { price_weight, ..Options::default() }).unwrap().best.tree.site()
    };
    assert_eq!((site(0.0), site(100.0)), (1, 2));
}
