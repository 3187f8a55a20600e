//! In which order and at which sites that is joined what the sources return.
//!
//! The placement search decides. Where an estimate is missing, or where a condition could raise an error on rows that another
//! order would leave out, the order stays as it was written, and each join's site is chosen by itself.

use std::collections::BTreeSet;

use cost_model::{EngineKind, SiteId};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{BinaryExpr, Expr, LogicalPlan, Operator};

use super::{Cutter, Part};
use crate::context::Reduction;
use crate::pgsem::PgFunc;
use crate::plan::{Candidate, Considered};
use crate::search::graph::{Condition, Copy, JoinGraph, Key, Relation};
use crate::search::placed::{Placed, PlacedPlan};
use crate::search::sets::{MAX_RELATIONS, RelSet, SiteSet, contains, single};
use crate::search::{Methods, Options, search};
use crate::source::{CatalogTable, FragmentRelation};
use crate::stats;

/// Plans that take up to so many times as long as the fastest are as good.
const ABOUT_THE_SAME: f64 = 1.1;
/// Other plans that EXPLAIN shows.
const ALTERNATIVES: usize = 3;

/// A tree over groups of relations, by their number. The left side of a join is the one hashed.
#[derive(Debug, PartialEq)]
pub(super) enum Order {
    Group(usize),
    Join(Box<[Order; 2]>, At),
}

/// Where a join takes place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum At {
    /// In the gateway.
    Home,
    Site(SiteId),
    /// Where its result is at home the soonest.
    Soonest,
}

/// A condition with the groups it reads.
pub(super) struct Reading<'e> {
    pub condition: &'e Expr,
    pub groups: BTreeSet<usize>,
}

