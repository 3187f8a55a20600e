//! PostgreSQL's own answers, with the tables in each engine and under every push-down: its value, its error, or an honest 0A000.

use std::time::Duration;

use integration::cases::{Case, cases};
use integration::gateway::{Answer, TestGateway, ask, connect};
use integration::oracle::{Verdict, judge};

use crate::shared::{shared, sources};

/// Share of cases that may be refused.
const HONEST: f64 = 0.15;
/// No case takes long; one that does has lost its way.
const PATIENCE: Duration = Duration::from_secs(20);

fn verdict(case: &Case, answer: &Answer) -> Verdict {
    let expected = match &case.sqlstate {
        Some(sqlstate) => Answer::Error { sqlstate: sqlstate.clone(), message: String::new() },
        None => Answer::Rows(case.rows.clone()),
    };
    let floats: Vec<bool> = case.types.iter().map(|t| t.starts_with("float")).collect();
    judge(&expected, answer, case.ordered, &floats)
}

#[test]
fn every_case_is_answered_as_postgresql_does() {
    let shared = shared();
    let config = sources();
    let start = || TestGateway::start(&config).unwrap();
    let mut gateway = start();
    let (mut wrong, mut refused, mut asked) = (Vec::new(), Vec::new(), 0usize);
    shared.runtime.block_on(async {
        let mut client = connect(&gateway.url()).await.unwrap();
        for (case, source, pushdown) in all(&cases().unwrap()) {
            let set = case.set.as_deref().unwrap_or("set timezone = 'UTC'");
            let session = format!("set search_path = {source}; set narrows.pushdown = {pushdown}; {set}");
            assert_eq!(ask(&client, &session).await, Answer::Rows(vec![]), "{session}");
            asked += 1;
            // The schema is called as its source is.
            let sql = case.sql.replace("public.", &format!("{source}."));
            let line = |what: String| format!("{} [{source}, {pushdown}] {}\n    {what}", case.id, sql);
            match tokio::time::timeout(PATIENCE, ask(&client, &sql)).await {
                Ok(Answer::Error { sqlstate, .. }) if sqlstate == "08006" => {
                    wrong.push(line(format!("the gateway ended: {}", gateway.log().lines().last().unwrap_or(""))));
                    gateway = start();
                    client = connect(&gateway.url()).await.unwrap();
                }
                Err(_) => {
                    wrong.push(line(format!("no answer in {PATIENCE:?}")));
                    client = connect(&gateway.url()).await.unwrap();
                }
                Ok(answer) => match verdict(case, &answer) {
                    Verdict::Right => {}
                    Verdict::Refused(why) => refused.push(line(why)),
                    Verdict::Wrong(how) => wrong.push(line(how)),
                },
            }
        }
    });
    println!("{asked} asked, {} refused honestly:\n{}", refused.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{} of {asked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!((refused.len() as f64) <= HONEST * asked as f64, "{} of {asked} refused", refused.len());
}

/// Each case with its tables in each engine that can hold them, under each push-down.
fn all(cases: &[Case]) -> impl Iterator<Item = (&Case, &'static str, &'static str)> {
    cases.iter().flat_map(|case| {
        let sources = ["postgres", "mariadb", "parquet"].into_iter();
        let held = sources.filter(|source| !case.missing_in.iter().any(|m| m == source));
        held.flat_map(move |source| ["full", "filter", "off"].map(|pushdown| (case, source, pushdown)))
    })
}
