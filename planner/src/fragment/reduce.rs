//! What is small filters what is large before it moves: the keys of one fragment's result go into another one's statement.
//!
//! A join drops the rows without a partner. Where it does, the values of the one side's key, known once that side is read, may
//! be a condition of the other side's statement (`k IN (…)`): the engine then uses its index, and rows without a partner never
//! travel. Such a filter changes nothing if it is lost, so it is sent only where it pays and left out if the keys turn out to be
//! too many.
//!
//! Fragments are read in one order, the smallest first, and only those that come before filter those that come after: no cycle,
//! and a fragment that was filtered filters the next one the better (predicate transfer: Yang et al., CIDR 2024; the order is
//! the small-to-large one of Robust Predicate Transfer's LargestRoot, SIGMOD 2025).

use std::collections::BTreeMap;

use cost_model::analytic::MOST_KEYS;
use datafusion_common::{Column, NullEquality};
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{BinaryExpr, Expr, Join, JoinType, LogicalPlan, Operator};

use super::Remote;
use crate::context::Reduction;
use crate::pgsem::{PgFunc, SqlForm};
use crate::pgtype::oid;
use crate::source::FragmentRelation;
use crate::stats;

/// A column of a fragment, both by number.
pub(super) type FragmentColumn = (usize, usize);

/// The values of `from` may filter the rows of `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Transfer {
    pub from: FragmentColumn,
    pub to: FragmentColumn,
}

/// A transfer that is made, and the share of the rows that it probably keeps.
pub(super) type Chosen = (Transfer, f64);

/// Fewer rows than this move as fast as one more round trip takes.
const WORTH_FILTERING: f64 = 2_000.0;
/// A filter must leave out this share of the rows.
const WORTH_LEAVING_OUT: f64 = 0.5;

/// The transfers that pay, and the order in which the fragments are read: the position of each.
pub(super) fn choose(shell: &LogicalPlan, fragments: &[Remote], reduction: Reduction) -> (Vec<Chosen>, Vec<usize>) {
    if reduction == Reduction::Off {
        return (Vec::new(), vec![0; fragments.len()]);
    }
    let possible = possible(shell);
    let mut rows: Vec<f64> = fragments.iter().map(|f| f.estimated_rows().unwrap_or(f64::INFINITY)).collect();
    let (mut chosen, mut position) = (Vec::new(), vec![0; fragments.len()]);
    let mut left: Vec<usize> = (0..fragments.len()).collect();
    let mut next = 0;
    while let Some(at) = (0..left.len()).min_by(|a, b| rows[left[*a]].total_cmp(&rows[left[*b]])) {
        let from = left.remove(at);
        position[from] = next;
        next += 1;
        for transfer in possible.iter().filter(|t| t.from.0 == from && left.contains(&t.to.0)) {
            let to = transfer.to.0;
            if reduction == Reduction::Force {
                chosen.push((*transfer, 1.0));
                continue;
            }
            let keys = distinct(fragments, transfer.from).unwrap_or(f64::INFINITY).min(rows[from]);
            let Some(values) = distinct(fragments, transfer.to) else { continue };
            let kept = (keys / values).min(1.0);
            let fits = keys <= MOST_KEYS as f64 && rows[to].is_finite();
            if fits && rows[to] >= WORTH_FILTERING && kept <= 1.0 - WORTH_LEAVING_OUT {
                rows[to] = (rows[to] * kept).max(1.0);
                chosen.push((*transfer, kept));
            }
        }
    }
    (chosen, position)
}

/// How many different values a fragment's column has, before it is filtered.
fn distinct(fragments: &[Remote], (fragment, column): FragmentColumn) -> Option<f64> {
    let remote = fragments.get(fragment)?;
    let rows = remote.estimated_rows()?;
    let expr = Expr::Column(Column::from(remote.plan.schema().qualified_field(column)));
    Some(stats::distinct_of(&expr, &remote.plan).unwrap_or(rows).max(1.0))
}

/// All transfers that change no answer. What is read twice is read for others, too, and keeps its rows.
fn possible(shell: &LogicalPlan) -> Vec<Transfer> {
    let (mut found, mut scans) = (Vec::new(), BTreeMap::new());
    visit(shell, &mut found, &mut scans);
    found.sort_unstable();
    found.dedup();
    found.retain(|t| t.from.0 != t.to.0 && scans.get(&t.to.0) == Some(&1));
    found
}

fn relation(plan: &LogicalPlan) -> Option<&FragmentRelation> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => scan.source.downcast_ref::<FragmentRelation>(),
        _ => None,
    }
}

/// `scans`: how often each fragment is read. Subqueries of expressions have fragments of their own.
fn visit(plan: &LogicalPlan, found: &mut Vec<Transfer>, scans: &mut BTreeMap<usize, usize>) {
    match plan {
        LogicalPlan::Join(join) => of_join(join, found),
        // Its terms are run more than once, over other rows each time.
        LogicalPlan::RecursiveQuery(_) => return,
        _ => {}
    }
    if let Some(relation) = relation(plan) {
        *scans.entry(relation.fragment).or_default() += 1;
    }
    plan.inputs().into_iter().for_each(|input| visit(input, found, scans));
}

