//! A Bloom filter of many values: the split block filter of Apache Parquet (<https://parquet.apache.org/docs/file-format/bloomfilter/>),
//! from its own library.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Date32Type, Int16Type, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;
use parquet::bloom_filter::Sbbf;
use planner::{Error, Result};

use crate::wire::malformed;

/// Share of strangers that it lets through.
const FALSE_POSITIVES: f64 = 0.01;
/// Bytes of a block, and of the largest filter that is taken from elsewhere.
const BLOCK: usize = 32;
const LARGEST: usize = 64 << 20;

#[derive(Clone)]
pub(crate) struct Bloom(Arc<Sbbf>);

impl fmt::Debug for Bloom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bloom({} bytes)", self.0.num_blocks() * BLOCK)
    }
}

impl Bloom {
    /// For at most so many values.
    pub fn new(values: u64) -> Result<Self> {
        let filter = Sbbf::new_with_ndv_fpp(values.max(1), FALSE_POSITIVES);
        Ok(Self(Arc::new(filter.map_err(|e| Error::internal("a Bloom filter could not be made").with_cause(e))?)))
    }

    /// False for a carrier that it cannot have.
    pub fn add(&mut self, array: &dyn Array) -> bool {
        let Some(filter) = Arc::get_mut(&mut self.0) else { return false };
        each(array, |_, value| match value {
            Value::Number(n) => filter.insert(&n),
            Value::Text(text) => filter.insert(text),
        })
    }

    /// The rows that may have one of the values. NULL is none.
    pub fn filter(&self, batch: &RecordBatch, column: usize) -> Result<RecordBatch> {
        let array: &ArrayRef = batch.column(column);
        let mut may = vec![false; array.len()];
        let known = each(array.as_ref(), |row, value| {
            may[row] = match value {
                Value::Number(n) => self.0.check(&n),
                Value::Text(text) => self.0.check(text),
            };
        });
        match known {
            true => Ok(filter_record_batch(batch, &BooleanArray::from(may))?),
            false => Ok(batch.clone()),
        }
    }

    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0
            .write_bitset(&mut bytes)
            .map_err(|e| Error::internal("a Bloom filter could not be written").with_cause(e))?;
        Ok(bytes)
    }

    pub fn read(bytes: &[u8]) -> Result<Self> {
        let sound = !bytes.is_empty() && bytes.len().is_multiple_of(BLOCK) && bytes.len() <= LARGEST;
        if sound { Ok(Self(Arc::new(Sbbf::new(bytes)))) } else { Err(malformed("a Bloom filter")) }
    }
}

enum Value<'a> {
    Number(i64),
    Text(&'a str),
}

/// All values but NULLs, with their rows; false for a carrier that no filter has.
fn each(array: &dyn Array, mut seen: impl FnMut(usize, Value<'_>)) -> bool {
    let mut number = |(row, n): (usize, Option<i64>)| n.into_iter().for_each(|n| seen(row, Value::Number(n)));
    match array.data_type() {
        DataType::Int16 => {
            array.as_primitive::<Int16Type>().iter().map(|n| n.map(i64::from)).enumerate().for_each(number)
        }
        DataType::Int32 => {
            array.as_primitive::<Int32Type>().iter().map(|n| n.map(i64::from)).enumerate().for_each(number)
        }
        DataType::Int64 => array.as_primitive::<Int64Type>().iter().enumerate().for_each(&mut number),
        DataType::Date32 => {
            array.as_primitive::<Date32Type>().iter().map(|n| n.map(i64::from)).enumerate().for_each(number);
        }
        DataType::Utf8View => {
            let texts = array.as_string_view().iter().enumerate();
            texts.for_each(|(row, text)| text.into_iter().for_each(|text| seen(row, Value::Text(text))));
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int16Array, Int32Array, Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn batch(column: ArrayRef) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("c", column.data_type().clone(), true)]);
        RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap()
    }

    #[test]
    fn no_value_is_lost_on_the_way_and_few_strangers_pass() {
        let mut bloom = Bloom::new(20_000).unwrap();
        assert!(bloom.add(&Int32Array::from_iter_values((0..20_000).map(|n| n * 7))));
        let bloom = Bloom::read(&bloom.bytes().unwrap()).unwrap();
        // Of another width than the column they came from.
        let members = batch(Arc::new(Int64Array::from_iter_values((0..20_000).map(|n| n * 7))));
        assert_eq!(bloom.filter(&members, 0).unwrap(), members);
        let strangers = batch(Arc::new(Int64Array::from_iter_values((0..20_000).map(|n| n * 7 + 3))));
        assert!(bloom.filter(&strangers, 0).unwrap().num_rows() < 600);
        let small = batch(Arc::new(Int16Array::from(vec![Some(7), None, Some(14)])));
        assert_eq!(bloom.filter(&small, 0).unwrap().num_rows(), 2, "NULL has no partner");
    }

    #[test]
    fn texts_are_compared_by_their_bytes() {
        let mut bloom = Bloom::new(3).unwrap();
        assert!(bloom.add(&StringViewArray::from(vec![Some("a"), None, Some("a text longer than a view")])));
        let rows = batch(Arc::new(StringViewArray::from(vec!["a text longer than a view", "A", "a"])));
        assert!(bloom.filter(&rows, 0).unwrap().num_rows() >= 2);
        assert!(!bloom.add(&Float64Array::from(vec![1.0])), "equal floats are another matter");
        let floats = batch(Arc::new(Float64Array::from(vec![1.0])));
        assert_eq!(bloom.filter(&floats, 0).unwrap(), floats);
    }

    #[test]
    fn nonsense_is_no_filter() {
        assert!(Bloom::read(&[]).is_err() && Bloom::read(&[0; 33]).is_err());
    }
}
