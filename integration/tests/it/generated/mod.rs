//! Generated queries over all engines at once: whatever plan is chosen under each push-down, the answer is the one of a
//! PostgreSQL that holds all tables. Each query is made from its number, so that a failure is repeated by running it again.

mod grammar;

use integration::gateway::{Answer, TestGateway, ask, connect};
use integration::oracle::{Verdict, judge};

pub use self::grammar::query;
use crate::shared::{shared, sources};

const QUERIES: u64 = 400;
/// Push-down, reduction and aggregation in parts. The tables are too small for these to pay: they are forced.
const PLANS: [(&str, &str, &str); 5] = [
    ("full", "on", "on"),
    ("full", "force", "on"),
    ("full", "force", "force"),
    ("filter", "force", "on"),
    ("off", "on", "on"),
];
/// Share of queries that may be refused.
const HONEST: f64 = 0.15;
/// Errors that depend on which rows are looked at in which order.
const BY_ROW: [&str; 2] = ["22003", "22012"];

#[test]
fn generated_queries_agree_with_the_oracle() {
    let shared = shared();
    let config = sources();
    let gateway = TestGateway::start(&config).unwrap();
    let (mut wrong, mut refused, mut asked, mut answered) = (Vec::new(), Vec::new(), 0usize, 0usize);
    shared.runtime.block_on(async {
        let oracle = connect(&shared.postgres.url()).await.unwrap();
        ask(&oracle, "set timezone = 'UTC'").await;
        let mut client = connect(&gateway.url()).await.unwrap();
        for number in 0..QUERIES {
            let sql = query(number);
            let expected =
                ask(&oracle, &["postgres.", "mariadb.", "parquet."].iter().fold(sql.clone(), |s, p| s.replace(p, "")))
                    .await;
            for (pushdown, reduction, aggregation) in PLANS {
                let plan = format!("set narrows.pushdown = {pushdown}; set narrows.reduction = {reduction}");
                let plan = format!("{plan}; set narrows.aggregation = {aggregation}");
                ask(&client, &format!("{plan}; set timezone = 'UTC'")).await;
                asked += 1;
                let line = |what: &str| format!("{number} [{pushdown}, {reduction}, {aggregation}] {sql}\n    {what}");
                let answer = ask(&client, &sql).await;
                answered += usize::from(matches!(answer, Answer::Rows(_)));
                match (judge(&expected, &answer, false, &[]), &expected, &answer) {
                    (Verdict::Right, ..) => {}
                    (Verdict::Refused(why), ..) => refused.push(line(&why)),
                    (_, Answer::Error { sqlstate, .. }, Answer::Rows(_)) if BY_ROW.contains(&sqlstate.as_str()) => {}
                    (Verdict::Wrong(how), ..) => wrong.push(line(&how)),
                }
                if answer.is_lost() {
                    client = connect(&gateway.url()).await.unwrap();
                }
            }
        }
    });
    println!("{asked} asked, {answered} answered with rows, {} refused:\n{}", refused.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{} of {asked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!((refused.len() as f64) <= HONEST * asked as f64, "{} of {asked} refused", refused.len());
    assert!(answered * 10 > asked * 7, "only {answered} of {asked} returned rows");
}