/// Rows of a side may be left out where the join itself leaves out those without a partner.
fn of_join(join: &Join, found: &mut Vec<Transfer>) {
    if join.null_equality != NullEquality::NullEqualsNothing || join.null_aware {
        return;
    }
    let (left_may_lose, right_may_lose) = match join.join_type {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => (true, true),
        JoinType::Left | JoinType::LeftAnti => (false, true),
        JoinType::Right | JoinType::RightAnti => (true, false),
        _ => return,
    };
    let on = join.on.iter().map(|(l, r)| (l, r));
    let in_filter = join.filter.iter().flat_map(split_conjunction).filter_map(|e| match e {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => Some((left.as_ref(), right.as_ref())),
        _ => None,
    });
    // In a filter the sides stand in any order.
    for (l, r) in on.chain(in_filter.flat_map(|(a, b)| [(a, b), (b, a)])) {
        let (Some(l), Some(r)) = (bare(l), bare(r)) else { continue };
        if !join.left.schema().has_column(l) || !join.right.schema().has_column(r) {
            continue;
        }
        if right_may_lose && let Some(from) = values_of(&join.left, l) {
            found.extend(rows_of(&join.right, r).into_iter().map(|to| Transfer { from, to }));
        }
        if left_may_lose && let Some(from) = values_of(&join.right, r) {
            found.extend(rows_of(&join.left, l).into_iter().map(|to| Transfer { from, to }));
        }
    }
}

/// The column itself, seen through what only widens an integer.
fn bare(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => bare(&alias.expr),
        Expr::ScalarFunction(call) => {
            let transparent = PgFunc::of(&call.func)?.def.sql == SqlForm::Transparent;
            transparent.then(|| bare(call.args.first()?)).flatten()
        }
        _ => None,
    }
}

/// Types whose values are equal in every engine exactly where they are here, or in more cases.
fn comparable(relation: &FragmentRelation, column: usize) -> bool {
    relation.columns.get(column).is_some_and(|ty| {
        matches!(ty.oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::DATE | oid::TEXT | oid::VARCHAR | oid::UUID)
    })
}

/// The fragment's column that holds all values this column has, and maybe more.
fn values_of(plan: &LogicalPlan, column: &Column) -> Option<FragmentColumn> {
    match plan {
        LogicalPlan::TableScan(_) => scanned(plan, column),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            let (input, column) = below(plan, column)?;
            values_of(input, &column)
        }
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::Join(_) => {
            let inputs = plan.inputs();
            let input = inputs.into_iter().find(|input| input.schema().has_column(column))?;
            values_of(input, column)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let i = aggregate.schema.maybe_index_of_column(column)?;
            values_of(&aggregate.input, bare(aggregate.group_expr.get(i)?)?)
        }
        _ => None,
    }
}

/// The fragment's column whose rows all come up to here, unless something leaves them out that would not have kept them
/// anyway: leaving them out at the fragment leaves them out here, and nothing else. Below a UNION ALL there are several.
fn rows_of(plan: &LogicalPlan, column: &Column) -> Vec<FragmentColumn> {
    match plan {
        LogicalPlan::TableScan(_) => scanned(plan, column).into_iter().collect(),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            below(plan, column).map_or(Vec::new(), |(input, column)| rows_of(input, &column))
        }
        LogicalPlan::Filter(filter) => rows_of(&filter.input, column),
        LogicalPlan::Union(union) => {
            let Some(i) = union.schema.maybe_index_of_column(column) else { return Vec::new() };
            let called = |input: &LogicalPlan| Column::from(input.schema().qualified_field(i));
            union.inputs.iter().flat_map(|input| rows_of(input, &called(input))).collect()
        }
        LogicalPlan::Join(join) => {
            let on_left = join.left.schema().has_column(column);
            match join.join_type {
                JoinType::Inner if on_left => rows_of(&join.left, column),
                JoinType::Inner => rows_of(&join.right, column),
                JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti if on_left => rows_of(&join.left, column),
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti if !on_left => rows_of(&join.right, column),
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

fn scanned(plan: &LogicalPlan, column: &Column) -> Option<FragmentColumn> {
    let relation = relation(plan)?;
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let shown = plan.schema().maybe_index_of_column(column)?;
    let i = scan.projection.as_ref().map_or(Some(shown), |p| p.get(shown).copied())?;
    comparable(relation, i).then_some((relation.fragment, i))
}

/// A column of a projection or alias as its input calls it.
fn below<'p>(plan: &'p LogicalPlan, column: &Column) -> Option<(&'p LogicalPlan, Column)> {
    let i = plan.schema().maybe_index_of_column(column)?;
    match plan {
        LogicalPlan::Projection(projection) => Some((&projection.input, bare(projection.expr.get(i)?)?.clone())),
        LogicalPlan::SubqueryAlias(alias) => {
            Some((&alias.input, Column::from(alias.input.schema().qualified_field(i))))
        }
        _ => None,
    }
}
