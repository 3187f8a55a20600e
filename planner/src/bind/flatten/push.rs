//! The general way: a subquery is evaluated for all distinct outer values at once.
//!
//! The *domain* is the set of distinct values of the outer columns. `push` rewrites a plan that mentions them into one that
//! has them as columns: its rows are the subquery's rows for each member of the domain.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, JoinConstraint, NullEquality};
use datafusion_expr::expr::{Alias, GroupingSet, WindowFunction};
use datafusion_expr::utils::conjunction;
use datafusion_expr::{
    Aggregate, Distinct, Expr, FetchType, Join, JoinType, Limit, LogicalPlan, SkipType, Sort, Union, Unnest, Window,
    lit,
};
use datafusion_functions_window::row_number::row_number_udwf;

use super::super::binder::Binder;
use super::super::node::{self, filter, project};
use super::super::window::{add_windows, ranking};
use super::attach::{default_values, when};
use super::pull_up::mentions_outside;
use crate::error::{Error, Result};

/// The distinct values of some columns of the outer plan.
#[derive(Debug)]
pub(super) struct Domain {
    plan: LogicalPlan,
    pub columns: Vec<Column>,
}

impl Domain {
    pub fn new(outer: &LogicalPlan, columns: Vec<Column>) -> Result<Self> {
        if node::is_volatile(outer)? {
            return Err(Error::unsupported("a correlated subquery over a volatile query"));
        }
        let plan = project(outer.clone(), columns.iter().map(node::column).collect())?;
        Ok(Self { plan: LogicalPlan::Distinct(Distinct::All(Arc::new(plan))), columns })
    }
}

/// A plan that has the domain's columns, under names of its own, in the domain's order.
#[derive(Debug)]
pub(super) struct Pushed {
    pub plan: LogicalPlan,
    pub domain: Vec<Column>,
}

