//! Back-pressure, cancel, failure: what one end does reaches the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::count as count_rows;
use datafusion::logical_expr::{ColumnarValue, Expr, JoinType, LogicalPlan, Volatility, col, create_udf, lit};
use futures::{StreamExt, TryStreamExt};
use planner::error::state;

use super::fakes::*;

fn endless(pause: u64) -> Script {
    Script { batches: usize::MAX, pause: Duration::from_millis(pause), ..Script::default() }
}

fn counted(plan: datafusion::logical_expr::LogicalPlanBuilder) -> LogicalPlan {
    plan.aggregate(Vec::<Expr>::new(), vec![count_rows(lit(1i64))]).unwrap().build().unwrap()
}

#[tokio::test]
async fn a_reader_that_stops_reading_stops_the_engine() {
    for through_shell in [false, true] {
        let mut bench = Bench::new();
        let fake = Fake::new(endless(0));
        bench.source("a", fake.clone());
        let scan = bench.fragment("a", None);
        let shell = if through_shell { scan.filter(col("k").gt_eq(lit(0i64))).unwrap() } else { scan };
        let mut stream = bench.start(shell.build().unwrap());
        assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let sent = fake.sent.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(fake.sent.load(Ordering::SeqCst), sent, "the engine waits");
        assert!(sent < 8 * 82, "and did not run ahead: {sent}");
        stream.next().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_first_row_leaves_before_the_last_is_read() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script { distinct: 100, ..endless(1) }));
    bench.source("b", Fake::new(Script::default()));
    let small = bench.fragment("b", Some(400.0)).build().unwrap();
    let large = bench.fragment("a", Some(1e9));
    let shell = large.join(small, JoinType::Inner, (vec!["f1.k"], vec!["f0.k"]), None).unwrap().build().unwrap();
    let mut stream = bench.start(shell);
    let first = tokio::time::timeout(Duration::from_secs(5), stream.next()).await.expect("in time");
    assert!(first.unwrap().unwrap().num_rows() > 0);
}

#[tokio::test]
async fn cancel_and_deadline_reach_every_engine() {
    let run_cancelled = run();
    let run_late = crate::site::QueryRun { deadline: Some(Duration::from_millis(300)), ..run() };
    let cases = [
        (run_cancelled, "canceling statement due to user request"),
        (run_late, "canceling statement due to statement timeout"),
    ];
    for (run, message) in cases {
        let mut bench = Bench::new();
        let (a, b) = (Fake::new(endless(5)), Fake::new(endless(5)));
        bench.source("a", a.clone());
        bench.source("b", b.clone());
        let right = bench.fragment("b", None).build().unwrap();
        let left = bench.fragment("a", None);
        let shell = counted(left.join(right, JoinType::Inner, (vec!["f1.k"], vec!["f0.k"]), None).unwrap());
        let cancel = run.cancel.clone();
        let mut stream = bench.start_with(shell, run);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel();
        });
        let started = Instant::now();
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!((error.sqlstate(), error.message()), (state::QUERY_CANCELED, message));
        assert!(started.elapsed() < Duration::from_secs(1));
        assert!(stream.next().await.is_none());
        assert!(bench.quiet().await, "nothing is left");
        assert!(a.is_cancelled() && b.is_cancelled());
    }
}

/// Nobody polls the stream: the reader is gone, or slow.
#[tokio::test]
async fn a_dropped_or_idle_reader_does_not_keep_engines_busy() {
    for dropped in [true, false] {
        let mut bench = Bench::new();
        let fake = Fake::new(endless(1));
        bench.source("a", fake.clone());
        let run = run();
        let cancel = run.cancel.clone();
        let shell = bench.fragment("a", None).build().unwrap();
        let mut stream = bench.start_with(shell, run);
        stream.next().await.unwrap().unwrap();
        let kept = if dropped {
            drop(stream);
            None
        } else {
            cancel.cancel();
            Some(stream)
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(fake.is_cancelled());
        drop(kept);
        assert!(bench.quiet().await);
    }
}

#[tokio::test]
async fn a_query_that_ends_cancels_nothing() {
    let mut bench = Bench::new();
    let fake = Fake::new(Script::default());
    bench.source("a", fake.clone());
    let shell = bench.fragment("a", None).build().unwrap();
    bench.rows(shell).await.unwrap();
    assert!(bench.quiet().await);
    assert!(!fake.is_cancelled());
}

#[tokio::test]
async fn a_limit_that_is_reached_ends_the_scan() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(endless(1)));
    let shell = bench.fragment("a", None).limit(0, Some(150)).unwrap().build().unwrap();
    assert_eq!(count(&bench.rows(shell).await.unwrap()), 150);
    assert!(bench.quiet().await);
}

