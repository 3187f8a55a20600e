//! A scalar subquery has at most one row; where that is not known beforehand, it is counted.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Column, Result as DfResult, ScalarValue};
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{
    Accumulator, Aggregate, AggregateUDF, AggregateUDFImpl, Expr, FetchType, JoinType, LogicalPlan, Signature,
    Volatility,
};

use super::super::binder::Binder;
use super::super::node;
use super::attach::output_column;
use super::derive::finds_one_row;
use crate::error::{Error, Result, state};

impl Binder<'_> {
    /// The plan, or one that raises 21000 if it has more than one row. No row is NULL: DataFusion takes the column's word for
    /// whether the subquery may be NULL, so a column that says it cannot be is not left alone either.
    pub(super) fn at_most_one_row(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let may_be_null = plan.schema().fields().iter().all(|f| f.is_nullable());
        if self.is_single_row(&plan)? && (may_be_null || has_a_row(&plan)) {
            return Ok(plan);
        }
        let value = output_column(&plan)?;
        let name = self.fresh_column();
        let checked = node::named(single_value(Expr::Column(value)), &name);
        Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), Vec::new(), vec![checked])?))
    }

    /// The same for each member of a domain; the value gets a new name.
    pub(super) fn one_row_each(
        &mut self,
        plan: LogicalPlan,
        members: &[Column],
        value: &Column,
    ) -> Result<(LogicalPlan, Column)> {
        let name = self.fresh_column();
        let checked = node::named(single_value(node::column(value)), &name);
        let group = members.iter().map(node::column).collect();
        Ok((LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), group, vec![checked])?), name))
    }

    /// Whether a plan has at most one row whatever the data (for one set of outer values).
    pub(super) fn is_single_row(&mut self, plan: &LogicalPlan) -> Result<bool> {
        Ok(match plan {
            LogicalPlan::EmptyRelation(_) => true,
            LogicalPlan::Aggregate(node) => node.group_expr.is_empty(),
            LogicalPlan::Values(node) => node.values.len() == 1,
            LogicalPlan::Limit(node) => {
                matches!(node.get_fetch_type()?, FetchType::Literal(Some(0 | 1))) || self.is_single_row(&node.input)?
            }
            LogicalPlan::Projection(node) => self.is_single_row(&node.input)? || finds_one_row(plan),
            LogicalPlan::Filter(node) => self.is_single_row(&node.input)? || finds_one_row(plan),
            LogicalPlan::Sort(node) => self.is_single_row(&node.input)?,
            LogicalPlan::Window(node) => self.is_single_row(&node.input)?,
            LogicalPlan::Join(node) if matches!(node.join_type, JoinType::Inner | JoinType::Left) => {
                self.is_single_row(&node.left)? && self.is_single_row(&node.right)?
            }
            LogicalPlan::Subquery(node) => self.is_single_row(&node.subquery)?,
            _ => false,
        })
    }
}

/// Whether a plan has at least one row whatever the data.
fn has_a_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(node) => node.produce_one_row,
        LogicalPlan::Aggregate(node) => node.group_expr.is_empty(),
        LogicalPlan::Values(_) => true,
        LogicalPlan::Projection(node) => has_a_row(&node.input),
        LogicalPlan::Sort(node) => has_a_row(&node.input),
        LogicalPlan::Window(node) => has_a_row(&node.input),
        _ => false,
    }
}

fn single_value(value: Expr) -> Expr {
    let udaf =
        Arc::new(AggregateUDF::new_from_impl(SingleValue { signature: Signature::any(1, Volatility::Immutable) }));
    Expr::AggregateFunction(AggregateFunction::new_udf(udaf, vec![value], false, None, Vec::new(), None))
}

/// The value of the only row; NULL if there is none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleValue {
    signature: Signature,
}

impl AggregateUDFImpl for SingleValue {
    fn name(&self) -> &str {
        "single_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> DfResult<DataType> {
        Ok(args[0].clone())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
        let value = ScalarValue::try_from(args.return_field.data_type())?;
        Ok(Box::new(SingleRow { value, seen: false }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> DfResult<Vec<FieldRef>> {
        let value = Field::new(format_state_name(args.name, "value"), args.return_field.data_type().clone(), true);
        let seen = Field::new(format_state_name(args.name, "seen"), DataType::Boolean, false);
        Ok(vec![value.into(), seen.into()])
    }
}

#[derive(Debug)]
struct SingleRow {
    value: ScalarValue,
    seen: bool,
}

impl SingleRow {
    fn take(&mut self, values: &ArrayRef, row: usize) -> DfResult<()> {
        if self.seen {
            return Err(Error::new(
                state::CARDINALITY_VIOLATION,
                "more than one row returned by a subquery used as an expression",
            )
            .into());
        }
        self.seen = true;
        self.value = ScalarValue::try_from_array(values, row)?;
        Ok(())
    }
}

impl Accumulator for SingleRow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        (0..values[0].len()).try_for_each(|row| self.take(&values[0], row))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let seen = states[1].as_any().downcast_ref::<BooleanArray>();
        let Some(seen) = seen else { return Err(Error::internal("a state of single_value").into()) };
        (0..seen.len()).filter(|row| seen.value(*row)).try_for_each(|row| self.take(&states[0], row))
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::Boolean(Some(self.seen))])
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}
