//! Arrays: one dimension, counted from 1, as a list. PostgreSQL's types do not tell the number of dimensions, so other shapes are
//! found out by the row and refused.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::FieldRef;

use super::fixed::Validity;
use super::sink::{Problem, Sink};

pub struct ListSink {
    pub field: FieldRef,
    /// OID of the elements' type.
    pub element: u32,
    pub elements: Box<Sink>,
    offsets: Vec<i32>,
    validity: Validity,
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn number(&mut self) -> Result<i32, Problem> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Problem::Malformed("array"))?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*head))
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Problem::Malformed("array"))?;
        self.0 = rest;
        Ok(head)
    }
}

impl ListSink {
    pub fn new(field: &FieldRef, element: u32, elements: Sink) -> Self {
        let (elements, validity) = (Box::new(elements), Validity::default());
        Self { field: field.clone(), element, elements, offsets: vec![0], validity }
    }

    pub fn value(&mut self, field: &[u8]) -> Result<(), Problem> {
        let mut cursor = Cursor(field);
        let (dimensions, _has_nulls, element) = (cursor.number()?, cursor.number()?, cursor.number()?);
        if element as u32 != self.element {
            return Err(Problem::Malformed("array"));
        }
        let length = match dimensions {
            0 => 0,
            1 => match (cursor.number()?, cursor.number()?) {
                (length, 1) => length,
                _ => return Err(Problem::Shape("an array that is not counted from 1")),
            },
            _ => return Err(Problem::Shape("a multidimensional array")),
        };
        for _ in 0..length {
            match usize::try_from(cursor.number()?) {
                Ok(bytes) => self.elements.value(cursor.bytes(bytes)?)?,
                Err(_) => self.elements.null(),
            }
        }
        if !cursor.0.is_empty() {
            return Err(Problem::Malformed("array"));
        }
        let end = i64::from(self.end()) + i64::from(length);
        self.offsets
            .push(i32::try_from(end).map_err(|_| Problem::Shape("more than 2147483647 array elements in a batch"))?);
        self.validity.valid();
        Ok(())
    }

    pub fn null(&mut self) {
        self.offsets.push(self.end());
        self.validity.null();
    }

    fn end(&self) -> i32 {
        self.offsets.last().copied().unwrap_or(0)
    }

    pub fn finish(&mut self) -> ArrayRef {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let (elements, validity) = (self.elements.finish(), self.validity.finish());
        Arc::new(ListArray::new(self.field.clone(), OffsetBuffer::new(offsets.into()), elements, validity))
    }
}