impl Binder<'_> {
    pub(super) fn push(&mut self, plan: &LogicalPlan, domain: &Domain) -> Result<Pushed> {
        self.nested(|b| b.push_node(plan, domain))
    }

    fn push_node(&mut self, plan: &LogicalPlan, domain: &Domain) -> Result<Pushed> {
        if !mentions(plan, domain)? {
            return self.cross_domain(plan, domain);
        }
        match plan {
            LogicalPlan::Filter(node) => {
                let input = self.push(&node.input, domain)?;
                let predicate = inside(node.predicate.clone(), domain, &input.domain)?;
                Ok(Pushed { plan: filter(input.plan, predicate)?, domain: input.domain })
            }
            LogicalPlan::Projection(node) => {
                let input = self.push(&node.input, domain)?;
                let mut exprs = Vec::with_capacity(node.expr.len() + input.domain.len());
                for expr in &node.expr {
                    exprs.push(renamed(expr, domain, &input.domain)?);
                }
                exprs.extend(input.domain.iter().map(node::column));
                Ok(Pushed { plan: project(input.plan, exprs)?, domain: input.domain })
            }
            LogicalPlan::Aggregate(node) => self.push_aggregate(node, domain),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.push(input, domain)?;
                let plan = LogicalPlan::Distinct(Distinct::All(Arc::new(input.plan)));
                Ok(Pushed { plan, domain: input.domain })
            }
            LogicalPlan::Sort(node) => {
                let input = self.push(&node.input, domain)?;
                let expr = sort_inside(&node.expr, domain, &input.domain)?;
                let plan = LogicalPlan::Sort(Sort { expr, input: Arc::new(input.plan), fetch: node.fetch });
                Ok(Pushed { plan, domain: input.domain })
            }
            LogicalPlan::Limit(node) => self.push_limit(node, domain),
            LogicalPlan::Window(node) => self.push_window(node, domain),
            LogicalPlan::Join(node) => match node.right.as_ref() {
                LogicalPlan::Subquery(_) => self.push_lateral(node, domain),
                _ => self.push_join(node, domain),
            },
            LogicalPlan::Union(node) => self.push_union(node, domain),
            LogicalPlan::Unnest(node) => {
                let input = self.push(&node.input, domain)?;
                let unnest = Unnest::try_new(Arc::new(input.plan), node.exec_columns.clone(), node.options.clone())?;
                Ok(Pushed { plan: LogicalPlan::Unnest(unnest), domain: input.domain })
            }
            other => Err(Error::unsupported(format!("a correlated subquery with {}", kind(other)))),
        }
    }

    /// A copy of the domain under new names.
    fn instance(&mut self, domain: &Domain) -> Result<Pushed> {
        let names: Vec<_> = domain.columns.iter().map(|_| self.fresh_column()).collect();
        let exprs = domain.columns.iter().zip(&names).map(|(c, name)| node::named(node::column(c), name)).collect();
        Ok(Pushed { plan: project(domain.plan.clone(), exprs)?, domain: names })
    }

    /// A plan that does not depend on the domain has the same rows for each member.
    fn cross_domain(&mut self, plan: &LogicalPlan, domain: &Domain) -> Result<Pushed> {
        let members = self.instance(domain)?;
        if let LogicalPlan::EmptyRelation(empty) = plan
            && empty.produce_one_row
            && empty.schema.fields().is_empty()
        {
            return Ok(members);
        }
        let plan = super::super::join::join(plan.clone(), members.plan, JoinType::Inner, None)?;
        Ok(Pushed { plan, domain: members.domain })
    }

    fn push_aggregate(&mut self, node: &Aggregate, domain: &Domain) -> Result<Pushed> {
        if node.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(GroupingSet::GroupingSets(_)))) {
            return Err(Error::unsupported("grouping sets in a correlated subquery"));
        }
        let input = self.push(&node.input, domain)?;
        let mut group = Vec::with_capacity(node.group_expr.len() + input.domain.len());
        for expr in &node.group_expr {
            group.push(renamed(expr, domain, &input.domain)?);
        }
        group.extend(input.domain.iter().map(node::column));
        let mut calls = Vec::with_capacity(node.aggr_expr.len());
        for expr in &node.aggr_expr {
            calls.push(renamed(expr, domain, &input.domain)?);
        }
        let groups = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input.plan), group, calls)?);
        if !node.group_expr.is_empty() {
            return Ok(Pushed { plan: groups, domain: input.domain });
        }
        // Without GROUP BY there is a row for each member, even one without rows.
        let defaults = default_values(node)?;
        let members = self.instance(domain)?;
        let found = self.fresh_column();
        let mut exprs = node::all_columns(&groups);
        exprs.push(node::named(lit(true), &found));
        let groups = project(groups, exprs)?;
        let joined = null_safe_join(members.plan, groups, &members.domain, &input.domain, JoinType::Left, None)?;
        let mut exprs = Vec::with_capacity(defaults.len() + members.domain.len());
        for (column, default) in node.schema.columns().into_iter().zip(defaults) {
            let own = Expr::Column(column.clone());
            exprs.push(match default {
                value if value.is_null() => own,
                value => {
                    when(node::column(&found).is_null(), lit(value), own).alias_qualified(column.relation, column.name)
                }
            });
        }
        exprs.extend(members.domain.iter().map(node::column));
        Ok(Pushed { plan: project(joined, exprs)?, domain: members.domain })
    }

    /// LIMIT counts the rows of each member.
    fn push_limit(&mut self, node: &Limit, domain: &Domain) -> Result<Pushed> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (node.get_skip_type()?, node.get_fetch_type()?)
        else {
            return Err(Error::unsupported("a LIMIT that is not a constant in a correlated subquery"));
        };
        let input = self.push(&node.input, domain)?;
        let order = match node.input.as_ref() {
            LogicalPlan::Sort(sort) => sort_inside(&sort.expr, domain, &input.domain)?,
            _ => Vec::new(),
        };
        let visible = node::all_columns(&input.plan);
        let row = self.fresh_column();
        let members = input.domain.iter().map(node::column).collect();
        let number = ranking(row_number_udwf(), members, order);
        let plan = add_windows(input.plan, vec![node::named(number, &row)])?;
        let mut kept = vec![node::column(&row).gt(lit(skip as u64))];
        if let Some(fetch) = fetch {
            kept.push(node::column(&row).lt_eq(lit(skip.saturating_add(fetch) as u64)));
        }
        let plan = filter(plan, conjunction(kept).unwrap_or_else(|| lit(true)))?;
        Ok(Pushed { plan: project(plan, visible)?, domain: input.domain })
    }

    /// Windows never span members.
    fn push_window(&mut self, node: &Window, domain: &Domain) -> Result<Pushed> {
        let input = self.push(&node.input, domain)?;
        let mut calls = Vec::with_capacity(node.window_expr.len());
        for expr in &node.window_expr {
            let Expr::Alias(Alias { expr, relation, name, .. }) = renamed(expr, domain, &input.domain)? else {
                return Err(Error::internal("a window call without a name"));
            };
            let Expr::WindowFunction(call) = *expr else {
                return Err(Error::internal("not a window call"));
            };
            let WindowFunction { fun, mut params } = *call;
            params.partition_by.extend(input.domain.iter().map(node::column));
            calls.push(Expr::from(WindowFunction { fun, params }).alias_qualified(relation, name));
        }
        let plan = LogicalPlan::Window(Window::try_new(calls, Arc::new(input.plan))?);
        self.reordered(plan, &node.schema.columns(), input.domain)
    }

    /// Own columns first, the domain's last.
    fn reordered(&mut self, plan: LogicalPlan, own: &[Column], domain: Vec<Column>) -> Result<Pushed> {
        let exprs = own.iter().chain(&domain).map(node::column).collect();
        Ok(Pushed { plan: project(plan, exprs)?, domain })
    }

    fn push_join(&mut self, node: &Join, domain: &Domain) -> Result<Pushed> {
        let left = mentions(&node.left, domain)?;
        let right = mentions(&node.right, domain)?;
        let condition = node.filter.iter().any(mentions_outside)
            || node.on.iter().any(|(l, r)| mentions_outside(l) || mentions_outside(r));
        // A side whose rows are kept without a match must know whose rows they are.
        let (to_left, to_right) = match node.join_type {
            JoinType::Inner => (left || (condition && !right), right),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (true, right),
            JoinType::Right => (left, true),
            other => return Err(Error::unsupported(format!("a {other} join in a correlated subquery"))),
        };
        let (l, r) = match (to_left, to_right) {
            (true, true) => (Some(self.push(&node.left, domain)?), Some(self.push(&node.right, domain)?)),
            (true, false) => (Some(self.push(&node.left, domain)?), None),
            _ => (None, Some(self.push(&node.right, domain)?)),
        };
        let members = match (&l, &r, node.join_type) {
            (_, Some(r), JoinType::Right) => r.domain.clone(),
            (Some(l), ..) => l.domain.clone(),
            (None, Some(r), _) => r.domain.clone(),
            (None, None, _) => return Err(Error::internal("a join without a domain")),
        };
        let mut on = Vec::with_capacity(node.on.len());
        for (a, b) in &node.on {
            on.push((inside(a.clone(), domain, &members)?, inside(b.clone(), domain, &members)?));
        }
        let filter = node.filter.clone().map(|f| inside(f, domain, &members)).transpose()?;
        let plain = |plan: Option<&Pushed>, side: &Arc<LogicalPlan>| {
            plan.map_or_else(|| side.as_ref().clone(), |p| p.plan.clone())
        };
        let (left_plan, right_plan) = (plain(l.as_ref(), &node.left), plain(r.as_ref(), &node.right));
        let plan = match (&l, &r) {
            (Some(l), Some(r)) => {
                if node.null_aware {
                    return Err(Error::internal("a null-aware join before flattening"));
                }
                // Members are compared as they are, NULL with NULL; what compared otherwise becomes a condition.
                let mut all = Vec::new();
                if node.null_equality == NullEquality::NullEqualsNothing {
                    all.extend(on.drain(..).map(|(a, b)| a.eq(b)));
                }
                all.extend(filter);
                on.extend(l.domain.iter().zip(&r.domain).map(|(a, b)| (node::column(a), node::column(b))));
                join_on(left_plan, right_plan, on, conjunction(all), node.join_type, NullEquality::NullEqualsNull)?
            }
            _ => join_on(left_plan, right_plan, on, filter, node.join_type, node.null_equality)?,
        };
        self.reordered(plan, &node.schema.columns(), members)
    }

    /// A lateral join inside: its right side may mention the left side and, through it, the domain.
    fn push_lateral(&mut self, node: &Join, domain: &Domain) -> Result<Pushed> {
        let left = self.push(&node.left, domain)?;
        let LogicalPlan::Subquery(subquery) = node.right.as_ref() else {
            return Err(Error::internal("not a lateral join"));
        };
        let right = rename_outer(&subquery.subquery, domain, &left.domain)?;
        let filter = node.filter.clone().map(|f| inside(f, domain, &left.domain)).transpose()?;
        let plan = super::super::from::apply(left.plan, right, node.join_type, filter)?;
        self.reordered(plan, &node.schema.columns(), left.domain)
    }

    fn push_union(&mut self, node: &Union, domain: &Domain) -> Result<Pushed> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        let members: Vec<_> = domain.columns.iter().map(|_| self.fresh_column()).collect();
        for input in &node.inputs {
            let pushed = self.push(input, domain)?;
            let own = input.schema().columns();
            let mut exprs: Vec<_> = own.iter().map(node::column).collect();
            exprs.extend(pushed.domain.iter().zip(&members).map(|(c, name)| node::named(node::column(c), name)));
            inputs.push(Arc::new(project(pushed.plan, exprs)?));
        }
        Ok(Pushed { plan: LogicalPlan::Union(Union::try_new(inputs)?), domain: members })
    }
}

