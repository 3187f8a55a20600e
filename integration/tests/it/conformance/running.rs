//! Statements while they run: tagged, streamed no faster than they are read, stopped at the engine, never more than allowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use connectors::connector::{Circuit, ConnectorHandle};
use connectors::engine::ScanRequest;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use futures::future::join_all;
use planner::error::state;
use planner::{Error, Result};

use super::for_each_engine;
use super::subject::{Kind, Options, engines, eventually, query, request};

for_each_engine!(
    a_cancel_before_and_during_streaming_reaches_the_engine,
    a_reader_that_goes_away_stops_the_engine,
    a_reader_that_stops_reading_stops_the_engine,
    connections_stay_within_the_limit,
    errors_of_statements_are_the_statements_own,
    scans_of_one_session_as_declared,
    snapshots_as_declared,
);

async fn number(connector: &ConnectorHandle, kind: Kind) -> Result<i32> {
    let session = connector.open_session(request(query())).await?;
    let mut rows = session.scan(kind.one()).await?;
    let batch = rows.next().await.expect("a row").map_err(Error::from)?;
    Ok(batch.column(0).as_primitive::<Int32Type>().value(0))
}

async fn first_row(rows: &mut SendableRecordBatchStream) {
    assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
}

fn long_running(kind: Kind) -> [(ScanRequest, bool); 2] {
    [(kind.endless(), true), (kind.sleepy(), false)]
}

async fn is_running(connector: &ConnectorHandle, kind: Kind, query: cost_model::QueryId) {
    if kind.declared().processes {
        eventually("at work, under the query's id", || kind.running(query) == 1).await;
    }
    assert_eq!(connector.status().running_statements, 1);
}

async fn a_cancel_before_and_during_streaming_reaches_the_engine(kind: Kind) {
    let connector = kind.connector(Options::default());
    // More than it takes to open the circuit.
    for _ in 0..2 {
        for (statement, streams) in long_running(kind) {
            let query = query();
            let session = connector.open_session(request(query)).await.unwrap();
            let reading = tokio::spawn({
                let session = session.clone();
                async move { session.scan(statement).await }
            });
            let mut rows = None;
            if streams {
                let mut stream = reading.await.unwrap().unwrap();
                first_row(&mut stream).await;
                is_running(&connector, kind, query).await;
                connector.cancel(query).await;
                rows = Some(stream);
            } else {
                eventually("started", || connector.status().running_statements == 1).await;
                is_running(&connector, kind, query).await;
                connector.cancel(query).await;
                if let Ok(stream) = reading.await.unwrap() {
                    rows = Some(stream);
                }
            }
            let gone = eventually("stopped", || kind.running(query) == 0).await;
            assert!(gone < Duration::from_secs(1), "{gone:?}");
            if let Some(mut rows) = rows {
                let end = async {
                    loop {
                        match rows.next().await.expect("an end that is no error") {
                            Ok(_) => {}
                            Err(e) => break Error::from(e),
                        }
                    }
                };
                let error = tokio::time::timeout(Duration::from_secs(2), end).await.unwrap();
                assert_eq!(error.sqlstate(), state::QUERY_CANCELED, "{error}");
            }
            let again = session.scan(kind.one()).await;
            let refused = match again {
                Err(error) => error,
                Ok(mut rows) => Error::from(rows.next().await.unwrap().expect_err("a canceled query goes on")),
            };
            assert_eq!(refused.sqlstate(), state::QUERY_CANCELED, "{refused}");
        }
    }
    let status = connector.status();
    assert_eq!((status.circuit, status.consecutive_failures), (Circuit::Closed, 0), "{:?}", status.last_error);
    assert_eq!(number(&connector, kind).await.unwrap(), 1);
}

async fn a_reader_that_goes_away_stops_the_engine(kind: Kind) {
    let connector = kind.connector(Options::default());
    for _ in 0..2 {
        for (statement, streams) in long_running(kind) {
            let query = query();
            let session = connector.open_session(request(query)).await.unwrap();
            if streams {
                let mut rows = session.scan(statement).await.unwrap();
                first_row(&mut rows).await;
                is_running(&connector, kind, query).await;
                drop(rows);
            } else {
                let reading = tokio::spawn({
                    let session = session.clone();
                    async move {
                        let mut rows = session.scan(statement).await.unwrap();
                        rows.next().await.is_some()
                    }
                });
                eventually("started", || connector.status().running_statements == 1).await;
                is_running(&connector, kind, query).await;
                reading.abort();
            }
            drop(session);
            let gone = eventually("stopped", || kind.running(query) == 0).await;
            assert!(gone < Duration::from_secs(1), "{gone:?}");
            eventually("permit given back", || connector.status().permits_in_use == 0).await;
        }
    }
    assert_eq!(connector.status().consecutive_failures, 0, "{:?}", connector.status().last_error);
    assert_eq!(number(&connector, kind).await.unwrap(), 1);
}

/// Whether the engine waits for somebody to take its rows. The embedded one does so by its channel.
fn is_stuck(kind: Kind, query: cost_model::QueryId) -> bool {
    let id = format!("like '/* narrows query={query} */%'");
    let answer = match kind {
        Kind::Postgres => engines()
            .postgres
            .sql(&format!("select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and query {id}")),
        Kind::MariaDb => engines().mariadb.sql(&format!(
            "select count(*) from information_schema.processlist where state = 'Writing to net' and info {id}"
        )),
        Kind::Files => return true,
    };
    answer.unwrap().trim() == "1"
}

