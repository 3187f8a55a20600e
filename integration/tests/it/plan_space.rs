//! Whatever plan is chosen over sites elsewhere, the answer is the oracle's: orders of joins by chance (`narrows.placement_seed`),
//! filters never, where they pay, and wherever they may stand, for TPC-H and for generated queries.

use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect};
use integration::oracle::{Verdict, judge};
use integration::tpch::{TABLES, query};

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

#[test]
fn every_plan_of_tpch_answers_the_same() {
    let (_sites, config) = sources_at_sites();
    let spread = |config: GatewayConfig, (table, source): (&&str, &str)| config.table("tpch", table, source, table);
    let gateway = TestGateway::start(&TABLES.iter().zip(SPREAD).fold(config, spread)).unwrap();
    let queries: Vec<_> = (1..=22)
        .map(|n| {
            let sql = query(n).unwrap();
            // 0: the plan that the search chooses.
            (sql.clone(), sql, (0..=SEEDS).map(|s| if s == 0 { 0 } else { s + 100 * n as u64 }).collect())
        })
        .collect();
    let wrong = shared().runtime.block_on(under_many_plans(&gateway, &queries, "tpch"));
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_plan_of_generated_queries_answers_the_same() {
    let (_sites, config) = sources_at_sites();
    let gateway = TestGateway::start(&config).unwrap();
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
