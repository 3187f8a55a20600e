//! Columns of lists, structs and maps.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringViewBuilder};
use arrow::datatypes::{DataType, Field};
use arrow::json::writer::{EncoderOptions, make_encoder};
use planner::{Error, Result};

use super::convert::{Convert, cast};

/// A list of any layout as a list of the element's carrier.
pub(super) fn list(array: &ArrayRef, element: &Convert, target: &DataType) -> Result<ArrayRef> {
    let DataType::List(field) = target else {
        return Err(Error::internal(format!("{target} is no list")));
    };
    let source = match array.data_type() {
        DataType::List(_) => array.clone(),
        DataType::LargeList(f) | DataType::FixedSizeList(f, _) | DataType::ListView(f) | DataType::LargeListView(f) => {
            cast(array, &DataType::List(f.clone()))?
        }
        other => return Err(Error::internal(format!("{other} is no list"))),
    };
    let source = source.as_list::<i32>();
    // A NULL list may hide elements that nobody may look at: an error over one of them would be a false alarm.
    let offsets = source.offsets();
    let hidden = (0..source.len()).any(|i| source.is_null(i) && offsets[i] != offsets[i + 1]);
    let source = if hidden { without_hidden(source)? } else { source.clone() };
    let first = source.offsets()[0] as usize;
    let length = source.offsets()[source.len()] as usize - first;
    let values = element.apply(&source.values().slice(first, length))?;
    let lengths = source.offsets().lengths();
    let offsets = arrow::buffer::OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, values, source.nulls().cloned())?))
}

fn without_hidden(source: &ListArray) -> Result<ListArray> {
    let rows = arrow::array::UInt32Array::from_iter(
        (0..source.len() as u32).map(|i| source.is_valid(i as usize).then_some(i)),
    );
    Ok(arrow::compute::take(source, &rows, None)?.as_list::<i32>().clone())
}

/// Each value as one JSON text.
pub(super) fn json(array: &ArrayRef) -> Result<ArrayRef> {
    let field = Arc::new(Field::new("value", array.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array, &options)?;
    let mut text = StringViewBuilder::with_capacity(array.len());
    let mut buffer = Vec::new();
    for row in 0..array.len() {
        if encoder.is_null(row) {
            text.append_null();
            continue;
        }
        buffer.clear();
        encoder.encode(row, &mut buffer);
        let value = std::str::from_utf8(&buffer).map_err(|_| Error::internal("a JSON text is not UTF-8"))?;
        text.append_value(value);
    }
    Ok(Arc::new(text.finish()))
}
