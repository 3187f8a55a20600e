//! What comes out is right, however the relations are read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::functions_aggregate::expr_fn::{count as count_rows, count_distinct, sum};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, col, lit, placeholder};
use futures::TryStreamExt;
use planner::PgType;
use planner::catalog::{Placement, Table, TableKind};
use planner::plan::ParameterValue;
use planner::source::{CatalogTable, WorkTable};

use super::fakes::*;

#[tokio::test]
async fn a_single_fragment_streams_straight_through() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script::default()));
    let shell = bench.fragment("a", None).build().unwrap();
    let mut stream = bench.start(shell);
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await.unwrap() {
        rows += batch.num_rows();
    }
    let measured = stream.measurements();
    assert_eq!((rows, measured.rows, measured.fragments[0].rows), (400, 400, 400));
    assert!(measured.operators.is_empty(), "DataFusion was not asked");
    assert!(measured.fragments[0].bytes > 400 * (8 + 16));
    assert!(measured.fragments[0].first_row_seconds.unwrap() <= measured.fragments[0].seconds.unwrap());
    assert_eq!(bench.sources.0[&"a".into()].statements.lock().as_slice(), ["SELECT 0"]);
}

#[tokio::test]
async fn fragments_of_two_sources_join() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script { distinct: 50, ..Script::default() }));
    bench.source("b", Fake::new(Script { batches: 1, ..Script::default() }));
    let right = bench.fragment("b", Some(100.0)).build().unwrap();
    let shell = bench.fragment("a", Some(400.0)).join(right, JoinType::Inner, (vec!["f1.k"], vec!["f0.k"]), None);
    let shell = shell.unwrap().aggregate(Vec::<Expr>::new(), vec![sum(col("f1.k"))]);
    let mut stream = bench.start(shell.unwrap().build().unwrap());
    let rows: Vec<_> = (&mut stream).try_collect().await.unwrap();
    assert_eq!(number(&rows), 8 * (0..50).sum::<i64>());
    let measured = stream.measurements();
    assert_eq!(measured.fragments.len(), 2);
    assert!(measured.fragments.iter().all(|f| !f.held));
    assert!(measured.operators.iter().any(|o| o.text.starts_with("HashJoinExec")));
    assert_eq!(
        measured.operators.iter().filter(|o| o.text.starts_with("Fragment")).filter_map(|o| o.rows).sum::<u64>(),
        500
    );
}

/// Two streams over one connection: whichever side the join reads first, the other must not be in its way.
#[tokio::test]
async fn one_connection_reads_its_fragments_one_after_another() {
    for (concurrent, connections) in [(false, 8), (true, 1)] {
        let mut bench = Bench::new();
        let fake = Fake::limited(Script { batches: 50, ..Script::default() }, concurrent, connections);
        bench.source("a", fake.clone());
        let left = bench.fragment("a", Some(10.0)).build().unwrap();
        let right = bench.fragment("a", Some(5000.0));
        let third = bench.fragment("a", Some(20.0)).build().unwrap();
        let shell = right.join(left, JoinType::Inner, (vec!["f1.k"], vec!["f0.k"]), None).unwrap();
        let shell = shell.join(third, JoinType::Inner, (vec!["f1.k"], vec!["f2.k"]), None).unwrap();
        let mut stream = bench.start(shell.build().unwrap());
        let rows: Vec<_> = (&mut stream).try_collect().await.unwrap();
        assert_eq!(count(&rows), 5000);
        assert_eq!(fake.most_open.load(Ordering::SeqCst), 1);
        assert_eq!(fake.sessions.load(Ordering::SeqCst), 1, "one session, one snapshot");
        let held: Vec<_> = stream.measurements().fragments.iter().map(|f| f.held).collect();
        assert_eq!(held, [true, false, true], "the largest is read last and needs no holding");
    }
}

#[tokio::test]
async fn a_fragment_that_is_read_twice_is_held() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script::default()));
    let left = bench.fragment("a", None);
    let again = bench.scan(0).alias("again").unwrap().build().unwrap();
    let shell = left.join(again, JoinType::Inner, (vec!["f0.k"], vec!["again.k"]), None).unwrap().build().unwrap();
    assert_eq!(count(&bench.rows(shell).await.unwrap()), 400);
    assert_eq!(bench.sources.0[&"a".into()].statements.lock().len(), 1, "the engine was asked once");
}

#[tokio::test]
async fn parameters_reach_the_shell_and_limits() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script::default()));
    let parameter = |n: i64| ParameterValue { ty: PgType::INT8, value: n.into() };
    let bigint = Arc::new(Field::new("", DataType::Int64, true));
    let typed = |id: &str| Expr::Placeholder(Placeholder::new_with_field(id.into(), Some(bigint.clone())));
    let shell = bench.fragment("a", None).filter(col("k").gt(typed("$1"))).unwrap();
    let shell = shell.limit_by_expr(None, Some(placeholder("$2"))).unwrap().build().unwrap();
    let plan = bench.plan(shell);
    let start = |values: Vec<ParameterValue>| {
        bench.executor.execute(plan.clone(), &values, run(), bench.sources.clone(), Arc::new(NoSystemTables)).unwrap()
    };
    let rows: Vec<_> = start(vec![parameter(390), parameter(5)]).try_collect().await.unwrap();
    assert_eq!(count(&rows), 5);
    let none: Vec<_> = start(vec![parameter(395), parameter(100)]).try_collect().await.unwrap();
    assert_eq!(count(&none), 4);
    let negative = start(vec![parameter(0), parameter(-1)]).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((negative.sqlstate().as_str(), negative.message()), ("2201W", "LIMIT must not be negative"));
}

