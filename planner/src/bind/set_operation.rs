//! UNION, INTERSECT, EXCEPT, with and without ALL (`transformSetOperationTree`).

use std::sync::Arc;

use datafusion_common::{JoinConstraint, NullEquality};
use datafusion_expr::{Expr, Join, JoinType, LogicalPlan, Union};
use datafusion_functions_window::row_number::row_number_udwf;
use sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier};

use super::binder::{Binder, syntax};
use super::keys;
use super::node;
use super::query::Body;
use super::scope::{Scope, ScopeColumn};
use super::window::{add_windows, ranking};
use crate::error::Result;
use crate::pgsem::Typed;

impl Binder<'_> {
    /// A tree of set operations. Long chains lean to the left and are walked without recursion.
    pub(super) fn bind_set_operation(&mut self, tree: &SetExpr, outer: Option<&Scope<'_>>) -> Result<Body> {
        let mut chain = Vec::new();
        let mut leftmost = tree;
        while let SetExpr::SetOperation { op, set_quantifier, left, right } = leftmost {
            chain.push((*op, is_all(*op, *set_quantifier)?, right.as_ref()));
            leftmost = left;
        }
        let mut body = self.bind_set_expr(leftmost, outer)?;
        // A chain of UNION ALL is one node with many inputs.
        let mut inputs: Vec<Arc<LogicalPlan>> = Vec::new();
        for (op, all, right) in chain.into_iter().rev() {
            let right = self.nested(|b| b.bind_set_expr(right, outer))?;
            body = self.combine(op, all, body, right, &mut inputs)?;
        }
        Ok(body)
    }

    fn combine(
        &mut self,
        op: SetOperator,
        all: bool,
        left: Body,
        right: Body,
        inputs: &mut Vec<Arc<LogicalPlan>>,
    ) -> Result<Body> {
        let name = name_of(op);
        if left.columns.len() != right.columns.len() {
            return Err(syntax(format!("each {name} query must have the same number of columns")));
        }
        let unchanged = left.columns.clone();
        let (left, right) = self.unify_sides(left, right, name)?;
        // The union so far can take another input if its columns stayed what they are.
        let flat = op == SetOperator::Union
            && all
            && !inputs.is_empty()
            && left.columns.iter().zip(&unchanged).all(|(l, u)| l.typed == u.typed);
        let (right_plan, right_columns) = self.materialize(right)?;
        if op == SetOperator::Union {
            if !flat {
                // A union's columns are called as its first input's, without a relation: they need names of their own.
                let (left_plan, left_columns) = self.materialize(left)?;
                let (left_plan, left_columns) = self.renamed(left_plan, left_columns)?;
                *inputs = vec![Arc::new(left_plan)];
                let body = self.union(inputs, right_plan, left_columns)?;
                return self.union_rows(body, all, inputs);
            }
            let columns = left.columns;
            return self.union(inputs, right_plan, columns);
        }
        inputs.clear();
        let (left_plan, left_columns) = self.materialize(left)?;
        self.semi(op, all, (left_plan, left_columns), (right_plan, right_columns))
    }

    fn union(
        &mut self,
        inputs: &mut Vec<Arc<LogicalPlan>>,
        next: LogicalPlan,
        columns: Vec<ScopeColumn>,
    ) -> Result<Body> {
        inputs.push(Arc::new(next));
        let plan = LogicalPlan::Union(Union::try_new(inputs.clone())?);
        let columns = columns
            .into_iter()
            .zip(plan.schema().columns())
            .map(|(c, name)| {
                let typed = Typed::with_repr(Expr::Column(name), c.typed.ty, c.typed.repr);
                ScopeColumn::computed(c.name, typed)
            })
            .collect();
        Ok(Body { plan, columns })
    }

    fn union_rows(&mut self, body: Body, all: bool, inputs: &mut Vec<Arc<LogicalPlan>>) -> Result<Body> {
        if all {
            return Ok(body);
        }
        inputs.clear();
        let (plan, columns) = self.distinct_rows(body.plan, body.columns)?;
        Ok(Body { plan, columns })
    }

    /// Gives both sides' columns their common types.
    fn unify_sides(&mut self, mut left: Body, mut right: Body, what: &str) -> Result<(Body, Body)> {
        for (l, r) in left.columns.iter_mut().zip(&mut right.columns) {
            let mut pair = self.unify(vec![l.typed.clone(), r.typed.clone()], what)?;
            (r.typed, l.typed) = (pair.swap_remove(1), pair.swap_remove(0));
        }
        Ok((left, right))
    }

    /// INTERSECT and EXCEPT: rows of the left side that have, or have not, an equal one on the right. With ALL the n-th of
    /// several equal rows needs an n-th on the right.
    fn semi(
        &mut self,
        op: SetOperator,
        all: bool,
        left: (LogicalPlan, Vec<ScopeColumn>),
        right: (LogicalPlan, Vec<ScopeColumn>),
    ) -> Result<Body> {
        let ((mut left, mut columns), (mut right, right_columns)) = (left, right);
        for column in &columns {
            keys::check_equality(column.typed.ty)?;
        }
        let mut left_keys = keys_of(&columns)?;
        let mut right_keys = keys_of(&right_columns)?;
        if all {
            left = self.number_doubles(left, &mut left_keys)?;
            right = self.number_doubles(right, &mut right_keys)?;
        } else {
            (left, columns) = self.distinct_rows(left, columns)?;
            left_keys = keys_of(&columns)?;
        }
        let join_type = if op == SetOperator::Intersect { JoinType::LeftSemi } else { JoinType::LeftAnti };
        let plan = LogicalPlan::Join(Join::try_new(
            Arc::new(left),
            Arc::new(right),
            left_keys.into_iter().zip(right_keys).collect(),
            None,
            join_type,
            JoinConstraint::On,
            NullEquality::NullEqualsNull,
            false,
        )?);
        let columns = columns.into_iter().map(|c| ScopeColumn::computed(c.name, c.typed)).collect();
        Ok(Body { plan, columns })
    }

    fn number_doubles(&mut self, plan: LogicalPlan, keys: &mut Vec<Expr>) -> Result<LogicalPlan> {
        let number = self.fresh_column();
        let call = ranking(row_number_udwf(), keys.clone(), Vec::new());
        keys.push(node::column(&number));
        add_windows(plan, vec![node::named(call, &number)])
    }
}

fn keys_of(columns: &[ScopeColumn]) -> Result<Vec<Expr>> {
    columns.iter().map(|c| keys::key(&c.typed)).collect()
}

fn is_all(op: SetOperator, quantifier: SetQuantifier) -> Result<bool> {
    match quantifier {
        SetQuantifier::All => Ok(true),
        SetQuantifier::None | SetQuantifier::Distinct => Ok(false),
        _ => Err(syntax(format!("syntax error: this form of {} is not PostgreSQL's", name_of(op)))),
    }
}

fn name_of(op: SetOperator) -> &'static str {
    match op {
        SetOperator::Union => "UNION",
        SetOperator::Intersect => "INTERSECT",
        SetOperator::Except | ast::SetOperator::Minus => "EXCEPT",
    }
}
