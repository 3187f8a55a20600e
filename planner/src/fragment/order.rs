//! In which order the gateway joins what the sources return.
//!
//! The placement search decides, over a network of one site: everything is shipped home whole, whatever the order, so only the
//! joins themselves are compared. Where an estimate is missing, or where a condition could raise an error on rows that another
//! order would leave out, the order stays as it was written.

use std::collections::BTreeSet;

use cost_model::{EngineKind, Links};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{BinaryExpr, Expr, LogicalPlan, Operator};

use crate::pgsem::PgFunc;
use crate::search::graph::{Condition, Copy, JoinGraph, Key, Relation};
use crate::search::network::Network;
use crate::search::placed::Placed;
use crate::search::sets::{MAX_RELATIONS, RelSet, single};
use crate::search::{Methods, Options, search};
use crate::stats;

/// A tree over groups of relations, by their number. The left side of a join is the one hashed.
#[derive(Debug, PartialEq)]
pub(super) enum Order {
    Group(usize),
    Join(Box<[Order; 2]>),
}

impl Order {
    fn join(left: Self, right: Self) -> Self {
        Self::Join(Box::new([left, right]))
    }

    fn of(placed: &Placed) -> Self {
        match placed {
            Placed::Relation { relation, .. } => Self::Group(*relation),
            Placed::Join(join) if join.left.rows() <= join.right.rows() => {
                Self::join(Self::of(&join.left), Self::of(&join.right))
            }
            Placed::Join(join) => Self::join(Self::of(&join.right), Self::of(&join.left)),
        }
    }
}

/// A condition with the groups it reads.
pub(super) struct Reading<'e> {
    pub condition: &'e Expr,
    pub groups: BTreeSet<usize>,
}

/// Each next group is the first that a condition connects to what is joined already.
pub(super) fn as_written(groups: usize, conditions: &[Reading<'_>]) -> Order {
    let mut joined = BTreeSet::from([0]);
    let mut rest: Vec<usize> = (1..groups).collect();
    let mut order = Order::Group(0);
    while !rest.is_empty() {
        let connected = |g: &usize| conditions.iter().any(|c| c.groups.contains(g) && !c.groups.is_disjoint(&joined));
        let next = rest.remove(rest.iter().position(connected).unwrap_or(0));
        joined.insert(next);
        order = Order::join(order, Order::Group(next));
    }
    order
}

/// The order with the least work, if that can be told and changes nothing but the work.
pub(super) fn cheapest(groups: &[&LogicalPlan], conditions: &[Reading<'_>]) -> Option<Order> {
    // Two are joined one way, and DataFusion hashes the smaller.
    if groups.len() < 3 || groups.len() > MAX_RELATIONS || !conditions.iter().all(|c| evaluates_anywhere(c.condition)) {
        return None;
    }
    let mut graph = JoinGraph::default();
    for plan in groups {
        let rows = stats::estimate(plan)?.rows;
        graph.relations.push(Relation {
            copies: vec![Copy { site: 0, engine: EngineKind::System }],
            rows,
            table_rows: rows,
            width: stats::row_width(plan),
            leave: None,
            takes_keys: false,
        });
    }
    graph.conditions = conditions.iter().filter_map(|c| condition(c, groups, &mut graph.relations)).collect();
    let network = Network { links: Links::new(vec!["home".into()]), computes: 1, home: 0 };
    let methods = Methods { reduce: false, relay: false };
    let found = search(&graph, &network, &Options { methods, keep: 1, ..Options::default() }).ok()?;
    Some(Order::of(&found.best.tree))
}

fn condition(reading: &Reading<'_>, groups: &[&LogicalPlan], relations: &mut [Relation]) -> Option<Condition> {
    if reading.groups.len() < 2 {
        return None;
    }
    if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = reading.condition
        && let (Some(l), Some(r)) = (only_group(left, groups), only_group(right, groups))
        && l != r
    {
        let (l_values, l_table) = stats::key_values(left, groups[l]);
        let (r_values, r_table) = stats::key_values(right, groups[r]);
        for (group, table) in [(l, l_table), (r, r_table)] {
            relations[group].table_rows = table.unwrap_or(0.0).max(relations[group].table_rows);
        }
        // Nothing is known of either: the key of the smaller.
        let known = l_values.into_iter().chain(r_values).reduce(f64::max);
        let values = known.unwrap_or(relations[l].table_rows.min(relations[r].table_rows));
        let key = |relation, distinct: Option<f64>| Key { relation, distinct: distinct.unwrap_or(values), width: 8.0 };
        return Some(Condition::Equal { left: key(l, l_values), right: key(r, r_values) });
    }
    let reads: RelSet = reading.groups.iter().map(|g| single(*g)).sum();
    Some(Condition::Other { reads, selectivity: stats::guess(reading.condition) })
}

/// The one group an expression reads.
fn only_group(expr: &Expr, groups: &[&LogicalPlan]) -> Option<usize> {
    let columns = expr.column_refs();
    let mut reads = (0..groups.len()).filter(|g| columns.iter().any(|c| groups[*g].schema().has_column(c)));
    reads.next().filter(|_| reads.next().is_none())
}

/// Whether it makes no difference on which rows a condition is evaluated besides those it decides on: it raises no error,
/// always answers the same, and asks nobody.
pub(super) fn evaluates_anywhere(condition: &Expr) -> bool {
    let mut harmless = true;
    let visited = condition.apply(|e| {
        harmless &= match e {
            Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_) | Expr::Not(_) => true,
            Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsUnknown(_) => true,
            Expr::IsNotTrue(_) | Expr::IsNotFalse(_) | Expr::IsNotUnknown(_) => true,
            Expr::Between(_) | Expr::InList(_) | Expr::Case(_) => true,
            Expr::BinaryExpr(b) => b.op.is_logic_operator() || is_comparison(b.op),
            Expr::ScalarFunction(call) => PgFunc::of(&call.func).is_some_and(|f| !f.def.can_fail) && !e.is_volatile(),
            _ => false,
        };
        Ok(if harmless { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    harmless && visited.is_ok()
}

fn is_comparison(op: Operator) -> bool {
    matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
        || matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}
