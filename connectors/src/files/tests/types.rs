//! Every row of the table of types, there and back.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type};
use planner::PgType;
use planner::pgtype::oid;

use super::fixture::*;
use crate::engine::UnsupportedTypes;
use crate::files::CsvOptions;

fn array_type(element: u32) -> PgType {
    PgType::of(element).array_of().unwrap()
}

#[tokio::test]
async fn every_mapped_type_keeps_its_values() {
    let list = {
        let mut list = ListBuilder::new(Int32Builder::new());
        list.append_value([Some(1), None, Some(3)]);
        list.append_null();
        list.finish()
    };
    let large_list = {
        let mut list = LargeListBuilder::new(StringBuilder::new());
        list.append_value([Some("a"), Some("b c")]);
        list.append_null();
        list.finish()
    };
    let zoned = |array: TimestampMillisecondArray| array.with_timezone("+02:00");
    let decimal256 = Decimal256Array::from(vec![Some(arrow::datatypes::i256::from_i128(-12345)), None]);
    let dictionary: DictionaryArray<Int32Type> = [Some("red"), None].into_iter().collect();
    let cases: Vec<(ArrayRef, PgType, &str)> = vec![
        (Arc::new(BooleanArray::from(vec![Some(true), None])), PgType::BOOL, "true"),
        (Arc::new(Int8Array::from(vec![Some(-128), None])), PgType::INT2, "-128"),
        (Arc::new(UInt8Array::from(vec![Some(255), None])), PgType::INT2, "255"),
        (Arc::new(Int16Array::from(vec![Some(-32768), None])), PgType::INT2, "-32768"),
        (Arc::new(UInt16Array::from(vec![Some(65535), None])), PgType::INT4, "65535"),
        (Arc::new(Int32Array::from(vec![Some(i32::MIN), None])), PgType::INT4, "-2147483648"),
        (Arc::new(UInt32Array::from(vec![Some(u32::MAX), None])), PgType::INT8, "4294967295"),
        (Arc::new(Int64Array::from(vec![Some(i64::MIN), None])), PgType::INT8, "-9223372036854775808"),
        (Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])), PgType::numeric(20, 0), "18446744073709551615"),
        (Arc::new(Float16Array::from_iter([Some(Default::default()), None])), PgType::FLOAT4, "0"),
        (Arc::new(Float32Array::from(vec![Some(0.1), None])), PgType::FLOAT4, "0.1"),
        (Arc::new(Float64Array::from(vec![Some(f64::NAN), None])), PgType::FLOAT8, "NaN"),
        (Arc::new(decimal32(vec![Some(-105), None], 9, 2)), PgType::numeric(9, 2), "-1.05"),
        (Arc::new(decimal64(vec![Some(1050), None], 18, 3)), PgType::numeric(18, 3), "1.050"),
        (
            Arc::new(Decimal128Array::from(vec![Some(1050), None]).with_precision_and_scale(38, 4).unwrap()),
            PgType::numeric(38, 4),
            "0.1050",
        ),
        (Arc::new(decimal256.with_precision_and_scale(76, 2).unwrap()), PgType::numeric(76, 2), "-123.45"),
        (Arc::new(StringArray::from(vec![Some("ß 'x'"), None])), PgType::TEXT, "ß 'x'"),
        (Arc::new(LargeStringArray::from(vec![Some(""), None])), PgType::TEXT, ""),
        (
            Arc::new(StringViewArray::from(vec![Some("a long enough text to be in a buffer"), None])),
            PgType::TEXT,
            "a long enough text to be in a buffer",
        ),
        (Arc::new(dictionary), PgType::TEXT, "red"),
        (Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None])), PgType::BYTEA, "\\x00ff"),
        (Arc::new(LargeBinaryArray::from(vec![Some(&b"a"[..]), None])), PgType::BYTEA, "\\x61"),
        (Arc::new(BinaryViewArray::from(vec![Some(&b""[..]), None])), PgType::BYTEA, "\\x"),
        (
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some(b"ab"), None].into_iter(), 2).unwrap()),
            PgType::BYTEA,
            "\\x6162",
        ),
        (Arc::new(Date32Array::from(vec![Some(-719528), None])), PgType::DATE, "0001-01-01 BC"),
        (Arc::new(Date64Array::from(vec![Some(86_400_000), None])), PgType::DATE, "1970-01-02"),
        (Arc::new(Time32SecondArray::from(vec![Some(86_399), None])), PgType::TIME, "23:59:59"),
        (Arc::new(Time32MillisecondArray::from(vec![Some(1), None])), PgType::TIME, "00:00:00.001"),
        (Arc::new(Time64MicrosecondArray::from(vec![Some(86_400_000_000), None])), PgType::TIME, "24:00:00"),
        (Arc::new(Time64NanosecondArray::from(vec![Some(1000), None])), PgType::TIME, "00:00:00.000001"),
        (Arc::new(TimestampSecondArray::from(vec![Some(-1), None])), PgType::TIMESTAMP, "1969-12-31 23:59:59"),
        (Arc::new(TimestampMillisecondArray::from(vec![Some(1), None])), PgType::TIMESTAMP, "1970-01-01 00:00:00.001"),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![Some(9_223_371_331_199_999_999), None])),
            PgType::TIMESTAMP,
            "294247-01-01 23:59:59.999999",
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![Some(1000), None])),
            PgType::TIMESTAMP,
            "1970-01-01 00:00:00.000001",
        ),
        (Arc::new(zoned(vec![Some(0), None].into())), PgType::TIMESTAMPTZ, "1970-01-01 00:00:00+00"),
        (Arc::new(list), array_type(oid::INT4), "{1,NULL,3}"),
        (Arc::new(large_list), array_type(oid::TEXT), "{a,\"b c\"}"),
    ];
    let fixture = Fixture::new();
    for (number, (array, _, _)) in cases.iter().enumerate() {
        fixture.parquet(&format!("t{number}.parquet"), &batch([("v", array.clone())]));
    }
    for (number, (array, ty, text)) in cases.iter().enumerate() {
        let table = fixture.table(&format!("t{number}")).await;
        assert_eq!(table.skipped, [], "{}", array.data_type());
        assert_eq!(table.columns[0].ty, *ty, "{}", array.data_type());
        let rows = fixture.rows(&format!("SELECT v::text FROM t{number}")).await;
        assert_eq!(
            rows.unwrap_or_else(|e| panic!("{}: {e:?}", array.data_type())),
            [*text, "-"],
            "{}",
            array.data_type()
        );
    }
}

