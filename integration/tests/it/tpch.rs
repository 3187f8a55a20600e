//! All 22 TPC-H queries, tables spread over three engines in five ways, under every push-down and with aggregates in parts wherever
//! they are exact, against one PostgreSQL.

use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect};
use integration::oracle::difference;
use integration::site::TestSite;
use integration::tpch::{TABLES, query};

use crate::shared::shared;

/// Push-down and aggregation in parts.
type Plan = (&'static str, &'static str);

/// Which source holds nation, region, part, supplier, partsupp, customer, orders, lineitem.
const PLACEMENTS: [(&str, [&str; 8]); 5] = [
    ("all_postgres", ["pg"; 8]),
    ("all_files", ["files"; 8]),
    ("apart", ["pg", "pg", "my", "my", "my", "pg", "pg", "my"]),
    ("mixed", ["files", "files", "my", "pg", "files", "my", "pg", "files"]),
    ("facts_here", ["my", "my", "pg", "files", "pg", "files", "my", "pg"]),
];

#[test]
fn all_queries_agree_with_the_oracle() {
    let shared = shared();
    let config = GatewayConfig::default().site("eu").site("us").site("ap");
    let config = config.postgres("pg", "eu", &shared.postgres).mariadb("my", "us", &shared.mariadb);
    agree(
        config.files("files", "ap", shared.files.path()),
        &PLACEMENTS,
        &[("full", "on"), ("full", "force"), ("filter", "on"), ("off", "on")],
    );
}

/// The same with each engine at a site that is a process of its own.
#[test]
fn all_queries_agree_at_sites_elsewhere() {
    let shared = shared();
    let sites = [
        ("eu", GatewayConfig::default().postgres("pg", "eu", &shared.postgres)),
        ("us", GatewayConfig::default().mariadb("my", "us", &shared.mariadb)),
        ("ap", GatewayConfig::default().files("files", "ap", shared.files.path())),
    ];
    let sites = sites.map(|(name, sources)| TestSite::start(name, &sources).unwrap());
    let config = sites.iter().fold(GatewayConfig::default(), GatewayConfig::remote_site);
    agree(config, &PLACEMENTS[2..4], &[("full", "on"), ("off", "on")]);
}

fn agree(mut config: GatewayConfig, placements: &[(&str, [&str; 8])], plans: &[Plan]) {
    for (schema, sources) in placements {
        for (table, source) in TABLES.iter().zip(sources) {
            config = config.table(schema, table, source, table);
        }
    }
    let schemas: Vec<&str> = placements.iter().map(|(schema, _)| *schema).collect();
    schemas_agree(&config, &schemas, plans);
}

/// All queries in each of the gateway's schemas.
pub fn schemas_agree(config: &GatewayConfig, schemas: &[&str], plans: &[Plan]) {
    let shared = shared();
    let gateway = TestGateway::start(config).unwrap();
    let mut wrong = Vec::new();
    shared.runtime.block_on(async {
        let oracle = connect(&shared.postgres.url()).await.unwrap();
        let client = connect(&gateway.url()).await.unwrap();
        for number in 1..=22 {
            let sql = query(number).unwrap();
            let Answer::Rows(expected) = ask(&oracle, &sql).await else { panic!("the oracle refused query {number}") };
            for schema in schemas {
                for (pushdown, aggregation) in plans {
                    let session = format!("set search_path = {schema}; set narrows.pushdown = {pushdown}");
                    let session = format!("{session}; set narrows.aggregation = {aggregation}");
                    assert_eq!(ask(&client, &session).await, Answer::Rows(vec![]));
                    let where_ = format!("query {number}, {schema}, pushdown {pushdown}, aggregation {aggregation}");
                    match ask(&client, &sql).await {
                        Answer::Rows(rows) => {
                            wrong.extend(difference(&expected, &rows, false, &[]).map(|d| format!("{where_}: {d}")));
                        }
                        Answer::Error { sqlstate, message } => wrong.push(format!("{where_}: {sqlstate} {message}")),
                    }
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), 22 * schemas.len() * plans.len(), wrong.join("\n"));
}
