//! One query, one snapshot: over several statements and over the parallel ranges of one table.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use planner::plan::SingleTable;

use super::*;

async fn count(session: &Arc<dyn EngineSession>, table: &str, n: Option<f64>) -> i64 {
    let sql = format!("select count(*) from public.{table}");
    let batch = collect(session.scan(scan(&sql, &[PgType::INT8], n)).await.unwrap()).await.unwrap();
    batch.column(0).as_primitive::<Int64Type>().value(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_statements_of_a_query_see_the_same_rows() {
    server().sql("drop table if exists seen; create table seen (a int); insert into seen values (1)").unwrap();
    let engine = engine(config(server(), "seen"));
    for connections in [1, 3] {
        let session = open(&engine, connections, true).await;
        let before = count(&session, "seen", FEW).await;
        server().sql("insert into seen values (2)").unwrap();
        assert_eq!(count(&session, "seen", MANY).await, before);
        if session.concurrent_scans() {
            let scans = (0..3).map(|_| count(&session, "seen", FEW));
            assert_eq!(futures::future::join_all(scans).await, [before; 3]);
        }
        drop(session);
        assert_eq!(count(&open(&engine, 1, true).await, "seen", FEW).await, before + 1);
        eventually("no transaction is left open", || {
            processes(server(), "seen", "state in ('active', 'idle in transaction')") == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_statement_does_not_lose_the_snapshot() {
    server().sql("drop table if exists kept; create table kept (a int); insert into kept values (1)").unwrap();
    let engine = engine(config(server(), "kept"));
    for connections in [1, 2] {
        let session = open(&engine, connections, true).await;
        let before = count(&session, "kept", FEW).await;
        let endless = "select generate_series(1, 1000000000)::int8";
        for n in [FEW, MANY] {
            let mut stream = session.scan(scan(endless, &[PgType::INT8], n)).await.unwrap();
            stream.next().await.unwrap().unwrap();
            drop(stream);
            server().sql("insert into kept values (2)").unwrap();
            assert_eq!(count(&session, "kept", n).await, before);
        }
    }
}

/// A table of ids and amounts that fills a few thousand pages.
fn big_table(name: &str) {
    let sql = format!(
        "drop table if exists {name}; create table {name} (id int8, amount int8, filler text) with (fillfactor = 70); \
         insert into {name} select i, i % 1000, repeat('f', 200) from generate_series(1, 200000) i; analyze {name}"
    );
    server().sql(&sql).unwrap();
}

fn split_scan(table: &str, alias: &str) -> ScanRequest {
    let quoted = format!("\"{}\"", alias.replace('"', "\"\""));
    let sql = format!("select {quoted}.id, {quoted}.amount from public.{table} as {quoted} where (true)");
    let mut request = scan(&sql, &[PgType::INT8, PgType::INT8], Some(200_000.0));
    request.conditions_at = Some(request.sql.len());
    request.single_table = Some(SingleTable {
        remote_schema: "public".into(),
        remote_name: table.into(),
        alias: alias.into(),
        estimated_rows: Some(200_000.0),
    });
    request
}

async fn totals(stream: SendableRecordBatchStream) -> (usize, i64, i64) {
    let batch = collect(stream).await.unwrap();
    let sum = |c: usize| batch.column(c).as_primitive::<Int64Type>().values().iter().sum::<i64>();
    (batch.num_rows(), sum(0), sum(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_scan_sees_each_row_once_while_rows_move() {
    big_table("moving");
    let mut config = config(server(), "split");
    config.split_from_rows = 100_000.0;
    let engine = engine(config);
    let expected = (200_000, 200_000 * 200_001 / 2, 200 * 499_500);
    let (stop, changes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    // Every transaction moves rows to other pages and leaves count and sums as they are.
    let writer = std::thread::spawn({
        let (stop, changes) = (stop.clone(), changes.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                let changed = changes.fetch_add(1, Ordering::Relaxed);
                let part = changed % 50;
                server()
                    .sql(&format!(
                        "begin; update moving set amount = amount + 1 where id % 100 = {part}; \
                         update moving set amount = amount - 1 where id % 100 = {part}; \
                         delete from moving where id = {id}; insert into moving values ({id}, {id} % 1000, 'moved'); commit",
                        id = 1 + changed * 37 % 200_000
                    ))
                    .unwrap();
                server().sql("vacuum moving").unwrap();
            }
        }
    });
    let mut scans = 0;
    while scans < 10 || changes.load(Ordering::Relaxed) < 10 {
        let session = open(&engine, 3, false).await;
        let alias = ["t0", "odd \"alias"][scans % 2];
        assert_eq!(totals(session.scan(split_scan("moving", alias)).await.unwrap()).await, expected);
        scans += 1;
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_scan_uses_its_connections_and_ranges() {
    big_table("ranged");
    let mut config = config(server(), "ranged");
    config.split_from_rows = 100_000.0;
    let engine = engine(config);
    let session = open(&engine, 3, false).await;
    let mut request = split_scan("ranged", "t0");
    // Slow enough to be looked at.
    request.sql = "select t0.id, t0.amount from public.ranged as t0 where (pg_sleep(0.00001) is not null)".into();
    request.conditions_at = Some(request.sql.len());
    let stream = session.scan(request).await.unwrap();
    let ranges = "state = 'active' and query like '%ctid >= %' or query like '%ctid < %'";
    eventually("three at once", || processes(server(), "ranged", &format!("({ranges})")) == 3).await;
    drop(stream);
    let gone = eventually("all stopped", || processes(server(), "ranged", "state <> 'idle'") == 0).await;
    assert!(gone < Duration::from_secs(1), "{gone:?}");
    let plan = server()
        .sql("explain select id from ranged as t0 where (true) AND \"t0\".ctid >= '(100,0)'::pg_catalog.tid AND \"t0\".ctid < '(200,0)'::pg_catalog.tid")
        .unwrap();
    assert!(plan.contains("Tid Range Scan"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_split_is_read_as_it_is() {
    big_table("whole");
    server().sql("drop view if exists whole_view; create view whole_view as select * from whole").unwrap();
    let mut config = config(server(), "whole");
    config.split_from_rows = 100_000.0;
    let engine = engine(config);
    let session = open(&engine, 3, false).await;
    let mut view = split_scan("whole_view", "v");
    assert_eq!(totals(session.scan(view.clone()).await.unwrap()).await.0, 200_000);
    view.single_table.as_mut().unwrap().remote_name = "no such table".into();
    assert_eq!(totals(session.scan(view).await.unwrap()).await.0, 200_000);
}
