//! Inner joins regrouped by source.
//!
//! A left-deep tree hides what one source could join: in `pg ⋈ my ⋈ pg` no subtree has both tables of `pg`. So a region of
//! inner joins is flattened into relations and conjuncts, relations of one source that equalities connect are joined there, and
//! the rest is joined where the placement search says ([`super::order`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_common::{Column, NullEquality};
use datafusion_expr::utils::{conjunction, split_conjunction};
use datafusion_expr::{BinaryExpr, Expr, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator, Projection};

use super::order::{At, Order, Reading};
use super::{Cutter, Part, Remote, has_subquery, same_source};
use crate::emit::Refusal;
use crate::emit::expr::Scopes;
use crate::error::{Error, Result};

pub(super) struct Region<'p> {
    pub relations: Vec<&'p LogicalPlan>,
    pub conjuncts: Vec<Expr>,
}

pub(super) fn collect<'p>(plan: &'p LogicalPlan, region: &mut Region<'p>) {
    match plan {
        LogicalPlan::Join(j)
            if j.join_type == JoinType::Inner && j.null_equality == NullEquality::NullEqualsNothing =>
        {
            collect(&j.left, region);
            collect(&j.right, region);
            let pairs = j.on.iter().map(|(l, r)| l.clone().eq(r.clone()));
            region.conjuncts.extend(pairs);
            region.conjuncts.extend(j.filter.iter().flat_map(split_conjunction).cloned());
        }
        // Projections between joins only drop columns; the region's top projection does it again.
        LogicalPlan::Projection(p)
            if p.expr.iter().all(|e| matches!(e, Expr::Column(_))) && is_inner_join(&p.input) =>
        {
            collect(&p.input, region);
        }
        LogicalPlan::Filter(f) if is_inner_join(&f.input) && !has_subquery(&f.predicate) => {
            collect(&f.input, region);
            region.conjuncts.extend(split_conjunction(&f.predicate).into_iter().cloned());
        }
        other => region.relations.push(other),
    }
}

pub(super) fn is_inner_join(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(j) => j.join_type == JoinType::Inner && j.null_equality == NullEquality::NullEqualsNothing,
        LogicalPlan::Projection(p) => p.expr.iter().all(|e| matches!(e, Expr::Column(_))) && is_inner_join(&p.input),
        _ => false,
    }
}

/// Relations (by number) whose columns the expression reads.
pub(super) fn reads(expr: &Expr, relations: &[&LogicalPlan]) -> BTreeSet<usize> {
    let columns = expr.column_refs();
    (0..relations.len()).filter(|i| columns.iter().any(|c| relations[*i].schema().has_column(c))).collect()
}

pub(super) fn is_equality(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryExpr(BinaryExpr { op: Operator::Eq, .. }))
}

fn inner_join(left: LogicalPlan, right: LogicalPlan, condition: Option<Expr>) -> Result<Join> {
    Ok(Join::try_new(
        Arc::new(left),
        Arc::new(right),
        vec![],
        condition,
        JoinType::Inner,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?)
}

/// Relations joined so far and the part they became.
struct Group {
    members: BTreeSet<usize>,
    part: Part,
}

/// What has not been joined or applied yet.
struct Joining<'r> {
    groups: Vec<Option<Group>>,
    relations: &'r [&'r LogicalPlan],
    conjuncts: Vec<Expr>,
}

