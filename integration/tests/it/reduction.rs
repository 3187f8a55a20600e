//! Keys of one fragment that filter another one: they are sent where they pay, they leave rows at the source, and no join of any
//! kind answers otherwise with them.

use integration::gateway::{Answer, TestGateway, ask, connect};
use integration::oracle::difference;

use crate::client::column;
use crate::shared::{shared, sources};

/// Joins of every kind between engines, keys with NULLs, chains, grouped and limited sides.
const QUERIES: &[&str] = &[
    "select count(*), sum(l_quantity) from mariadb.supplier join postgres.lineitem on l_suppkey = s_suppkey where s_nationkey = 3",
    "select count(*), count(l_orderkey) from mariadb.supplier left join postgres.lineitem on l_suppkey = s_suppkey and s_nationkey = 3",
    "select count(*), count(s_suppkey) from mariadb.supplier right join postgres.lineitem on l_suppkey = s_suppkey and s_nationkey = 3",
    "select count(*), count(s_suppkey), count(l_suppkey) from (select * from mariadb.supplier where s_nationkey = 3) s \
     full join postgres.lineitem on l_suppkey = s_suppkey",
    "select count(*) from postgres.orders where exists (select 1 from mariadb.customer where c_custkey = o_custkey and c_nationkey = 3)",
    "select count(*) from postgres.orders where not exists (select 1 from mariadb.customer where c_custkey = o_custkey and c_nationkey = 3)",
    "select count(*) from postgres.orders where o_custkey not in (select c_custkey from mariadb.customer where c_nationkey = 3)",
    "select count(*) from parquet.customer where not exists (select 1 from postgres.orders where o_custkey = c_custkey)",
    "select n_name, count(*), sum(l_extendedprice) from parquet.nation join mariadb.supplier on s_nationkey = n_nationkey \
     join postgres.lineitem on l_suppkey = s_suppkey where n_name like 'A%' group by n_name",
    "select s_name, q from (select l_suppkey, sum(l_quantity) q from postgres.lineitem group by l_suppkey) l \
     join mariadb.supplier on s_suppkey = l_suppkey where s_nationkey in (3, 7)",
    "select count(*) from (select l_suppkey from postgres.lineitem order by l_orderkey, l_linenumber limit 500) l \
     join mariadb.supplier on s_suppkey = l_suppkey where s_nationkey = 3",
    "select count(*), min(o_orderdate) from parquet.orders join postgres.lineitem on l_shipdate = o_orderdate where o_custkey < 20",
    "select count(*) from parquet.part join postgres.partsupp on ps_partkey = p_partkey where p_partkey < 0",
    "select p_name, l_quantity from mariadb.part join postgres.lineitem on l_partkey = p_partkey \
     where l_quantity < (select 0.2 * avg(l_quantity) from postgres.lineitem l2 where l2.l_partkey = p_partkey) and p_size = 11 \
     and p_brand = 'Brand#23'",
    "with s as (select s_suppkey k from mariadb.supplier where s_nationkey = 3) \
     select count(*) from postgres.lineitem a join s on a.l_suppkey = s.k where a.l_partkey in (select ps_partkey from parquet.partsupp \
     join s s2 on ps_suppkey = s2.k)",
];

#[test]
fn every_kind_of_join_answers_the_same() {
    let shared = shared();
    let gateway = TestGateway::start(&sources()).unwrap();
    let mut wrong = Vec::new();
    shared.runtime.block_on(async {
        let oracle = connect(&shared.postgres.url()).await.unwrap();
        let client = connect(&gateway.url()).await.unwrap();
        for sql in QUERIES {
            let plain = ["postgres.", "mariadb.", "parquet."].iter().fold(sql.to_string(), |s, p| s.replace(p, ""));
            let Answer::Rows(expected) = ask(&oracle, &plain).await else { panic!("the oracle refuses {plain}") };
            for (pushdown, reduction) in [
                ("full", "off"),
                ("full", "on"),
                ("full", "force"),
                ("filter", "on"),
                ("filter", "force"),
                ("off", "force"),
            ] {
                ask(&client, &format!("set narrows.pushdown = {pushdown}; set narrows.reduction = {reduction}")).await;
                let line = |what: String| format!("[{pushdown}, {reduction}] {sql}: {what}");
                match ask(&client, sql).await {
                    Answer::Rows(rows) => wrong.extend(difference(&expected, &rows, false, &[]).map(line)),
                    other => wrong.push(line(format!("{other:?}"))),
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows that left the sources, by EXPLAIN ANALYZE.
fn rows_moved(plan: &[String]) -> u64 {
    let rows = |line: &String| line.split("(actual rows=").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    plan.iter().filter_map(rows).sum()
}

#[test]
fn rows_without_a_partner_stay_where_they_are() {
    let shared = shared();
    let gateway = TestGateway::start(&sources()).unwrap();
    shared.runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        let plan = |sql: String| {
            let client = &client;
            async move { column(client, &sql).await.into_iter().flatten().collect::<Vec<String>>() }
        };
        // Counted in parts, the rows that a filter would leave out do not move anyway.
        ask(&client, "set narrows.aggregation = off").await;
        for sql in [QUERIES[0], QUERIES[4]] {
            ask(&client, "set narrows.reduction = off").await;
            let all = rows_moved(&plan(format!("explain analyze {sql}")).await);
            ask(&client, "set narrows.reduction = on").await;
            let shown = plan(format!("explain {sql}")).await;
            assert!(shown.iter().any(|l| l.contains("IN (keys of fragment ")), "{shown:#?}");
            let analyzed = plan(format!("explain analyze {sql}")).await;
            assert!(analyzed.iter().any(|l| l.contains("(actual keys=")), "{analyzed:#?}");
            assert!(rows_moved(&analyzed) * 2 < all, "{} of {all}: {analyzed:#?}", rows_moved(&analyzed));
        }
        // More keys than a list should have: the filter is left out, the answer stays.
        ask(&client, "set narrows.reduction = force").await;
        let many =
            "explain analyze select count(*) from parquet.lineitem a join postgres.orders on o_orderkey = a.l_orderkey";
        let shown = plan(many.to_string()).await;
        assert!(shown.iter().any(|l| l.contains("(too many to list)")), "{shown:#?}");
    });
}
