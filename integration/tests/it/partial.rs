//! Aggregates that are computed in parts at the sources, before rows are joined or united: the answers are the ones of a
//! PostgreSQL that has all tables, whichever engine has which, with and without.

use integration::gateway::{Answer, TestGateway, ask, connect};
use integration::oracle::{Verdict, judge};

use crate::client::column;
use crate::shared::{shared, sources};

const SOURCES: [&str; 3] = ["postgres", "mariadb", "parquet"];

/// Statements over tables at `one`, `two` and `three`, aggregated in parts if `one` is a PostgreSQL.
const IN_PARTS: &[&str] = &[
    // Unions: groups with NULLs, counts of everything and of values, groups in one input only.
    "select k, count(*), count(v), sum(v), min(v), max(v) from (select k, v from one.kv union all select k, v from two.kv \
     union all select k, x::int from three.ks) t group by k",
    "select count(*), count(v), sum(v), avg(v), min(w), max(w) from (select * from one.kv union all select * from two.kv) t",
    "select count(*), count(a), sum(a), min(b) from (select a, b from one.none union all select a, b from two.none) t",
    "select a, count(*) from (select a, b from one.none union all select a, b from two.none) t group by a",
    "select count(*), sum(v) from (select k, v from one.kv union all select a, a from two.none) t",
    "select w, sum(v) from (select * from one.kv union all select * from two.kv where k > 1) t group by w having sum(v) > 10",
    "select g, sum(b), count(b), min(b), max(b), avg(b) from (select g, b from one.trap_num union all select g, b from two.trap_num) t group by g",
    "select sum(b), avg(b), sum(i), avg(i) from (select b, i from one.trap_num union all select b, i from two.trap_num union all select b, i from three.trap_num) t",
    "select g, sum(p), avg(p), sum(w), min(w), max(p) from (select g, p, w from one.trap_num union all select g, p, w from two.trap_num) t group by g",
    "select hired, count(*), min(name), max(name) from (select hired, name from one.emp union all select hired, name from two.emp) t group by hired",
    "select min(m_d), max(m_d), min(m_ts), max(m_ts), count(m_ts) from (select m_d, m_ts from one.t_time union all select m_d, m_ts from two.t_time) t",
    "select extract(year from m_d) as y, count(*) from (select m_d from one.t_time union all select m_d from two.t_time) t group by y",
    "select min(x_v), max(x_t), count(distinct_v) from (select x_v, x_t, x_g distinct_v from one.t_txt union all select x_v, x_t, x_g from two.t_txt) t",
    "select x_g, count(*), min(x_v) from (select x_g, x_v from one.t_txt union all select x_g, x_v from two.t_txt) t group by x_g",
    "select n_i2, n_i4, count(*), sum(n_i2), sum(n_d72) from (select * from (select n_i2, n_i4, n_d72 from one.t_num union all \
     select n_i2, n_i4, n_d72 from two.t_num) u where n_i4 is not null) t group by n_i2, n_i4",
    "select distinct dept from (select dept from one.emp union all select dept from two.emp) t",
    "select k, w from one.kv union select k, w from two.kv",
    "select sum(q) from (select k, sum(v) q from (select k, v from one.kv union all select k, v from two.kv) t group by k) u",
    // Joins: duplicates on both sides, NULL keys, groups of the one side, of the other, of both, of none.
    "select count(*), sum(v), avg(v), min(v), max(v) from one.kv join two.ks on kv.k = ks.k",
    "select ks.k, count(*), count(v), sum(v) from one.kv join two.ks on kv.k = ks.k group by ks.k",
    "select kv.w, count(*), sum(v) from one.kv join two.ks on kv.k = ks.k group by kv.w",
    "select kv.w, ks.x, count(*), count(kv.v), sum(kv.v) from one.kv join two.ks on kv.k = ks.k group by kv.w, ks.x",
    "select ks.x, max(kv.w), min(kv.w) from one.kv join two.ks on kv.k = ks.k group by ks.x",
    "select count(*), sum(v), count(v), min(w) from one.kv join two.none on k = a",
    "select count(*), count(a), sum(a), avg(a) from one.none join two.kv on k = a",
    "select k, count(*), sum(a) from one.none join two.kv on k = a group by k",
    "select max(ks.x), sum(kv.v) from one.kv join two.ks on kv.k = ks.k",
    "select d.k, sum(e.pay), avg(e.pay), max(e.hired), count(*) from one.emp e join two.ks d on e.dept = d.k group by d.k having count(*) > 1",
    "select sum(t.b), sum(t.i), avg(t.b), sum(t.w), sum(t.p) from one.trap_num t join two.kv on t.g = kv.k",
    "select kv.v, sum(t.b), min(t.w), max(t.b) from one.trap_num t join two.kv on t.g = kv.k group by kv.v",
    "select kv.v, sum(t.p * (1 - t.p)), sum(case when t.i > 0 then t.p else 0.00 end) from one.trap_num t join two.kv on t.g = kv.k group by kv.v",
    "select sum(e.pay) filter (where e.hired > date '2019-12-31'), count(*) filter (where e.boss is null) from one.emp e join two.ks d on e.dept = d.k",
    "select kv.w, sum(e.pay) from one.emp e join two.kv on e.dept = kv.k and e.id < kv.v group by kv.w",
    "select kv.w, b.k, count(*), sum(e.pay) from one.emp e join two.kv on e.dept = kv.k join three.ks b on b.k = e.boss group by kv.w, b.k",
    "select sum(a.pay), count(*) from one.emp a join one.kv b on a.dept = b.k join two.ks c on c.k = b.k",
    "select c.x, sum(a.pay) from one.emp a join two.ks c on c.k = a.dept join one.kv b on a.dept = b.k group by c.x",
    "select q.k, sum(q.v) from (select k, v from one.kv union all select k, v from two.kv) q join three.ks on ks.k = q.k group by q.k",
    "select extract(year from e.hired) as y, count(*), sum(e.pay) from one.emp e join two.ks d on e.dept = d.k group by y",
    // Joins that keep one side, either side aggregated.
    "select kv.k, count(*), sum(kv.v) from one.kv left join two.ks on kv.k = ks.k group by kv.k",
    "select ks.k, count(kv.v), sum(kv.v), min(kv.w) from two.ks left join one.kv on kv.k = ks.k group by ks.k",
    "select ks.k, count(kv.v), sum(kv.v) from two.ks left join one.kv on kv.k = ks.k and kv.v > 15 group by ks.k",
    "select count(kv.v), sum(kv.v), avg(kv.v) from two.none left join one.kv on kv.k = a",
    "select count(a), sum(a), min(a) from two.kv left join one.none on k = a",
    "select w, count(a), sum(a) from two.kv left join one.none on k = a group by w",
    "select kv.k, sum(kv.v), count(kv.v) from one.kv right join two.ks on kv.k = ks.k group by kv.k",
    "select ks.k, sum(kv.v), count(kv.v) from one.kv full join two.ks on kv.k = ks.k group by ks.k",
    "select kv.w, sum(kv.v), count(*) from one.kv where exists (select 1 from two.ks where ks.k = kv.k) group by kv.w",
    "select kv.w, sum(kv.v), count(*) from one.kv where kv.k not in (select k from two.ks where k is not null) group by kv.w",
    "select ks.k from two.ks where x > (select sum(v) / 100 from one.kv join two.ks i on i.k = kv.k)",
    // Real ones.
    "select n_name, sum(o_totalprice), count(*), min(o_orderdate) from one.orders join two.customer on c_custkey = o_custkey \
     join two.nation on n_nationkey = c_nationkey group by n_name",
    "select o_orderpriority, sum(l_quantity), avg(l_extendedprice), count(*) from one.lineitem join two.orders on o_orderkey = l_orderkey \
     where o_orderdate < date '1993-01-01' group by o_orderpriority",
    "select c_custkey, count(o_orderkey) from two.customer left join one.orders on o_custkey = c_custkey where c_custkey < 100 group by c_custkey",
];

