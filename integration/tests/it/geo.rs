//! Tables at several places: parts over three engines that together are one table, and replicas of which any one will do.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::OnceLock;

use futures::TryStreamExt;
use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect, narrows_program};
use integration::oracle::difference;
use integration::servers::{TestMariaDb, TestPostgres};
use integration::tpch::{TABLES, filter_parquet_file, load_mariadb, load_postgres, write_csv_files};
use tokio_postgres::Client;

use crate::client::{column, error, rows};
use crate::shared::shared;
use crate::tpch::schemas_agree;

/// Orders by year, customers by market segment: the first part in PostgreSQL, the second in MariaDB, the third in Parquet files.
const ORDERS: [&str; 3] = [
    "o_orderdate < '1994-01-01'",
    "o_orderdate >= '1994-01-01' and o_orderdate < date '1996-01-01'",
    "o_orderdate >= date '1995-01-01' + interval '1 year'",
];
const CUSTOMERS: [&str; 3] = [
    "c_mktsegment in ('AUTOMOBILE', 'BUILDING')",
    "c_mktsegment = 'FURNITURE' or c_mktsegment = 'HOUSEHOLD'",
    "c_mktsegment = 'MACHINERY'",
];
const SOURCES: [&str; 3] = ["eu", "us", "ap"];

struct Parts {
    postgres: TestPostgres,
    mariadb: TestMariaDb,
    files: tempfile::TempDir,
}

fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let csv = tempfile::tempdir().unwrap();
        write_csv_files(csv.path(), 0.01, &["orders", "customer"]).unwrap();
        let (postgres, mariadb) = (TestPostgres::start(&[]).unwrap(), TestMariaDb::start(&[]).unwrap());
        load_postgres(&postgres, csv.path(), &["orders", "customer"]).unwrap();
        load_mariadb(&mariadb, csv.path(), &["orders", "customer"]).unwrap();
        let (first, second) = (ORDERS[0], "o_orderdate >= '1994-01-01' and o_orderdate < '1996-01-01'");
        postgres
            .sql(&format!(
                "delete from orders where not ({first}); delete from customer where not ({}); analyze;",
                CUSTOMERS[0]
            ))
            .unwrap();
        mariadb
            .sql(&format!(
                "delete from orders where not ({second}); delete from customer where not ({}); \
                 analyze table orders, customer persistent for all;",
                CUSTOMERS[1]
            ))
            .unwrap();
        let files = tempfile::tempdir().unwrap();
        let file = |dir: &tempfile::TempDir, table: &str| dir.path().join(format!("{table}.parquet"));
        for (table, column, from) in
            [("orders", "o_orderdate", "1996-01-01"), ("customer", "c_mktsegment", "MACHINERY")]
        {
            filter_parquet_file(
                &shared().files.path().join(format!("{table}.parquet")),
                &file(&files, table),
                column,
                |v| v >= from,
            )
            .unwrap();
        }
        Parts { postgres, mariadb, files }
    })
}

/// One placement of the `[[table]]` before it.
fn placement(source: &str, remote: &str, more: &str) -> String {
    format!("[[table.placement]]\nsource = \"{source}\"\nremote = \"{remote}\"\n{more}\n")
}

fn in_parts(table: &str, predicates: [&str; 3]) -> String {
    let placements =
        SOURCES.iter().zip(predicates).map(|(source, p)| placement(source, table, &format!("where = \"{p}\"")));
    format!("[[table]]\nschema = \"geo\"\nname = \"{table}\"\n{}", placements.collect::<String>())
}

/// Schema `geo`: orders and customer in parts, every other table whole at the source of its own.
fn geo() -> GatewayConfig {
    let (shared, parts) = (shared(), parts());
    let mut config = GatewayConfig::default()
        .site("eu")
        .site("us")
        .site("ap")
        .postgres("eu", "eu", &parts.postgres)
        .mariadb("us", "us", &parts.mariadb)
        .files("ap", "ap", parts.files.path())
        .postgres("pg", "eu", &shared.postgres)
        .mariadb("my", "us", &shared.mariadb)
        .files("files", "ap", shared.files.path())
        .section(&in_parts("orders", ORDERS))
        .section(&in_parts("customer", CUSTOMERS));
    for (table, source) in TABLES.iter().zip(["pg", "files", "my", "my", "files", "", "", "pg"]) {
        if !source.is_empty() {
            config = config.table("geo", table, source, table);
        }
    }
    config
}