fn decimal32(values: Vec<Option<i32>>, precision: u8, scale: i8) -> Decimal32Array {
    Decimal32Array::from(values).with_precision_and_scale(precision, scale).unwrap()
}

fn decimal64(values: Vec<Option<i64>>, precision: u8, scale: i8) -> Decimal64Array {
    Decimal64Array::from(values).with_precision_and_scale(precision, scale).unwrap()
}

/// These have no Parquet counterpart of their own, but files may carry the Arrow schema that names them.
#[tokio::test]
async fn durations_are_intervals() {
    let fixture = Fixture::new();
    fixture.parquet("t.parquet", &batch([("d", Arc::new(DurationMillisecondArray::from(vec![90_061_001i64])) as _)]));
    assert_eq!(fixture.table("t").await.columns[0].ty, PgType::INTERVAL);
    assert_eq!(fixture.rows("SELECT d::text FROM t").await.unwrap(), ["25:01:01.001"]);
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_an_error_or_null() {
    let cases: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(TimestampNanosecondArray::from(vec![1000, 1001])), "22008"),
        (Arc::new(TimestampMillisecondArray::from(vec![0, i64::MAX])), "22008"),
        (Arc::new(TimestampMicrosecondArray::from(vec![0, i64::MAX])), "0A000"),
        (Arc::new(Date32Array::from(vec![0, i32::MIN])), "22008"),
        (Arc::new(Time64NanosecondArray::from(vec![1000, 1001])), "22008"),
        (Arc::new(StringArray::from(vec!["fine", "a\0b"])), "22021"),
    ];
    for (array, sqlstate) in cases {
        let ty = array.data_type().clone();
        for policy in [UnsupportedTypes::Error, UnsupportedTypes::Text, UnsupportedTypes::Null] {
            let fixture = Fixture::with(policy, CsvOptions::default());
            fixture.parquet("t.parquet", &batch([("v", array.clone())]));
            let rows = fixture.rows("SELECT v::text FROM t").await;
            match policy {
                UnsupportedTypes::Null => assert_eq!(rows.unwrap()[1], "-", "{ty}"),
                _ => {
                    let error = rows.unwrap_err();
                    assert_eq!(error.sqlstate().as_str(), sqlstate, "{ty}: {error}");
                    assert!(error.detail().unwrap().contains("t.parquet"), "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_has_no_counterpart_follows_the_policy() {
    let point: ArrayRef = Arc::new(StructArray::from(vec![
        (Arc::new(Field::new("x", DataType::Int32, true)), Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef),
        (Arc::new(Field::new("y", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["a\"b", "c"])) as ArrayRef),
    ]));
    let inner = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), Some(2)]), Some(vec![])]);
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let matrix: ArrayRef = Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([1, 1]), Arc::new(inner), None));
    let id: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let content = batch([("id", id), ("p", point), ("m", matrix)]);
    for policy in [UnsupportedTypes::Error, UnsupportedTypes::Text, UnsupportedTypes::Null] {
        let fixture = Fixture::with(policy, CsvOptions::default());
        fixture.parquet("t.parquet", &content);
        let table = fixture.table("t").await;
        let names: Vec<_> = table.columns.iter().map(|c| (c.name.as_str(), c.ty, c.always_null)).collect();
        match policy {
            UnsupportedTypes::Error => {
                assert_eq!(names, [("id", PgType::INT4, false)]);
                let skipped: Vec<_> = table.skipped.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(skipped, ["p", "m"]);
            }
            UnsupportedTypes::Text => {
                assert_eq!(names[1..], [("p", PgType::JSON, false), ("m", PgType::JSON, false)]);
                let rows = fixture.rows("SELECT p::text, m::text FROM t").await.unwrap();
                assert_eq!(rows, ["{\"x\":1,\"y\":\"a\\\"b\"}|[[1,2]]", "{\"x\":null,\"y\":\"c\"}|[[]]"]);
            }
            UnsupportedTypes::Null => {
                assert_eq!(names[1..], [("p", PgType::TEXT, true), ("m", PgType::TEXT, true)]);
                assert_eq!(fixture.rows("SELECT p::text, id::text FROM t").await.unwrap(), ["-|1", "-|2"]);
            }
        }
    }
}
