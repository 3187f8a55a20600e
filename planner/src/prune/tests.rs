//! Predicates against filters, bound as the binder binds them.

use std::sync::Arc;

use cost_model::SourceId;

use super::contradict;
use crate::bind::bind_predicate;
use crate::catalog::{Column, ColumnStats, Placement, Table, TableKind};
use crate::pgtype::PgType;

fn table() -> Arc<Table> {
    let column = |(name, ty): (&str, PgType)| Column {
        name: name.into(),
        remote_name: name.into(),
        ty,
        remote_type: ty.to_string(),
        nullable: true,
        opaque: false,
        always_null: false,
        collation: None,
        comment: None,
        stats: ColumnStats::default(),
    };
    let columns = [
        ("region", PgType::TEXT),
        ("code", PgType::varchar(3)),
        ("id", PgType::INT8),
        ("n", PgType::INT4),
        ("day", PgType::DATE),
        ("at", PgType::TIMESTAMPTZ),
        ("price", PgType::numeric(10, 2)),
        ("any", PgType::NUMERIC),
        ("x", PgType::FLOAT8),
        ("eu", PgType::BOOL),
    ];
    let placement = Placement {
        source: SourceId::new("pg"),
        remote_schema: "public".into(),
        remote_name: "t".into(),
        predicate: None,
        replica_group: 0,
        part: None,
    };
    Arc::new(Table {
        schema: "public".into(),
        name: "t".into(),
        kind: TableKind::Table,
        columns: columns.into_iter().map(column).collect(),
        keys: Vec::new(),
        placements: vec![placement],
        rows: None,
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid: 1,
        key_oids: Vec::new(),
    })
}