#[test]
fn all_tpch_queries_agree_over_tables_in_parts() {
    schemas_agree(&geo(), &["geo"], &[("full", "on"), ("full", "force"), ("off", "on")]);
}

/// Statements over tables in parts, and the sources that may be asked; empty: all.
const STATEMENTS: &[(&str, &[&str])] = &[
    ("select count(*), sum(o_totalprice), min(o_orderdate), max(o_orderdate) from orders", &["eu", "us", "ap"]),
    ("select count(*) from orders where o_orderdate = '1993-05-05'", &["eu"]),
    ("select * from orders where o_orderdate between '1994-01-01' and '1994-01-31'", &["us"]),
    (
        "select o_orderkey from orders where o_orderdate >= '1998-01-01' order by o_totalprice desc, o_orderkey limit 7",
        &["ap"],
    ),
    (
        "select o_orderkey, o_comment from orders where o_orderdate >= '1995-12-30' and o_orderdate < '1996-01-03'",
        &["us", "ap"],
    ),
    (
        "select c_mktsegment, count(*), avg(c_acctbal) from customer where c_mktsegment = 'BUILDING' group by c_mktsegment",
        &["eu"],
    ),
    ("select count(*) from customer where c_mktsegment in ('MACHINERY', 'FURNITURE')", &["us", "ap"]),
    ("select count(*) from customer where not (c_mktsegment <> 'MACHINERY')", &["ap"]),
    ("select count(*), max(c_name) from customer where c_mktsegment is null", &["none"]),
    ("select c_name, c_acctbal from customer where c_mktsegment = 'nothing like it'", &["none"]),
    ("select * from orders where o_orderdate > '1995-01-01' and o_orderdate < '1994-06-06'", &[]),
    ("select o_orderkey from orders where o_orderdate < '1993-01-01' or o_orderkey = 7", &[]),
    ("select o_orderkey, o_orderdate from orders order by o_totalprice desc, o_orderkey limit 5 offset 3", &[]),
    ("select c_mktsegment, c_nationkey, count(*) from customer group by rollup (c_mktsegment, c_nationkey)", &[]),
    ("select distinct c_mktsegment from customer", &[]),
    (
        "select * from (select o_custkey, o_orderkey, row_number() over (partition by o_custkey order by o_orderkey) n from orders) s \
         where n = 3",
        &[],
    ),
    (
        "with big as (select * from orders where o_totalprice > 300000) select a.o_orderkey, b.o_orderkey from big a join big b \
         on a.o_custkey = b.o_custkey and a.o_orderkey < b.o_orderkey",
        &[],
    ),
    (
        "select c_custkey from customer c where exists (select 1 from orders where o_custkey = c_custkey and o_totalprice > 350000)",
        &[],
    ),
    (
        "select c_custkey, (select count(*) from orders where o_custkey = c_custkey) from customer where c_mktsegment = 'MACHINERY' \
         and c_custkey < 100",
        &["ap", "eu", "us"],
    ),
    (
        "select count(*) from customer left join orders on o_custkey = c_custkey and o_orderdate < '1992-03-01'",
        &["eu", "us", "ap"],
    ),
    ("select c_custkey from customer where c_custkey not in (select o_custkey from orders)", &[]),
    (
        "select count(*) from customer full join orders on o_custkey = c_custkey where c_custkey is null or o_orderkey is null",
        &[],
    ),
    (
        "select o_orderkey from orders where o_orderdate < '1992-01-05' union all select c_custkey from customer \
         where c_mktsegment = 'BUILDING' and c_custkey < 50",
        &["eu"],
    ),
    ("select c_custkey from customer where c_custkey < 300 except select o_custkey from orders", &[]),
    (
        "select c_name, s.d from customer, lateral (select max(o_orderdate) d from orders where o_custkey = c_custkey) s \
         where c_custkey < 60",
        &[],
    ),
    ("select n_name, count(*) from customer join nation on n_nationkey = c_nationkey group by n_name", &[]),
    (
        "select o.o_orderstatus || c.c_mktsegment, count(*) from orders o join customer c on c_custkey = o_custkey group by 1",
        &[],
    ),
];

