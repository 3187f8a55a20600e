//! Whatever plan is chosen over sites elsewhere, the answer is the oracle's: orders of joins by chance (`narrows.placement_seed`),
//! filters never, where they pay, and wherever they may stand, for TPC-H and for generated queries.

use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect};
use std::net::SocketAddr;
use std::time::Duration;

use integration::oracle::{Verdict, judge};
use integration::site::TestSite;
use integration::tpch::{TABLES, query};
use integration::wan::{Rate, Topology};

use crate::client::column;
use crate::conformance::subject::eventually;
use crate::generated;
use crate::shared::{shared, sources_at_sites};

/// Plans of each TPC-H query, and of each generated query.
const SEEDS: u64 = 8;
const GENERATED: (u64, u64) = (120, 3);

/// Which source holds nation, region, part, supplier, partsupp, customer, orders, lineitem.
const SPREAD: [&str; 8] = ["postgres", "postgres", "parquet", "mariadb", "parquet", "postgres", "postgres", "mariadb"];

/// Errors that depend on which rows are looked at in which order.
const BY_ROW: [&str; 2] = ["22003", "22012"];

/// Asks everything under every number's plan; says what is wrong.
async fn under_many_plans(
    gateway: &TestGateway,
    queries: &[(String, String, Vec<u64>)],
    search_path: &str,
) -> Vec<String> {
    let oracle = connect(&shared().postgres.url()).await.unwrap();
    ask(&oracle, "set timezone = 'UTC'").await;
    let mut client = connect(&gateway.url()).await.unwrap();
    let mut wrong = Vec::new();
    for (ours, theirs, seeds) in queries {
        let expected = ask(&oracle, theirs).await;
        for seed in seeds {
            let reduction = ["on", "force", "off"][(*seed % 3) as usize];
            let plan = format!("set narrows.placement_seed = {seed}; set narrows.reduction = {reduction}");
            ask(&client, &format!("{plan}; set timezone = 'UTC'; set search_path = {search_path}")).await;
            let answer = ask(&client, ours).await;
            match (judge(&expected, &answer, false, &[]), &expected, &answer) {
                (Verdict::Right | Verdict::Refused(_), ..) => {}
                (_, Answer::Error { sqlstate, .. }, Answer::Rows(_)) if BY_ROW.contains(&sqlstate.as_str()) => {}
                (Verdict::Wrong(how), ..) => {
                    wrong.push(format!("[seed {seed}, reduction {reduction}] {ours}\n    {how}"))
                }
            }
            if answer.is_lost() {
                client = connect(&gateway.url()).await.unwrap();
            }
        }
    }
    wrong
}

/// The tables of TPC-H over all sources, as `tpch`.
fn spread(config: GatewayConfig) -> GatewayConfig {
    TABLES.iter().zip(SPREAD).fold(config, |config, (table, source)| config.table("tpch", table, source, table))
}

/// All queries, each under so many plans by chance and the one that the search chooses.
fn tpch(seeds: u64) -> Vec<(String, String, Vec<u64>)> {
    let one = |n: usize| {
        let sql = query(n).unwrap();
        (sql.clone(), sql, (0..=seeds).map(|s| if s == 0 { 0 } else { s + 100 * n as u64 }).collect())
    };
    (1..=22).map(one).collect()
}

