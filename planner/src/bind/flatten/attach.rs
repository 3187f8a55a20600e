//! Puts a subquery beside the plan whose expressions hold it, and says what takes its place in them.

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::expr::Case;
use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::utils::conjunction;
use datafusion_expr::{Aggregate, Distinct, Expr, ExprSchemable, FetchType, JoinType, LogicalPlan, SkipType, lit};

use super::super::binder::Binder;
use super::super::join::join;
use super::super::node::{self, filter, project};
use super::pull_up::{Use, pull_up};
use super::push::{Domain, null_safe_join};
use super::{needs_join, outer_columns_of, seen_from_outside};
use crate::error::{Error, Result};

impl Binder<'_> {
    /// Keeps the rows of `plan` for which a condition with subqueries is true.
    pub(super) fn attach_condition(&mut self, plan: LogicalPlan, condition: Expr) -> Result<LogicalPlan> {
        let (condition, negated) = match condition {
            Expr::Not(inner) => (*inner, true),
            other => (other, false),
        };
        match condition {
            Expr::Exists(exists) => {
                let kind = if exists.negated == negated { JoinType::LeftSemi } else { JoinType::LeftAnti };
                self.existence(plan, &exists.subquery.subquery, Vec::new(), kind)
            }
            Expr::InSubquery(mut membership) => {
                membership.negated ^= negated;
                self.membership_condition(plan, membership)
            }
            Expr::SetComparison(comparison) if !negated => self.comparison_condition(plan, comparison),
            other => {
                let whole = if negated { Expr::Not(Box::new(other)) } else { other };
                let (plan, value) = self.attach_values(plan, whole)?;
                filter(plan, value)
            }
        }
    }

    /// Replaces the subqueries of an expression by values. The plan gets wider, not longer.
    pub(super) fn attach_values(&mut self, plan: LogicalPlan, expr: Expr) -> Result<(LogicalPlan, Expr)> {
        let (mut plan, mut expr) = (plan, expr);
        while let Some(subquery) = first_to_join(&expr, &plan)? {
            let (wider, value) = match &subquery {
                Expr::ScalarSubquery(s) => self.scalar_value(plan, s)?,
                Expr::Exists(e) => {
                    let (plan, mark) = self.mark(plan, &e.subquery.subquery, Vec::new())?;
                    (plan, if e.negated { Expr::Not(Box::new(mark)) } else { mark })
                }
                Expr::InSubquery(i) => self.membership_value(plan, i.clone())?,
                Expr::SetComparison(c) => self.comparison_value(plan, c.clone())?,
                _ => return Err(Error::internal("not a subquery")),
            };
            plan = wider;
            expr = expr
                .transform_down(|e| {
                    Ok(if e == subquery {
                        Transformed::new(value.clone(), true, TreeNodeRecursion::Jump)
                    } else {
                        Transformed::no(e)
                    })
                })?
                .data;
        }
        Ok((plan, expr))
    }

    /// A semi or anti join with a subquery. `conditions` are over the columns of both.
    pub(super) fn existence(
        &mut self,
        plan: LogicalPlan,
        subquery: &LogicalPlan,
        conditions: Vec<Expr>,
        kind: JoinType,
    ) -> Result<LogicalPlan> {
        let stripped = if conditions.is_empty() { without_output(subquery) } else { subquery };
        let outer = outer_columns_of(stripped, plan.schema())?;
        if let Ok(Some(pulled)) = pull_up(stripped, Use::Existence) {
            let mut all = Vec::with_capacity(pulled.conditions.len() + conditions.len());
            for condition in pulled.conditions {
                all.push(seen_from_outside(condition, plan.schema())?);
            }
            all.extend(conditions);
            let right = if all.is_empty() { self.any_row(pulled.plan)? } else { pulled.plan };
            return join(plan, right, kind, conjunction(all));
        }
        let domain = Domain::new(&plan, outer)?;
        let pushed = self.push(subquery, &domain)?;
        null_safe_join(plan, pushed.plan, &domain.columns, &pushed.domain, kind, conjunction(conditions))
    }

    /// Whether a subquery has a row that meets the conditions, as a column.
    pub(super) fn mark(
        &mut self,
        plan: LogicalPlan,
        subquery: &LogicalPlan,
        conditions: Vec<Expr>,
    ) -> Result<(LogicalPlan, Expr)> {
        let mut exprs = node::all_columns(&plan);
        let marked = self.existence(plan, subquery, conditions, JoinType::LeftMark)?;
        let Some(mark) = marked.schema().columns().pop() else {
            return Err(Error::internal("a mark join without a mark"));
        };
        let name = self.fresh_column();
        exprs.push(node::named(Expr::Column(mark), &name));
        Ok((project(marked, exprs)?, Expr::Column(name)))
    }

    /// One constant row if the plan has any.
    fn any_row(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let name = self.fresh_column();
        let plan = project(plan, vec![node::named(lit(true), &name)])?;
        Ok(LogicalPlan::Limit(datafusion_expr::Limit {
            skip: None,
            fetch: Some(Box::new(lit(1i64))),
            input: plan.into(),
        }))
    }

    /// The value of a correlated scalar subquery for each row of `plan`.
    fn scalar_value(&mut self, plan: LogicalPlan, subquery: &Subquery) -> Result<(LogicalPlan, Expr)> {
        let query = subquery.subquery.as_ref();
        if let Some(derived) = self.derive(query)? {
            return derived.attach(plan);
        }
        let value = output_column(query)?;
        if let Some(pulled) = self.lookup(query)? {
            let mut on = Vec::with_capacity(pulled.conditions.len());
            for condition in pulled.conditions {
                on.push(seen_from_outside(condition, plan.schema())?);
            }
            return Ok((join(plan, pulled.plan, JoinType::Left, conjunction(on))?, Expr::Column(value)));
        }
        let domain = Domain::new(&plan, outer_columns_of(query, plan.schema())?)?;
        let pushed = self.push(query, &domain)?;
        let (right, value) = if self.is_single_row(query)? {
            (pushed.plan, value)
        } else {
            self.one_row_each(pushed.plan, &pushed.domain, &value)?
        };
        let plan = null_safe_join(plan, right, &domain.columns, &pushed.domain, JoinType::Left, None)?;
        Ok((plan, Expr::Column(value)))
    }
}

