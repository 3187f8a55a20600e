//! What other federating databases answered wrongly (`cases/traps.sql`), over the tables in each engine, each with the next one as
//! the other source, under each push-down. What is right, PostgreSQL says in the same test.

use integration::gateway::{Answer, TestGateway, ask, connect};
use integration::oracle::{Verdict, judge};

use crate::shared::{shared, sources};

const SOURCES: [&str; 3] = ["postgres", "mariadb", "parquet"];
/// Share of statements that may be refused.
const HONEST: f64 = 0.15;

struct Trap<'a> {
    why: &'a str,
    sql: &'a str,
    /// Sources whose tables have the columns.
    held: Vec<&'a str>,
}

fn traps(text: &'static str) -> Vec<Trap<'static>> {
    let paragraphs = text.split("\n\n").skip(1);
    let traps = paragraphs.map(|paragraph| {
        let mut trap = Trap { why: "", sql: "", held: SOURCES.to_vec() };
        for line in paragraph.lines() {
            match (line.strip_prefix("-- only: "), line.strip_prefix("-- ")) {
                (Some(only), _) => trap.held = only.split(' ').collect(),
                (None, Some(why)) => trap.why = why,
                (None, None) => trap.sql = line,
            }
        }
        trap
    });
    traps.collect()
}

#[test]
fn others_traps_are_answered_as_postgresql_does() {
    let shared = shared();
    let traps = traps(include_str!("../../cases/traps.sql"));
    let gateway = TestGateway::start(&sources()).unwrap();
    let (mut wrong, mut refused, mut asked) = (Vec::new(), Vec::new(), 0usize);
    shared.runtime.block_on(async {
        let oracle = connect(&shared.postgres.url()).await.unwrap();
        let mut client = connect(&gateway.url()).await.unwrap();
        for trap in &traps {
            ask(&oracle, "set timezone = 'UTC'").await;
            let expected = ask(&oracle, &trap.sql.replace("other.", "")).await;
            let ordered = trap.sql.contains(" order by ");
            for source in &trap.held {
                let at = SOURCES.iter().position(|s| s == source).unwrap();
                let sql = trap.sql.replace("other.", &format!("{}.", SOURCES[(at + 1) % SOURCES.len()]));
                for pushdown in ["full", "filter", "off"] {
                    let session =
                        format!("set search_path = {source}; set narrows.pushdown = {pushdown}; set timezone = 'UTC'");
                    assert_eq!(ask(&client, &session).await, Answer::Rows(vec![]), "{session}");
                    asked += 1;
                    let line = |what: &str| format!("{} [{source}, {pushdown}] {sql}\n    {what}", trap.why);
                    let answer = ask(&client, &sql).await;
                    match judge(&expected, &answer, ordered, &[]) {
                        Verdict::Right => {}
                        Verdict::Refused(why) => refused.push(line(&why)),
                        Verdict::Wrong(how) => wrong.push(line(&how)),
                    }
                    if answer.is_lost() {
                        client = connect(&gateway.url()).await.unwrap();
                    }
                }
            }
        }
    });
    println!("{} traps, {asked} asked, {} refused honestly:\n{}", traps.len(), refused.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{} of {asked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!((refused.len() as f64) <= HONEST * asked as f64, "{} of {asked} refused", refused.len());
}
