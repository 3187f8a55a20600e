//! Statements that are stopped: at the server, at once, seen in its own list of processes.

use planner::error::state;

use super::*;

const ENDLESS: &str = "select generate_series(1, 1000000000)::int8";
const SLEEPY: &str = "select 1 from pg_sleep(60)";

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_query_leaves_the_server_within_a_second() {
    let engine = engine(config(server(), "cancelled"));
    for (sql, ty) in [(ENDLESS, PgType::INT8), (SLEEPY, PgType::INT4)] {
        for n in [FEW, MANY] {
            for snapshot in [false, true] {
                let session = open(&engine, 1, snapshot).await;
                let mut stream = session.scan(scan(sql, &[ty], n)).await.unwrap();
                if sql == ENDLESS {
                    stream.next().await.unwrap().unwrap();
                }
                eventually("running", || processes(server(), "cancelled", "state = 'active'") == 1).await;
                session.cancel().await;
                let gone = eventually("stopped", || processes(server(), "cancelled", "state = 'active'") == 0).await;
                assert!(gone < Duration::from_secs(1), "{gone:?} for {sql}");
                let error = loop {
                    match stream.next().await.expect("an end that is no error") {
                        Ok(_) => {}
                        Err(e) => break Error::from(e),
                    }
                };
                assert_eq!(error.sqlstate(), state::QUERY_CANCELED);
                session.cancel().await;
                let again = collect(session.scan(scan("select 1", &[PgType::INT4], n)).await.unwrap()).await;
                assert_eq!(again.unwrap_err().sqlstate(), state::QUERY_CANCELED);
            }
        }
    }
    assert_eq!(column(&engine, "select 1", PgType::INT4, FEW).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_stops_its_statement() {
    let engine = engine(config(server(), "dropped"));
    for (sql, ty) in [(ENDLESS, PgType::INT8), (SLEEPY, PgType::INT4)] {
        for n in [FEW, MANY] {
            let session = open(&engine, 1, false).await;
            let mut stream = session.scan(scan(sql, &[ty], n)).await.unwrap();
            if sql == ENDLESS {
                stream.next().await.unwrap().unwrap();
            }
            eventually("running", || processes(server(), "dropped", "state = 'active'") == 1).await;
            drop(stream);
            let gone = eventually("stopped", || processes(server(), "dropped", "state = 'active'") == 0).await;
            assert!(gone < Duration::from_secs(1), "{gone:?} for {sql}");
            // The same query goes on with another statement, without waiting for the rest of the first.
            let next = collect(session.scan(scan("select 1", &[PgType::INT4], FEW)).await.unwrap());
            assert_eq!(next.await.unwrap().num_rows(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_carry_the_query_and_pinned_settings() {
    let engine = engine(config(server(), "tagged"));
    let (query, clock) = (query_id(), clock());
    let deadline = Some(clock.now() + Duration::from_secs(600));
    let session = engine.session(SessionRequest { query, deadline, ..request(1, false) }).await.unwrap();
    let stream = session.scan(scan(SLEEPY, &[PgType::INT4], MANY)).await.unwrap();
    let tag = format!("state = 'active' and query like '/* narrows query={query} */%'");
    eventually("tagged", || processes(server(), "tagged", &tag) == 1).await;
    drop(stream);
    let settings = "select name || '=' || setting from pg_settings where name in ('TimeZone', 'DateStyle', 'search_path', \
        'standard_conforming_strings', 'transaction_read_only', 'statement_timeout') order by lower(name)";
    let got = collect(session.scan(scan(settings, &[PgType::TEXT], FEW)).await.unwrap()).await.unwrap();
    let got: Vec<_> = arrow::array::AsArray::as_string_view(got.column(0)).iter().flatten().map(String::from).collect();
    assert_eq!(got[..3], ["DateStyle=ISO, MDY", "search_path=\"\"", "standard_conforming_strings=on"]);
    let timeout: u64 = got[3].strip_prefix("statement_timeout=").unwrap().parse().unwrap();
    assert!((590_000..605_000).contains(&timeout), "{timeout}");
    assert_eq!(got[4..], ["TimeZone=UTC", "transaction_read_only=on"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_stops_the_server() {
    let engine = engine(config(server(), "slow"));
    let session = open(&engine, 1, false).await;
    let sql = "select i::int8, repeat('x', 1000) from generate_series(1, 3000000) i";
    let mut stream = session.scan(scan(sql, &[PgType::INT8, PgType::TEXT], MANY)).await.unwrap();
    stream.next().await.unwrap().unwrap();
    eventually("waiting for us", || processes(server(), "slow", "wait_event = 'ClientWrite'") == 1).await;
    let before = resident();
    for _ in 0..20 {
        stream.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(processes(server(), "slow", "wait_event = 'ClientWrite'"), 1);
    let grown = resident().saturating_sub(before);
    assert!(grown < 100 << 20, "memory grew by {grown} bytes");
}

/// Bytes of memory this process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
