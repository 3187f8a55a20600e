//! Eager aggregation: one side of a join is aggregated by what the join and the groups read of it, before the join.
//!
//! Rows of that side which agree in those columns have the same partners, so that a group of them can be joined in their place:
//! each row's share in a sum or count is in the group's result as often as the group has partners. Which rows meet which is
//! decided by the same values as before, above the aggregate.
//!
//! The way down from the aggregate leads through filters and through the joins that keep or double rows of the input they are
//! followed into, to a region of inner joins; of its relations those of one source that has all the calls' arguments are
//! aggregated. Where an outer join may fill that side with NULLs the results are NULL, as the arguments were.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_common::{Column, DFSchema, JoinType, NullEquality};
use datafusion_expr::utils::conjunction;
use datafusion_expr::{Aggregate, BinaryExpr, Expr, Filter, Join, JoinConstraint, LogicalPlan, Operator};

use super::super::has_subquery;
use super::super::order::evaluates_anywhere;
use super::super::region::{Region, collect, is_equality, reads};
use super::look_through::{Grouped, look_through};
use super::split::{self, Total};
use super::{Pass, estimated_rows, shrinks, sources};
use crate::error::Result;
use crate::pgsem::PgFunc;
use crate::stats;

/// Fewer rows than this move as fast as an engine groups them.
const WORTH_GROUPING: f64 = 2_000.0;

/// A node between the aggregate and the region, and which of its inputs leads there.
struct Step<'p> {
    node: &'p LogicalPlan,
    input: usize,
}

/// The way down, and where it ends.
struct Way<'p> {
    steps: Vec<Step<'p>>,
    end: &'p LogicalPlan,
    /// An outer join on the way may put NULLs in the place of the end's rows.
    nullable: bool,
}

/// `arguments`: columns the calls read, of which `rows` says whether some call counts rows whatever is in them.
fn way_down<'p>(top: &'p LogicalPlan, arguments: &BTreeSet<Column>, rows: bool) -> Way<'p> {
    let mut way = Way { steps: Vec::new(), end: top, nullable: false };
    loop {
        let (next, input, nullable) = match way.end {
            LogicalPlan::Filter(filter) => (&filter.input, 0, false),
            // It only drops columns: left out.
            LogicalPlan::Projection(p) if p.expr.iter().all(|e| matches!(e, Expr::Column(_))) => {
                way.end = &p.input;
                continue;
            }
            LogicalPlan::Join(join) => {
                let holds = |side: &LogicalPlan| {
                    !rows && !arguments.is_empty() && arguments.iter().all(|c| side.schema().has_column(c))
                };
                match join.join_type {
                    JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (&join.left, 0, false),
                    JoinType::RightSemi | JoinType::RightAnti => (&join.right, 1, false),
                    JoinType::Left | JoinType::Full if holds(&join.right) => (&join.right, 1, true),
                    JoinType::Right | JoinType::Full if holds(&join.left) => (&join.left, 0, true),
                    JoinType::Left => (&join.left, 0, false),
                    JoinType::Right => (&join.right, 1, false),
                    _ => return way,
                }
            }
            _ => return way,
        };
        way.steps.push(Step { node: way.end, input });
        way.nullable |= nullable;
        way.end = next;
    }
}

/// `Aggregate(l ⋈ r)` as an aggregate over `Aggregate(l) ⋈ r`.
pub(super) fn aggregate(pass: &Pass<'_>, original: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Grouped { group, calls, input } = look_through(original)?;
    // What a row is worth to a call must not depend on how many like it there are, unless the call says how.
    let counted = || calls.iter().filter(|call| !split::is_idempotent(call));
    let arguments: BTreeSet<Column> = counted().flat_map(columns).collect();
    let rows = counted().any(|call| columns(call).is_empty());
    let way = way_down(input, &arguments, rows);
    let mut region = Region { relations: Vec::new(), conjuncts: Vec::new() };
    collect(way.end, &mut region);
    let on_the_way: Vec<Expr> = way.steps.iter().flat_map(|step| step.node.expressions()).collect();
    let everything = || group.iter().chain(&calls).chain(&region.conjuncts).chain(&on_the_way);
    if everything().any(|e| e.is_volatile() || depends_on_outer(e)) || !region.conjuncts.iter().all(evaluates_anywhere)
    {
        return Ok(None);
    }
    let mut found: Option<(f64, LogicalPlan)> = None;
    // The whole input is no side of it.
    let whole = |members: &BTreeSet<usize>| way.steps.is_empty() && members.len() == region.relations.len();
    for members in sides(&region).into_iter().filter(|members| !whole(members)) {
        let side = Side { pass, region: &region, members, nullable: way.nullable };
        let Some((saved, joined, group, totals)) = side.aggregate(&group, &calls, &on_the_way)? else { continue };
        if found.as_ref().is_none_or(|(most, _)| saved > *most) {
            let plan = way.steps.iter().rev().try_fold(joined, |plan, step| above(step, plan))?;
            found = Some((saved, pass.total(original, plan, group, totals)?));
        }
    }
    Ok(found.map(|(_, plan)| plan))
}

