use std::sync::{Arc, Mutex};

use futures::{StreamExt, future, stream};
use tokio_postgres::{AsyncMessage, NoTls};

use crate::harness::{ask, fails, start};

#[tokio::test]
async fn settings_are_set_shown_and_reset() {
    let server = start("");
    let client =
        server.connect_as("application_name=it options='-c work_mem=16MB -c TimeZone=Asia/Tokyo'").await.unwrap();
    assert_eq!(
        ask(&client, "show application_name; show work_mem; show time zone").await,
        ["it", "16MB", "Asia/Tokyo"]
    );
    ask(&client, "set work_mem = '1MB'; set time zone -3").await;
    assert_eq!(ask(&client, "show work_mem; show timezone").await, ["1MB", "<-03>+03"]);
    ask(&client, "reset all").await;
    assert_eq!(ask(&client, "show work_mem; show timezone").await, ["16MB", "Asia/Tokyo"]);
    assert!(ask(&client, "show all").await.len() > 80);
    assert!(ask(&client, "show server_version").await[0].starts_with("15.8 (Narrows "));
    for (sql, state) in [
        ("set nonsense = 1", "42704"),
        ("show nonsense", "42704"),
        ("set work_mem = 'lots'", "22023"),
        ("set server_version = '9'", "55P02"),
        ("set client_encoding = 'LATIN1'", "0A000"),
        ("set session authorization bob", "42501"),
    ] {
        assert_eq!(fails(&client, sql).await, state, "{sql}");
    }
    assert_eq!(
        ask(&client, "select set_config('work_mem', '2MB', false); select current_setting('work_mem')").await,
        ["2MB", "2MB"]
    );
}

#[tokio::test]
async fn a_bad_setting_at_start_is_fatal() {
    let server = start("");
    let error = server.connect_as("options='-c nonsense=1'").await.err().unwrap();
    assert_eq!(crate::harness::code(&error), "42704");
}

#[tokio::test]
async fn queries_see_the_settings() {
    let server = start("");
    let client = server.connect().await;
    let context = |line: &str| line.split('|').map(str::to_string).collect::<Vec<_>>();
    let before = context(&ask(&client, "select context").await[0]);
    assert_eq!(&before[..5], ["ana", "narrows", "ana,public", "Named(UTC)", "Full"]);
    ask(&client, "set search_path to a, \"B\"; set narrows.pushdown = filter; set time zone 'europe/rome'").await;
    let after = context(&ask(&client, "select context").await[0]);
    assert_eq!(&after[2..5], ["a,B", "Named(Europe/Rome)", "Filter"]);
    // now() stands still inside a transaction.
    ask(&client, "begin").await;
    let first = context(&ask(&client, "select context").await[0]);
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    assert_eq!(context(&ask(&client, "select context").await[0])[5], first[5]);
    ask(&client, "commit").await;
    assert_ne!(context(&ask(&client, "select context").await[0])[5], first[5]);
}

#[tokio::test]
async fn settings_follow_the_transaction() {
    let server = start("");
    let client = server.connect().await;
    // BEGIN takes in what came before it in the same string.
    ask(&client, "set work_mem = '1MB'; begin").await;
    ask(&client, "rollback").await;
    assert_eq!(ask(&client, "show work_mem").await, ["4MB"]);
    ask(&client, "set work_mem = '1MB'").await;
    ask(&client, "begin; set work_mem = '2MB'; set local timezone = 'Asia/Tokyo'").await;
    assert_eq!(ask(&client, "show work_mem; show timezone").await, ["2MB", "Asia/Tokyo"]);
    ask(&client, "savepoint s; set work_mem = '3MB'; rollback to s").await;
    assert_eq!(ask(&client, "show work_mem").await, ["2MB"]);
    ask(&client, "rollback").await;
    assert_eq!(ask(&client, "show work_mem; show timezone").await, ["1MB", "UTC"]);
    ask(&client, "begin; set work_mem = '2MB'; set local timezone = 'Asia/Tokyo'; commit").await;
    assert_eq!(ask(&client, "show work_mem; show timezone").await, ["2MB", "UTC"]);
}

