//! Footers, pruning, folders of files.

use std::fs::File;
use std::sync::Arc;

use ::parquet::data_type::{Int96, Int96Type};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use datafusion::logical_expr::{col, lit};
use planner::PgType;

use super::fixture::*;
use crate::engine::{Engine, UnsupportedTypes};
use crate::files::CsvOptions;
use crate::files::prune::{bounds, groups};
use crate::files::table::Parts;

fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
    let k: ArrayRef = Arc::new(Int64Array::from_iter_values(range.clone()));
    let t: ArrayRef = Arc::new(StringArray::from_iter_values(range.clone().map(|n| format!("t{n:06}"))));
    let f: ArrayRef = Arc::new(Float64Array::from_iter(range.map(|n| if n % 2 == 0 { Some(n as f64) } else { None })));
    batch([("k", k), ("t", t), ("f", f)])
}

fn small_groups() -> WriterProperties {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(1000))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .set_statistics_enabled(EnabledStatistics::Page)
        .build()
}

#[tokio::test]
async fn footers_say_what_is_known_of_a_table() {
    let fixture = Fixture::new();
    fixture.parquet_with("numbers.parquet", &numbers(0..10_000), small_groups());
    let table = fixture.table("numbers").await;
    assert_eq!((table.rows, table.remote_schema.as_str()), (Some(10_000.0), "public"));
    assert!(table.bytes.unwrap() > 10_000.0);
    let k = &table.columns[0].stats;
    assert_eq!((k.min.as_deref(), k.max.as_deref(), k.null_fraction), (Some("0"), Some("9999"), Some(0.0)));
    let t = &table.columns[1].stats;
    assert_eq!((t.min.as_deref(), t.max.as_deref()), (Some("t000000"), Some("t009999")));
    let f = &table.columns[2].stats;
    assert_eq!((f.min.as_deref(), f.null_fraction), (None, Some(0.5)), "NaN is in no statistics");
}

#[tokio::test]
async fn row_groups_and_pages_without_matches_are_not_read() {
    let fixture = Fixture::new();
    fixture.parquet_with("numbers.parquet", &numbers(0..10_000), small_groups());
    let found = fixture.engine.0.folder.look().unwrap();
    let table = found["numbers"].as_ref().unwrap();
    let Parts::Parquet(parts) = &table.parts else { panic!("Parquet") };
    let kept = |filter: datafusion::logical_expr::Expr| {
        let names = ["k", "t", "f"];
        let mut conditions = Vec::new();
        bounds(&filter, &|name| names.iter().position(|n| *n == name), &mut conditions);
        let kept = groups(&parts[0], &conditions);
        let rows = |g: &crate::files::prune::Group| g.selection.as_ref().map_or(1000, |s| s.row_count());
        (kept.len(), kept.iter().map(rows).sum::<usize>())
    };
    let text = |t: &str| lit(datafusion::common::ScalarValue::Utf8View(Some(t.into())));
    assert_eq!(kept(col("k").eq(lit(4321i64))), (1, 100));
    assert_eq!(kept(col("k").gt_eq(lit(9950i64)).and(col("t").lt(text("t009960")))), (1, 100));
    assert_eq!(kept(col("t").eq(text("t000999"))), (1, 100));
    assert_eq!(kept(col("k").in_list(vec![lit(5i64), lit(9_005i64)], false)), (2, 200));
    assert_eq!(kept(col("k").between(lit(990i64), lit(1010i64))), (2, 200));
    assert_eq!(kept(col("k").lt(lit(0i64))), (0, 0));
    assert_eq!(kept(col("f").gt(lit(1e9))).0, 10, "nothing is concluded from statistics of floats");
    assert_eq!(kept(col("k").not_eq(lit(5i64))).0, 10);
    for (condition, count, read) in [
        ("k = 4321", "1", 1),
        ("k BETWEEN 990 AND 1010", "21", 2),
        ("t >= 't009990' AND f IS NOT NULL", "5", 1),
        ("t >= 't009990' OR k < 3", "13", 10),
        ("k IN (5, 9005, -1)", "2", 2),
        ("f > 9990", "4", 10),
        ("k < 0", "0", 0),
    ] {
        let sql = format!("SELECT count(*)::text FROM numbers n WHERE {condition}");
        assert_eq!(fixture.rows(&sql).await.unwrap(), [count], "{condition}");
        let (plan, _) = fixture.engine.0.plan(sql, Default::default()).await.unwrap();
        let plan = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
        assert!(plan.contains(&format!("row_groups={read} of 10")), "{condition}: {plan}");
    }
}