/// The node over a new input in the place of the one that leads to the region.
fn above(step: &Step<'_>, plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut inputs: Vec<LogicalPlan> = step.node.inputs().into_iter().cloned().collect();
    inputs[step.input] = plan;
    Ok(step.node.with_new_exprs(step.node.expressions(), inputs)?)
}

fn columns(expr: &Expr) -> BTreeSet<Column> {
    expr.column_refs().into_iter().cloned().collect()
}

fn depends_on_outer(expr: &Expr) -> bool {
    let outer = |e: &Expr| match e {
        Expr::ScalarSubquery(s) => !s.outer_ref_columns.is_empty(),
        Expr::OuterReferenceColumn(..) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => true,
        _ => false,
    };
    datafusion_common::tree_node::TreeNode::exists(expr, |e| Ok(outer(e))).unwrap_or(true)
}

/// Relations that may be aggregated together, by number: those of one source that equalities connect, and each that has more
/// than one, which is aggregated in parts again.
fn sides(region: &Region<'_>) -> Vec<BTreeSet<usize>> {
    let homes: Vec<_> = region.relations.iter().map(|r| sources(r)).collect();
    let one = |i: usize| homes[i].as_ref().filter(|all| all.len() == 1);
    let mut sides: Vec<BTreeSet<usize>> = (0..homes.len()).map(|i| BTreeSet::from([i])).collect();
    let connected = |a: &BTreeSet<usize>, b: &BTreeSet<usize>| {
        let same = a.iter().chain(b).all(|i| one(*i).is_some() && homes[*i] == homes[*a.first().unwrap_or(i)]);
        let both: BTreeSet<usize> = a.union(b).copied().collect();
        let connects = |e: &Expr| {
            let r = reads(e, &region.relations);
            is_equality(e) && r.is_subset(&both) && !r.is_disjoint(a) && !r.is_disjoint(b)
        };
        same && region.conjuncts.iter().any(connects)
    };
    let pair = |sides: &[BTreeSet<usize>]| {
        (0..sides.len()).find_map(|a| (a + 1..sides.len()).find(|b| connected(&sides[a], &sides[*b])).map(|b| (a, b)))
    };
    while let Some((a, b)) = pair(&sides) {
        let joined = sides.remove(b);
        sides[a].extend(joined);
    }
    sides
}

/// The relations of a region that are aggregated before the others join them.
struct Side<'s> {
    pass: &'s Pass<'s>,
    region: &'s Region<'s>,
    members: BTreeSet<usize>,
    nullable: bool,
}

/// Rows saved, the region with the aggregated side, groups and calls of the aggregate on top.
type Rewritten = (f64, LogicalPlan, Vec<Expr>, Vec<Total>);

