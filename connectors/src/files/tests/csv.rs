//! CSV tables.

use planner::PgType;
use planner::error::state;

use super::fixture::*;
use crate::engine::{Engine, UnsupportedTypes};
use crate::files::CsvOptions;

#[tokio::test]
async fn types_come_from_all_values() {
    let fixture = Fixture::new();
    fixture.text(
        "people.csv",
        "id,zip,paid,height,born,seen,ok,note\n\
         1,01234,1.50,1.8,1970-01-01,2024-02-29 12:00:00,true,\"a, \"\"b\"\"\"\n\
         2,99999,-0.25,2,2024-02-29,2024-02-29 12:00:00.5,f,\"\"\n\
         3,,,,,,,\n",
    );
    let table = fixture.table("people").await;
    let types: Vec<_> = table.columns.iter().map(|c| c.ty).collect();
    let expected = [
        PgType::INT8,
        PgType::TEXT,
        PgType::numeric(38, 2),
        PgType::NUMERIC,
        PgType::DATE,
        PgType::TIMESTAMP,
        PgType::BOOL,
        PgType::TEXT,
    ];
    assert_eq!(types, expected);
    assert_eq!(table.rows, Some(3.0));
    assert_eq!(table.columns[1].stats.null_fraction, Some(1.0 / 3.0));
    let sql = "SELECT id::text, zip, paid::text, height::text, born::text, seen::text, ok::text, note FROM people";
    let rows = fixture.rows(sql).await.unwrap();
    assert_eq!(
        rows,
        [
            "1|01234|1.50|1.8|1970-01-01|2024-02-29 12:00:00|true|a, \"b\"",
            "2|99999|-0.25|2|2024-02-29|2024-02-29 12:00:00.5|false|",
            "3|-|-|-|-|-|-|-",
        ]
    );
    assert_eq!(fixture.rows("SELECT sum(paid)::text FROM people WHERE height < 3").await.unwrap(), ["1.25"]);
    assert_eq!(fixture.rows("SELECT count(*)::text FROM people").await.unwrap(), ["3"]);
}

#[tokio::test]
async fn options_are_obeyed() {
    let options = CsvOptions { header: false, delimiter: ';', null: "NA".into() };
    let fixture = Fixture::with(UnsupportedTypes::Error, options);
    fixture.text("t.csv", "\u{feff}1;x\r\nNA;\"NA\"\r\n3;\r\n");
    let rows = fixture.rows("SELECT column1::text, column2 FROM t").await.unwrap();
    assert_eq!(rows, ["1|x", "-|NA", "3|"]);
}

#[tokio::test]
async fn files_of_a_folder_are_one_table() {
    let fixture = Fixture::new();
    fixture.text("t/1.csv", "a,b\n1,x\n");
    fixture.text("t/2.csv", "a,b\n1.5,y\n");
    fixture.text("t/3.csv", "");
    assert_eq!(fixture.table("t").await.columns[0].ty, PgType::NUMERIC);
    assert_eq!(fixture.rows("SELECT a::text, b FROM t ORDER BY b").await.unwrap(), ["1|x", "1.5|y"]);
    fixture.text("t/4.csv", "a,c\n1,x\n");
    let broken = fixture.table("t").await;
    assert!(broken.skipped[0].1.contains("1.csv") && broken.skipped[0].1.contains("4.csv"), "{broken:?}");
}

#[tokio::test]
async fn what_is_no_csv_is_named_with_its_line() {
    let cases: [(&[u8], &str); 5] = [
        (b"a,b\n1,2\n3\n", "line 3 has 1 fields instead of 2"),
        (b"a\n\"open\n", "the quote in line 2 is not closed"),
        (b"a\n\xff\n", "line 2 is not UTF-8 text"),
        (b"a,a\n1,2\n", "has two columns \"a\""),
        (b"", "is empty"),
    ];
    let fixture = Fixture::new();
    for (number, (content, _)) in cases.iter().enumerate() {
        fixture.text(&format!("t{number}.csv"), content);
    }
    let schema = fixture.engine.introspect().await.unwrap();
    for (table, (_, reason)) in schema.tables.iter().zip(cases) {
        assert!(table.skipped[0].1.contains(reason), "{:?}", table.skipped);
        assert!(table.skipped[0].1.contains(&format!("{}.csv", table.remote_name)));
    }
}

/// The type was inferred before the file was changed to hold something else.
#[tokio::test]
async fn a_type_that_no_longer_fits_is_an_error() {
    let fixture = Fixture::new();
    fixture.text("t.csv", "a\n1\n");
    assert_eq!(fixture.table("t").await.columns[0].ty, PgType::INT8);
    let request = fixture.request("SELECT a FROM t").unwrap();
    fixture.text("t.csv", "a\n1\nx\n");
    let Err(error) = fixture.session().await.scan(request).await else { panic!("it must not start") };
    assert_eq!(error.sqlstate(), state::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert!(error.message().contains("columns of table \"t\" have changed"), "{error}");
}
