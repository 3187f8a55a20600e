//! Statements of the client's own: read-only, alone, and without consequences for anybody else's.

use integration::gateway::connect;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_passed_through_changes_nothing() {
    let prey = prey();
    let client = connect(&prey.gateway.url()).await.unwrap();
    for source in ["tame", "wild", "my", "files"] {
        let canary = if source == "my" { "canary" } else { "public.canary" };
        for attack in [
            "drop table canary",
            "delete from canary returning a",
            "delete from canary",
            "insert into canary values (2) returning a",
            "select 1; drop table canary",
            "select 1) as t0; drop table canary; --",
            "select 1 as c0) as t0 where (1=1",
            "with gone as (delete from canary returning a) select a from gone",
            "select 1 /*",
            "set session transaction read write",
            "start transaction read write",
        ] {
            let attack = attack.replace("canary", canary);
            let sql = format!("select * from narrows.query('{source}', $x${attack}$x$)");
            let answer = ask(&client, &sql).await;
            assert!(
                matches!(&answer, Answer::Error { sqlstate, .. } if sqlstate != "08006"),
                "{source}: {sql}: {answer:?}"
            );
        }
        let comment = format!("select * from narrows.query('{source}', $x$select a from {canary} -- the end$x$)");
        if source != "files" {
            assert_eq!(rows(&client, &comment).await, [[Some("1".to_string())]], "{source}");
        }
    }
    prey.canaries_live();
}

/// Settings that one statement changes must not be those of the next one on its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_do_not_outlive_their_statement() {
    let prey = prey();
    let client = connect(&prey.gateway.url()).await.unwrap();
    let set = |name: &str, value: &str| format!("select set_config('{name}', '{value}', false)");
    let attacks = [
        set("standard_conforming_strings", "off"),
        set("default_transaction_read_only", "off"),
        set("search_path", "pg_temp"),
        set("TimeZone", "Asia/Tokyo"),
        set("DateStyle", "SQL, DMY"),
        set("bytea_output", "escape"),
    ];
    for attack in &attacks {
        for _ in 0..2 {
            rows(&client, &format!("select * from narrows.query('tame', $x${attack}$x$)")).await;
        }
    }
    let evil = "\\') or (1=1) --";
    let own = values().iter().position(|v| v == evil).unwrap().to_string();
    let attack = &attacks[0];
    for sql in [
        format!("select id from tame.corpus where v = {}", literal(evil)),
        // In the same query, and thus in the same transaction, before and after.
        format!(
            "select c.id from tame.corpus c, narrows.query('tame', $x${attack}$x$) q, narrows.query('tame', 'select 1 as n') r \
             where c.v = {}",
            literal(evil)
        ),
    ] {
        for _ in 0..10 {
            assert_eq!(rows(&client, &sql).await, [[Some(own.clone())]], "{sql}");
        }
    }
    let settings = "select current_setting('standard_conforming_strings') || current_setting('search_path') \
                    || current_setting('default_transaction_read_only') || current_setting('TimeZone') as s";
    for _ in 0..10 {
        let now = rows(&client, &format!("select * from narrows.query('tame', $x${settings}$x$)")).await;
        assert_eq!(now, [[Some("on\"\"onUTC".to_string())]]);
    }
}