/// Joins on members of a domain: NULL is a member like any other.
pub(super) fn null_safe_join(
    left: LogicalPlan,
    right: LogicalPlan,
    left_members: &[Column],
    right_members: &[Column],
    join_type: JoinType,
    filter: Option<Expr>,
) -> Result<LogicalPlan> {
    let on = left_members.iter().zip(right_members).map(|(l, r)| (node::column(l), node::column(r))).collect();
    join_on(left, right, on, filter, join_type, NullEquality::NullEqualsNull)
}

fn join_on(
    left: LogicalPlan,
    right: LogicalPlan,
    on: Vec<(Expr, Expr)>,
    filter: Option<Expr>,
    join_type: JoinType,
    null_equality: NullEquality,
) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Join(Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        filter,
        join_type,
        JoinConstraint::On,
        null_equality,
        false,
    )?))
}

fn mentions(plan: &LogicalPlan, domain: &Domain) -> Result<bool> {
    Ok(node::outer_columns(plan)?.iter().any(|c| domain.columns.contains(c)))
}

/// An expression of the subquery where the domain's columns are at hand.
fn inside(expr: Expr, domain: &Domain, members: &[Column]) -> Result<Expr> {
    let member = |column: &Column| domain.columns.iter().position(|c| c == column).map(|i| members[i].clone());
    Ok(expr
        .transform_down(|e| match &e {
            Expr::OuterReferenceColumn(_, column) => Ok(match member(column) {
                Some(own) => Transformed::new(Expr::Column(own), true, TreeNodeRecursion::Jump),
                None => Transformed::no(e),
            }),
            _ => node::map_outer_columns(e, &mut |column, field| {
                Ok(member(column).map(|own| {
                    let field = field.as_ref().clone().with_name(&own.name);
                    Expr::OuterReferenceColumn(field.into(), own)
                }))
            }),
        })?
        .data)
}