#[tokio::test]
async fn failed_transactions() {
    let server = start("");
    let client = server.connect().await;
    ask(&client, "begin; savepoint s").await;
    assert_eq!(fails(&client, "select fail").await, "42703");
    for sql in ["select local(1)", "show work_mem", "savepoint t", "fetch c"] {
        assert_eq!(fails(&client, sql).await, "25P02", "{sql}");
    }
    assert_eq!(crate::harness::code(&client.prepare("select local(1)").await.unwrap_err()), "25P02");
    ask(&client, "rollback to s; select local(1)").await;
    assert_eq!(fails(&client, "rollback to nowhere").await, "3B001");
    ask(&client, "commit").await;
    ask(&client, "select local(1)").await;
    for sql in ["savepoint s", "rollback to s", "release s", "commit and chain"] {
        assert_eq!(fails(&client, sql).await, "25P01", "{sql}");
    }
    ask(&client, "begin").await;
    assert_eq!(fails(&client, "discard all").await, "25001");
    ask(&client, "rollback").await;
}

#[tokio::test]
async fn transaction_modes() {
    let server = start("");
    let client = server.connect().await;
    assert_eq!(ask(&client, "show transaction_isolation; show transaction_read_only").await, ["read committed", "on"]);
    ask(&client, "begin isolation level serializable, read write").await;
    assert_eq!(
        ask(&client, "show transaction isolation level; show transaction_read_only").await,
        ["serializable", "off"]
    );
    assert_eq!(fails(&client, "insert into t values (1)").await, "25006");
    ask(&client, "rollback and chain").await;
    assert_eq!(ask(&client, "show transaction_isolation").await, ["serializable"]);
    ask(&client, "commit").await;
    ask(&client, "set session characteristics as transaction isolation level repeatable read").await;
    assert_eq!(ask(&client, "show transaction_isolation").await, ["repeatable read"]);
}

#[tokio::test]
async fn prepared_by_sql() {
    let server = start("");
    let client = server.connect().await;
    ask(&client, "prepare p (int, text) as select echo $1 $2").await;
    assert_eq!(ask(&client, "execute p (7, 'x')").await, ["7|x"]);
    assert_eq!(ask(&client, "explain execute p (7, 'x')").await, ["Canned", "planned"]);
    for (sql, state) in [
        ("execute p (7)", "42601"),
        ("execute q", "26000"),
        ("prepare p as select local(1)", "42P05"),
        ("prepare q (strange) as select local(1)", "42704"),
        ("prepare q as insert into t values (1)", "25006"),
        ("deallocate q", "26000"),
    ] {
        assert_eq!(fails(&client, sql).await, state, "{sql}");
    }
    ask(&client, "deallocate p").await;
    assert_eq!(fails(&client, "execute p (7, 'x')").await, "26000");
    // What poolers and drivers send when they take a connection back.
    ask(&client, "prepare p as select local(1); discard all").await;
    assert_eq!(fails(&client, "execute p").await, "26000");
    ask(&client, "close all; unlisten *; reset all; deallocate all").await;
}

#[tokio::test]
async fn notices_and_changed_settings_reach_the_client() {
    let server = start("");
    let (client, mut connection) = tokio_postgres::connect(&server.url(""), NoTls).await.unwrap();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let seen = notices.clone();
    tokio::spawn(stream::poll_fn(move |cx| connection.poll_message(cx)).for_each(move |message| {
        if let Ok(AsyncMessage::Notice(notice)) = message {
            seen.lock().unwrap().push((notice.severity().to_string(), notice.code().code().to_string()));
        }
        future::ready(())
    }));
    ask(&client, "commit; begin; begin; rollback; set local work_mem = '1MB'").await;
    let warnings = |codes: &[&str]| codes.iter().map(|c| ("WARNING".to_string(), c.to_string())).collect::<Vec<_>>();
    assert_eq!(*notices.lock().unwrap(), warnings(&["25P01", "25001", "25P01"]));
    ask(&client, "set client_min_messages = error; commit").await;
    assert_eq!(notices.lock().unwrap().len(), 3);
}
