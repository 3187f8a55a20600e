use std::time::Duration;

use crate::harness::{ask, fails, start};

#[tokio::test]
async fn fetch_and_move() {
    let server = start("");
    let client = server.connect().await;
    ask(&client, "begin; declare c cursor for select numbers(2010)").await;
    assert_eq!(ask(&client, "fetch c").await, ["0|row 0"]);
    assert_eq!(ask(&client, "fetch 2 from c").await, ["1|row 1", "2|row 2"]);
    assert!(ask(&client, "move 2000 in c").await.is_empty());
    assert_eq!(ask(&client, "fetch relative 2 c").await, ["2004|row 2004"]);
    assert_eq!(ask(&client, "fetch absolute 2007 c").await, ["2006|row 2006"]);
    assert_eq!(ask(&client, "fetch all c").await.len(), 3);
    assert!(ask(&client, "fetch next c").await.is_empty());
    ask(&client, "close c; commit").await;
    server.quiet(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn backward_is_refused_and_leaves_the_cursor_where_it_is() {
    let server = start("");
    let client = server.connect().await;
    ask(&client, "declare c cursor with hold for select numbers(5)").await;
    ask(&client, "fetch 2 c").await;
    for sql in ["fetch backward 1 c", "fetch prior c", "fetch first c", "fetch -1 c", "fetch 0 c"] {
        assert_eq!(fails(&client, sql).await, "55000", "{sql}");
    }
    assert_eq!(ask(&client, "fetch c").await, ["2|row 2"]);
    assert_eq!(fails(&client, "declare d scroll cursor with hold for select numbers(5)").await, "0A000");
}

#[tokio::test]
async fn cursors_end_with_their_transaction_unless_held() {
    let server = start("");
    let client = server.connect().await;
    assert_eq!(fails(&client, "declare c cursor for select numbers(5)").await, "25P01");
    ask(&client, "begin; declare c cursor for select numbers(5); declare h cursor with hold for select numbers(5); fetch c; fetch h; commit").await;
    assert_eq!(fails(&client, "fetch c").await, "34000");
    assert_eq!(ask(&client, "fetch h").await, ["1|row 1"]);
    ask(&client, "begin; declare r cursor with hold for select numbers(5); rollback").await;
    assert_eq!(fails(&client, "fetch r").await, "34000");
    assert_eq!(ask(&client, "fetch h").await, ["2|row 2"]);
    ask(&client, "close all").await;
    assert_eq!(fails(&client, "fetch h").await, "34000");
    server.quiet(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_savepoint_takes_its_cursors_along() {
    let server = start("");
    let client = server.connect().await;
    ask(&client, "begin; declare a cursor for select numbers(5); savepoint s; declare b cursor for select numbers(5); fetch a; fetch b").await;
    ask(&client, "rollback to s").await;
    assert_eq!(ask(&client, "fetch a").await, ["1|row 1"]);
    assert_eq!(fails(&client, "fetch b").await, "34000");
    ask(&client, "rollback").await;
}

#[tokio::test]
async fn names_and_numbers_are_checked() {
    let server = start("max_portals = 2");
    let client = server.connect().await;
    ask(
        &client,
        "declare a cursor with hold for select numbers(5); declare \"B\" cursor with hold for select numbers(5)",
    )
    .await;
    assert_eq!(fails(&client, "declare A cursor with hold for select numbers(5)").await, "42P03");
    assert_eq!(fails(&client, "declare c cursor with hold for select numbers(5)").await, "54000");
    assert_eq!(fails(&client, "close c").await, "34000");
    assert_eq!(ask(&client, "fetch \"B\"").await, ["0|row 0"]);
}
