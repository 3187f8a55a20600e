use std::sync::atomic::Ordering;

use futures::{TryStreamExt, pin_mut};
use tokio_postgres::types::{FromSql, Kind, Type};

use crate::harness::{code, start};

/// The bytes of a value in binary format.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

#[tokio::test]
async fn statements_are_described() {
    let server = start("");
    let client = server.connect().await;
    let statement = client.prepare_typed("select echo $1 $2", &[Type::INT4]).await.unwrap();
    assert_eq!(statement.params(), [Type::INT4, Type::TEXT]);
    let names: Vec<_> = client
        .prepare("select types")
        .await
        .unwrap()
        .columns()
        .iter()
        .map(|c| (c.name().to_string(), c.type_().clone()))
        .collect();
    assert_eq!(names[5], ("numeric".to_string(), Type::NUMERIC));
    assert_eq!(names[14].1.kind(), &Kind::Array(Type::INT4));
    let statement = client.prepare("set work_mem = '1MB'").await.unwrap();
    assert!(statement.columns().is_empty());
    assert_eq!(client.prepare("show work_mem").await.unwrap().columns()[0].name(), "work_mem");
}

#[tokio::test]
async fn values_travel_in_binary_both_ways() {
    let server = start("");
    let client = server.connect().await;
    let types = [Type::INT4, Type::TEXT, Type::FLOAT8, Type::BOOL, Type::INT8_ARRAY, Type::BYTEA];
    let statement = client.prepare_typed("select echo $1 $2 $3 $4 $5 $6", &types).await.unwrap();
    let (list, bytes) = (vec![Some(1i64), None], vec![0u8, 255]);
    let row = client.query_one(&statement, &[&-7i32, &"é", &0.5f64, &true, &list, &bytes]).await.unwrap();
    assert_eq!(
        (row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, f64>(2), row.get::<_, bool>(3)),
        (-7, "é", 0.5, true)
    );
    assert_eq!((row.get::<_, Vec<Option<i64>>>(4), row.get::<_, Vec<u8>>(5)), (list, bytes));
    let row = client
        .query_one(
            &statement,
            &[&None::<i32>, &None::<&str>, &None::<f64>, &None::<bool>, &None::<Vec<i64>>, &None::<Vec<u8>>],
        )
        .await
        .unwrap();
    assert!((0..6).all(|i| row.try_get::<_, Option<Raw>>(i).unwrap().is_none()));
}

#[tokio::test]
async fn results_in_binary() {
    let server = start("");
    let client = server.connect().await;
    let rows = client.query("select types", &[]).await.unwrap();
    let raw = |name: &str| rows[0].get::<_, Raw>(name).0;
    assert_eq!(raw("int8"), i64::MIN.to_be_bytes());
    assert_eq!(raw("numeric"), [0, 2, 0, 0, 0x40, 0, 0, 2, 0, 123, 0x11, 0x94]);
    assert_eq!(raw("bpchar"), b"a  ");
    assert_eq!(raw("date"), 8825i32.to_be_bytes());
    assert_eq!(
        raw("interval"),
        [3_000_000i64.to_be_bytes().to_vec(), (-3i32).to_be_bytes().to_vec(), 14i32.to_be_bytes().to_vec()].concat()
    );
    assert_eq!(rows[0].get::<_, Vec<Option<i32>>>("array"), [Some(1), None]);
    assert!((0..15).all(|i| rows[1].try_get::<_, Option<Raw>>(i).unwrap().is_none()));
}

#[tokio::test]
async fn a_statement_runs_again_and_again() {
    let server = start("");
    let client = server.connect().await;
    let statement = client.prepare("select numbers(3)").await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.query(&statement, &[]).await.unwrap().len(), 3);
    }
    // Settings are part of a plan: with others it is made anew.
    client.batch_execute("set narrows.pushdown = off").await.unwrap();
    assert_eq!(client.query(&statement, &[]).await.unwrap().len(), 3);
    server.engine.changed.store(true, Ordering::SeqCst);
    let error = client.query(&statement, &[]).await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().message(), "cached plan must not change result type");
}

#[tokio::test]
async fn portals_stop_at_their_row_limit() {
    let server = start("");
    let mut client = server.connect().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("select numbers(2500)", &[]).await.unwrap();
    let mut seen = Vec::new();
    for expected in [700, 700, 700, 400, 0] {
        let rows = transaction.query_portal(&portal, 700).await.unwrap();
        assert_eq!(rows.len(), expected);
        seen.extend(rows.iter().map(|r| r.get::<_, i32>(0)));
        if expected == 700 {
            // No batch is asked for before its first row is wanted.
            assert_eq!(server.engine.batches.load(Ordering::SeqCst), seen.len().div_ceil(1000));
        }
    }
    assert!(seen.iter().copied().eq(0..2500));
    transaction.commit().await.unwrap();
    server.quiet(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn several_portals_are_open_at_once() {
    let server = start("");
    let mut client = server.connect().await;
    let transaction = client.transaction().await.unwrap();
    let (a, b) = (
        transaction.bind("select numbers(10)", &[]).await.unwrap(),
        transaction.bind("select local(10)", &[]).await.unwrap(),
    );
    for i in 0..5 {
        for portal in [&a, &b] {
            let rows = transaction.query_portal(portal, 2).await.unwrap();
            assert_eq!(rows.iter().map(|r| r.get::<_, i32>(0)).collect::<Vec<_>>(), [2 * i, 2 * i + 1]);
        }
    }
    assert_eq!(server.shared.queries.list().len(), 2);
    transaction.rollback().await.unwrap();
    server.quiet(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn results_stream_to_the_driver() {
    let server = start("");
    let client = server.connect().await;
    let rows = client.query_raw("select stall(1500)", std::iter::empty::<i32>()).await.unwrap();
    pin_mut!(rows);
    for i in 0..1500 {
        assert_eq!(rows.try_next().await.unwrap().unwrap().get::<_, i32>(0), i);
    }
}

#[tokio::test]
async fn errors_leave_the_connection_usable() {
    let server = start("");
    let client = server.connect().await;
    assert_eq!(code(&client.query("select fail", &[]).await.unwrap_err()), "42703");
    assert_eq!(code(&client.query("select fail late", &[]).await.unwrap_err()), "22012");
    assert_eq!(code(&client.prepare("select 1; select 2").await.unwrap_err()), "42601");
    assert_eq!(client.query("select numbers(1)", &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_number_of_statements_is_limited() {
    let server = start("max_prepared_statements = 3");
    let client = server.connect().await;
    let mut kept = Vec::new();
    let refused = loop {
        match client.prepare(&format!("select numbers({})", kept.len())).await {
            Ok(statement) => kept.push(statement),
            Err(error) => break error,
        }
    };
    assert_eq!((kept.len(), code(&refused)), (3, "54000"));
    client.batch_execute("deallocate all").await.unwrap();
    client.prepare("select numbers(9)").await.unwrap();
}