/// The outermost subquery of an expression that must become a join.
fn first_to_join(expr: &Expr, plan: &LogicalPlan) -> Result<Option<Expr>> {
    let mut found = None;
    expr.apply(|e| {
        if node::is_subquery(e) && needs_join(e, plan.schema()) {
            found = Some(e.clone());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// A subquery of which only the existence of rows matters, without what only shapes the rows.
fn without_output(plan: &LogicalPlan) -> &LogicalPlan {
    let mut plan = plan;
    loop {
        plan = match plan {
            LogicalPlan::Projection(node) => &node.input,
            LogicalPlan::Sort(node) => &node.input,
            LogicalPlan::Distinct(Distinct::All(input)) => input,
            LogicalPlan::Aggregate(node)
                if !node.group_expr.is_empty()
                    && node.group_expr.iter().all(|e| !matches!(e, Expr::GroupingSet(_))) =>
            {
                &node.input
            }
            LogicalPlan::Limit(node)
                if matches!(node.get_skip_type(), Ok(SkipType::Literal(0)))
                    && matches!(node.get_fetch_type(), Ok(FetchType::Literal(fetch)) if fetch != Some(0)) =>
            {
                &node.input
            }
            _ => return plan,
        }
    }
}

pub(super) fn output_column(plan: &LogicalPlan) -> Result<Column> {
    match plan.schema().columns().as_slice() {
        [column] => Ok(column.clone()),
        _ => Err(Error::internal("a scalar subquery has one column")),
    }
}

/// What the calls of an Aggregate node give for no rows at all.
pub(super) fn default_values(node: &Aggregate) -> Result<Vec<ScalarValue>> {
    node.aggr_expr
        .iter()
        .map(|expr| match expr.clone().unalias() {
            Expr::AggregateFunction(call) => {
                let ty = Expr::AggregateFunction(call.clone()).get_type(node.input.schema())?;
                Ok(call.func.default_value(&ty)?)
            }
            other => Err(Error::internal(format!("{other} is no aggregate"))),
        })
        .collect()
}

pub(super) fn when(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(condition), Box::new(then))],
        else_expr: Some(Box::new(otherwise)),
    })
}
