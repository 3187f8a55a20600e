//! Whole queries: bound, planned and run by this engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, StringArray};
use futures::TryStreamExt;
use planner::PgType;
use planner::error::state;

use super::fixture::*;
use crate::engine::Engine;

fn shop() -> Fixture {
    let fixture = Fixture::new();
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let name: ArrayRef = Arc::new(StringArray::from(vec![Some("ann"), Some("bob"), None]));
    fixture.parquet("people.parquet", &batch([("id", id), ("name", name)]));
    let person: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1), Some(2), None]));
    let paid = Decimal128Array::from(vec![150, 250, -5, 7]).with_precision_and_scale(15, 2).unwrap();
    fixture.parquet("orders.parquet", &batch([("person", person), ("paid", Arc::new(paid) as _)]));
    fixture
}

#[tokio::test]
async fn joins_aggregates_and_subqueries() {
    let fixture = shop();
    for (sql, expected) in [
        (
            "SELECT p.name, sum(o.paid)::text FROM people p JOIN orders o ON o.person = p.id GROUP BY p.name ORDER BY 1",
            vec!["ann|4.00", "bob|-0.05"],
        ),
        (
            "SELECT p.name, count(o.paid)::text FROM people p LEFT JOIN orders o ON o.person = p.id GROUP BY p.id, p.name \
             ORDER BY p.id",
            vec!["ann|2", "bob|1", "-|0"],
        ),
        ("SELECT name FROM people WHERE id NOT IN (SELECT person FROM orders)", vec![]),
        ("SELECT name FROM people p WHERE EXISTS (SELECT 1 FROM orders WHERE person = p.id AND paid > 2)", vec!["ann"]),
        ("SELECT name FROM people WHERE id = (SELECT min(person) FROM orders)", vec!["ann"]),
        ("SELECT (1.0 / 3)::text", vec!["0.33333333333333333333"]),
        (
            "SELECT DISTINCT ON (person) paid::text FROM orders ORDER BY person, paid DESC",
            vec!["2.50", "-0.05", "0.07"],
        ),
        ("SELECT count(DISTINCT person)::text FROM orders", vec!["2"]),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i::text FROM n ORDER BY i",
            vec!["1", "2", "3"],
        ),
    ] {
        assert_eq!(fixture.rows(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")), expected, "{sql}");
    }
}

#[tokio::test]
async fn errors_are_postgresqls() {
    let fixture = shop();
    for (sql, sqlstate) in [
        ("SELECT 1 / (id - id) FROM people", state::DIVISION_BY_ZERO),
        ("SELECT nothing FROM people", state::UNDEFINED_COLUMN),
        ("SELECT 1 FROM nowhere", state::UNDEFINED_TABLE),
        ("SELECT (SELECT id FROM people)", state::CARDINALITY_VIOLATION),
    ] {
        assert_eq!(fixture.query(sql).await.unwrap_err().sqlstate(), sqlstate, "{sql}");
    }
}

#[tokio::test]
async fn statements_are_described_without_running_them() {
    let fixture = shop();
    let described = fixture.engine.describe("SELECT id, name, 1 / 0 AS boom FROM people").await.unwrap();
    let expected = [("id", PgType::INT8), ("name", PgType::TEXT), ("boom", PgType::INT4)];
    assert_eq!(described, expected.map(|(name, ty)| (name.to_string(), ty)));
    fixture.engine.ping().await.unwrap();
    drop(std::fs::remove_dir_all(fixture.dir.path()));
    assert!(fixture.engine.ping().await.is_err());
}

/// A carrier other than the planner's own choice is still the same numeric.
#[tokio::test]
async fn results_come_in_the_carriers_asked_for() {
    use arrow::datatypes::{DataType, Field, Schema};
    let fixture = shop();
    for carrier in [DataType::BinaryView, DataType::Decimal128(38, 2), DataType::Decimal256(50, 2)] {
        let mut request = fixture.request("SELECT paid FROM orders").unwrap();
        request.schema = Arc::new(Schema::new(vec![Field::new("x", carrier.clone(), true)]));
        let rows: Vec<_> = fixture.session().await.scan(request).await.unwrap().try_collect().await.unwrap();
        assert_eq!(rows[0].column(0).data_type(), &carrier);
    }
    let mut request = fixture.request("SELECT paid FROM orders").unwrap();
    request.schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Decimal128(38, 3), true)]));
    let refused = fixture.session().await.scan(request).await.unwrap().try_collect::<Vec<_>>().await;
    assert!(refused.is_err(), "another display scale is another value");
}

#[tokio::test]
async fn cancelled_and_dropped_scans_stop_computing() {
    let fixture = Fixture::new();
    let k: ArrayRef = Arc::new(Int64Array::from_iter_values(0..300_000));
    fixture.parquet("t.parquet", &batch([("k", k)]));
    let sql = "SELECT count(*) FROM t a, t b WHERE a.k + b.k < 0";
    for dropped in [true, false] {
        let session = fixture.session().await;
        let mut stream = session.scan(fixture.request(sql).unwrap()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let started = Instant::now();
        if dropped {
            drop(stream);
        } else {
            session.cancel().await;
            let error = planner::Error::from(stream.try_next().await.unwrap_err());
            assert_eq!(error.sqlstate(), state::QUERY_CANCELED);
        }
        while fixture.executor.usage().0 > 0 && started.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}
