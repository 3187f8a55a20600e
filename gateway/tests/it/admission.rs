use std::time::{Duration, Instant};

use crate::harness::{ask, fails, start, start_with};
use gateway::queries::Phase;

#[tokio::test]
async fn queries_wait_for_their_turn_and_not_for_ever() {
    let server = start("max_running = 1\nmax_queued = 1\nqueue_timeout = \"200ms\"");
    let (first, second, third) = (server.connect().await, server.connect().await, server.connect().await);
    let token = first.cancel_token();
    let running = tokio::spawn(async move { fails(&first, "select stall(5)").await });
    server.busy(1).await;

    let since = Instant::now();
    let queued = tokio::spawn(async move {
        let state = fails(&second, "select numbers(1)").await;
        (second, state)
    });
    while !server.shared.queries.list().iter().any(|q| q.phase == Phase::Queued) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let list = server.shared.queries.list();
    assert_eq!(list.len(), 2);
    assert_eq!((&*list[0].text, list[0].phase, list[0].rows_sent), ("select stall(5)", Phase::Sending, 5));
    assert_eq!((&*list[1].text, &*list[1].origin.user), ("select numbers(1)", "ana"));
    // The queue is full, and the gateway's own tables do not queue.
    assert_eq!(fails(&third, "select numbers(1)").await, "53300");
    assert_eq!(ask(&third, "select local(1)").await.len(), 1);

    let (second, state) = queued.await.unwrap();
    assert_eq!(state, "53300");
    assert!(since.elapsed() >= Duration::from_millis(200));

    // Room again: the next one in the queue starts.
    let waiting = tokio::spawn(async move { ask(&second, "select numbers(1)").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    assert_eq!(running.await.unwrap(), "57014");
    assert_eq!(waiting.await.unwrap().len(), 1);
    server.quiet(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_query_that_waits_can_be_cancelled() {
    let server = start("max_running = 1");
    let (first, second) = (server.connect().await, server.connect().await);
    let (stall, token) = (first.cancel_token(), second.cancel_token());
    let running = tokio::spawn(async move { fails(&first, "select stall(0)").await });
    server.busy(1).await;
    let waiting = tokio::spawn(async move { fails(&second, "select numbers(1)").await });
    while !server.shared.queries.list().iter().any(|q| q.phase == Phase::Queued) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    assert_eq!(waiting.await.unwrap(), "57014");
    stall.cancel_query(tokio_postgres::NoTls).await.unwrap();
    running.await.unwrap();
    assert!(server.shared.queries.list().is_empty());
}

#[tokio::test]
async fn connections_are_limited() {
    let server = start("max_connections = 2");
    let (_a, b) = (server.connect().await, server.connect().await);
    let error = server.connect_as("").await.err().unwrap();
    assert_eq!(crate::harness::code(&error), "53300");
    drop(b);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.connect().await;

    let verifier = gateway::pg::auth::Verifier::from_password("pw").to_string();
    let user = format!(
        "[[user]]\nname = \"ana\"\nmax_connections = 1\nmax_running = 1\nstatement_timeout = \"7s\"\npassword_verifier = \"{verifier}\""
    );
    let server = start_with("", &user);
    let client = server.connect_as("password=pw").await.unwrap();
    assert_eq!(ask(&client, "show statement_timeout").await, ["7s"]);
    let error = server.connect_as("password=pw").await.err().unwrap();
    assert_eq!(error.as_db_error().unwrap().message(), "too many connections for role \"ana\"");
}