impl Side<'_> {
    fn has(&self, column: &Column) -> bool {
        self.members.iter().any(|i| self.region.relations[*i].schema().has_column(column))
    }

    fn is_inside(&self, expr: &Expr) -> bool {
        let reads = reads(expr, &self.region.relations);
        !reads.is_empty() && reads.is_subset(&self.members)
    }

    fn aggregate(&self, group: &[Expr], calls: &[Expr], on_the_way: &[Expr]) -> Result<Option<Rewritten>> {
        let relations = &self.region.relations;
        let (inside, outside): (Vec<Expr>, Vec<Expr>) =
            self.region.conjuncts.iter().cloned().partition(|c| self.is_inside(c));
        let of = |inside: bool| {
            let own = relations.iter().enumerate().filter(move |(i, _)| self.members.contains(i) == inside);
            own.map(|(_, relation)| (*relation).clone()).collect::<Vec<_>>()
        };
        let rows = join_all(of(true), inside)?;
        let Some((parts, totals)) = self.split(calls, rows.schema()) else { return Ok(None) };

        // Groups that are computed of this side alone may be computed below, if nothing can go wrong there.
        let (mut keys, mut computed, mut groups) = (BTreeSet::new(), Vec::new(), Vec::new());
        for expr in group {
            let own = !matches!(expr, Expr::Column(_)) && !self.nullable && self.is_only_of_side(expr);
            if own && evaluates_anywhere(expr) {
                let name = self.pass.fresh();
                computed.push(expr.clone().alias(&name.name));
                groups.push(Expr::Column(name));
            } else {
                keys.extend(columns(expr));
                groups.push(expr.clone());
            }
        }
        let of_groups = calls.iter().filter(|call| split::is_any_of_group(call));
        keys.extend(outside.iter().chain(on_the_way).chain(of_groups).flat_map(columns));
        keys.retain(|c| rows.schema().has_column(c));
        let by: Vec<Expr> = keys.iter().cloned().map(Expr::Column).chain(computed).collect();
        // Without groups it would have a row for no rows.
        if by.is_empty() {
            return Ok(None);
        }
        let Some(saved) = self.saved(&keys, &by, &rows, &outside) else { return Ok(None) };
        let part = Aggregate::try_new(Arc::new(rows), by, parts)?;
        let Some(part) = self.pass.at_sources(&part)? else { return Ok(None) };
        let joined = join_all(std::iter::once(part).chain(of(false)).collect(), outside)?;
        Ok(Some((saved, joined, groups, totals)))
    }

    fn is_only_of_side(&self, expr: &Expr) -> bool {
        let columns = columns(expr);
        !columns.is_empty() && columns.iter().all(|c| self.has(c))
    }

    /// The calls over this side's rows, and all calls over the groups. `None`: some call needs rows of both sides.
    fn split(&self, calls: &[Expr], rows: &DFSchema) -> Option<(Vec<Expr>, Vec<Total>)> {
        let (mut parts, mut totals) = (Vec::new(), Vec::new());
        for call in calls {
            let columns = columns(call);
            let other = split::is_idempotent(call) && !columns.iter().any(|c| self.has(c));
            if other || split::is_any_of_group(call) {
                totals.push(Total::unchanged(call.clone()));
                continue;
            }
            let arguments = || split::evaluated(call);
            let below = columns.iter().all(|c| self.has(c))
                && arguments().all(|e| evaluates_anywhere(e) && !has_subquery(e))
                && (!self.nullable || arguments().next().is_some_and(|e| self.is_null_with(e)));
            let column = self.pass.fresh();
            totals.push(split::total(call, rows, &column).filter(|_| below)?);
            parts.push(call.clone().alias(&column.name));
        }
        Some((parts, totals))
    }

    /// Whether the value is NULL where all columns of this side are.
    fn is_null_with(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(column) => self.has(column),
            Expr::Alias(alias) => self.is_null_with(&alias.expr),
            Expr::ScalarFunction(f) => {
                PgFunc::of(&f.func).is_some_and(|f| f.def.strict) && f.args.iter().any(|e| self.is_null_with(e))
            }
            _ => false,
        }
    }

    /// How many rows less move, if it is worth it.
    fn saved(&self, keys: &BTreeSet<Column>, by: &[Expr], rows: &LogicalPlan, outside: &[Expr]) -> Option<f64> {
        let known = estimated_rows(rows).zip(self.groups(keys, by, rows, outside));
        let saved = known.filter(|(rows, groups)| *rows >= WORTH_GROUPING && shrinks(*rows, *groups));
        match saved {
            Some((rows, groups)) => Some(rows - groups),
            None => self.pass.force.then_some(0.0),
        }
    }

    /// A key has at most as many values as what it joins, where its own statistics say nothing.
    fn groups(&self, keys: &BTreeSet<Column>, by: &[Expr], rows: &LogicalPlan, outside: &[Expr]) -> Option<f64> {
        let of_partner = |key: &Column| {
            let partner = |e: &Expr| match e {
                Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
                    let other = if columns(left).contains(key) { right } else { left };
                    let relation = self
                        .region
                        .relations
                        .iter()
                        .find(|r| columns(other).iter().all(|c| r.schema().has_column(c)))?;
                    let (distinct, table_rows) = stats::key_values(other, relation);
                    distinct.or(table_rows)
                }
                _ => None,
            };
            outside.iter().filter(|e| columns(e).contains(key)).filter_map(partner).reduce(f64::min)
        };
        let values = |expr: &Expr| match expr {
            Expr::Column(column) if keys.contains(column) => stats::values(expr, rows).or_else(|| of_partner(column)),
            _ => stats::values(expr, rows),
        };
        let all = by.iter().map(values).product::<Option<f64>>()?;
        Some(stats::drawn(estimated_rows(rows)?, all))
    }
}

/// Inner joins of all, each condition at the first join that has what it reads.
fn join_all(relations: Vec<LogicalPlan>, mut conjuncts: Vec<Expr>) -> Result<LogicalPlan> {
    let mut rest = relations;
    let mut plan = rest.remove(0);
    while !rest.is_empty() {
        let reads_both = |next: &LogicalPlan, e: &Expr| {
            columns(e).iter().all(|c| plan.schema().has_column(c) || next.schema().has_column(c))
                && columns(e).iter().any(|c| next.schema().has_column(c))
        };
        let connected = rest.iter().position(|next| conjuncts.iter().any(|e| reads_both(next, e)));
        let next = rest.remove(connected.unwrap_or(0));
        let (ready, later): (Vec<Expr>, _) = conjuncts
            .into_iter()
            .partition(|e| columns(e).iter().all(|c| plan.schema().has_column(c) || next.schema().has_column(c)));
        conjuncts = later;
        plan = LogicalPlan::Join(Join::try_new(
            Arc::new(plan),
            Arc::new(next),
            vec![],
            conjunction(ready),
            JoinType::Inner,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )?);
    }
    Ok(match conjunction(conjuncts) {
        Some(rest) => LogicalPlan::Filter(Filter::try_new(rest, Arc::new(plan))?),
        None => plan,
    })
}