#[tokio::test]
async fn system_tables_are_read_when_the_query_runs() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script::default()));
    let column =
        |name: &str, ty| planner::catalog::Column { name: name.into(), remote_name: name.into(), ty, ..a_column() };
    let table = Table {
        schema: "narrows".into(),
        name: "sites".into(),
        kind: TableKind::Table,
        columns: vec![column("k", PgType::INT8), column("t", PgType::TEXT)],
        keys: Vec::new(),
        placements: Vec::new(),
        rows: None,
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid: 1,
        key_oids: Vec::new(),
    };
    let placement = Placement {
        source: "system".into(),
        remote_schema: "narrows".into(),
        remote_name: "sites".into(),
        predicate: None,
        replica_group: 0,
        part: None,
    };
    let system = Arc::new(CatalogTable::new(Arc::new(table), placement));
    let system = LogicalPlanBuilder::scan("sites", system, Some(vec![0])).unwrap().build().unwrap();
    let shell = bench.fragment("a", None).join(system, JoinType::Inner, (vec!["f0.k"], vec!["sites.k"]), None).unwrap();
    assert_eq!(count(&bench.rows(shell.build().unwrap()).await.unwrap()), 2);
}

fn a_column() -> planner::catalog::Column {
    planner::catalog::Column {
        name: String::new(),
        remote_name: String::new(),
        ty: PgType::INT8,
        remote_type: String::new(),
        nullable: true,
        opaque: false,
        collation: None,
        comment: None,
        stats: Default::default(),
        always_null: false,
    }
}

/// Every round reads the fragment and the rows of the round before.
#[tokio::test]
async fn recursive_terms_read_held_relations() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script { batches: 1, rows_per_batch: 10, ..Script::default() }));
    let start = bench.fragment("a", None).filter(col("k").eq(lit(0i64))).unwrap();
    let start = start.project(vec![col("f0.k")]).unwrap();
    let work = Arc::new(WorkTable::new("w", &Schema::new(vec![schema().field(0).clone()])));
    let previous = LogicalPlanBuilder::scan("w", work, None).unwrap();
    let facts = bench.scan(0).build().unwrap();
    let next = previous.join_on(facts, JoinType::Inner, [col("f0.k").eq(col("w.k") + lit(1i64))]).unwrap();
    let next = next.project(vec![col("f0.k")]).unwrap().build().unwrap();
    let shell = start.to_recursive_query("w".into(), next, false).unwrap().build().unwrap();
    let rows = bench.rows(shell).await.unwrap();
    let mut found: Vec<i64> =
        rows.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    found.sort();
    assert_eq!(found, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn rules_left_for_the_shell_are_run() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script { distinct: 7, ..Script::default() }));
    let shell = bench.fragment("a", None);
    let shell = shell.aggregate(Vec::<Expr>::new(), vec![count_distinct(col("k"))]).unwrap();
    assert_eq!(number(&bench.rows(shell.build().unwrap()).await.unwrap()), 7);

    let first = bench.scan(0).distinct_on(
        vec![col("k")],
        vec![col("k"), col("t")],
        Some(vec![col("k").sort(true, false), col("t").sort(true, false)]),
    );
    let rows = bench.rows(first.unwrap().build().unwrap()).await.unwrap();
    assert_eq!(count(&rows), 7);
}

/// Queries that want the same two sources, in either order of fragments, one connection each: all must end.
#[tokio::test]
async fn permits_are_taken_without_deadlock() {
    let mut bench = Bench::new();
    for name in ["a", "b"] {
        bench.source(name, Fake::limited(Script { pause: Duration::from_millis(1), ..Script::default() }, true, 1));
    }
    let a = bench.fragment("a", None).build().unwrap();
    let b = bench.fragment("b", None).build().unwrap();
    let join = |l: &LogicalPlan, r: &LogicalPlan, on: (&str, &str)| {
        let join = LogicalPlanBuilder::from(l.clone()).join(r.clone(), JoinType::Inner, (vec![on.0], vec![on.1]), None);
        let counted = join.unwrap().aggregate(Vec::<Expr>::new(), vec![count_rows(lit(1i64))]);
        counted.unwrap().build().unwrap()
    };
    let shells = [join(&a, &b, ("f0.k", "f1.k")), join(&b, &a, ("f1.k", "f0.k"))];
    let all = futures::future::try_join_all((0..20).map(|i| bench.rows(shells[i % 2].clone())));
    let all = tokio::time::timeout(Duration::from_secs(30), all).await.expect("no deadlock").unwrap();
    assert!(all.iter().all(|rows| number(rows) == 400));
}

/// The planner may leave a sorted fragment below projections and filters only.
#[tokio::test]
async fn a_pipeline_keeps_its_fragments_order() {
    let mut bench = Bench::new();
    bench.source("a", Fake::new(Script { batches: 300, ..Script::default() }));
    let shell = bench.fragment("a", None).filter((col("k") % lit(3i64)).eq(lit(0i64))).unwrap();
    let shell = shell.project(vec![col("k") + lit(1i64)]).unwrap().build().unwrap();
    let rows = bench.rows(shell).await.unwrap();
    let found = rows.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec());
    assert!(found.eq((0..30_000).step_by(3).map(|k| k + 1)));
}