#[tokio::test]
async fn a_failing_fragment_ends_the_query_and_the_others() {
    let mut bench = Bench::new();
    let other = Fake::new(endless(5));
    bench.source("a", Fake::new(Script { fails_at: Some(2), ..Script::default() }));
    bench.source("b", other.clone());
    // The other side is the one that is read first.
    let right = bench.fragment("b", Some(1.0)).build().unwrap();
    let left = bench.fragment("a", Some(1e6));
    let shell = counted(left.join(right, JoinType::Inner, (vec!["f1.k"], vec!["f0.k"]), None).unwrap());
    let error = tokio::time::timeout(Duration::from_secs(5), bench.rows(shell)).await.expect("in time").unwrap_err();
    // The failing engine's relation is piped: it fails while the join still builds on the other.
    assert_eq!((error.sqlstate(), error.message()), (state::CONNECTION_FAILURE, "connection lost"));
    assert_eq!(error.source_id().unwrap().as_str(), "a");
    assert!(bench.quiet().await);
    assert!(other.is_cancelled());
}

#[tokio::test]
async fn a_panic_is_an_error_and_not_a_hang() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script { panics: true, ..Script::default() }));
    bench.source("b", Fake::new(Script::default()));
    let bare = bench.fragment("a", None);
    let joined = bench.fragment("b", None).build().unwrap();
    let joined = bench.scan(0).join(joined, JoinType::Inner, (vec!["f0.k"], vec!["f1.k"]), None).unwrap();
    let boom = create_udf(
        "boom",
        vec![DataType::Int64],
        DataType::Boolean,
        Volatility::Volatile,
        Arc::new(|_: &[ColumnarValue]| panic!("a kernel has a defect")),
    );
    let computed = bench.scan(1).filter(boom.call(vec![col("k")])).unwrap();
    for shell in [bare, joined, computed] {
        let shell = shell.build().unwrap();
        let error =
            tokio::time::timeout(Duration::from_secs(5), bench.rows(shell)).await.expect("no hang").unwrap_err();
        assert_eq!(error.sqlstate(), state::INTERNAL_ERROR);
        assert!(error.to_string().contains("has a defect"), "{error}");
    }
    assert!(bench.quiet().await);
}

/// 10^10 pairs, and a filter no pair passes: DataFusion's joins come back from neither.
#[tokio::test]
async fn a_join_that_fans_out_can_be_cancelled() {
    for (what, filter) in [("hash", None), ("hash", Some(-1i64)), ("loop", Some(-1))] {
        let mut bench = Bench::new();
        for name in ["a", "b"] {
            let rows = Script { batches: 20, rows_per_batch: 5000, distinct: 1, ..Script::default() };
            bench.source(name, Fake::new(rows));
        }
        let right = bench.fragment("b", None).build().unwrap();
        let left = bench.fragment("a", None);
        let condition = filter.map(|f| (col("f0.k") + col("f1.k")).eq(lit(f)));
        let joined = match what {
            "hash" => left.join(right, JoinType::Inner, (vec!["f1.k"], vec!["f0.k"]), condition),
            _ => left.join_on(right, JoinType::Inner, condition),
        };
        let run = run();
        let cancel = run.cancel.clone();
        let mut stream = bench.start_with(counted(joined.unwrap()), run);
        tokio::time::sleep(Duration::from_millis(700)).await;
        let asked = Instant::now();
        cancel.cancel();
        let error = stream.try_next().await.unwrap_err();
        assert_eq!(error.sqlstate(), state::QUERY_CANCELED);
        assert!(asked.elapsed() < Duration::from_millis(200), "the client hears of it at once");
        assert!(bench.quiet().await, "{what} {filter:?}: the compute threads are free within a second");
    }
}