async fn a_reader_that_stops_reading_stops_the_engine(kind: Kind) {
    let connector = kind.connector(Options::default());
    let query = query();
    let session = connector.open_session(request(query)).await.unwrap();
    let mut rows = session.scan(kind.endless()).await.unwrap();
    first_row(&mut rows).await;
    let before = resident();
    eventually("the engine waits for us", || is_stuck(kind, query)).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(is_stuck(kind, query));
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 200 << 20, "memory grew by {grown} bytes while nobody read");
    for _ in 0..20 {
        first_row(&mut rows).await;
    }
    eventually("the engine waits again", || is_stuck(kind, query)).await;
}

/// Bytes of memory this process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

async fn connections_stay_within_the_limit(kind: Kind) {
    let connector = kind.connector(Options { max_connections: 2, ..Options::default() });
    let most = Arc::new(AtomicUsize::new(0));
    let queries = (0..12).map(|i| {
        let (connector, most) = (connector.clone(), most.clone());
        async move {
            let session = connector.open_session(request(query())).await.unwrap();
            most.fetch_max(connector.status().permits_in_use, Ordering::Relaxed);
            let mut rows = session.scan(kind.one()).await.unwrap();
            if i % 4 != 0 {
                first_row(&mut rows).await;
            }
        }
    });
    join_all(queries).await;
    assert!((1..=2).contains(&most.load(Ordering::Relaxed)));
    eventually("all permits given back", || connector.status().permits_in_use == 0).await;

    // Both permits taken: a third waits in line, and only as long as it may.
    let held = [query(), query()].map(|q| connector.open_session(request(q)));
    let held = join_all(held).await;
    let deadline = Some(super::subject::clock().now() + Duration::from_millis(100));
    let late = connector.open_session(connectors::engine::SessionRequest { deadline, ..request(query()) }).await;
    assert_eq!(late.err().unwrap().sqlstate(), state::TOO_MANY_CONNECTIONS);
    drop(held);
    assert_eq!(number(&connector, kind).await.unwrap(), 1);
}

async fn errors_of_statements_are_the_statements_own(kind: Kind) {
    let connector = kind.connector(Options::default());
    for _ in 0..5 {
        let session = connector.open_session(request(query())).await.unwrap();
        let error = match session.scan(kind.wrong()).await {
            Err(error) => error,
            Ok(mut rows) => Error::from(rows.next().await.unwrap().unwrap_err()),
        };
        assert!(!["08", "57", "XX"].contains(&&error.sqlstate().as_str()[..2]), "{error}");
    }
    for _ in 0..5 {
        assert!(connector.describe("select :a, ?").await.is_err());
    }
    let status = connector.status();
    assert_eq!((status.circuit, status.consecutive_failures), (Circuit::Closed, 0), "{:?}", status.last_error);
    assert_eq!(number(&connector, kind).await.unwrap(), 1);
}

/// Either a second scan runs while the first one is read, or it waits for it; it never mixes with it.
async fn scans_of_one_session_as_declared(kind: Kind) {
    let connector = kind.connector(Options::default());
    let two = connectors::engine::SessionRequest { connections: 2, snapshot: true, ..request(query()) };
    let session = connector.open_session(two).await.unwrap();
    let mut first = session.scan(kind.endless()).await.unwrap();
    first_row(&mut first).await;
    let mut second = tokio::spawn({
        let session = session.clone();
        async move {
            let mut rows = session.scan(kind.one()).await?;
            let batch = rows.next().await.expect("a row").map_err(Error::from)?;
            Ok::<_, Error>(batch.column(0).as_primitive::<Int32Type>().value(0))
        }
    });
    if session.concurrent_scans() {
        assert_eq!(second.await.unwrap().unwrap(), 1);
        first_row(&mut first).await;
    } else {
        let early = tokio::time::timeout(Duration::from_millis(200), &mut second).await;
        assert!(early.is_err(), "a second scan ran that was not declared");
        first_row(&mut first).await;
        drop(first);
        // The first one's rows are not wanted any more; the query goes on.
        let end = tokio::time::timeout(Duration::from_secs(2), second).await.expect("an end").unwrap();
        assert_eq!(end.unwrap(), 1);
    }
}

/// Two scans of a query see the same rows, if the engine says that it has snapshots.
async fn snapshots_as_declared(kind: Kind) {
    let declared = kind.engine(&Options::default()).introspect().await.unwrap().snapshots;
    if !declared {
        assert_eq!(kind, Kind::Files, "only an engine without transactions may have none");
        return;
    }
    let change = |sql: &str| match kind {
        Kind::Postgres => engines().postgres.sql(sql).unwrap(),
        _ => engines().mariadb.sql(sql).unwrap(),
    };
    change("drop table if exists changing; create table changing (a int); insert into changing values (1);");
    let connector = kind.connector(Options::default());
    let schema = if kind == Kind::Postgres { "public" } else { "test" };
    let count = format!(
        "select cast(count(*) as {}) from {schema}.changing",
        ["int4", "signed"][usize::from(kind == Kind::MariaDb)]
    );
    let counted = super::subject::scan(&count, planner::PgType::INT4);
    let both = connectors::engine::SessionRequest { connections: 2, snapshot: true, ..request(query()) };
    let session = connector.open_session(both).await.unwrap();
    let read = async || {
        let mut rows = session.scan(counted.clone()).await.unwrap();
        let batch = rows.next().await.unwrap().unwrap();
        assert!(rows.next().await.is_none());
        batch.column(0).as_primitive::<Int32Type>().value(0)
    };
    assert_eq!(read().await, 1);
    change("insert into changing values (2)");
    assert_eq!(read().await, 1, "the snapshot of the first scan");
    for statement in [kind.endless(), kind.sleepy()] {
        let mut abandoned = session.scan(statement).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(100), abandoned.next()).await;
        drop(abandoned);
        assert_eq!(read().await, 1, "the snapshot after rows that nobody wanted");
    }
    drop(session);
}
