//! Servers that are down, crash, come back, or do not let us in.

use integration::gateway::{GatewayConfig, connect};
use integration::servers::{TestMariaDb, TestPostgres};

use super::*;

/// What is gone from the configuration is gone, also while nothing that is left in it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_taken_out_is_gone_while_another_stays_away() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("t.csv"), "a\n1\n").unwrap();
    let away = TestPostgres::start(&[]).unwrap();
    let left = GatewayConfig::default().site("local").postgres("away", "local", &away);
    let both = left.clone().files("near", "local", files.path());
    drop(away);
    let gateway = TestGateway::start(&both).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    answers(&client, "select count(*) from near.t", "1").await;
    gateway.reconfigure(&left).unwrap();
    reload(&gateway);
    let gone =
        answers(&client, "select count(*) from information_schema.tables where table_schema = 'near'", "0").await;
    assert!(gone < Duration::from_secs(2), "gone only with the next news of another source, after {gone:?}");
}

/// Every state an engine can be in: down when the gateway starts, back, killed in the middle of a query, back again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_is_an_error_until_it_is_back() {
    let (mut postgres, mut mariadb) = (TestPostgres::start(&[]).unwrap(), TestMariaDb::start(&[]).unwrap());
    let table = "create table t (a int); insert into t values (42);";
    postgres
        .sql(&format!("{table} create table big as select i, repeat('x', 100) x from generate_series(1, 2000) i"))
        .unwrap();
    // Test servers do not hurry to write.
    postgres.sql("checkpoint").unwrap();
    mariadb
        .sql(&format!(
            "set global innodb_flush_log_at_trx_commit = 1; {table} \
             create table big as select seq i, repeat('x', 100) x from seq_1_to_2000"
        ))
        .unwrap();
    let config =
        GatewayConfig::default().site("local").postgres("pg", "local", &postgres).mariadb("my", "local", &mariadb);
    postgres.crash().unwrap();
    mariadb.crash().unwrap();

    let gateway = TestGateway::start(&config).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    for source in ["pg", "my"] {
        let (code, text) = error(&client, &format!("select a from {source}.t")).await;
        assert_eq!(code, "08001", "{text}");
        assert!(text.contains(&format!("source \"{source}\"")), "{text}");
    }
    assert_eq!(rows(&client, "select 1").await[0][0].as_deref(), Some("1"));
    postgres.restart().unwrap();
    mariadb.restart().unwrap();
    for source in ["pg", "my"] {
        answers(&client, &format!("select a from {source}.t"), "42").await;
    }

    // Killed before the first row, and in the middle of the rows.
    let asleep = |source: &str, sleep: &str| format!("select * from narrows.query('{source}', 'select {sleep}(61.5)')");
    let all = |source: &str, big: &str| {
        format!("select * from narrows.query('{source}', 'select b.x, c.x as y from {big} b, {big} c')")
    };
    let statements =
        [asleep("pg", "1 as s from pg_sleep"), asleep("my", "0 + sleep"), all("pg", "public.big"), all("my", "big")];
    let mut running = Vec::new();
    for sql in statements {
        let client = connect(&gateway.url()).await.unwrap();
        running.push(tokio::spawn(async move { error(&client, &sql).await }));
    }
    let at_work = || {
        let pg =
            postgres.sql("select count(*) from pg_stat_activity where state = 'active' and query like '/* narrows%'");
        let my = mariadb.sql("select count(*) from information_schema.processlist where info like '/* narrows%'");
        pg.unwrap().trim() == "2" && my.unwrap().trim() == "2"
    };
    eventually("at work", at_work).await;
    postgres.crash().unwrap();
    mariadb.crash().unwrap();
    for (query, source) in running.into_iter().zip(["pg", "my", "pg", "my"]) {
        let (code, text) = query.await.unwrap();
        assert_eq!(code, "08006", "{text}");
        assert!(text.contains(&format!("source \"{source}\"")), "{text}");
    }
    for source in ["pg", "my", "pg", "my", "pg", "my"] {
        let (code, text) = error(&client, &format!("select a from {source}.t")).await;
        assert!(code.starts_with("08"), "{code} {text}");
        assert!(text.contains(&format!("source \"{source}\"")), "{text}");
    }
    assert_eq!(rows(&client, "select 1").await[0][0].as_deref(), Some("1"));
    let states = "select count(*) from narrows.sources where state = 'unavailable' and last_error is not null";
    answers(&client, states, "2").await;
    postgres.restart().unwrap();
    mariadb.restart().unwrap();
    for source in ["pg", "my"] {
        answers(&client, &format!("select a from {source}.t"), "42").await;
    }
    answers(&client, "select count(*) from narrows.sources where state = 'healthy'", "2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_and_forgotten_once_it_is_right() {
    let mariadb = &crate::conformance::subject::engines().mariadb;
    mariadb
        .sql(
            "create user locked@'%' identified by 'other'; create database locked; create table locked.t (a int); \
              insert into locked.t values (7); grant select on locked.* to locked@'%';",
        )
        .unwrap();
    let source = format!(
        "[[source]]\nname = \"locked\"\nengine = \"mysql\"\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"locked\"\n\
         user = \"locked\"\npassword = \"hunter2\"\nsslmode = \"disable\"",
        mariadb.port
    );
    let gateway = TestGateway::start(&GatewayConfig::default().site("local").section(&source)).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    let (code, text) = error(&client, "select a from locked.t").await;
    assert!(code == "08001" || code == "28P01", "{code} {text}");
    assert!(text.contains("source \"locked\"") && text.contains("Access denied"), "{text}");
    assert!(!text.contains("hunter2") && !gateway.log().contains("hunter2"));
    mariadb.sql("set password for locked@'%' = password('hunter2')").unwrap();
    answers(&client, "select a from locked.t", "7").await;
}
