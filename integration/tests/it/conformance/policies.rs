//! Values and columns that PostgreSQL does not have, under each policy: the same rows under every push-down, and an error rather
//! than a made-up value.

use integration::gateway::{GatewayConfig, TestGateway, connect};

use super::subject::engines;
use crate::client::{column, error, rows};

const MARIADB: &str = "create database if not exists odd; use odd; set sql_mode = 'ALLOW_INVALID_DATES'; set time_zone = '+00:00';
    create table p (id int, d date, nn date not null, dt datetime(6), ts timestamp(6) null, t time(6), b bit(8), g point);
    insert into p values
    (1, '2024-05-05', '2024-05-05', '2024-05-05 12:00:00', '2024-05-05 12:00:00', '12:00:00', b'101', st_geomfromtext('POINT(1 2)')),
    (2, '0000-00-00', '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '-01:00:00', b'0', null),
    (3, '2024-02-31', '2024-00-10', '2024-02-30 10:00:00', null, '838:59:59', b'11111111', null),
    (4, null, '1999-12-31', null, null, null, null, null);";

const POSTGRES: &str = "create schema odd; create table odd.p (id int, tags tsvector, range int4range, place point);
    insert into odd.p values (1, 'b a', '[1,5)', '(1,2)'), (2, null, null, null);";

fn start() -> TestGateway {
    static ONCE: std::sync::Once = std::sync::Once::new();
    let engines = engines();
    ONCE.call_once(|| {
        engines.mariadb.sql(MARIADB).unwrap();
        engines.postgres.sql(POSTGRES).unwrap();
    });
    let mut config = GatewayConfig::default().site("local");
    for policy in ["error", "text", "null"] {
        let my = format!(
            "engine = \"mysql\"\nport = {}\ndatabase = \"odd\"\nuser = \"narrows\"\npassword = \"narrows\"",
            engines.mariadb.port
        );
        let pg = format!(
            "engine = \"postgres\"\nport = {}\ndatabase = \"postgres\"\nuser = \"postgres\"",
            engines.postgres.port
        );
        for (name, server) in [("my", my), ("pg", pg)] {
            config = config.section(&format!(
                "[[source]]\nname = \"{name}_{policy}\"\nhost = \"127.0.0.1\"\nsslmode = \"disable\"\nschemas = [\"odd\"]\n\
                 unsupported_types = \"{policy}\"\n{server}"
            ));
        }
    }
    TestGateway::start(&config).unwrap()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|v| Some(v.to_string()).filter(|v| v != "NULL")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_without_a_mapping() {
    let gateway = start();
    let client = connect(&gateway.url()).await.unwrap();
    for pushdown in ["full", "filter", "off"] {
        rows(&client, &format!("set narrows.pushdown = {pushdown}")).await;
        for (table, odd) in [("my_error.p", "g"), ("my_error.p", "b"), ("pg_error.p", "place")] {
            let (code, text) = error(&client, &format!("select {odd} from {table}")).await;
            assert_eq!(code, "42703", "{text}");
            assert!(text.contains(odd), "{text}");
            assert!(rows(&client, &format!("select id from {table}")).await.len() > 1, "the rest is there");
        }
        for (sql, expected) in [
            ("select g from my_text.p order by id", &["POINT(1 2)", "NULL", "NULL", "NULL"][..]),
            ("select b from my_text.p order by id", &["00000101", "00000000", "11111111", "NULL"]),
            ("select id from my_text.p where b = '00000101'", &["1"]),
            ("select count(b) from my_text.p where g is null", &["2"]),
            ("select max(b) from my_text.p", &["11111111"]),
            ("select g from my_null.p order by id", &["NULL", "NULL", "NULL", "NULL"]),
            ("select count(*) from my_null.p where b is null and g is null", &["4"]),
            ("select tags from pg_text.p order by id", &["'a' 'b'", "NULL"]),
            ("select range from pg_text.p order by id", &["[1,5)", "NULL"]),
            ("select id from pg_text.p where place = '(1,2)'", &["1"]),
            ("select place from pg_null.p order by id", &["NULL", "NULL"]),
            ("select count(*) from pg_null.p where range is null", &["2"]),
        ] {
            assert_eq!(column(&client, sql).await, some(expected), "{sql}, pushdown {pushdown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_do_not_fit() {
    let gateway = start();
    let client = connect(&gateway.url()).await.unwrap();
    for pushdown in ["full", "filter", "off"] {
        rows(&client, &format!("set narrows.pushdown = {pushdown}")).await;
        for source in ["my_error", "my_text"] {
            for (column, id) in
                [("d", 2), ("d", 3), ("nn", 2), ("nn", 3), ("dt", 2), ("dt", 3), ("ts", 2), ("t", 2), ("t", 3)]
            {
                let (code, text) = error(&client, &format!("select {column} from {source}.p where id = {id}")).await;
                assert!(["22007", "22008"].contains(&code.as_str()), "{code} {text}: {column} {id}");
                assert!(text.contains(&format!("source \"{source}\"")) && text.contains("unsupported_types"), "{text}");
            }
            if pushdown != "off" {
                let fits = format!("select d from {source}.p where id = 1");
                assert_eq!(column(&client, &fits).await, some(&["2024-05-05"]));
            }
            assert_eq!(column(&client, &format!("select count(*) from {source}.p")).await, some(&["4"]));
        }
        for (sql, expected) in [
            ("select d from my_null.p order by id", &["2024-05-05", "NULL", "NULL", "NULL"][..]),
            ("select nn from my_null.p order by id", &["2024-05-05", "NULL", "NULL", "1999-12-31"]),
            ("select dt from my_null.p order by id", &["2024-05-05 12:00:00", "NULL", "NULL", "NULL"]),
            ("select ts from my_null.p order by id", &["2024-05-05 12:00:00+00", "NULL", "NULL", "NULL"]),
            ("select t from my_null.p order by id", &["12:00:00", "NULL", "NULL", "NULL"]),
            ("select id from my_null.p where d is null order by id", &["2", "3", "4"]),
            ("select id from my_null.p where nn is null order by id", &["2", "3"]),
            ("select id from my_null.p where t is not null", &["1"]),
            ("select id from my_null.p where d < '2025-01-01'", &["1"]),
            ("select id from my_null.p where d <> '2024-05-05'", &[]),
            ("select id from my_null.p where d is distinct from '2024-05-05' order by id", &["2", "3", "4"]),
            ("select count(d) from my_null.p", &["1"]),
            ("select count(distinct nn) from my_null.p", &["2"]),
            ("select min(d) from my_null.p", &["2024-05-05"]),
            ("select max(dt) from my_null.p", &["2024-05-05 12:00:00"]),
            ("select count(*) from my_null.p group by d order by 1", &["1", "3"]),
            (
                "select coalesce(d, '2000-01-01') from my_null.p order by id",
                &["2024-05-05", "2000-01-01", "2000-01-01", "2000-01-01"],
            ),
            ("select case when id = 2 then d end from my_null.p order by id", &["NULL", "NULL", "NULL", "NULL"]),
            ("select id from my_null.p order by d, id limit 2", &["1", "2"]),
            ("select distinct dt from my_null.p order by 1", &["2024-05-05 12:00:00", "NULL"]),
            ("select a.id from my_null.p a join my_null.p b on a.nn = b.nn order by 1", &["1", "4"]),
        ] {
            assert_eq!(column(&client, sql).await, some(expected), "{sql}, pushdown {pushdown}");
        }
    }
    // A zero date is not NULL, whatever MariaDB says of columns that are NOT NULL.
    let sql = "set narrows.pushdown = full; select count(*) from my_error.p where nn is null";
    assert_eq!(column(&client, sql).await, some(&["0"]));
}
