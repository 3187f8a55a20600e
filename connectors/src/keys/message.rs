//! Keys as the rows of a relation (`KeyOffer` in `site.proto`), to be fetched like any other.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use planner::pgtype::oid;
use planner::{PgType, Result};

use super::{Bloom, Keys};
use crate::site::translate;
use crate::wire::malformed;

pub(crate) fn schema() -> SchemaRef {
    let field = |name: &str, ty| Field::new(name, ty, true);
    Arc::new(Schema::new(vec![
        field("number", DataType::Int64),
        field("text", DataType::Utf8View),
        field("bloom", DataType::BinaryView),
    ]))
}

pub(crate) fn batch(keys: &Keys) -> Result<RecordBatch> {
    let number = |value: &ScalarValue| match value {
        ScalarValue::Int64(n) => *n,
        ScalarValue::Date32(days) => days.map(i64::from),
        _ => None,
    };
    let text = |value: &ScalarValue| match value {
        ScalarValue::Utf8View(text) => text.clone(),
        _ => None,
    };
    let columns: Vec<ArrayRef> = match keys {
        Keys::Listed(values) => vec![
            Arc::new(Int64Array::from_iter(values.iter().map(number))),
            Arc::new(StringViewArray::from_iter(values.iter().map(text))),
            Arc::new(BinaryViewArray::from_iter(values.iter().map(|_| None::<&[u8]>))),
        ],
        Keys::Bloom(_) | Keys::TooMany => {
            let bytes = if let Keys::Bloom(bloom) = keys { Some(bloom.bytes()?) } else { None };
            vec![
                Arc::new(Int64Array::from(vec![None])),
                Arc::new(StringViewArray::from(vec![None::<&str>])),
                Arc::new(BinaryViewArray::from_iter([bytes])),
            ]
        }
    };
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// For a column of that type.
pub(crate) async fn read(mut rows: SendableRecordBatchStream, ty: PgType) -> Result<Keys> {
    let mut values = Vec::new();
    while let Some(batch) = rows.try_next().await.map_err(translate)? {
        let [numbers, texts, blooms] = batch.columns() else { return Err(malformed("a list of keys")) };
        let numbers = numbers.as_primitive_opt::<Int64Type>().ok_or_else(|| malformed("a list of keys"))?;
        let texts = texts.as_string_view_opt().ok_or_else(|| malformed("a list of keys"))?;
        let blooms = blooms.as_byte_view_opt::<arrow::datatypes::BinaryViewType>();
        let blooms = blooms.ok_or_else(|| malformed("a list of keys"))?;
        for row in 0..batch.num_rows() {
            if blooms.is_valid(row) {
                return Ok(Keys::Bloom(Bloom::read(blooms.value(row))?));
            } else if texts.is_valid(row) {
                values.push(ScalarValue::Utf8View(Some(texts.value(row).to_string())));
            } else if numbers.is_valid(row) {
                values.push(number(numbers.value(row), ty)?);
            } else {
                return Ok(Keys::TooMany);
            }
        }
    }
    Ok(Keys::Listed(values))
}

fn number(n: i64, ty: PgType) -> Result<ScalarValue> {
    match ty.oid {
        oid::DATE => Ok(ScalarValue::Date32(Some(n.try_into().map_err(|_| malformed("a list of keys"))?))),
        _ => Ok(ScalarValue::Int64(Some(n))),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;

    async fn sent(keys: &Keys, ty: PgType) -> Keys {
        let rows = futures::stream::iter([Ok(batch(keys).unwrap())]);
        read(Box::pin(RecordBatchStreamAdapter::new(schema(), rows)), ty).await.unwrap()
    }

    #[tokio::test]
    async fn keys_arrive_as_they_were_sent() {
        let lists = [
            (vec![ScalarValue::Int64(Some(-3)), ScalarValue::Int64(Some(1 << 40))], PgType::INT4),
            (vec![ScalarValue::Date32(Some(-9))], PgType { oid: oid::DATE, typmod: -1 }),
            (vec![ScalarValue::Utf8View(Some("ü".into())), ScalarValue::Utf8View(Some(String::new()))], PgType::TEXT),
            (vec![], PgType::TEXT),
        ];
        for (list, ty) in lists {
            let Keys::Listed(got) = sent(&Keys::Listed(list.clone()), ty).await else { panic!("a list") };
            assert_eq!(got, list);
        }
        assert!(matches!(sent(&Keys::TooMany, PgType::INT8).await, Keys::TooMany));
        let mut bloom = Bloom::new(10).unwrap();
        assert!(bloom.add(&Int64Array::from(vec![7])));
        let Keys::Bloom(got) = sent(&Keys::Bloom(bloom.clone()), PgType::INT8).await else { panic!("a filter") };
        assert_eq!(got.bytes().unwrap(), bloom.bytes().unwrap());
    }
}
