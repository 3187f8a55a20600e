//! From a [`State`] per group to DataFusion's two kinds of accumulators.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray};
use arrow::buffer::NullBuffer;
use datafusion_common::{Result as DfResult, ScalarValue};
use datafusion_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::state::{Aggregate, Reader, State};
use super::udaf::Instance;
use crate::error::Result;

fn encoded<S: State>(state: &S) -> Vec<u8> {
    let mut out = Vec::new();
    state.write(&mut out);
    out
}

/// Rows without a NULL argument that pass the filter.
pub fn live_rows<'a>(args: &'a [ArrayRef], filter: Option<&'a BooleanArray>) -> impl Iterator<Item = usize> + 'a {
    let rows = args.first().map_or(0, |a| a.len());
    let nulls = args.iter().fold(None, |all, a| NullBuffer::union(all.as_ref(), a.logical_nulls().as_ref()));
    (0..rows).filter(move |row| {
        nulls.as_ref().is_none_or(|n| n.is_valid(*row)) && filter.is_none_or(|f| f.is_valid(*row) && f.value(*row))
    })
}

/// One group.
#[derive(Debug)]
pub struct Single<A: Aggregate> {
    instance: Arc<Instance>,
    state: A::State,
    heap: usize,
}

impl<A: Aggregate> Single<A> {
    pub fn new(instance: Arc<Instance>) -> Self {
        Self { instance, state: A::State::default(), heap: 0 }
    }

    fn update(&mut self, args: &[ArrayRef]) -> Result<()> {
        let input = A::State::open(args, &self.instance)?;
        for row in live_rows(args, None) {
            self.state.update(&input, row)?;
            self.heap += A::State::BYTES_PER_ROW;
        }
        Ok(())
    }
}

impl<A: Aggregate> Accumulator for Single<A> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        Ok(self.update(values)?)
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let result = A::finish(std::slice::from_ref(&self.state), &self.instance)?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.heap
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(encoded(&self.state)))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let states = states[0].as_binary::<i32>();
        for state in states.iter().flatten() {
            self.state.merge(&mut Reader(state))?;
            self.heap += if A::State::BYTES_PER_ROW > 0 { state.len() } else { 0 };
        }
        Ok(())
    }
}

/// All groups of an aggregation.
#[derive(Debug)]
pub struct Grouped<A: Aggregate> {
    instance: Arc<Instance>,
    states: Vec<A::State>,
    heap: usize,
}

impl<A: Aggregate> Grouped<A> {
    pub fn new(instance: Arc<Instance>) -> Self {
        Self { instance, states: Vec::new(), heap: 0 }
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>) -> Result<()> {
        let input = A::State::open(args, &self.instance)?;
        for row in live_rows(args, filter) {
            self.states[groups[row]].update(&input, row)?;
            self.heap += A::State::BYTES_PER_ROW;
        }
        Ok(())
    }
}

impl<A: Aggregate> GroupsAccumulator for Grouped<A> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.states.resize_with(total_num_groups, A::State::default);
        Ok(self.update(values, group_indices, opt_filter)?)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        let states = emit_to.take_needed(&mut self.states);
        Ok(A::finish(&states, &self.instance)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        let states = emit_to.take_needed(&mut self.states);
        if self.states.is_empty() {
            self.heap = 0;
        }
        Ok(vec![Arc::new(BinaryArray::from_iter_values(states.iter().map(encoded)))])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> DfResult<()> {
        self.states.resize_with(total_num_groups, A::State::default);
        let states = values[0].as_binary::<i32>();
        for (state, group) in states.iter().zip(group_indices) {
            let Some(state) = state else { continue };
            self.states[*group].merge(&mut Reader(state))?;
            self.heap += if A::State::BYTES_PER_ROW > 0 { state.len() } else { 0 };
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> DfResult<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |a| a.len());
        let input = A::State::open(values, &self.instance)?;
        let mut all = vec![None; rows];
        for row in live_rows(values, opt_filter) {
            let mut state = A::State::default();
            state.update(&input, row)?;
            all[row] = Some(encoded(&state));
        }
        Ok(vec![Arc::new(BinaryArray::from_iter(all))])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.states.capacity() * size_of::<A::State>() + self.heap
    }
}
