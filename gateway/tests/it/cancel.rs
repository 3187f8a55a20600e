use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::{TryStreamExt, pin_mut};
use tokio_postgres::NoTls;

use crate::harness::{ask, code, start, wait_for};

const SOON: Duration = Duration::from_secs(1);

#[tokio::test]
async fn cancel_before_the_first_row() {
    let server = start("");
    let client = server.connect().await;
    let token = client.cancel_token();
    let query = tokio::spawn(async move {
        let error = client.simple_query("select stall(0)").await.unwrap_err();
        (client, code(&error).to_string())
    });
    server.busy(1).await;
    let since = Instant::now();
    token.cancel_query(NoTls).await.unwrap();
    let (client, state) = query.await.unwrap();
    assert_eq!(state, "57014");
    assert!(since.elapsed() < SOON);
    server.quiet(SOON).await;
    // It meant that statement, not the next one.
    token.cancel_query(NoTls).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask(&client, "select numbers(1)").await.len(), 1);
}

#[tokio::test]
async fn cancel_while_rows_are_coming() {
    let server = start("");
    let client = server.connect().await;
    let rows = client.query_raw("select stall(2000)", std::iter::empty::<i32>()).await.unwrap();
    pin_mut!(rows);
    for _ in 0..2000 {
        rows.try_next().await.unwrap().unwrap();
    }
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    assert_eq!(code(&rows.try_next().await.unwrap_err()), "57014");
    server.quiet(SOON).await;
}

/// The gateway is blocked in a write, and must hear the cancel all the same.
#[tokio::test]
async fn cancel_while_the_client_does_not_read() {
    let server = start("");
    let client = server.connect().await;
    let token = client.cancel_token();
    // Not polled: the driver's buffers fill up, then the socket's.
    let rows = client.query_raw("select numbers(5000000)", std::iter::empty::<i32>()).await.unwrap();
    wait_for(&server.engine.batches, 10).await;
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = server.engine.batches.load(Ordering::SeqCst);
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before < 5000, "the producer must wait for the client");
    token.cancel_query(NoTls).await.unwrap();
    server.quiet(SOON).await;
    drop(rows);
}

#[tokio::test]
async fn a_client_that_is_gone_stops_its_query() {
    let server = start("");
    for rows in [0, 1500] {
        let (client, connection) = tokio_postgres::connect(&server.url(""), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let query =
            tokio::spawn(async move { client.simple_query(&format!("select stall({rows})")).await.map(|_| ()) });
        server.busy(1).await;
        connection.abort();
        query.abort();
        server.quiet(SOON).await;
    }
}

#[tokio::test]
async fn statement_timeout() {
    let server = start("statement_timeout = \"150ms\"");
    let client = server.connect().await;
    assert_eq!(ask(&client, "show statement_timeout").await, ["150ms"]);
    for sql in ["select stall(0)", "select stall(1500)"] {
        let since = Instant::now();
        let error = client.simple_query(sql).await.unwrap_err();
        assert_eq!(error.as_db_error().unwrap().message(), "canceling statement due to statement timeout");
        assert!(since.elapsed() >= Duration::from_millis(150) && since.elapsed() < SOON);
    }
    let error = client.query("select stall(0)", &[]).await.unwrap_err();
    assert_eq!(code(&error), "57014");
    server.quiet(SOON).await;
    ask(&client, "set statement_timeout = 0; select numbers(1)").await;
}

#[tokio::test]
async fn idle_time_outs() {
    let server = start("idle_timeout = \"150ms\"");
    let client = server.connect().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(client.is_closed());

    let client = server.connect().await;
    ask(&client, "set idle_session_timeout = 0; set idle_in_transaction_session_timeout = '100ms'").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!client.is_closed());
    ask(&client, "begin").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(client.is_closed());
}
