//! Single values as bytes and back, for aggregates that must keep their rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryViewArray, BooleanArray, PrimitiveArray, StringViewArray,
    downcast_primitive,
};
use arrow::datatypes::{ArrowNativeType, DataType, ToByteSlice};
use arrow::downcast_primitive_array;

use crate::error::{Error, Result};

fn unknown(repr: &DataType) -> Error {
    Error::internal(format!("an aggregate cannot keep values carried as {repr}"))
}

/// The bytes of the value in that row, which is not NULL.
pub fn encode(array: &dyn Array, row: usize) -> Result<Vec<u8>> {
    Ok(downcast_primitive_array!(
        array => array.value(row).to_byte_slice().to_vec(),
        DataType::Boolean => vec![u8::from(array.as_boolean().value(row))],
        DataType::Utf8View => array.as_string_view().value(row).as_bytes().to_vec(),
        DataType::BinaryView => array.as_binary_view().value(row).to_vec(),
        other => return Err(unknown(other)),
    ))
}

/// A column of the values, in that carrier.
pub fn decode(values: &[Option<&[u8]>], repr: &DataType) -> Result<ArrayRef> {
    macro_rules! primitive {
        ($t:ty) => {
            primitive_column::<$t>(values, repr)
        };
    }
    downcast_primitive! {
        repr => (primitive),
        DataType::Boolean => Ok(Arc::new(values.iter().map(|v| v.map(|b| b == [1])).collect::<BooleanArray>())),
        DataType::Utf8View => {
            let texts: Vec<Option<&str>> =
                values.iter().map(|v| v.map(std::str::from_utf8).transpose()).collect::<Result<_, _>>().map_err(|_| unknown(repr))?;
            Ok(Arc::new(StringViewArray::from_iter(texts)))
        }
        DataType::BinaryView => Ok(Arc::new(BinaryViewArray::from_iter(values.iter().copied()))),
        other => Err(unknown(other)),
    }
}

fn primitive_column<T: ArrowPrimitiveType>(values: &[Option<&[u8]>], repr: &DataType) -> Result<ArrayRef> {
    let natives = values.iter().map(|v| {
        v.map(|bytes| {
            let buffer = arrow::buffer::Buffer::from(bytes);
            arrow::buffer::ScalarBuffer::<T::Native>::from(buffer)
                .first()
                .copied()
                .unwrap_or_else(|| T::Native::usize_as(0))
        })
    });
    Ok(Arc::new(natives.collect::<PrimitiveArray<T>>().with_data_type(repr.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, TimestampMicrosecondArray};

    #[test]
    fn values_come_back_in_their_carrier() {
        let arrays: [ArrayRef; 5] = [
            Arc::new(Decimal128Array::from(vec![-15, 1]).with_precision_and_scale(10, 1).unwrap()),
            Arc::new(TimestampMicrosecondArray::from(vec![7, i64::MIN]).with_timezone("UTC")),
            Arc::new(StringViewArray::from(vec!["", "a longer text than fits a view"])),
            Arc::new(BooleanArray::from(vec![true, false])),
            Arc::new(BinaryViewArray::from_iter_values([b"\0".as_slice(), b"x"])),
        ];
        for array in arrays {
            let bytes: Vec<Vec<u8>> = (0..2).map(|i| encode(&array, i).unwrap()).collect();
            let back = decode(&[Some(&bytes[0]), None, Some(&bytes[1])], array.data_type()).unwrap();
            assert_eq!(&back.slice(0, 1), &array.slice(0, 1));
            assert!(back.is_null(1));
            assert_eq!(&back.slice(2, 1), &array.slice(1, 1));
        }
    }
}
