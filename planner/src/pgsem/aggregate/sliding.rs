//! Window frames that lose rows at their start: the frame's rows are kept and the aggregate is run over them anew.
//!
//! Taking a value back out of a float sum is not exact and out of a maximum not possible; running anew is both.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use datafusion_common::{Result as DfResult, ScalarValue};
use datafusion_expr::Accumulator;

use super::distinct::{Row, replay};
use super::payload;
use super::state::Aggregate;
use super::udaf::Instance;
use crate::error::{Error, Result};

#[derive(Debug)]
pub struct Sliding<A> {
    instance: Arc<Instance>,
    /// The rows of the frame; `None` for one with a NULL argument.
    rows: VecDeque<Option<Row>>,
    heap: usize,
    aggregate: PhantomData<A>,
}

impl<A: Aggregate> Sliding<A> {
    pub fn new(instance: Arc<Instance>) -> Self {
        Self { instance, rows: VecDeque::new(), heap: 0, aggregate: PhantomData }
    }

    fn push(&mut self, args: &[ArrayRef]) -> Result<()> {
        for row in 0..args.first().map_or(0, |a| a.len()) {
            let values: Option<Row> = if args.iter().any(|a| a.is_null(row)) {
                None
            } else {
                Some(args.iter().map(|a| payload::encode(a, row)).collect::<Result<_>>()?)
            };
            self.heap += weight(&values);
            self.rows.push_back(values);
        }
        Ok(())
    }
}

fn weight(row: &Option<Row>) -> usize {
    size_of::<Option<Row>>() + row.iter().flatten().map(|v| size_of::<Vec<u8>>() + v.len()).sum::<usize>()
}

impl<A: Aggregate> Accumulator for Sliding<A> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        Ok(self.push(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        for _ in 0..values.first().map_or(0, |a| a.len()) {
            if let Some(row) = self.rows.pop_front() {
                self.heap -= weight(&row);
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let rows: Vec<&Row> = self.rows.iter().flatten().collect();
        let state = replay::<A>(&rows, &self.instance)?;
        let result = A::finish(std::slice::from_ref(&state), &self.instance)?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.heap
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Err(Error::internal("a window frame has no partial state").into())
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> DfResult<()> {
        Err(Error::internal("a window frame has no partial state").into())
    }
}
