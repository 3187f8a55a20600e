//! Which joins a plan may have: order and reductions of non-inner joins, cross products; and how many rows they return.

use super::fixture::{FORMS, Form, Random, equal, graph, network, relation};
use crate::search::graph::{Condition, Dependent, JoinGraph, JoinKind, Key};
use crate::search::placed::{Placed, PlacedJoin};
use crate::search::shape::Shape;
use crate::search::{Options, Side, search};

fn relations(plan: &Placed) -> u64 {
    match plan {
        Placed::Relation { relation, .. } => 1 << relation,
        Placed::Join(join) => relations(&join.left) | relations(&join.right),
    }
}

fn each_join(plan: &Placed, visit: &mut dyn FnMut(&PlacedJoin)) {
    if let Placed::Join(join) = plan {
        visit(join);
        each_join(&join.left, visit);
        each_join(&join.right, visit);
    }
}

#[test]
fn non_inner_joins_keep_their_place_and_their_preserved_rows() {
    let mut random = Random(11);
    let kinds = [JoinKind::Semi, JoinKind::Anti, JoinKind::NullAwareAnti, JoinKind::Left];
    let mut reduced = [0; 4];
    for round in 0..80 {
        let kind = kinds[round % 4];
        let mut graph = graph(&mut random, Form::Mixed, 7, 4);
        let network = network(&mut random, 4);
        // Relation 6 is joined to what its conditions read.
        let requires = graph.conditions.iter().map(Condition::reads).filter(|r| r >> 6 & 1 == 1).fold(0, |a, r| a | r);
        graph.dependents = vec![Dependent { kind, right: 1 << 6, requires: requires & !(1 << 6) }];
        for exact_pairs in [0, 30_000] {
            let outcome = search(&graph, &network, &Options { exact_pairs, ..Options::default() }).unwrap();
            for plan in outcome.others.iter().chain([&outcome.best]) {
                assert_eq!(relations(&plan.tree), graph.all());
                let mut times = 0;
                each_join(&plan.tree, &mut |join| {
                    let is_it = relations(&join.right) == 1 << 6;
                    assert_eq!(join.kind != JoinKind::Inner, is_it);
                    assert_ne!(relations(&join.left), 1 << 6);
                    let side = join.method.reduction.as_ref().map(|r| r.side);
                    if is_it {
                        times += 1;
                        assert_eq!(requires & !relations(&join.left) & !(1 << 6), 0);
                        let allowed = match kind {
                            JoinKind::Semi => true,
                            JoinKind::NullAwareAnti => side.is_none(),
                            _ => side != Some(Side::Left),
                        };
                        assert!(allowed, "{kind:?} reduces {side:?}");
                        reduced[round % 4] += usize::from(side.is_some());
                    }
                });
                assert_eq!(times, 1);
            }
        }
    }
    assert!(reduced[0] > 0 && reduced[1] > 0 && reduced[3] > 0, "{reduced:?}");
}

#[test]
fn there_are_cross_products_only_between_unconnected_parts() {
    let mut random = Random(12);
    for round in 0..40 {
        let mut graph = graph(&mut random, FORMS[round % 4], 7, 3);
        let connected = round % 2 == 0;
        if !connected {
            graph.conditions.retain(|c| c.reads() & 0b111 == 0 || c.reads() & 0b111 == c.reads());
        }
        let network = network(&mut random, 3);
        for exact_pairs in [0, 30_000] {
            let outcome = search(&graph, &network, &Options { exact_pairs, ..Options::default() }).unwrap();
            let mut products = 0;
            each_join(&outcome.best.tree, &mut |join| {
                let (a, b) = (relations(&join.left), relations(&join.right));
                products += usize::from(!graph.conditions.iter().any(|c| c.reads() & a != 0 && c.reads() & b != 0));
            });
            assert_eq!(products > 0, !connected, "round {round}");
        }
    }
}

/// Customers with orders, some of them.
fn orders(kind: JoinKind, orders: f64) -> JoinGraph {
    let relations = vec![relation(0, 1000.0, 1000.0, 10.0), relation(0, 100_000.0, orders, 20.0)];
    let conditions = vec![equal(&relations, 0, 1)];
    let dependents = match kind {
        JoinKind::Inner => vec![],
        kind => vec![Dependent { kind, right: 2, requires: 1 }],
    };
    JoinGraph { relations, conditions, dependents, result_bytes: None }
}

#[test]
fn rows_and_widths_follow_the_kind_of_join() {
    let rows = |kind, n| Shape::new(&orders(kind, n)).rows(3).round();
    assert_eq!((rows(JoinKind::Inner, 50_000.0), rows(JoinKind::Inner, 100.0)), (50_000.0, 100.0));
    assert_eq!((rows(JoinKind::Left, 50_000.0), rows(JoinKind::Left, 100.0)), (50_000.0, 1000.0));
    assert_eq!((rows(JoinKind::Semi, 50_000.0), rows(JoinKind::Semi, 100.0)), (1000.0, 100.0));
    assert_eq!((rows(JoinKind::Anti, 50_000.0), rows(JoinKind::Anti, 100.0)), (10.0, 900.0));
    let width = |kind| Shape::new(&orders(kind, 100.0)).width(3);
    assert_eq!((width(JoinKind::Left), width(JoinKind::Semi), width(JoinKind::Anti)), (30.0, 10.0, 10.0));
}

#[test]
fn a_key_of_several_columns_has_no_more_values_than_its_table_has_rows() {
    let relations = vec![relation(0, 800_000.0, 800_000.0, 10.0), relation(0, 6e6, 6e6, 10.0)];
    let key = |relation, distinct| Key { relation, distinct, width: 8.0 };
    let conditions =
        [(200e3, 200e3), (10e3, 10e3)].map(|(a, b)| Condition::Equal { left: key(0, a), right: key(1, b) }).to_vec();
    let shape = Shape::new(&JoinGraph { relations, conditions, ..JoinGraph::default() });
    assert_eq!(shape.rows(3).round(), 6e6);
}