/// Statements that are not: arguments of both sides, what may fail, what depends on the order or on each row.
const AS_ONE: &[&str] = &[
    "select sum(kv.v * ks.x) from one.kv join two.ks on kv.k = ks.k",
    "select sum(kv.v), sum(ks.x) from one.kv join two.ks on kv.k = ks.k",
    "select count(distinct kv.v), sum(kv.v) from one.kv join two.ks on kv.k = ks.k",
    "select ks.k, count(*), sum(kv.v) from two.ks left join one.kv on kv.k = ks.k and ks.k > 5 where ks.k is null group by ks.k having sum(coalesce(kv.v, 1)) > 0",
    "select ks.k, sum(coalesce(kv.v, 7)) from two.ks left join one.kv on kv.k = ks.k group by ks.k",
    "select sum(10 / (e.dept - 3)) from one.emp e join two.kv on kv.k = e.dept and e.dept < 3",
    "select sum(t.f) from one.trap_num t join two.kv on t.g = kv.k",
    "select avg(f), g from (select g, f from one.trap_num union all select g, f from two.trap_num) t group by g",
    "select string_agg(w, ',' order by w) from (select w from one.kv union all select w from two.kv) t",
    "select kv.w, sum(v), grouping(kv.w) from one.kv join two.ks on kv.k = ks.k group by rollup (kv.w)",
    "select sum(kv.v) from one.kv, two.ks",
    // Numerics of several scales, which no source is sent.
    "select sum(case when t.i > 0 then t.p else 0 end) from one.trap_num t join two.kv on t.g = kv.k",
    "select f, count(*) from (select f from one.trap_num union all select f from two.trap_num) t group by f",
];

