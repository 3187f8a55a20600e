//! Files that change under a running gateway.

use std::sync::Arc;

use ::parquet::file::properties::WriterProperties;
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use planner::error::state;

use super::fixture::*;

fn one_column(name: &str, values: std::ops::Range<i64>) -> RecordBatch {
    batch([(name, Arc::new(Int64Array::from_iter_values(values)) as ArrayRef)])
}

#[tokio::test]
async fn new_rows_and_files_are_seen_without_asking() {
    let fixture = Fixture::new();
    fixture.parquet("t/1.parquet", &one_column("k", 0..10));
    assert_eq!(fixture.table("t").await.rows, Some(10.0));
    fixture.parquet("t/2.parquet", &one_column("k", 10..15));
    assert_eq!(fixture.rows("SELECT count(*)::text, max(k)::text FROM t").await.unwrap(), ["15|14"]);
    std::fs::remove_file(fixture.dir.path().join("t/1.parquet")).unwrap();
    assert_eq!(fixture.rows("SELECT count(*)::text, min(k)::text FROM t").await.unwrap(), ["5|10"]);
}

#[tokio::test]
async fn other_columns_are_an_error_and_never_a_wrong_value() {
    let changes: [(&str, ArrayRef); 2] =
        [("k", Arc::new(StringArray::from(vec!["1"]))), ("other", Arc::new(Int64Array::from(vec![1])))];
    for (name, column) in changes {
        let fixture = Fixture::new();
        fixture.parquet("t.parquet", &one_column("k", 0..10));
        let request = fixture.request("SELECT k FROM t").unwrap();
        fixture.parquet("t.parquet", &batch([(name, column)]));
        let Err(error) = fixture.session().await.scan(request).await else { panic!("it must not start") };
        assert_eq!(error.sqlstate(), state::OBJECT_NOT_IN_PREREQUISITE_STATE);
        assert!(error.hint().unwrap().contains("refresh_catalog"));
        fixture.table("t").await;
        fixture.rows(&format!("SELECT {name}::text FROM t")).await.expect("after a refresh");
    }
}

#[tokio::test]
async fn gone_and_damaged_files_are_named() {
    let fixture = Fixture::new();
    fixture.parquet("gone.parquet", &one_column("k", 0..10));
    fixture.parquet("damaged.parquet", &one_column("k", 0..100_000));
    fixture.table("gone").await;
    std::fs::remove_file(fixture.dir.path().join("gone.parquet")).unwrap();
    let error = fixture.rows("SELECT k::text FROM gone").await.unwrap_err();
    assert_eq!(error.sqlstate(), state::UNDEFINED_TABLE);

    // The footer stays, the data are overwritten: nothing but reading it can tell.
    let path = fixture.dir.path().join("damaged.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4..2000].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = fixture.rows("SELECT sum(k)::text FROM damaged").await.unwrap_err();
    assert_eq!(error.sqlstate(), state::FDW_ERROR);
    assert!(error.to_string().contains("damaged.parquet"), "{error}");
}

/// Written to between two reads of one scan.
#[tokio::test]
async fn a_file_written_to_while_it_is_read_is_an_error() {
    use futures::TryStreamExt;
    let fixture = Fixture::new();
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(10_000)).build();
    fixture.parquet_with("t.parquet", &one_column("k", 0..1_000_000), groups.clone());
    let request = fixture.request("SELECT k FROM t").unwrap();
    let mut stream = fixture.session().await.scan(request).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    // In place: the same inode.
    fixture.parquet_with("t.parquet", &one_column("k", 5..1_000_005), groups);
    let error = loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it must not end well"),
            Err(error) => break planner::Error::from(error),
        }
    };
    assert!(error.message().contains("t.parquet\" changed while it was read"), "{error}");
}
