//! Which columns' values may filter which rows.

use std::collections::BTreeMap;

use datafusion_common::{Column, NullEquality};
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{BinaryExpr, Expr, Join, JoinType, LogicalPlan, Operator};

use super::{FragmentColumn, Transfer};
use crate::fragment::Remote;
use crate::pgsem::{PgFunc, SqlForm};
use crate::pgtype::oid;
use crate::source::FragmentRelation;

/// All transfers that change no answer. What is read twice is read for others, too, and keeps its rows.
pub(super) fn possible(shell: Option<&LogicalPlan>, fragments: &[Remote]) -> Vec<Transfer> {
    let (mut found, mut scans) = (Vec::new(), BTreeMap::new());
    let steps = fragments.iter().filter(|f| f.source.id.is_compute()).map(|f| &f.plan);
    let plans = shell.into_iter().chain(steps);
    plans.for_each(|plan| visit(plan, fragments, &mut found, &mut scans));
    found.sort_unstable();
    found.dedup();
    found.retain(|t| t.from.0 != t.to.0 && scans.get(&t.to.0) == Some(&1));
    found
}

pub(super) fn relation(plan: &LogicalPlan) -> Option<&FragmentRelation> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => scan.source.downcast_ref::<FragmentRelation>(),
        _ => None,
    }
}

/// `scans`: how often each fragment is read. Subqueries of expressions have fragments of their own.
fn visit(plan: &LogicalPlan, fragments: &[Remote], found: &mut Vec<Transfer>, scans: &mut BTreeMap<usize, usize>) {
    match plan {
        LogicalPlan::Join(join) => of_join(join, fragments, found),
        // Its terms are run more than once, over other rows each time.
        LogicalPlan::RecursiveQuery(_) => return,
        _ => {}
    }
    if let Some(relation) = relation(plan) {
        *scans.entry(relation.fragment).or_default() += 1;
    }
    plan.inputs().into_iter().for_each(|input| visit(input, fragments, found, scans));
}

/// Rows of a side may be left out where the join itself leaves out those without a partner.
fn of_join(join: &Join, fragments: &[Remote], found: &mut Vec<Transfer>) {
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
        let sides =
            [(right_may_lose, (&join.left, l), (&join.right, r)), (left_may_lose, (&join.right, r), (&join.left, l))];
        for (_, from, to) in sides.into_iter().filter(|(may_lose, ..)| *may_lose) {
            let values = values_of(from.0, from.1, fragments);
            let filtered = rows_of(to.0, to.1, fragments).into_iter();
            found.extend(filtered.flat_map(|to| values.iter().map(move |from| Transfer { from: *from, to })));
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

/// The columns of fragments that hold all values this column has, and maybe more.
fn values_of(plan: &LogicalPlan, column: &Column, fragments: &[Remote]) -> Vec<FragmentColumn> {
    match plan {
        LogicalPlan::TableScan(_) => {
            let Some(found) = scanned(plan, column) else { return vec![] };
            let below = step_below(found, fragments).map(|(plan, column)| values_of(plan, &column, fragments));
            std::iter::once(found).chain(below.into_iter().flatten()).collect()
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => match below(plan, column) {
            Some((input, column)) => values_of(input, &column, fragments),
            None => vec![],
        },
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::Join(_) => {
            let input = plan.inputs().into_iter().find(|input| input.schema().has_column(column));
            input.map_or(vec![], |input| values_of(input, column, fragments))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let group = aggregate.schema.maybe_index_of_column(column).and_then(|i| bare(aggregate.group_expr.get(i)?));
            group.map_or(vec![], |group| values_of(&aggregate.input, group, fragments))
        }
        _ => vec![],
    }
}

/// The fragment's column whose rows all come up to here, unless something leaves them out that would not have kept them
/// anyway: leaving them out at the fragment leaves them out here, and nothing else. Of a step and what it reads, the latter.
/// Below a UNION ALL there are several.
fn rows_of(plan: &LogicalPlan, column: &Column, fragments: &[Remote]) -> Vec<FragmentColumn> {
    match plan {
        LogicalPlan::TableScan(_) => {
            let Some(found) = scanned(plan, column) else { return vec![] };
            let below = step_below(found, fragments).map(|(plan, column)| rows_of(plan, &column, fragments));
            below.filter(|below| !below.is_empty()).unwrap_or_else(|| vec![found])
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            below(plan, column).map_or(vec![], |(input, column)| rows_of(input, &column, fragments))
        }
        LogicalPlan::Filter(filter) => rows_of(&filter.input, column, fragments),
        LogicalPlan::Union(union) => {
            let Some(i) = union.schema.maybe_index_of_column(column) else { return vec![] };
            let called = |input: &LogicalPlan| Column::from(input.schema().qualified_field(i));
            union.inputs.iter().flat_map(|input| rows_of(input, &called(input), fragments)).collect()
        }
        LogicalPlan::Join(join) => {
            let on_left = join.left.schema().has_column(column);
            let side = match join.join_type {
                JoinType::Inner if on_left => &join.left,
                JoinType::Inner => &join.right,
                JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti if on_left => &join.left,
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti if !on_left => &join.right,
                _ => return vec![],
            };
            rows_of(side, column, fragments)
        }
        _ => vec![],
    }
}

/// What a step at a site computes, and that plan's name for a column of its result.
fn step_below((fragment, column): FragmentColumn, fragments: &[Remote]) -> Option<(&LogicalPlan, Column)> {
    let step = fragments.get(fragment).filter(|f| f.source.id.is_compute())?;
    Some((&step.plan, Column::from(step.plan.schema().qualified_field(column))))
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
