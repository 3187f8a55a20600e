//! PostgreSQL's own answers, with the tables in each engine and under every push-down: its value, its error, or an honest 0A000.

use integration::cases::{Case, cases};
use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect};
use integration::oracle::difference;

use crate::shared::shared;

/// Share of cases that may be refused.
const HONEST: f64 = 0.15;

enum Verdict {
    Right,
    Refused(String),
    Wrong(String),
}

fn judge(case: &Case, answer: Answer) -> Verdict {
    match (answer, &case.sqlstate) {
        (Answer::Error { sqlstate, message }, _) if sqlstate == "0A000" => Verdict::Refused(message),
        (Answer::Error { sqlstate, .. }, Some(expected)) if sqlstate == *expected => Verdict::Right,
        (Answer::Error { sqlstate, message }, expected) => Verdict::Wrong(match expected {
            Some(expected) => format!("{sqlstate} {message} instead of {expected}"),
            None => format!("{sqlstate} {message}"),
        }),
        (Answer::Rows(rows), Some(expected)) => Verdict::Wrong(format!("{rows:?} instead of error {expected}")),
        (Answer::Rows(rows), None) => {
            let floats: Vec<bool> = case.types.iter().map(|t| t.starts_with("float")).collect();
            match difference(&case.rows, &rows, case.ordered, &floats) {
                None => Verdict::Right,
                Some(difference) => Verdict::Wrong(difference),
            }
        }
    }
}

#[test]
#[ignore = "some cases end the gateway with a stack overflow; run it by name to see how far it gets"]
fn every_case_is_answered_as_postgresql_does() {
    let shared = shared();
    let config = GatewayConfig::default()
        .site("local")
        .postgres("postgres", "local", &shared.postgres)
        .mariadb("mariadb", "local", &shared.mariadb)
        .files("parquet", "local", shared.files.path());
    let gateway = TestGateway::start(&config).unwrap();
    let (mut wrong, mut refused, mut asked) = (Vec::new(), Vec::new(), 0usize);
    shared.runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        for case in cases().unwrap() {
            for source in ["postgres", "mariadb", "parquet"] {
                if case.missing_in.iter().any(|m| m == source) {
                    continue;
                }
                for pushdown in ["full", "filter", "off"] {
                    let set = case.set.as_deref().unwrap_or("set timezone = 'UTC'");
                    let session = format!("set search_path = {source}; set narrows.pushdown = {pushdown}; {set}");
                    assert_eq!(ask(&client, &session).await, Answer::Rows(vec![]), "{session}");
                    asked += 1;
                    let line = |what: String| format!("{} [{source}, {pushdown}] {}\n    {what}", case.id, case.sql);
                    match judge(&case, ask(&client, &case.sql).await) {
                        Verdict::Right => {}
                        Verdict::Refused(why) => refused.push(line(why)),
                        Verdict::Wrong(how) => wrong.push(line(how)),
                    }
                }
            }
        }
    });
    println!("{asked} asked, {} refused honestly:\n{}", refused.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{} of {asked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!((refused.len() as f64) <= HONEST * asked as f64, "{} of {asked} refused", refused.len());
}
