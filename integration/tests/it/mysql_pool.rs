//! MariaDB connections that outlive their query: which are used again, in which state, and when they end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::AsArray;
use connectors::engine::{Engine, EngineSession, ScanRequest, SessionRequest};
use connectors::mysql::{MySql, MySqlConfig, Tls};
use cost_model::SourceId;
use futures::StreamExt;
use futures::future::join_all;
use integration::servers::TestMariaDb;
use planner::{Error, PgType, Result};
use tokio::runtime::Handle;

use crate::conformance::subject::{clock, eventually, query, request, scan};

/// One server for all tests that leave it as it is; every test has an account of its own.
fn server() -> &'static TestMariaDb {
    static SERVER: OnceLock<TestMariaDb> = OnceLock::new();
    SERVER.get_or_init(|| TestMariaDb::start(&[]).unwrap())
}

fn config(server: &TestMariaDb, user: &str) -> MySqlConfig {
    server.sql(&format!("create user {user}@'%'; grant all on *.* to {user}@'%'")).unwrap();
    let mut config = MySqlConfig::new(SourceId::new("my"), "127.0.0.1", "test", user);
    config.port = server.port;
    config.tls = Tls::Disable;
    config
}

fn engine(config: MySqlConfig) -> MySql {
    MySql::new(config, clock(), Handle::current())
}

/// What the server's own list shows of an account.
fn connections(server: &TestMariaDb, user: &str) -> usize {
    // Not information_schema's: MariaDB 10.11 crashes now and then when it is read while connections end.
    let list = server.sql("show processlist").unwrap();
    list.lines().filter(|line| line.split('\t').nth(1) == Some(user)).count()
}

async fn read(session: &dyn EngineSession, request: ScanRequest) -> Result<String> {
    let mut rows = session.scan(request).await?;
    let batch = rows.next().await.expect("a row").map_err(Error::from)?;
    assert!(rows.next().await.is_none());
    Ok(batch.column(0).as_string_view().value(0).to_string())
}

fn ours(sql: &str) -> ScanRequest {
    scan(&format!("select cast(({sql}) as char)"), PgType::TEXT)
}

fn theirs(sql: &str) -> ScanRequest {
    ScanRequest { passthrough: true, ..ours(sql) }
}

fn snapshot() -> SessionRequest {
    SessionRequest { snapshot: true, ..request(query()) }
}

/// One query with one statement.
async fn one(engine: &MySql, statement: ScanRequest) -> String {
    let session = engine.session(request(query())).await.unwrap();
    read(session.as_ref(), statement).await.unwrap()
}

