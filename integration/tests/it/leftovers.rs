//! What one query must not leave behind for the next, and what a column's own collation must not decide.

use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect};

use crate::shared::shared;

fn rows(all: &[&str]) -> Answer {
    Answer::Rows(all.iter().map(|v| vec![Some((*v).to_string())]).collect())
}

#[test]
fn a_statement_of_the_clients_own_changes_no_later_one() {
    let shared = shared();
    shared
        .postgres
        .sql(
            "create table if not exists moments (at timestamptz); truncate moments; \
              insert into moments values ('2024-03-01 20:00:00+00')",
        )
        .unwrap();
    let config = GatewayConfig::default().site("local").postgres("pg", "local", &shared.postgres);
    let gateway = TestGateway::start(&config).unwrap();
    shared.runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        let day = "select at::date::text from pg.moments";
        assert_eq!(ask(&client, day).await, rows(&["2024-03-01"]));
        for setting in ["'TimeZone', 'Asia/Tokyo'", "'default_transaction_read_only', 'off'", "'search_path', 'pg_temp'"] {
            let own = format!("select * from narrows.query('pg', $$select set_config({setting}, false)$$) t");
            assert!(matches!(ask(&client, &own).await, Answer::Rows(_)));
        }
        for _ in 0..12 {
            assert_eq!(ask(&client, day).await, rows(&["2024-03-01"]));
            let now = "select * from narrows.query('pg', $$select current_setting('TimeZone') || current_setting('search_path')$$) t";
            assert_eq!(ask(&client, now).await, rows(&["UTC\"\""]));
        }
    });
}

#[test]
fn a_collation_that_calls_different_text_equal_decides_nothing() {
    let shared = shared();
    shared
        .postgres
        .sql("create collation if not exists anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false); \
              create table if not exists loose (v text collate anycase); truncate loose; insert into loose values ('a'), ('A')")
        .unwrap();
    let config = GatewayConfig::default().site("local").postgres("pg", "local", &shared.postgres);
    let gateway = TestGateway::start(&config).unwrap();
    shared.runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        for pushdown in ["full", "filter", "off"] {
            ask(&client, &format!("set narrows.pushdown = {pushdown}")).await;
            assert_eq!(ask(&client, "select v from pg.loose where v = 'a'").await, rows(&["a"]), "{pushdown}");
            assert_eq!(ask(&client, "select count(distinct v) from pg.loose").await, rows(&["2"]), "{pushdown}");
            assert_eq!(
                ask(&client, "select v from pg.loose group by v order by v").await,
                rows(&["A", "a"]),
                "{pushdown}"
            );
        }
    });
}
