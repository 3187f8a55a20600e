//! Queries that somebody stops: a cancel, a time-out, a client that goes away, before the first row and between rows. The engine's
//! own list of processes is clean within a second.

use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use integration::gateway::{GatewayConfig, connect};
use integration::site::TestSite;
use tokio::sync::Notify;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::*;
use crate::conformance::subject::engines;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    Cancel,
    Timeout,
    /// The socket is closed without a word.
    ClientGone,
}

/// These tests look at the same servers for the same words: one at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Statements of these tests that are at work; `mark` is somewhere in their text.
fn at_work(source: &str, mark: &str) -> usize {
    let like = format!("like '/* narrows query=%' and {{}} like '%{mark}%'");
    let answer = match source {
        "pg" => engines().postgres.sql(&format!(
            "select count(*) from pg_stat_activity where state = 'active' and query {}",
            like.replace("{}", "query")
        )),
        _ => engines().mariadb.sql(&format!(
            "select count(*) from information_schema.processlist where info {}",
            like.replace("{}", "info")
        )),
    };
    answer.unwrap().trim().parse().unwrap()
}

async fn stopped(gateway: &TestGateway, source: &str, sql: &str, mark: &str, streams: bool, stop: Stop) {
    let what = format!("{source}, {mark}, streams: {streams}, {stop:?}");
    let (client, connection) = tokio_postgres::connect(&gateway.url(), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    if stop == Stop::Timeout {
        client.batch_execute("set statement_timeout = '3s'").await.unwrap();
    }
    let cancel = client.cancel_token();
    let read_on = Arc::new(Notify::new());
    let looked = read_on.clone();
    let started = Instant::now();
    let reading = tokio::spawn({
        let sql = sql.to_string();
        async move {
            let mut rows = pin!(client.simple_query_raw(&sql).await.unwrap());
            let mut seen = 0;
            loop {
                match rows.next().await {
                    Some(Ok(SimpleQueryMessage::Row(_))) => {
                        seen += 1;
                        if seen == 1000 {
                            // Reads no further until the engine was looked at.
                            looked.notified().await;
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(e)) => return (seen, e.as_db_error().map(|e| e.code().code().to_string())),
                    None => return (seen, None),
                }
            }
        }
    });
    eventually(&format!("at work: {what}"), || at_work(source, mark) == 1).await;
    match stop {
        Stop::Cancel => cancel.cancel_query(NoTls).await.unwrap(),
        Stop::ClientGone => {
            connection.abort();
            reading.abort();
        }
        Stop::Timeout => tokio::time::sleep(Duration::from_secs(3).saturating_sub(started.elapsed())).await,
    }
    let gone = eventually(&format!("stopped: {what}"), || at_work(source, mark) == 0).await;
    assert!(gone < Duration::from_secs(1), "{gone:?}: {what}");
    if stop != Stop::ClientGone {
        read_on.notify_one();
        let (_, code) = tokio::time::timeout(Duration::from_secs(4), reading).await.expect(&what).unwrap();
        assert_eq!(code.as_deref(), Some("57014"), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_is_rid_of_a_query_within_a_second() {
    let engines = engines();
    let config = GatewayConfig::default().site("local").postgres("pg", "local", &engines.postgres);
    let gateway = TestGateway::start(&config.mariadb("my", "local", &engines.mariadb)).unwrap();
    rid_within_a_second(gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_is_an_engine_at_a_site_elsewhere() {
    let engines = engines();
    let pg = GatewayConfig::default().postgres("pg", "eu", &engines.postgres);
    let my = GatewayConfig::default().mariadb("my", "us", &engines.mariadb);
    let sites = [TestSite::start("eu", &pg).unwrap(), TestSite::start("us", &my).unwrap()];
    let config = sites.iter().fold(GatewayConfig::default(), GatewayConfig::remote_site);
    rid_within_a_second(TestGateway::start(&config).unwrap()).await;
}

async fn rid_within_a_second(gateway: TestGateway) {
    let _alone = ALONE.lock().await;
    for (source, sleep) in [("pg", "1 as s from pg_sleep"), ("my", "sleep")] {
        for (n, stop) in [Stop::Cancel, Stop::Timeout, Stop::ClientGone].into_iter().enumerate() {
            let mark = format!("71.{n}");
            let alias = if source == "my" { " as s" } else { "" };
            let asleep = format!("select * from narrows.query('{source}', 'select {sleep}({mark}){alias}')");
            stopped(&gateway, source, &asleep, &mark, false, stop).await;
            // A billion rows; the mark is a condition that is always true.
            let mark = format!("mark{n}");
            let item = if source == "pg" { "public.item" } else { "item" };
            let rows = format!(
                "select * from narrows.query('{source}', 'select a.code as x, b.code as y from {item} a, {item} b, {item} c \
                 where a.code <> ''{mark}''')"
            );
            stopped(&gateway, source, &rows, &mark, true, stop).await;
        }
    }
    let client = connect(&gateway.url()).await.unwrap();
    for source in ["pg", "my"] {
        assert_eq!(rows(&client, &format!("select count(*) from {source}.item")).await[0][0].as_deref(), Some("1000"));
    }
    let idle = "select count(*) from narrows.sources where state = 'healthy' and connections_in_use = 0 and running_statements = 0";
    answers(&client, idle, "2").await;
    answers(&client, "select count(*) from narrows.queries where query not like '%narrows.queries%'", "0").await;
}