fn are_apart(one: &str, other: &str) -> bool {
    let bind = |text: &str| bind_predicate(text, &table()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    let (a, b) = (bind(one), bind(other));
    let apart = contradict(&a, &b);
    assert_eq!(apart, contradict(&b, &a), "{one} | {other}");
    apart
}

#[test]
fn a_filter_that_no_row_of_a_part_satisfies_is_found() {
    for (holds, filter) in [
        ("region = 'eu'", "region = 'us'"),
        ("region = 'eu'", "'us' = region"),
        ("region = 'eu'", "region <> 'eu'"),
        ("region = 'eu'", "not region = 'eu'"),
        ("region = 'eu'", "region in ('us', 'ap')"),
        ("region = 'eu'", "region in ('us', 'ap', 'af', 'sa', 'na', null)"),
        ("region = 'eu'", "region not in ('eu', 'us')"),
        ("region = 'eu'", "region is null"),
        ("region = 'eu'", "region is not distinct from 'us'"),
        ("region = 'eu'", "region is distinct from 'eu'"),
        ("region = 'eu'", "region = 'us' and id > 3"),
        ("region = 'eu'", "region = 'us' or region = 'ap' and id > 3"),
        ("region = 'eu'", "(region = 'us' or id = 3) and (region = 'ap' or id = 4)"),
        ("region = 'eu'", "(region = 'us') is true"),
        ("region = 'eu'", "(region = 'eu') is false"),
        ("region = 'eu'", "region > 'f'"),
        ("region in ('eu', 'af')", "region in ('us', 'ap')"),
        ("region in ('eu', 'af') or region is null", "region = 'us'"),
        ("region is null", "region = 'eu'"),
        ("region is null", "region is not null"),
        ("region is null", "region <> 'eu'"),
        ("code = 'eu'", "code = 'us'"),
        ("code = 'eu'", "code in ('us')"),
        ("id < 100", "id >= 100"),
        ("id < 100", "id = 100"),
        ("id < 100", "id between 100 and 200"),
        ("id between 100 and 199", "id < 100 or id > 199"),
        ("id between 100 and 199", "id = 7::int"),
        ("n < 100", "n > 5000000000"),
        ("n >= 10 and n < 20", "n in (1, 2, 30)"),
        ("n % 4 = 1", "n % 4 = 2"),
        ("day < '1995-01-01'", "day >= date '1995-01-01'"),
        ("day < '1995-01-01'", "day >= date '1994-01-01' + interval '1 year'"),
        ("day >= '1995-01-01' and day < '1996-01-01'", "day between '1996-01-01' and '1996-12-31'"),
        ("at < '2024-01-01 00:00+00'", "at >= '2024-01-01 01:00+01'"),
        ("price < 10", "price >= 10.00"),
        ("price < 10", "price = 10.5"),
        ("eu", "not eu"),
        ("eu", "eu = false"),
        ("eu", "eu is null"),
        ("eu is false", "eu"),
        ("true", "false"),
        ("id = 1", "null"),
        ("id = 1", "id = null"),
        ("id = 1", "id not in (2, null)"),
    ] {
        assert!(are_apart(holds, filter), "{holds} | {filter}");
    }
}

#[test]
fn a_filter_that_a_row_may_satisfy_is_kept() {
    for (holds, filter) in [
        ("region = 'eu'", "region = 'eu'"),
        ("region = 'eu'", "region in ('us', 'eu')"),
        ("region = 'eu'", "region <> 'us'"),
        ("region = 'eu'", "region = 'us' or id = 1"),
        ("region = 'eu'", "region is not null"),
        ("region = 'eu'", "code = 'us'"),
        ("region = 'eu'", "region = code"),
        ("region = 'eu'", "lower(region) = 'us'"),
        ("region = 'eu'", "(region = 'us') is not true"),
        ("region = 'eu'", "(region = 'eu') is not false"),
        ("region = 'eu'", "region is distinct from 'us'"),
        ("region = 'eu'", "case when id = 1 then region = 'eu' else false end"),
        ("region = 'eu'", "region < 'f'"),
        ("region = 'eu' or region is null", "region is null"),
        ("region = 'eu' or id = 5", "region = 'us'"),
        ("region <> 'eu'", "region <> 'us'"),
        ("region <> 'eu'", "region > 'eu'"),
        ("region is distinct from 'eu'", "region is null"),
        ("not (region = 'eu' and id = 1)", "region = 'eu'"),
        ("id < 100", "id <= 99"),
        ("id < 100", "id = 99::int2"),
        ("id <= 100", "id >= 100"),
        ("id between 100 and 199", "id between 150 and 300"),
        ("id > 3", "id < 5"),
        ("n % 4 = 1", "n = 2"),
        ("day < '1995-01-01'", "day <= '1995-01-01'"),
        ("at < '2024-01-01 00:00+00'", "at >= '2024-01-01 00:30+01'"),
        ("price < 10", "price < 9.99"),
        ("any = 1.0", "any = 1.00"),
        ("x = 0.0", "x = -0.0"),
        ("x >= 'NaN'", "x = 'NaN'"),
        ("x > 1", "x = 'Infinity'"),
        ("eu", "eu is not null"),
        ("eu is not true", "eu is null"),
        ("eu is not true", "not eu"),
        ("region like 'e%'", "region like 'f%'"),
        ("true", "id = 1"),
    ] {
        assert!(!are_apart(holds, filter), "{holds} | {filter}");
    }
}

#[test]
fn long_lists_stay_cheap() {
    let list = |from: i32, to: i32| (from..to).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    assert!(are_apart("id between 10000 and 20000", &format!("id in ({})", list(0, 400))));
    let many = (0..40).map(|i| format!("(code like '%{i}' or region like '%{i}')")).collect::<Vec<_>>().join(" and ");
    assert!(!are_apart("region in ('eu', 'us', 'ap')", &many));
    let _ = are_apart(&format!("id in ({})", list(0, 3000)), &format!("id not in ({})", list(0, 3000)));
    let chain: Vec<String> = (0..400).map(|i| format!("id <> {i}")).collect();
    assert!(!are_apart("id = 5000", &chain.join(" and ")));
}

#[test]
fn what_is_no_predicate_of_rows_is_refused() {
    for (text, message) in [
        ("regio = 'eu'", "column \"regio\" does not exist"),
        ("region", "argument of WHERE must be type boolean, not type text"),
        ("region = ", "syntax error"),
        ("region = 'eu') or (true", "syntax error"),
        ("region = 'eu' order by 1", "syntax error"),
        ("id = $1", "a parameter in the predicate"),
        ("id in (select 1)", "a subquery in the predicate"),
        ("at < now()", "not the same at all times"),
        ("day < 'today'", "not the same at all times"),
        ("random() < 0.5", "not the same at all times"),
        ("count(*) > 1", "aggregate functions are not allowed in WHERE"),
    ] {
        let error = bind_predicate(text, &table()).expect_err(text);
        assert!(error.message().contains(message), "{text}: {error:?}");
    }
}
