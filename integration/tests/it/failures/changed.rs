//! Tables that are not what they were when the catalog was read.

use integration::gateway::{GatewayConfig, connect};

use super::*;
use crate::conformance::subject::engines;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_the_source_is_an_error_until_the_catalog_is_read_again() {
    let engines = engines();
    let change = |sql: &str| {
        engines.postgres.sql(sql).unwrap();
        engines.mariadb.sql(sql).unwrap();
    };
    change("create table dropped (a int); create table retyped (a int, b int); insert into retyped values (1, 2);");
    change("create table lost (a int, b int); insert into lost values (1, 2); create table grown (a int);");
    change("create table widened (a numeric(4,2)); insert into widened values (1.25);");
    let config = GatewayConfig::default()
        .setting("catalog_refresh = \"0\"")
        .site("local")
        .postgres("pg", "local", &engines.postgres)
        .mariadb("my", "local", &engines.mariadb);
    let gateway = TestGateway::start(&config).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    for source in ["pg", "my"] {
        assert_eq!(rows(&client, &format!("select a from {source}.retyped")).await.len(), 1);
        assert_eq!(rows(&client, &format!("select a from {source}.dropped")).await.len(), 0);
    }

    engines.postgres.sql("alter table retyped alter a type text using 'one'").unwrap();
    engines.mariadb.sql("alter table retyped modify a varchar(10); update retyped set a = 'one'").unwrap();
    engines
        .postgres
        .sql("alter table widened alter a type numeric(30,10); update widened set a = 1234567.0123456789")
        .unwrap();
    engines
        .mariadb
        .sql("alter table widened modify a numeric(30,10); update widened set a = 1234567.0123456789")
        .unwrap();
    change("drop table dropped; alter table lost drop column b; alter table grown add column b int;");
    change("insert into grown values (1, 2);");

    for source in ["pg", "my"] {
        for (sql, codes) in [
            ("select a from {s}.dropped", &["HV00R"][..]),
            ("select b from {s}.lost", &["HV005", "HV00R"]),
            ("select a from {s}.retyped", &["HV000", "HV004"]),
            ("select a from {s}.widened", &["22003", "HV000", "HV004"]),
        ] {
            for pushdown in ["full", "off"] {
                let sql = format!("set narrows.pushdown = {pushdown}; {}", sql.replace("{s}", source));
                let (code, text) = error(&client, &sql).await;
                assert!(codes.contains(&code.as_str()), "{code} {text}: {sql}");
                assert!(text.contains(&format!("source \"{source}\"")), "{text}: {sql}");
            }
        }
        // What did not change, or changed in a way that does not matter, is still there.
        assert_eq!(rows(&client, &format!("select a from {source}.lost")).await[0][0].as_deref(), Some("1"));
        assert_eq!(rows(&client, &format!("select a from {source}.grown")).await[0][0].as_deref(), Some("1"));
        assert_eq!(rows(&client, &format!("select b from {source}.retyped")).await[0][0].as_deref(), Some("2"));
    }
    // None of it is the servers' fault.
    answers(&client, "select count(*) from narrows.sources where state = 'healthy'", "2").await;

    for source in ["pg", "my"] {
        let failed = client.simple_query(&format!("select a from {source}.dropped")).await.unwrap_err();
        let hint = failed.as_db_error().and_then(|e| e.hint()).unwrap_or_default();
        assert!(hint.contains("narrows.refresh_catalog"), "{hint}");
        client.batch_execute(&format!("call narrows.refresh_catalog('{source}')")).await.unwrap();
    }
    for source in ["pg", "my"] {
        answers(&client, &format!("select a from {source}.retyped"), "one").await;
        answers(&client, &format!("select a from {source}.widened"), "1234567.0123456789").await;
        answers(&client, &format!("select b from {source}.grown"), "2").await;
        assert_eq!(error(&client, &format!("select a from {source}.dropped")).await.0, "42P01");
        assert_eq!(error(&client, &format!("select b from {source}.lost")).await.0, "42703");
    }

    change("create table fresh (a int); insert into fresh values (7);");
    assert_eq!(error(&client, "select a from pg.fresh").await.0, "42P01");
    client.batch_execute("call narrows.refresh_catalog()").await.unwrap();
    for source in ["pg", "my"] {
        assert_eq!(rows(&client, &format!("select a from {source}.fresh")).await[0][0].as_deref(), Some("7"));
    }
    assert_eq!(error(&client, "call narrows.refresh_catalog('nosuch')").await.0, "42704");
    assert_eq!(error(&client, "call narrows.refresh_catalog(1)").await.0, "42883");
    assert_eq!(error(&client, "call elsewhere()").await.0, "42883");
}