fn sources_of(plan: &[String]) -> BTreeSet<String> {
    let source =
        |line: &String| Some(line.split("Fragment ").nth(1)?.split('/').nth(1)?.split(' ').next()?.to_string());
    plan.iter().filter_map(source).collect()
}

async fn explain(client: &Client, sql: &str) -> Vec<String> {
    column(client, &format!("explain (verbose) {sql}")).await.into_iter().flatten().collect()
}

#[test]
fn only_the_parts_that_may_have_rows_are_asked() {
    let gateway = TestGateway::start(&geo()).unwrap();
    let mut wrong = Vec::new();
    shared().runtime.block_on(async {
        let oracle = connect(&shared().postgres.url()).await.unwrap();
        let client = connect(&gateway.url()).await.unwrap();
        for (sql, asked) in STATEMENTS {
            let Answer::Rows(expected) = ask(&oracle, sql).await else { panic!("the oracle refuses {sql}") };
            for pushdown in ["full", "filter", "off"] {
                ask(&client, &format!("set search_path = geo; set narrows.pushdown = {pushdown}")).await;
                let line = |what: String| format!("[{pushdown}] {sql}: {what}");
                match ask(&client, sql).await {
                    Answer::Rows(rows) => wrong.extend(difference(&expected, &rows, false, &[]).map(line)),
                    other => wrong.push(line(format!("{other:?}"))),
                }
                let plan = explain(&client, sql).await;
                let found = sources_of(&plan);
                let wanted: BTreeSet<String> =
                    asked.iter().filter(|s| **s != "none").map(ToString::to_string).collect();
                if !asked.is_empty() && found != wanted {
                    wrong.push(line(format!("asks {found:?} instead of {wanted:?}: {plan:#?}")));
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_one_part_answers_is_one_statement() {
    let gateway = TestGateway::start(&geo()).unwrap();
    shared().runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        ask(&client, "set search_path = geo").await;
        for sql in [
            "select o_orderstatus, count(*) n from orders where o_orderdate < '1993-01-01' group by o_orderstatus order by n",
            "select count(*) from orders join customer on c_custkey = o_custkey where o_orderdate < '1992-02-01' and c_mktsegment = 'BUILDING'",
            "select * from customer where c_mktsegment = 'FURNITURE' limit 3",
        ] {
            let plan = explain(&client, sql).await;
            assert!(plan[0].starts_with("Fragment 0 at "), "{sql}: {plan:#?}");
            assert!(plan.iter().filter(|l| l.contains("Fragment ")).count() == 1, "{sql}: {plan:#?}");
        }
        let plan = explain(&client, "select * from orders where o_orderdate < '1993-01-01'").await;
        assert!(plan.contains(&"Note: Partitions of geo.orders: 1 of 3".to_string()), "{plan:#?}");
        let plan = explain(&client, "select o_orderkey from orders where o_custkey = 7").await;
        let asked = plan.iter().filter(|l| l.contains("SQL: ") && l.contains("WHERE") && !l.contains("o_comment"));
        assert_eq!(asked.count(), 3, "{plan:#?}");
    });
}

#[test]
fn statements_of_every_form_read_tables_in_parts() {
    let gateway = TestGateway::start(&geo()).unwrap();
    shared().runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        let oracle = connect(&shared().postgres.url()).await.unwrap();
        ask(&client, "set search_path = geo").await;
        let sql = "select o_orderkey, o_totalprice::text from orders where o_orderdate >= $1::text::date and o_orderdate < $2::text::date order by 1";
        let (ours, theirs) = (client.prepare(sql).await.unwrap(), oracle.prepare(sql).await.unwrap());
        for (from, to) in [("1993-12-30", "1994-01-03"), ("1995-12-30", "1996-01-03"), ("1992-01-01", "1992-01-05")] {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&from, &to];
            let pairs = |rows: Vec<tokio_postgres::Row>| -> Vec<(i64, String)> {
                rows.iter().map(|r| (r.get(0), r.get(1))).collect()
            };
            let (a, b) = (client.query(&ours, &values).await.unwrap(), oracle.query(&theirs, &values).await.unwrap());
            assert!(!b.is_empty());
            assert_eq!(pairs(a), pairs(b));
        }
        let copied = client.copy_out("copy (select * from orders where o_custkey < 30) to stdout").await.unwrap();
        let copied: Vec<bytes::Bytes> = copied.try_collect().await.unwrap();
        let lines = copied.concat().iter().filter(|b| **b == b'\n').count();
        let count = "select count(*) from orders where o_custkey < 30";
        assert_eq!(Some(lines.to_string()), column(&oracle, count).await[0]);
        for sql in [
            "begin; declare c cursor for select o_orderkey from orders order by 1; fetch 5 from c; fetch 5 from c; commit",
            "select count(*), count(distinct tableoid) from orders",
            "prepare p(date) as select count(*) from orders where o_orderdate = $1; execute p('1995-05-05')",
        ] {
            assert_eq!(rows(&client, sql).await, rows(&oracle, sql).await, "{sql}");
        }
        // The key of each part is none of the table's.
        let (code, _) = error(&client, "select o_orderkey, o_comment from orders group by o_orderkey").await;
        assert_eq!(code, "42803");
        let shown = "select table_name, part, source, site, remote_name, predicate from narrows.placements \
                     where schema_name = 'geo' and table_name = 'customer' order by part";
        let shown = rows(&client, shown).await;
        assert_eq!(shown.len(), 3);
        let second = ["customer", "2", "us", "us", "customer", CUSTOMERS[1]];
        assert_eq!(shown[1], second.map(|v| Some(v.to_string())));
        let all = "select sum(row_estimate) from narrows.placements where schema_name = 'geo' and table_name = 'customer'";
        assert_eq!(column(&client, all).await[0].as_deref(), Some("1500"));
    });
}

fn check(gateway: &TestGateway) -> (bool, String) {
    let output =
        Command::new(narrows_program().unwrap()).args(["check", "--config"]).arg(gateway.config_file()).output();
    let output = output.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).to_string())
}

