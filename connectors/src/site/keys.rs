//! The values of a relation's column, for the fragments they filter.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, Int16Type, Int32Type, Int64Type};
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use planner::Result;

use super::error::translate;
use super::relation::Relation;

/// Longer lists are not sent: the statement travels in one message, and others wait behind it.
const MOST_BYTES: usize = 256 << 10;

/// Each value once, NULLs left out; `None` if there are more than `most`, if they are too long together, or if the relation is gone when it is read.
pub(super) async fn distinct(relation: &Relation, column: usize, most: usize) -> Result<Option<Vec<ScalarValue>>> {
    let Relation::Held(held) = relation else { return Ok(None) };
    if held.sealed().await.is_err() {
        // Its producer failed, and says so itself, or was told to stop: the query has ended, and this ends with it.
        return std::future::pending().await;
    }
    let mut batches = held.rows();
    let mut values = Values::default();
    while let Some(batch) = batches.try_next().await.map_err(translate)? {
        if !values.add(batch.column(column).as_ref()) || values.len() > most || values.bytes() > MOST_BYTES {
            return Ok(None);
        }
    }
    Ok(Some(values.finish()))
}

#[derive(Default)]
struct Values {
    numbers: BTreeSet<i64>,
    texts: BTreeSet<String>,
    carrier: Option<DataType>,
}

impl Values {
    /// False for a carrier that no key list has.
    fn add(&mut self, array: &dyn Array) -> bool {
        match array.data_type() {
            DataType::Int16 => self.numbers.extend(array.as_primitive::<Int16Type>().iter().flatten().map(i64::from)),
            DataType::Int32 => self.numbers.extend(array.as_primitive::<Int32Type>().iter().flatten().map(i64::from)),
            DataType::Int64 => self.numbers.extend(array.as_primitive::<Int64Type>().iter().flatten()),
            DataType::Date32 => self.numbers.extend(array.as_primitive::<Date32Type>().iter().flatten().map(i64::from)),
            DataType::Utf8View => self.texts.extend(array.as_string_view().iter().flatten().map(str::to_string)),
            _ => return false,
        }
        self.carrier = Some(array.data_type().clone());
        true
    }

    fn len(&self) -> usize {
        self.numbers.len() + self.texts.len()
    }

    fn bytes(&self) -> usize {
        8 * self.numbers.len() + self.texts.iter().map(|text| text.len() + 4).sum::<usize>()
    }

    fn finish(self) -> Vec<ScalarValue> {
        let days = self.carrier == Some(DataType::Date32);
        let number = |n: i64| if days { ScalarValue::Date32(Some(n as i32)) } else { ScalarValue::Int64(Some(n)) };
        let numbers = self.numbers.into_iter().map(number);
        numbers.chain(self.texts.into_iter().map(|text| ScalarValue::Utf8View(Some(text)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Float64Array, Int16Array, Int64Array, StringViewArray};

    use super::*;

    #[test]
    fn each_value_once_and_no_null() {
        let mut values = Values::default();
        assert!(values.add(&Int16Array::from(vec![Some(3), None, Some(-1), Some(3)])));
        assert!(values.add(&Int64Array::from(vec![Some(1 << 40)])));
        let expected: Vec<_> = [-1, 3, 1 << 40].map(|n| ScalarValue::Int64(Some(n))).to_vec();
        assert_eq!(values.finish(), expected);

        let mut values = Values::default();
        assert!(values.add(&Date32Array::from(vec![Some(7), None])));
        assert_eq!(values.finish(), [ScalarValue::Date32(Some(7))]);
        assert!(!Values::default().add(&Float64Array::from(vec![1.0])), "equal floats are another matter");
    }

    #[test]
    fn long_texts_count_by_their_length() {
        let mut values = Values::default();
        let long: Vec<String> = (0..200).map(|i| format!("{i:02000}")).collect();
        assert!(values.add(&StringViewArray::from_iter_values(&long)));
        assert!(values.len() < 10_000 && values.bytes() > MOST_BYTES);
    }
}
