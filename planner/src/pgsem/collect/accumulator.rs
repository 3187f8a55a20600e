//! DataFusion's two kinds of accumulators over [`Rows`].

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use datafusion_common::{Result as DfResult, ScalarValue};
use datafusion_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::Plan;
use super::output::{finish, states};
use super::rows::Rows;

/// One group.
#[derive(Debug)]
pub struct Single {
    plan: Plan,
    rows: Rows,
}

impl Single {
    pub fn new(plan: Plan, types: Vec<DataType>) -> Self {
        Self { plan, rows: Rows::new(types) }
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.rows.add(values, |_| 0, None);
        Ok(())
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        ScalarValue::try_from_array(&finish(&self.plan, &self.rows.peek()?)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.rows.size()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let states = states(&self.rows.peek()?)?;
        states.iter().map(|state| ScalarValue::try_from_array(state, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.rows.merge(states, |_| 0);
        Ok(())
    }

    /// A moving frame drops its rows in the order in which they came.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.rows.retract(values.first().map_or(0, |v| v.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

/// All groups of an aggregation.
#[derive(Debug)]
pub struct Grouped {
    plan: Plan,
    rows: Rows,
    groups: usize,
}

impl Grouped {
    pub fn new(plan: Plan, types: Vec<DataType>) -> Self {
        Self { plan, rows: Rows::new(types), groups: 0 }
    }
}

impl GroupsAccumulator for Grouped {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.groups = total_num_groups;
        self.rows.add(values, |row| group_indices[row], opt_filter);
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        Ok(finish(&self.plan, &self.rows.emit(emit_to, &mut self.groups)?)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        Ok(states(&self.rows.emit(emit_to, &mut self.groups)?)?)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> DfResult<()> {
        self.groups = total_num_groups;
        self.rows.merge(values, |row| group_indices[row]);
        Ok(())
    }

    /// Each row as the state of a group of its own.
    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        let mut rows = Rows::new(values.iter().map(|v| v.data_type().clone()).collect());
        rows.add(values, |row| row, opt_filter);
        let mut groups = values.first().map_or(0, |v| v.len());
        Ok(states(&rows.emit(EmitTo::All, &mut groups)?)?)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.rows.size()
    }
}