/// The same for an output expression, which keeps its name.
fn renamed(expr: &Expr, domain: &Domain, members: &[Column]) -> Result<Expr> {
    let (relation, name) = expr.qualified_name();
    let new = inside(expr.clone(), domain, members)?;
    Ok(if new.qualified_name() == (relation.clone(), name.clone()) { new } else { new.alias_qualified(relation, name) })
}

fn sort_inside(
    sort: &[datafusion_expr::expr::Sort],
    domain: &Domain,
    members: &[Column],
) -> Result<Vec<datafusion_expr::expr::Sort>> {
    sort.iter()
        .map(|s| Ok(datafusion_expr::expr::Sort { expr: inside(s.expr.clone(), domain, members)?, ..s.clone() }))
        .collect()
}

/// A whole plan whose references to the outer query become references to the columns that stand for them.
fn rename_outer(plan: &LogicalPlan, domain: &Domain, members: &[Column]) -> Result<LogicalPlan> {
    let member = |column: &Column| domain.columns.iter().position(|c| c == column).map(|i| members[i].clone());
    Ok(plan
        .clone()
        .transform_down_with_subqueries(|node| {
            node.map_expressions(|e| {
                e.transform_down(|e| {
                    if let Expr::OuterReferenceColumn(field, column) = &e
                        && let Some(own) = member(column)
                    {
                        let field = field.as_ref().clone().with_name(&own.name);
                        return Ok(Transformed::yes(Expr::OuterReferenceColumn(field.into(), own)));
                    }
                    Ok(Transformed::no(e))
                })
            })
        })?
        .data)
}

/// How a message calls a node.
fn kind(plan: &LogicalPlan) -> &'static str {
    match plan {
        LogicalPlan::RecursiveQuery(_) => "a recursive query",
        LogicalPlan::Values(_) => "VALUES",
        _ => "this operation",
    }
}