#[test]
fn tables_that_are_not_what_they_are_said_to_be_are_told() {
    let (shared, parts) = (shared(), parts());
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("customer.csv"), "c_custkey,c_name\n1,x\n").unwrap();
    let table = |name: &str, placements: &[String]| {
        format!("[[table]]\nschema = \"bad\"\nname = \"{name}\"\n{}", placements.concat())
    };
    let config = GatewayConfig::default()
        .site("here")
        .postgres("eu", "here", &parts.postgres)
        .mariadb("us", "here", &parts.mariadb)
        .postgres("pg", "here", &shared.postgres)
        .files("csv", "here", files.path())
        .section(&table("rows", &[placement("pg", "orders", "where = \"o_orderdate < '1994-01-01'\"")]))
        .section(&table("columns", &[placement("pg", "customer", ""), placement("csv", "customer", "")]))
        .section(&table("predicate", &[placement("pg", "customer", "where = \"c_region = 1\"")]))
        .section(&table(
            "absent",
            &[placement("eu", "customer", "part = \"a\""), placement("us", "nothing", "part = \"b\"")],
        ));
    let gateway = TestGateway::start(&config).unwrap();
    let (good, report) = check(&gateway);
    assert!(!good, "{report}");
    let problem = |text: &str| {
        assert!(report.lines().any(|l| l.starts_with("PROBLEM: ") && l.contains(text)), "{text}\n{report}")
    };
    let all = shared.postgres.sql("select count(*) from orders where o_orderdate >= '1994-01-01'").unwrap();
    problem(&format!(
        "bad.rows: where = \"o_orderdate < '1994-01-01'\" is not true for {} rows at source \"pg\"",
        all.trim()
    ));
    problem("bad.columns: the columns of its placements differ: \"c_address\" is at \"pg\" but not at \"csv\"");
    problem("bad.predicate: where = \"c_region = 1\": column \"c_region\" does not exist");
    problem("bad.absent: source \"us\" has no table \"nothing\"");
    shared.runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        let (code, text) = error(&client, "select * from bad.predicate").await;
        assert_eq!(code, "42P01");
        assert!(
            text.contains("\"bad.predicate\" cannot be made of its placements") && text.contains("c_region"),
            "{text}"
        );
    });
    let good = TestGateway::start(&geo()).unwrap();
    let (good, report) = check(&good);
    assert!(good, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_answers_for_another_that_is_gone() {
    let (mut postgres, mut mariadb) = (TestPostgres::start(&[]).unwrap(), TestMariaDb::start(&[]).unwrap());
    let table =
        "create table t (id int primary key, name varchar(10) not null); insert into t values (1, 'a'), (2, 'b');";
    postgres
        .sql(&format!("{table} create table only_pg (id int); insert into only_pg values (2); checkpoint;"))
        .unwrap();
    mariadb
        .sql(&format!(
            "set global innodb_flush_log_at_trx_commit = 1; {table} create table only_my (id int); insert into only_my values (1);"
        ))
        .unwrap();
    let replicated = |name: &str, sources: [&str; 2]| {
        let placements = sources.map(|source| placement(source, "t", "")).concat();
        format!("[[table]]\nname = \"{name}\"\n{placements}")
    };
    let config = GatewayConfig::default()
        .site("a")
        .site("b")
        .postgres("pg", "a", &postgres)
        .mariadb("my", "b", &mariadb)
        .section(&replicated("t", ["pg", "my"]))
        .section(&replicated("u", ["my", "pg"]));
    let gateway = TestGateway::start(&config).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    let asked = async |sql: &str| sources_of(&explain(&client, sql).await).into_iter().collect::<Vec<_>>();
    // The first in the configuration, but never more sites than needed.
    assert_eq!(asked("select * from t").await, ["pg"]);
    assert_eq!(asked("select * from u").await, ["my"]);
    assert_eq!(asked("select * from t join my.only_my o on o.id = t.id").await, ["my"]);
    assert_eq!(asked("select * from u join pg.only_pg o on o.id = u.id").await, ["pg"]);
    assert_eq!(asked("select * from t join u on t.id = u.id").await.len(), 1);
    // A key of every replica is one of the table.
    let by_key = "select id, name, count(*) from t group by id order by id";
    let both = rows(&client, by_key).await;
    assert_eq!(both.len(), 2);

    postgres.crash().unwrap();
    for _ in 0..3 {
        assert_eq!(rows(&client, by_key).await, both);
    }
    let prepared = client.prepare("select name from t where id = $1").await.unwrap();
    assert_eq!(client.query_one(&prepared, &[&2]).await.unwrap().get::<_, String>(0), "b");
    let (code, text) = error(&client, "select * from t join pg.only_pg o on o.id = t.id").await;
    assert!(code.starts_with("08") && text.contains("source \"pg\""), "{code} {text}");

    mariadb.crash().unwrap();
    let (code, text) = error(&client, by_key).await;
    assert!(code.starts_with("08"), "{code} {text}");
    assert!(text.contains("\"pg\"") && text.contains("\"my\""), "{text}");

    postgres.restart().unwrap();
    let mut last = None;
    for _ in 0..150 {
        match ask(&client, by_key).await {
            Answer::Rows(rows) => {
                assert_eq!(rows, both);
                return;
            }
            failed => last = Some(failed),
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("never again: {last:?}");
}