#[test]
fn parts_of_aggregates_make_the_same_whole() {
    let shared = shared();
    let gateway = TestGateway::start(&sources()).unwrap();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    shared.runtime.block_on(async {
        let oracle = connect(&shared.postgres.url()).await.unwrap();
        let client = connect(&gateway.url()).await.unwrap();
        for (sql, in_parts) in IN_PARTS.iter().map(|s| (s, true)).chain(AS_ONE.iter().map(|s| (s, false))) {
            let plain = ["one.", "two.", "three."].iter().fold((*sql).to_string(), |s, p| s.replace(p, ""));
            let expected = ask(&oracle, &plain).await;
            assert!(
                !matches!(&expected, Answer::Error { sqlstate, .. } if sqlstate.starts_with("42")),
                "{plain}: {expected:?}"
            );
            for turn in 0..SOURCES.len() {
                let at = |n: usize| format!("{}.", SOURCES[(turn + n) % SOURCES.len()]);
                let sql = sql.replace("one.", &at(0)).replace("two.", &at(1)).replace("three.", &at(2));
                for aggregation in ["off", "on", "force"] {
                    ask(&client, &format!("set narrows.aggregation = {aggregation}")).await;
                    asked += 1;
                    if let Verdict::Wrong(how) | Verdict::Refused(how) =
                        judge(&expected, &ask(&client, &sql).await, false, &[])
                    {
                        wrong.push(format!("[{aggregation}] {sql}\n    {how}"));
                    }
                }
                let plan = column(&client, &format!("explain {sql}")).await;
                let parts = plan.iter().flatten().any(|line| line.contains("#p") || line.contains(" GROUP BY "));
                if turn == 0 && parts != in_parts {
                    wrong.push(format!("{sql}\n    {} in parts: {plan:#?}", if parts { "is" } else { "is not" }));
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{} of {asked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Rows that left the sources, by EXPLAIN ANALYZE.
fn rows_moved(plan: &[Option<String>]) -> u64 {
    let rows = |line: &String| line.split("(actual rows=").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    plan.iter().flatten().filter_map(rows).sum()
}

#[test]
fn fewer_rows_move() {
    let shared = shared();
    let gateway = TestGateway::start(&sources()).unwrap();
    shared.runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        for sql in [
            "select n_name, sum(o_totalprice) from postgres.orders join mariadb.customer on c_custkey = o_custkey \
             join mariadb.nation on n_nationkey = c_nationkey group by n_name",
            "select o_orderpriority, sum(l_quantity) from mariadb.lineitem join postgres.orders on o_orderkey = l_orderkey group by o_orderpriority",
            "select l_returnflag, l_linestatus, sum(l_quantity), avg(l_discount), count(*) from (select * from postgres.lineitem \
             union all select * from mariadb.lineitem union all select * from parquet.lineitem) l group by l_returnflag, l_linestatus",
        ] {
            ask(&client, "set narrows.aggregation = off").await;
            let all = rows_moved(&column(&client, &format!("explain analyze {sql}")).await);
            ask(&client, "set narrows.aggregation = on").await;
            let plan = column(&client, &format!("explain analyze {sql}")).await;
            assert!(rows_moved(&plan) * 2 < all, "{} of {all}: {plan:#?}", rows_moved(&plan));
        }
    });
}