impl Cutter<'_> {
    pub(super) fn cut_region(&mut self, plan: &LogicalPlan) -> Result<Part> {
        let mut region = Region { relations: Vec::new(), conjuncts: Vec::new() };
        collect(plan, &mut region);
        let Region { relations, mut conjuncts } = region;
        let mut groups = Vec::new();
        for (i, relation) in relations.iter().enumerate() {
            groups.push(Group { members: BTreeSet::from([i]), part: self.cut(relation)? });
        }
        self.join_at_sources(&mut groups, &relations, &mut conjuncts)?;
        let part = self.join_here(groups, &relations, conjuncts)?;
        self.restore_columns(plan, part)
    }

    /// Joins two groups of one source whenever an equality connects them and the source takes the join.
    fn join_at_sources(
        &mut self,
        groups: &mut Vec<Group>,
        relations: &[&LogicalPlan],
        conjuncts: &mut Vec<Expr>,
    ) -> Result<()> {
        let mut refused: BTreeSet<(usize, usize)> = BTreeSet::new();
        while let Some((a, b)) = connected_pair(groups, relations, conjuncts, &refused) {
            let members: BTreeSet<usize> = groups[a].members.union(&groups[b].members).copied().collect();
            let inside = |e: &Expr| reads(e, relations).is_subset(&members) && !reads(e, relations).is_empty();
            let (Part::Remote(left), Part::Remote(right)) = (&groups[a].part, &groups[b].part) else { break };
            let emitter = self.emitter(&left.source)?;
            // A conjunct the source does not take is applied above the join.
            let mut taken: Vec<Expr> = Vec::new();
            let mut joined = None;
            let mut why = String::new();
            for conjunct in conjuncts.iter().filter(|c| inside(c)).cloned().chain([Expr::Literal(true.into(), None)]) {
                let last = matches!(conjunct, Expr::Literal(..));
                let attempt: Vec<Expr> =
                    if last { taken.clone() } else { taken.iter().cloned().chain([conjunct.clone()]).collect() };
                let join = inner_join(left.plan.clone(), right.plan.clone(), conjunction(attempt))?;
                match emitter.join(left.block.clone(), right.block.clone(), &join, &Scopes::default()) {
                    Ok(block) => {
                        joined = Some((block, join));
                        if !last {
                            taken.push(conjunct);
                        }
                    }
                    Err(Refusal(reason)) => why = reason,
                }
            }
            let source = left.source.clone();
            match joined {
                Some((block, join)) if taken.iter().any(is_equality) => {
                    conjuncts.retain(|c| !taken.contains(c));
                    let plan = LogicalPlan::Join(join);
                    groups[a] =
                        Group { members, part: Part::Remote(Box::new(Remote { source, block, plan, moved: false })) };
                    groups.remove(b);
                    refused.clear();
                }
                _ => {
                    let node = LogicalPlan::Join(inner_join(left.plan.clone(), right.plan.clone(), None)?);
                    self.refuse(&source, &node, &why);
                    refused.insert((a, b));
                }
            }
        }
        Ok(())
    }

    /// Joins what is left, at sites or here.
    fn join_here(&mut self, mut groups: Vec<Group>, relations: &[&LogicalPlan], conjuncts: Vec<Expr>) -> Result<Part> {
        if groups.len() == 1 && conjuncts.is_empty() {
            return Ok(groups.remove(0).part);
        }
        let order = {
            let reading = |condition| {
                let reads = reads(condition, relations);
                let groups = groups.iter().enumerate().filter(|(_, g)| !reads.is_disjoint(&g.members));
                Reading { condition, groups: groups.map(|(i, _)| i).collect() }
            };
            let readings: Vec<Reading<'_>> = conjuncts.iter().map(reading).collect();
            let parts: Vec<&Part> = groups.iter().map(|g| &g.part).collect();
            self.order(&parts, &readings)
        };
        let mut joining = Joining { groups: groups.into_iter().map(Some).collect(), relations, conjuncts };
        let joined = self.join_in_order(&order, &mut joining)?;
        match conjunction(joining.conjuncts) {
            None => Ok(joined.part),
            Some(rest) => {
                let filter = Filter::try_new(rest, Arc::new(joined.part.plan().clone()))?;
                self.filter(&LogicalPlan::Filter(filter.clone()), &filter, joined.part)
            }
        }
    }

    /// Every conjunct is applied at the first join that has all it reads.
    fn join_in_order(&mut self, order: &Order, joining: &mut Joining<'_>) -> Result<Group> {
        match order {
            Order::Group(number) => {
                let group = joining.groups[*number].take();
                group.ok_or_else(|| Error::internal("a group of relations is joined twice"))
            }
            Order::Join(inputs, at) => {
                let (left, right) =
                    (self.join_in_order(&inputs[0], joining)?, self.join_in_order(&inputs[1], joining)?);
                let members: BTreeSet<usize> = left.members.union(&right.members).copied().collect();
                let is_ready = |c: &Expr| reads(c, joining.relations).is_subset(&members);
                let (ready, rest): (Vec<Expr>, _) =
                    std::mem::take(&mut joining.conjuncts).into_iter().partition(is_ready);
                joining.conjuncts = rest;
                Ok(Group { members, part: self.join_at(at, left.part, right.part, conjunction(ready))? })
            }
        }
    }

    fn join_at(&mut self, at: &At, left: Part, right: Part, condition: Option<Expr>) -> Result<Part> {
        let join = inner_join(left.plan().clone(), right.plan().clone(), condition.clone())?;
        let mut parts = vec![left, right];
        let site = match at {
            At::Home => None,
            At::Site(site) => Some(site.clone()),
            At::Soonest => self.site_for(&LogicalPlan::Join(join), &parts),
        };
        if let Some(site) = site {
            parts = self.moved_all(parts, &site)?;
        }
        let (left, right) = (parts[0].plan().clone(), parts[1].plan().clone());
        let join = LogicalPlan::Join(inner_join(left, right, condition.clone())?);
        if let Some(remotes) = same_source(&parts)
            && remotes[0].source.id.is_compute()
        {
            let (source, blocks) = (remotes[0].source.clone(), remotes.iter().map(|r| r.block.clone()).collect());
            match self.merge(&join, self.emitter(&source)?, blocks) {
                Ok(block) => return Ok(Part::Remote(Box::new(Remote { source, block, plan: join, moved: false }))),
                Err(Refusal(why)) => self.refuse(&source, &join, &why),
            }
        }
        let mut inputs = parts.into_iter().map(|part| self.localise(part)).collect::<Result<Vec<_>>>()?.into_iter();
        match (inputs.next(), inputs.next()) {
            (Some(left), Some(right)) => Ok(Part::Local(LogicalPlan::Join(inner_join(left, right, condition)?))),
            _ => Err(Error::internal("a join of fewer than two")),
        }
    }

    /// The columns of the region in the order the plan above expects.
    fn restore_columns(&mut self, plan: &LogicalPlan, part: Part) -> Result<Part> {
        let columns: Vec<Expr> = plan.schema().iter().map(|(q, f)| Expr::Column(Column::from((q, f)))).collect();
        match part {
            Part::Local(input) => {
                Ok(Part::Local(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(input))?)))
            }
            Part::Remote(remote) => {
                let projection = Projection::try_new(columns, Arc::new(remote.plan.clone()))?;
                let node = LogicalPlan::Projection(projection);
                self.combine(&node, vec![Part::Remote(remote)])
            }
        }
    }
}

fn connected_pair(
    groups: &[Group],
    relations: &[&LogicalPlan],
    conjuncts: &[Expr],
    refused: &BTreeSet<(usize, usize)>,
) -> Option<(usize, usize)> {
    for a in 0..groups.len() {
        for b in a + 1..groups.len() {
            let (Part::Remote(left), Part::Remote(right)) = (&groups[a].part, &groups[b].part) else { continue };
            if left.source.id != right.source.id || refused.contains(&(a, b)) {
                continue;
            }
            let both: BTreeSet<usize> = groups[a].members.union(&groups[b].members).copied().collect();
            let connects = |e: &Expr| {
                let r = reads(e, relations);
                is_equality(e)
                    && r.is_subset(&both)
                    && !r.is_disjoint(&groups[a].members)
                    && !r.is_disjoint(&groups[b].members)
            };
            if conjuncts.iter().any(connects) {
                return Some((a, b));
            }
        }
    }
    None
}
