//! Memory and disk: spilled where that is possible, refused where not, given back always.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::{Expr, JoinType, col};
use futures::TryStreamExt;
use planner::error::state;

use super::fakes::*;

const MIB: usize = 1 << 20;

/// About 26 MB.
fn large() -> Script {
    Script { batches: 40, rows_per_batch: 2000, width: 300, ..Script::default() }
}

#[tokio::test]
async fn a_sort_that_does_not_fit_is_spilled() {
    let mut bench = Bench::with(|s| s.memory_limit = 8 * MIB);
    bench.source("a", Fake::new(large()));
    let shell = bench.fragment("a", None).sort(vec![col("k").sort(false, true)]).unwrap().build().unwrap();
    let mut stream = bench.start(shell);
    let rows: Vec<_> = (&mut stream).try_collect().await.unwrap();
    let keys: Vec<i64> = rows.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    assert_eq!(keys, (0..80_000).rev().collect::<Vec<_>>());
    assert!(stream.measurements().operators.iter().any(|o| o.spilled_bytes > 0));
    drop((stream, rows));
    assert!(bench.quiet().await, "memory and disk are given back");
}

#[tokio::test]
async fn a_full_spill_area_is_its_own_error() {
    let mut bench = Bench::with(|s| (s.memory_limit, s.spill_limit) = (8 * MIB, 100_000));
    bench.source("a", Fake::new(large()));
    let shell = bench.fragment("a", None).sort(vec![col("k").sort(false, true)]).unwrap().build().unwrap();
    assert_eq!(bench.rows(shell).await.unwrap_err().sqlstate(), state::DISK_FULL);
    assert!(bench.quiet().await);
}

#[tokio::test]
async fn what_cannot_spill_is_refused() {
    let mut bench = Bench::with(|s| s.memory_limit = 4 * MIB);
    bench.source("a", Fake::new(large()));
    bench.source("b", Fake::new(large()));
    let right = bench.fragment("b", None).build().unwrap();
    let left = bench.fragment("a", None);
    let shell = left.join(right, JoinType::Inner, (vec!["f1.k"], vec!["f0.k"]), None).unwrap().build().unwrap();
    let error = bench.rows(shell).await.unwrap_err();
    assert_eq!((error.sqlstate(), error.message()), (state::OUT_OF_MEMORY, "out of memory"));
    assert!(bench.quiet().await);
}

/// A join that is estimated too large to hash sorts and spills instead.
#[tokio::test]
async fn a_join_estimated_too_large_to_hash_sorts() {
    let mut bench = Bench::with(|s| (s.memory_limit, s.batch_size) = (32 * MIB, 1024));
    for name in ["a", "b"] {
        bench.source(name, Fake::new(large()));
    }
    let right = bench.fragment("b", Some(800_000.0)).build().unwrap();
    let left = bench.fragment("a", Some(800_000.0));
    let shell = left.join(right, JoinType::Inner, (vec!["f1.k"], vec!["f0.k"]), None).unwrap().build().unwrap();
    let mut stream = bench.start(shell);
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await.unwrap() {
        rows += batch.num_rows();
    }
    assert_eq!(rows, 80_000);
    let operators = stream.measurements().operators;
    assert!(operators.iter().any(|o| o.text.starts_with("SortMergeJoin")), "{operators:#?}");
    assert!(operators.iter().any(|o| o.spilled_bytes > 0), "{operators:#?}");
}

#[tokio::test]
async fn held_relations_go_to_disk_when_they_are_large() {
    let mut bench = Bench::with(|s| s.memory_limit = 16 * MIB);
    bench.source("a", Fake::limited(large(), false, 1));
    let second = bench.fragment("a", Some(80_000.0)).build().unwrap();
    let both = bench.fragment("a", Some(90_000.0)).union(second).unwrap();
    let shell = both.aggregate(Vec::<Expr>::new(), vec![sum(col("k"))]).unwrap().build().unwrap();
    let mut stream = bench.start(shell);
    let rows: Vec<_> = (&mut stream).try_collect().await.unwrap();
    assert_eq!(number(&rows), 2 * (0..80_000).sum::<i64>());
    let fragments = stream.measurements().fragments;
    assert!(fragments[0].held && fragments[0].spilled_bytes > 8 * MIB as u64, "{fragments:?}");
    assert!(!fragments[1].held);
    drop((stream, rows));
    assert!(bench.quiet().await);
}