#[tokio::test]
async fn a_folder_of_files_is_one_table() {
    let fixture = Fixture::new();
    fixture.parquet("orders/a.parquet", &numbers(0..10));
    // Another order of columns, other encodings of the same types.
    let k: ArrayRef = Arc::new(Int64Array::from(vec![10, 11]));
    let t: DictionaryArray<Int32Type> = ["t000010", "t000011"].into_iter().collect();
    let f: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(0.5)]));
    fixture.parquet("orders/b.parquet", &batch([("t", Arc::new(t) as _), ("f", f), ("k", k)]));
    fixture.text("orders/_SUCCESS", "");
    fixture.text("orders/.hidden.parquet", "not data");
    let table = fixture.table("orders").await;
    assert_eq!(table.rows, Some(12.0));
    assert_eq!(table.columns[0].stats.max.as_deref(), Some("11"));
    let rows = fixture.rows("SELECT t, k::text, f::text FROM orders WHERE k >= 9 ORDER BY orders.k").await.unwrap();
    assert_eq!(rows, ["t000009|9|-", "t000010|10|-", "t000011|11|0.5"]);
    assert_eq!(fixture.rows("SELECT count(*)::text FROM orders").await.unwrap(), ["12"]);
    let distinct = fixture.rows("SELECT DISTINCT (k % 2)::text FROM orders ORDER BY 1").await.unwrap();
    assert_eq!(distinct, ["0", "1"]);
}

#[tokio::test]
async fn damaged_files_hide_nothing_and_are_named() {
    let fixture = Fixture::new();
    fixture.parquet("good.parquet", &numbers(0..10));
    fixture.text("broken.parquet", "PAR1 is not enough");
    fixture.parquet("mixed/a.parquet", &numbers(0..10));
    fixture.parquet("mixed/b.parquet", &batch([("k", Arc::new(Int32Array::from(vec![1])) as _)]));
    fixture.text("both/a.csv", "k\n1\n");
    fixture.parquet("both/b.parquet", &numbers(0..1));
    let schema = fixture.engine.introspect().await.unwrap();
    let reason = |name: &str| {
        let table = schema.tables.iter().find(|t| t.remote_name == name).unwrap();
        assert!(table.columns.is_empty());
        table.skipped[0].1.clone()
    };
    assert!(reason("broken").contains("broken.parquet"), "{}", reason("broken"));
    assert!(reason("mixed").contains("a.parquet") && reason("mixed").contains("b.parquet"));
    assert!(reason("both").contains("mixes"));
    assert_eq!(fixture.rows("SELECT count(*)::text FROM good").await.unwrap(), ["10"]);
    let error = fixture.rows("SELECT count(*)::text FROM broken").await.unwrap_err();
    assert!(error.message().contains("broken.parquet"), "{error}");
}

#[tokio::test]
async fn names_that_clash_keep_their_extensions() {
    let fixture = Fixture::new();
    fixture.parquet("a.parquet", &numbers(0..1));
    fixture.text("a.csv", "x\n1\n");
    fixture.text("b.csv", "x\n1\n");
    fixture.text("readme.txt", "no table");
    let schema = fixture.engine.introspect().await.unwrap();
    let names: Vec<_> = schema.tables.iter().map(|t| t.remote_name.as_str()).collect();
    assert_eq!(names, ["a.csv", "a.parquet", "b"]);
    assert_eq!(fixture.rows("SELECT x::text FROM \"public\".\"a.csv\"").await.unwrap(), ["1"]);
}

/// Both are read inexactly by Arrow's reader: truncated, and without the months.
#[tokio::test]
async fn what_cannot_be_read_exactly_is_left_out() {
    for policy in [UnsupportedTypes::Error, UnsupportedTypes::Text, UnsupportedTypes::Null] {
        let fixture = Fixture::with(policy, CsvOptions::default());
        let message = "message t { OPTIONAL INT96 at; OPTIONAL FIXED_LEN_BYTE_ARRAY (12) span (INTERVAL); }";
        let schema = Arc::new(parse_message_type(message).unwrap());
        let file = File::create(fixture.dir.path().join("t.parquet")).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Default::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let mut at = Int96::new();
        at.set_data(1, 2, 2_440_588);
        column.typed::<Int96Type>().write_batch(&[at], Some(&[1]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let span = ::parquet::data_type::ByteArray::from(vec![1u8; 12]).into();
        column.typed::<::parquet::data_type::FixedLenByteArrayType>().write_batch(&[span], Some(&[1]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let table = fixture.table("t").await;
        match policy {
            UnsupportedTypes::Null => assert!(table.columns.iter().all(|c| c.always_null && c.ty == PgType::TEXT)),
            _ => assert_eq!((table.columns.len(), table.skipped.len()), (0, 2)),
        }
    }
}

/// Slices of lists, with NULL lists that hide elements.
#[tokio::test]
async fn lists_over_many_batches() {
    let field = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let schema = Arc::new(Schema::new(vec![Field::new("l", DataType::List(field), true)]));
    let part = |from: usize| {
        let mut list = ListBuilder::new(StringBuilder::new());
        for row in from..from + 5000 {
            match row % 3 {
                0 => list.append_null(),
                1 => list.append_value(std::iter::empty::<Option<&str>>()),
                _ => list.append_value([Some(format!("v{row}")), None]),
            }
        }
        RecordBatch::try_new(schema.clone(), vec![Arc::new(list.finish())]).unwrap()
    };
    let fixture = Fixture::new();
    let all = concat_batches(&schema, &[part(0), part(5000), part(10_000)]).unwrap();
    fixture.parquet("t.parquet", &all);
    let mut rows = fixture.rows("SELECT l::text FROM t").await.unwrap();
    let value = |row: usize| [("-".to_string()), "{}".to_string(), format!("{{v{row},NULL}}")][row % 3].clone();
    let mut expected: Vec<String> = (0..15_000).map(value).collect();
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
}