impl Cutter<'_> {
    pub(super) fn order(&self, parts: &[&Part], conditions: &[Reading<'_>]) -> Order {
        let movable = conditions.iter().all(|c| evaluates_anywhere(c.condition));
        if movable && let Some(order) = self.by_chance(parts, conditions) {
            return order;
        }
        let searched = if movable { self.searched(parts, conditions) } else { None };
        searched.unwrap_or_else(|| as_written(parts.len(), conditions))
    }

    /// What the placement search finds.
    fn searched(&self, parts: &[&Part], conditions: &[Reading<'_>]) -> Option<Order> {
        let home = self.network.home;
        let at_home = parts.iter().all(|part| self.position(part) == home);
        // Two that are here are joined one way, and DataFusion hashes the smaller.
        if parts.len() > MAX_RELATIONS || parts.len() < 2 || (parts.len() == 2 && at_home) {
            return None;
        }
        let relations: Vec<&LogicalPlan> = parts.iter().map(|part| part.plan()).collect();
        let mut graph = JoinGraph::default();
        for part in parts {
            let (plan, site) = (part.plan(), self.position(part));
            let rows = match part {
                Part::Remote(remote) => self.rows(remote)?,
                Part::Local(plan) => stats::estimate(plan)?.rows,
            };
            let source = part.remote().map(|r| r.source.kind);
            graph.relations.push(Relation {
                copies: vec![Copy { site, engine: source.unwrap_or(EngineKind::System) }],
                rows,
                table_rows: rows,
                width: stats::row_width(plan),
                leave: self.residency.allowed_sites(plan),
                takes_keys: source.is_some(),
            });
        }
        graph.conditions = conditions.iter().filter_map(|c| condition(c, &relations, &mut graph.relations)).collect();
        graph.result_bytes = self.result_bytes;
        let mut network = self.network.clone();
        network.computes = self.computing();
        let methods = Methods { reduce: self.reduction != Reduction::Off, relay: false };
        let found = search(&graph, &network, &Options { methods, keep: 8, ..Options::default() }).ok()?;
        let candidate = |plan: &PlacedPlan| Candidate {
            shape: self.shape(&plan.tree, &relations),
            seconds: plan.seconds,
            wan_bytes: plan.wan_bytes,
        };
        // No estimate is good enough to tell plans apart that take about the same time: the one that moves less is taken.
        let plans: Vec<&PlacedPlan> = std::iter::once(&found.best).chain(&found.others).collect();
        let as_fast = plans.iter().filter(|plan| plan.seconds <= found.best.seconds * ABOUT_THE_SAME);
        let chosen = as_fast.min_by(|a, b| a.wan_bytes.total_cmp(&b.wan_bytes)).copied().unwrap_or(&found.best);
        if !at_home {
            let others = plans.iter().filter(|plan| !std::ptr::eq(**plan, chosen)).take(ALTERNATIVES);
            let others = others.map(|plan| candidate(plan)).collect();
            self.placements.borrow_mut().push(Considered { chosen: candidate(chosen), others });
        }
        Some(self.order_of(&chosen.tree))
    }

    /// A plan in one line.
    fn shape(&self, placed: &Placed, relations: &[&LogicalPlan]) -> String {
        match placed {
            Placed::Relation { relation, .. } => tables(relations[*relation]).join("+"),
            Placed::Join(join) => {
                let site = self.network.links.sites().get(join.site).map_or("?", |s| s.as_str());
                let reduced = match &join.method.reduction {
                    Some(r) if r.bloom => " by Bloom filter",
                    Some(_) => " by keys",
                    None => "",
                };
                let (left, right) = (self.shape(&join.left, relations), self.shape(&join.right, relations));
                format!("({left} {right}{reduced})@{site}")
            }
        }
    }

    fn order_of(&self, placed: &Placed) -> Order {
        match placed {
            Placed::Relation { relation, .. } => Order::Group(*relation),
            Placed::Join(join) => {
                let site = self.network.links.sites().get(join.site);
                let at = site.filter(|_| join.site != self.network.home).map_or(At::Home, |s| At::Site(s.clone()));
                let inputs = match join.left.rows() <= join.right.rows() {
                    true => [&join.left, &join.right],
                    false => [&join.right, &join.left],
                };
                Order::Join(Box::new(inputs.map(|input| self.order_of(input))), at)
            }
        }
    }

    /// Some order and some sites, if chance is to decide.
    fn by_chance(&self, parts: &[&Part], conditions: &[Reading<'_>]) -> Option<Order> {
        self.placement.random(1)?;
        // With each group whether it is at home, the sites where it may be, and the one where it was joined.
        let allowed = |part: &Part| self.residency.allowed_sites(part.plan()).unwrap_or(SiteSet::MAX);
        let is_home = |part: &Part| self.position(part) == self.network.home;
        let single_group =
            |(i, part): (usize, &&Part)| (BTreeSet::from([i]), Order::Group(i), is_home(part), allowed(part), None);
        let mut open: Vec<(BTreeSet<usize>, Order, bool, SiteSet, Option<usize>)> =
            parts.iter().enumerate().map(single_group).collect();
        while open.len() > 1 {
            let connected = |a: usize, b: usize| {
                conditions.iter().any(|c| !c.groups.is_disjoint(&open[a].0) && !c.groups.is_disjoint(&open[b].0))
            };
            let all = || (0..open.len()).flat_map(|a| (a + 1..open.len()).map(move |b| (a, b)));
            let mut pairs: Vec<(usize, usize)> = all().filter(|(a, b)| connected(*a, *b)).collect();
            if pairs.is_empty() {
                pairs = all().collect();
            }
            let (a, b) = pairs[self.placement.random(pairs.len())?];
            let right = open.remove(b);
            let left = open.remove(a);
            let both = left.3 & right.3;
            let from: Vec<usize> =
                left.0.union(&right.0).map(|i| self.position(parts[*i])).chain(left.4).chain(right.4).collect();
            let reached = |at: usize| from.iter().all(|from| self.network.links.link(*from, at).is_some());
            let mut sites: Vec<SiteId> = self.compute_sites();
            sites.retain(|site| contains(both, self.position_of(site)) && reached(self.position_of(site)));
            // What is at home stays there.
            let at = match sites.get(self.placement.random(sites.len() + 1)?) {
                Some(site) if !left.2 && !right.2 => At::Site(site.clone()),
                _ => At::Home,
            };
            let (home, place) = match &at {
                At::Site(site) => (false, Some(self.position_of(site))),
                _ => (true, None),
            };
            let swap = self.placement.random(2)? == 1;
            let groups = left.0.union(&right.0).copied().collect();
            let inputs = if swap { [right.1, left.1] } else { [left.1, right.1] };
            open.push((groups, Order::Join(Box::new(inputs), at), home, both, place));
        }
        open.pop().map(|(_, order, ..)| order)
    }

    /// Sites of the network that may join for this query, and the gateway.
    fn computing(&self) -> u64 {
        let sites = self.network.links.sites().iter().enumerate();
        let computes = |(i, site): &(usize, &SiteId)| *i == self.network.home || self.compute(site).is_some();
        sites.filter(computes).map(|(i, _)| single(i)).sum()
    }

    fn compute_sites(&self) -> Vec<SiteId> {
        let sites = self.network.links.sites().iter();
        sites.filter(|site| self.compute(site).is_some()).cloned().collect()
    }
}

/// Names of the tables below.
fn tables(plan: &LogicalPlan) -> Vec<String> {
    let mut found = Vec::new();
    let visited = plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            if let Some(table) = scan.source.downcast_ref::<CatalogTable>() {
                found.push(table.table.name.clone());
            } else if let Some(origin) = scan.source.downcast_ref::<FragmentRelation>().and_then(|r| r.origin.as_ref())
            {
                found.extend(tables(&origin.plan));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(visited.is_ok(), "the closure never fails");
    found
}

/// Each next group is the first that a condition connects to what is joined already.
fn as_written(groups: usize, conditions: &[Reading<'_>]) -> Order {
    let mut joined = BTreeSet::from([0]);
    let mut rest: Vec<usize> = (1..groups).collect();
    let mut order = Order::Group(0);
    while !rest.is_empty() {
        let connected = |g: &usize| conditions.iter().any(|c| c.groups.contains(g) && !c.groups.is_disjoint(&joined));
        let next = rest.remove(rest.iter().position(connected).unwrap_or(0));
        joined.insert(next);
        order = Order::Join(Box::new([order, Order::Group(next)]), At::Soonest);
    }
    order
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
