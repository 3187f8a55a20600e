//! Joins at sites: rows go from site to site, and whatever ends a query leaves nothing of it anywhere.

use std::time::Duration;

use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect};
use integration::servers::TestPostgres;
use integration::site::TestSite;
use tokio_postgres::Client;

use crate::client::{column, error};
use crate::conformance::subject::eventually;
use crate::shared::{shared, sources_at_sites};

/// Everything is near everything else, but far from the gateway.
fn links() -> String {
    let link = |(from, to): (&str, &str)| {
        let (mbit, rtt) = if to == "local" { (2, 50) } else { (1000, 1) };
        format!("[[link]]\nfrom = \"{from}\"\nto = \"{to}\"\nmbit = {mbit}\nrtt = \"{rtt}ms\"\n\n")
    };
    let sites = ["eu", "us", "ap"];
    let pairs = sites.iter().flat_map(|from| sites.iter().chain(&["local"]).map(move |to| (*from, *to)));
    pairs.filter(|(from, to)| from != to).map(link).collect()
}

async fn explained(client: &Client, sql: &str, how: &str) -> String {
    let lines = column(client, &format!("explain {how} {sql}")).await;
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Until all sites take part in joins.
async fn all_compute(client: &Client, sites: usize) {
    for _ in 0..100 {
        if column(client, "select name from narrows.sites where computes").await.len() == sites {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("some sites do not compute");
}

#[test]
fn what_joins_and_aggregates_is_done_where_the_rows_are() {
    let (_sites, config) = sources_at_sites();
    let gateway = TestGateway::start(&config.section(&links())).unwrap();
    shared().runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        let oracle = connect(&shared().postgres.url()).await.unwrap();
        all_compute(&client, 3).await;
        let sql = |orders: &str, lineitem: &str| {
            format!(
                "select o_orderpriority, count(*), sum(l_extendedprice * (1 - l_discount)), min(l_comment) \
                 from {orders} join {lineitem} on l_orderkey = o_orderkey where l_quantity < 20 group by 1 order by 1"
            )
        };
        let expected = ask(&oracle, &sql("orders", "lineitem")).await;
        assert!(matches!(&expected, Answer::Rows(rows) if rows.len() == 5));
        for (orders, lineitem) in [
            ("postgres.orders", "parquet.lineitem"),
            ("mariadb.orders", "parquet.lineitem"),
            ("parquet.orders", "mariadb.lineitem"),
        ] {
            let ours = sql(orders, lineitem);
            assert_eq!(ask(&client, &ours).await, expected, "{ours}");
            let plan = explained(&client, &ours, "").await;
            assert!(plan.contains("Step 0 at") && plan.contains(", from "), "{plan}");
            assert!(!plan.contains("Aggregate"), "{plan}");
            let plan = explained(&client, &ours, "(analyze)").await;
            let untold = plan.lines().filter(|l| l.contains("(rows=") && !l.contains("actual rows=")).count();
            assert!(untold == 0 && !plan.contains("actual rows=0 "), "{plan}");
            ask(&client, "set narrows.placement = off").await;
            let plan = explained(&client, &ours, "").await;
            assert!(!plan.contains("Step"), "{plan}");
            ask(&client, "set narrows.placement = on").await;
        }
    });
}

/// Two sites, each with a table of its own server, and one with something that takes for ever.
struct Pair {
    eu: TestPostgres,
    us: TestPostgres,
    sites: [TestSite; 2],
}

impl Pair {
    fn start() -> Self {
        let [eu, us] = [(); 2].map(|()| TestPostgres::start(&[]).unwrap());
        us.sql("create table few as select i as k, 'x' || i as t from generate_series(1, 1000) i; analyze few")
            .unwrap();
        eu.sql(
            "create table few as select i as k from generate_series(1, 1000) i; analyze few;
             create function forever(int) returns int language sql as 'select $1 from pg_sleep(72)';
             create view asleep as select forever(k) as k from few",
        )
        .unwrap();
        let sites = [
            TestSite::start("eu", &GatewayConfig::default().postgres("pg_eu", "eu", &eu)).unwrap(),
            TestSite::start("us", &GatewayConfig::default().postgres("pg_us", "us", &us)).unwrap(),
        ];
        Self { eu, us, sites }
    }

    fn gateway(&self) -> TestGateway {
        TestGateway::start(&self.sites.iter().fold(GatewayConfig::default(), GatewayConfig::remote_site)).unwrap()
    }

    fn statements(&self) -> usize {
        let sql = "select count(*) from pg_stat_activity where state = 'active' and query like '/* narrows query=%'";
        [&self.eu, &self.us].map(|pg| pg.sql(sql).unwrap().trim().parse::<usize>().unwrap()).iter().sum()
    }
}

const JOIN: &str = "select count(a.k), count(b.t) from pg_eu.asleep a join pg_us.few b on a.k = b.k";

/// A connection whose next plan joins at that site what it fetches from the other.
async fn joining_at(gateway: &TestGateway, site: &str) -> Client {
    let client = connect(&gateway.url()).await.unwrap();
    all_compute(&client, 2).await;
    ask(&client, "set narrows.reduction = off").await;
    for seed in 1..200 {
        ask(&client, &format!("set narrows.placement_seed = {seed}")).await;
        let plan = explained(&client, JOIN, "").await;
        let step = plan.lines().find(|l| l.contains("Step ")).unwrap_or_default();
        if step.contains(&format!(" at {site}")) && plan.contains(", from ") && plan.contains("JOIN") {
            return client;
        }
    }
    panic!("no plan joins at {site}");
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").arg("-KILL").arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_join_at_a_site_leaves_nothing() {
    let pair = Pair::start();
    let gateway = pair.gateway();
    for site in ["eu", "us"] {
        let client = joining_at(&gateway, site).await;
        let cancel = client.cancel_token();
        let running = tokio::spawn(async move { error(&client, JOIN).await });
        eventually("at work", || pair.statements() >= 1).await;
        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        let (code, text) = tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
        assert_eq!(code, "57014", "{text}");
        let gone = eventually("gone", || pair.statements() == 0).await;
        assert!(gone < Duration::from_secs(2), "{gone:?}");
    }
    let client = connect(&gateway.url()).await.unwrap();
    let used = "select sum(connections_in_use + running_statements) from narrows.sources";
    for _ in 0..100 {
        if column(&client, used).await[0].as_deref() == Some("0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("connections are left in use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_dies_under_a_join_ends_it() {
    let mut pair = Pair::start();
    let gateway = pair.gateway();
    for (at, dies) in [("us", 0), ("us", 1), ("eu", 0), ("eu", 1)] {
        let client = joining_at(&gateway, at).await;
        let running = tokio::spawn(async move { error(&client, JOIN).await });
        eventually("at work", || pair.statements() >= 1).await;
        pair.sites[dies].kill();
        let (code, text) = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
        assert!(
            code.starts_with("08") && text.contains(&format!("site \"{}\"", pair.sites[dies].name)),
            "{code} {text}"
        );
        let gone = eventually("gone", || pair.statements() == 0).await;
        assert!(gone < Duration::from_secs(5), "{gone:?}");
        pair.sites[dies].run().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_dies_leaves_no_step() {
    let pair = Pair::start();
    let gateway = pair.gateway();
    let client = joining_at(&gateway, "us").await;
    let running = tokio::spawn(async move { drop(client.simple_query(JOIN).await) });
    eventually("at work", || pair.statements() >= 1).await;
    kill(gateway.pid());
    let gone = eventually("gone", || pair.statements() == 0).await;
    assert!(gone < Duration::from_secs(4), "{gone:?}");
    running.abort();
    // The sites serve on.
    let gateway = pair.gateway();
    let client = connect(&gateway.url()).await.unwrap();
    all_compute(&client, 2).await;
    let joined = column(&client, "select count(*) from pg_eu.few a join pg_us.few b on a.k = b.k").await;
    assert_eq!(joined[0].as_deref(), Some("1000"));
}

/// Sites that cannot reach each other, though nobody has said so.
#[test]
fn what_cannot_be_joined_at_a_site_is_joined_elsewhere() {
    let (_sites, config) = sources_at_sites();
    let nowhere = format!("address = \"127.0.0.1:{}\"\n", integration::servers::free_port().unwrap());
    let unreachable = links().replace("mbit = 1000\n", &format!("mbit = 1000\n{nowhere}"));
    let gateway = TestGateway::start(&config.section(&unreachable)).unwrap();
    shared().runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        all_compute(&client, 3).await;
        let sql =
            "select count(*), min(l_comment) from mariadb.orders join parquet.lineitem on l_orderkey = o_orderkey";
        let plan = explained(&client, sql, "").await;
        assert!(plan.contains("Step 0 at") && plan.contains(", from "), "{plan}");
        let oracle = connect(&shared().postgres.url()).await.unwrap();
        let plain = sql.replace("mariadb.", "").replace("parquet.", "");
        assert_eq!(ask(&client, sql).await, ask(&oracle, &plain).await);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_at_one_site_is_the_error_of_the_query() {
    let pair = Pair::start();
    pair.eu.sql("create view broken as select 1 / (k - 500) as k from few").unwrap();
    let gateway = pair.gateway();
    let client = joining_at(&gateway, "us").await;
    let (code, text) = error(&client, "select count(b.t) from pg_eu.broken a join pg_us.few b on a.k = b.k").await;
    assert!(code == "22012" && text.contains("division by zero"), "{code} {text}");
}
