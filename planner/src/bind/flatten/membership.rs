//! `x IN (…)`, `x op ANY (…)`, `x op ALL (…)`: true, false, or NULL when only a NULL stands in the way.

use std::sync::Arc;

use datafusion_common::{JoinConstraint, NullEquality, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, Case, InSubquery, SetComparison, SetQuantifier};
use datafusion_expr::{Aggregate, BinaryExpr, Expr, Join, JoinType, LogicalPlan, lit};
use datafusion_functions_aggregate::count::count_udaf;

use super::super::binder::Binder;
use super::super::join::join;
use super::super::node;
use super::attach::output_column;
use super::outer_columns_of;
use crate::error::Result;

impl Binder<'_> {
    /// Rows for which `x [NOT] IN (…)` is true.
    pub(super) fn membership_condition(&mut self, plan: LogicalPlan, node: InSubquery) -> Result<LogicalPlan> {
        let InSubquery { expr, subquery, negated } = node;
        let (plan, value) = self.attach_values(plan, *expr)?;
        let query = subquery.subquery.as_ref();
        let member = Expr::Column(output_column(query)?);
        if !negated {
            return self.existence(plan, query, vec![value.eq(member)], JoinType::LeftSemi);
        }
        if !outer_columns_of(query, plan.schema())?.is_empty() {
            // True if every comparison is false.
            let may_be = Expr::IsNotFalse(Box::new(value.eq(member)));
            return self.existence(plan, query, vec![may_be], JoinType::LeftAnti);
        }
        Ok(LogicalPlan::Join(Join::try_new(
            Arc::new(plan),
            Arc::new(query.clone()),
            vec![(value, member)],
            None,
            JoinType::LeftAnti,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            true,
        )?))
    }

    pub(super) fn membership_value(&mut self, plan: LogicalPlan, node: InSubquery) -> Result<(LogicalPlan, Expr)> {
        let InSubquery { expr, subquery, negated } = node;
        let (plan, value) = self.attach_values(plan, *expr)?;
        let query = subquery.subquery.as_ref();
        let member = Expr::Column(output_column(query)?);
        let correlated = !outer_columns_of(query, plan.schema())?.is_empty();
        let (plan, found) = if correlated {
            self.any_value(plan, query, value.eq(member), true)?
        } else {
            self.member_value(plan, query, value, member)?
        };
        Ok((plan, if negated { Expr::Not(Box::new(found)) } else { found }))
    }

    /// Rows for which `x op ANY (…)` or `x op ALL (…)` is true.
    pub(super) fn comparison_condition(&mut self, plan: LogicalPlan, node: SetComparison) -> Result<LogicalPlan> {
        let (plan, value) = self.attach_values(plan, *node.expr)?;
        let query = node.subquery.subquery.as_ref();
        let compared = binary(value, node.op, Expr::Column(output_column(query)?));
        match node.quantifier {
            SetQuantifier::Any => self.existence(plan, query, vec![compared], JoinType::LeftSemi),
            SetQuantifier::All => {
                let not_true = Expr::IsNotTrue(Box::new(compared));
                self.existence(plan, query, vec![not_true], JoinType::LeftAnti)
            }
        }
    }

    pub(super) fn comparison_value(&mut self, plan: LogicalPlan, node: SetComparison) -> Result<(LogicalPlan, Expr)> {
        let (plan, value) = self.attach_values(plan, *node.expr)?;
        let query = node.subquery.subquery.as_ref();
        let compared = binary(value, node.op, Expr::Column(output_column(query)?));
        match node.quantifier {
            SetQuantifier::Any => self.any_value(plan, query, compared, true),
            SetQuantifier::All => self.any_value(plan, query, Expr::IsFalse(Box::new(compared.clone())), false),
        }
    }

    /// `decides` if a row meets the condition, else NULL if the condition is NULL for one, else the opposite.
    fn any_value(
        &mut self,
        plan: LogicalPlan,
        query: &LogicalPlan,
        condition: Expr,
        decides: bool,
    ) -> Result<(LogicalPlan, Expr)> {
        let unknown = match &condition {
            Expr::IsFalse(compared) => compared.as_ref().clone().is_null(),
            compared => compared.clone().is_null(),
        };
        let (plan, decided) = self.mark(plan, query, vec![condition])?;
        // The second join sees the subquery's columns again, under the same names, only on its right side.
        let (plan, undecided) = self.mark(plan, query, vec![unknown])?;
        Ok((plan, three_valued(vec![(decided, lit(decides)), (undecided, null())], !decides)))
    }

    /// `x IN (…)` of an uncorrelated subquery: two counts tell whether there are rows, and NULLs among them.
    fn member_value(
        &mut self,
        plan: LogicalPlan,
        query: &LogicalPlan,
        value: Expr,
        member: Expr,
    ) -> Result<(LogicalPlan, Expr)> {
        let (plan, found) = self.mark(plan, query, vec![value.clone().eq(member.clone())])?;
        let (rows, members) = (self.fresh_column(), self.fresh_column());
        let counts = vec![node::named(count(lit(1i64)), &rows), node::named(count(member), &members)];
        let counts = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(query.clone()), Vec::new(), counts)?);
        let plan = join(plan, counts, JoinType::Inner, None)?;
        let (rows, members) = (node::column(&rows), node::column(&members));
        let unknown = value.is_null().or(members.lt(rows.clone()));
        let cases = vec![(found, lit(true)), (rows.eq(lit(0i64)), lit(false)), (unknown, null())];
        Ok((plan, three_valued(cases, false)))
    }
}

fn three_valued(cases: Vec<(Expr, Expr)>, otherwise: bool) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: cases.into_iter().map(|(when, then)| (Box::new(when), Box::new(then))).collect(),
        else_expr: Some(Box::new(lit(otherwise))),
    })
}

fn null() -> Expr {
    Expr::Literal(ScalarValue::Boolean(None), None)
}

fn count(arg: Expr) -> Expr {
    Expr::AggregateFunction(AggregateFunction::new_udf(count_udaf(), vec![arg], false, None, Vec::new(), None))
}

fn binary(left: Expr, op: datafusion_expr::Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}