async fn connection(engine: &MySql) -> String {
    one(engine, ours("connection_id()")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_and_closed_in_time() {
    let mut config = config(server(), "idle");
    config.idle_timeout = Duration::from_millis(500);
    let engine = engine(config);
    let first = connection(&engine).await;
    for _ in 0..50 {
        assert_eq!(connection(&engine).await, first, "the same connection");
    }
    engine.ping().await.unwrap();
    engine.introspect().await.unwrap();
    engine.describe("select 1").await.unwrap();
    assert_eq!(connections(server(), "idle"), 1);
    let prepared = server().sql("show global status like 'Prepared_stmt_count'").unwrap();
    let prepared: usize = prepared.trim().rsplit('\t').next().unwrap().parse().unwrap();
    assert!(prepared < 50, "{prepared} statements are still prepared");
    eventually("closed", || connections(server(), "idle") == 0).await;
    assert_ne!(connection(&engine).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_source_that_was_removed() {
    let engine = engine(config(server(), "removed"));
    connection(&engine).await;
    assert_eq!(connections(server(), "removed"), 1);
    drop(engine);
    eventually("closed", || connections(server(), "removed") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_ended_are_replaced_silently() {
    let engine = engine(config(server(), "killed"));
    let sessions = join_all((0..3).map(|_| engine.session(request(query())))).await;
    assert_eq!(connections(server(), "killed"), 3);
    drop(sessions);
    let kill =
        "select group_concat('kill ', id separator ';') from information_schema.processlist where user = 'killed'";
    server().sql(&server().sql(kill).unwrap()).unwrap();
    eventually("killed", || connections(server(), "killed") == 0).await;
    for _ in 0..3 {
        connection(&engine).await;
    }
    assert_eq!(connections(server(), "killed"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_found_idle_is_replaced_silently() {
    let server = TestMariaDb::start(&["wait-timeout=1"]).unwrap();
    let engine = engine(config(&server, "sleeper"));
    let first = connection(&engine).await;
    eventually("closed by the server", || connections(&server, "sleeper") == 0).await;
    assert_ne!(connection(&engine).await, first);
    let session = engine.session(snapshot()).await.unwrap();
    assert_eq!(read(session.as_ref(), ours("1")).await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_statement_of_the_clients_own_sets_ends_with_it() {
    server()
        .sql(
            "delimiter //\ncreate function travel() returns int begin \
             set session time_zone = '+09:00'; set @left = 'behind'; return get_lock('narrows', 0); end//",
        )
        .unwrap();
    let engine = engine(config(server(), "traveller"));
    let state = "select concat_ws(' ', @@time_zone, @@sql_mode, coalesce(@left, '-'), is_used_lock('narrows') is null)";
    let pinned = "+00:00 STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION - 1";
    for _ in 0..3 {
        assert_eq!(one(&engine, theirs("travel()")).await, "1");
        eventually("unlocked", || server().sql("select is_used_lock('narrows') is null").unwrap().trim() == "1").await;
        assert_eq!(one(&engine, ours(state)).await, pinned);
        assert_eq!(one(&engine, theirs(state)).await, pinned);
    }
    // In one query, and thus on one connection.
    let session = engine.session(snapshot()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(read(session.as_ref(), theirs("travel()")).await.unwrap(), "1");
        assert_eq!(read(session.as_ref(), ours("@@time_zone")).await.unwrap(), "+00:00");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_ends_with_its_query() {
    server().sql("create table moving (a int); insert into moving values (1)").unwrap();
    let engine = engine(config(server(), "snapshots"));
    let session = engine.session(snapshot()).await.unwrap();
    let count = || ours("select count(*) from moving");
    let first = read(session.as_ref(), ours("connection_id()")).await.unwrap();
    assert_eq!(read(session.as_ref(), count()).await.unwrap(), "1");
    server().sql("insert into moving values (2)").unwrap();
    assert_eq!(read(session.as_ref(), count()).await.unwrap(), "1");
    drop(session);
    // It is given back as soon as its transaction has ended.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(connection(&engine).await, first);
    assert_eq!(one(&engine, count()).await, "2");
}

/// A request to stop may arrive late: it must not hit the next query.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_stopped_is_not_used_again() {
    let engine = engine(config(server(), "stopped"));
    for cancel in [false, true] {
        for _ in 0..5 {
            let session = engine.session(request(query())).await.unwrap();
            let id = read(session.as_ref(), ours("connection_id()")).await.unwrap();
            let mut rows = session.scan(scan("select seq from seq_1_to_1000000000", PgType::INT8)).await.unwrap();
            assert!(rows.next().await.unwrap().is_ok());
            if cancel {
                session.cancel().await;
            }
            drop((rows, session));
            assert_ne!(connection(&engine).await, id);
        }
        eventually("closed", || connections(server(), "stopped") <= 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_failed_costs_its_connection_only() {
    let engine = engine(config(server(), "failing"));
    let first = connection(&engine).await;
    let session = engine.session(request(query())).await.unwrap();
    assert!(read(session.as_ref(), ours("select nothing from nowhere")).await.is_err());
    drop(session);
    assert!(engine.describe("select nothing").await.is_err());
    assert_ne!(connection(&engine).await, first);
    eventually("closed", || connections(server(), "failing") == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_never_sees_more_connections_than_allowed() {
    let mut config = config(server(), "limited");
    config.max_connections = 3;
    let engine = Arc::new(engine(config));
    let most = Arc::new(AtomicUsize::new(0));
    let watcher = tokio::task::spawn_blocking({
        let most = most.clone();
        move || {
            for _ in 0..40 {
                most.fetch_max(connections(server(), "limited"), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
    let queries = (0..60).map(|i| {
        let engine = engine.clone();
        async move {
            let session = engine.session(if i % 3 == 0 { snapshot() } else { request(query()) }).await.unwrap();
            assert_eq!(read(session.as_ref(), ours("sleep(0.02)")).await.unwrap(), "0");
        }
    });
    join_all(queries).await;
    watcher.await.unwrap();
    let most = most.load(Ordering::Relaxed);
    assert!((2..=3).contains(&most), "{most} connections at once");
}
