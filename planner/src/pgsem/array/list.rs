//! Taking lists apart and putting them together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, UInt32Array, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{interleave, take};
use arrow::datatypes::{DataType, Field};

use crate::error::Result;
use crate::pgsem::io::span;

/// A list of elements of that carrier.
pub fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

/// The carrier of the elements.
pub fn element_of(list: &DataType) -> DataType {
    match list {
        DataType::List(field) => field.data_type().clone(),
        other => other.clone(),
    }
}

/// Makes lists out of elements of other arrays, which have one type.
pub struct Assembler<'a> {
    sources: Vec<&'a dyn Array>,
    picks: Vec<(usize, usize)>,
    offsets: Vec<i32>,
    valid: Vec<bool>,
}

impl<'a> Assembler<'a> {
    pub fn new(sources: Vec<&'a dyn Array>) -> Self {
        Self { sources, picks: Vec::new(), offsets: vec![0], valid: Vec::new() }
    }

    /// Adds element `at` of a source to the current list.
    pub fn push(&mut self, source: usize, at: usize) {
        self.picks.push((source, at));
    }

    pub fn extend(&mut self, source: usize, at: impl IntoIterator<Item = usize>) {
        self.picks.extend(at.into_iter().map(|at| (source, at)));
    }

    /// Ends the current list; the next one begins.
    pub fn end(&mut self) {
        self.valid.push(true);
        self.offsets.push(self.picks.len() as i32);
    }

    /// A NULL instead of a list.
    pub fn null(&mut self) {
        self.valid.push(false);
        self.offsets.push(self.picks.len() as i32);
    }

    pub fn finish(self) -> Result<ArrayRef> {
        let values = match self.sources.first() {
            Some(first) if self.picks.is_empty() => new_empty_array(first.data_type()),
            _ => interleave(&self.sources, &self.picks)?,
        };
        assemble(self.offsets, values, self.valid)
    }
}

/// Lists from their ends among the values.
pub fn assemble(offsets: Vec<i32>, values: ArrayRef, valid: Vec<bool>) -> Result<ArrayRef> {
    with_values(OffsetBuffer::new(ScalarBuffer::from(offsets)), values, Some(NullBuffer::from(valid)))
}

fn with_values(offsets: OffsetBuffer<i32>, values: ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, offsets, values, nulls)?))
}

/// The elements that rows really have, one row after the other, and where each row's end: what is hidden under NULLs or outside
/// a slice must not be computed with, it could fail.
pub fn visible(list: &ListArray) -> Result<(Vec<i32>, ArrayRef)> {
    let mut picks = Vec::with_capacity(list.values().len());
    let mut offsets = vec![0];
    for row in 0..list.len() {
        if list.is_valid(row) {
            picks.extend(span(list, row).map(|at| at as u32));
        }
        offsets.push(picks.len() as i32);
    }
    let all = picks.len() == list.values().len();
    let values = if all { Arc::clone(list.values()) } else { take(list.values(), &UInt32Array::from(picks), None)? };
    Ok((offsets, values))
}

/// The same lists with other elements, given those of [`visible`].
pub fn rebuild(list: &ListArray, offsets: Vec<i32>, values: ArrayRef) -> Result<ArrayRef> {
    with_values(OffsetBuffer::new(ScalarBuffer::from(offsets)), values, list.nulls().cloned())
}
