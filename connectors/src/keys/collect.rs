//! Collects the values of a held relation's column, when it is complete.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, Int16Type, Int32Type, Int64Type};
use cost_model::analytic::MOST_KEYS;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use planner::Result;

use super::{Bloom, Keys};
use crate::exchange::HeldRelation;
use crate::site::translate;

/// Longer lists are not sent: the statement travels in one message, and others wait behind it.
const MOST_BYTES: usize = 256 << 10;
/// A filter of more values is not worth its memory.
const MOST_IN_BLOOM: u64 = 10_000_000;

/// The values as a list if they are few enough, NULLs left out. The relation must be sealed.
pub(crate) async fn listed(relation: &Arc<HeldRelation>, column: usize) -> Result<Option<Vec<ScalarValue>>> {
    let mut batches = relation.rows();
    let mut values = Values::default();
    while let Some(batch) = batches.try_next().await.map_err(translate)? {
        if !values.add(batch.column(column).as_ref()) || values.len() > MOST_KEYS || values.bytes() > MOST_BYTES {
            return Ok(None);
        }
    }
    Ok(Some(values.finish()))
}

/// The values in whatever form there is. Waits until the relation is complete.
pub(crate) async fn collect(relation: &Arc<HeldRelation>, column: usize) -> Result<Keys> {
    let rows = relation.sealed().await?.rows;
    if let Some(values) = listed(relation, column).await? {
        return Ok(Keys::Listed(values));
    }
    if rows > MOST_IN_BLOOM {
        return Ok(Keys::TooMany);
    }
    let mut bloom = Bloom::new(rows)?;
    let mut batches = relation.rows();
    while let Some(batch) = batches.try_next().await.map_err(translate)? {
        if !bloom.add(batch.column(column).as_ref()) {
            return Ok(Keys::TooMany);
        }
    }
    Ok(Keys::Bloom(bloom))
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
        assert!(values.len() < MOST_KEYS && values.bytes() > MOST_BYTES);
    }
}