/// Until that many sites take part in joins.
async fn all_compute(gateway: &TestGateway, sites: usize) {
    let client = connect(&gateway.url()).await.unwrap();
    for _ in 0..200 {
        if column(&client, "select name from narrows.sites where computes").await.len() == sites {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("some sites do not compute");
}

#[test]
fn every_plan_of_tpch_answers_the_same() {
    let (_sites, config) = sources_at_sites();
    let gateway = TestGateway::start(&spread(config)).unwrap();
    shared().runtime.block_on(all_compute(&gateway, 3));
    let queries = tpch(SEEDS);
    let wrong = shared().runtime.block_on(under_many_plans(&gateway, &queries, "tpch"));
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_plan_of_generated_queries_answers_the_same() {
    let (_sites, config) = sources_at_sites();
    let gateway = TestGateway::start(&config).unwrap();
    shared().runtime.block_on(all_compute(&gateway, 3));
    let plain = |sql: &str| ["postgres.", "mariadb.", "parquet."].iter().fold(sql.to_string(), |s, p| s.replace(p, ""));
    let queries: Vec<_> = (0..GENERATED.0)
        .map(|n| {
            let sql = generated::query(n);
            (sql.clone(), plain(&sql), (0..GENERATED.1).map(|s| if s == 0 { 0 } else { s + 10 * n }).collect())
        })
        .collect();
    let wrong = shared().runtime.block_on(under_many_plans(&gateway, &queries, "public"));
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// One connection to each source and 64 MB everywhere: nothing waits for ever.
#[test]
fn every_plan_ends_with_little_of_everything() {
    let shared = shared();
    let few = "max_connections = 1";
    let sites = [
        ("eu", GatewayConfig::default().postgres("postgres", "eu", &shared.postgres).line(few)),
        ("us", GatewayConfig::default().mariadb("mariadb", "us", &shared.mariadb).line(few)),
        ("ap", GatewayConfig::default().files("parquet", "ap", shared.files.path()).line(few)),
    ];
    let keys = "token_file = \"token\"\nmemory_limit = \"64MiB\"";
    let start = |(name, sources): (&str, GatewayConfig)| {
        let mut site = TestSite::prepare_with(name, &sources, keys).unwrap();
        site.run().unwrap();
        site
    };
    let sites = sites.map(start);
    let config = GatewayConfig::default().setting("memory_limit = \"64MiB\"").setting("statement_timeout = \"60s\"");
    let gateway = TestGateway::start(&spread(sites.iter().fold(config, GatewayConfig::remote_site))).unwrap();
    let wrong = shared.runtime.block_on(async {
        all_compute(&gateway, 3).await;
        under_many_plans(&gateway, &tpch(2), "tpch").await
    });
    let wrong: Vec<_> = wrong.into_iter().filter(|wrong| !wrong.contains("53200")).collect();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn statements() -> usize {
    let postgres = "select count(*) from pg_stat_activity where state = 'active' and query like '/* narrows query=%'";
    let mariadb = "select count(*) from information_schema.processlist where info like '/* narrows query=%'";
    let number = |text: String| text.trim().parse::<usize>().unwrap();
    number(shared().postgres.sql(postgres).unwrap()) + number(shared().mariadb.sql(mariadb).unwrap())
}

/// A site that dies and a link that breaks under a query: the right answer or one clear error, and nothing left behind.
#[test]
fn a_query_that_loses_a_site_or_a_link_answers_right_or_not_at_all() {
    let (mut sites, _) = sources_at_sites();
    let (names, rate) = (["local", "eu", "us", "ap"], Rate::mbit(200.0));
    let wan = Topology::new().mesh(&names, rate, Duration::from_millis(4)).start().unwrap();
    let at =
        |from: &str, to: &TestSite| wan.listen(from, &to.name, SocketAddr::from(([127, 0, 0, 1], to.port))).unwrap();
    let mut config = GatewayConfig::default();
    for site in &sites {
        config = config.remote_site_at(site, at("local", site).port());
        for to in sites.iter().filter(|to| to.name != site.name) {
            let (from, to, address) = (&site.name, &to.name, at(&to.name, site));
            config = config.section(&format!("[[link]]\nfrom = \"{from}\"\nto = \"{to}\"\naddress = \"{address}\""));
        }
    }
    let gateway = TestGateway::start(&spread(config)).unwrap();
    shared().runtime.block_on(async {
        let oracle = connect(&shared().postgres.url()).await.unwrap();
        for round in 0..12u64 {
            all_compute(&gateway, 3).await;
            let client = connect(&gateway.url()).await.unwrap();
            let sql = query([3, 5, 9, 18][(round % 4) as usize]).unwrap();
            let expected = ask(&oracle, &sql).await;
            ask(&client, &format!("set search_path = tpch; set narrows.placement_seed = {}", 7 * round + 1)).await;
            let asked = sql.clone();
            let running = tokio::spawn(async move { ask(&client, &asked).await });
            tokio::time::sleep(Duration::from_millis(20 + 37 * round % 150)).await;
            let (a, b) = [("eu", "us"), ("us", "ap"), ("ap", "eu")][(round % 3) as usize];
            let dies = (round % 2 == 0).then_some((round % 3) as usize);
            match dies {
                Some(site) => sites[site].kill(),
                None => wan.reset(a, b).unwrap(),
            }
            let answer = tokio::time::timeout(Duration::from_secs(20), running).await.expect("it ends").unwrap();
            match &answer {
                Answer::Error { sqlstate, message } => {
                    assert!(
                        dies.is_some(),
                        "round {round}: a connection that broke is made again: {sqlstate} {message}"
                    );
                    assert!(
                        sqlstate.starts_with("08") && message.contains("site \""),
                        "round {round}: {sqlstate} {message}"
                    );
                }
                _ => assert!(
                    matches!(judge(&expected, &answer, false, &[]), Verdict::Right),
                    "round {round}: {answer:?}"
                ),
            }
            // What a site that was killed has left at its engine is that engine's to notice.
            if dies.is_none() {
                eventually("gone", || statements() == 0).await;
            }
            if let Some(site) = dies {
                sites[site].run().unwrap();
            }
        }
    });
}
