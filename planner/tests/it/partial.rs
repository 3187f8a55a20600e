//! Aggregates in parts: which plans get them, and what each source is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use planner::bind::{Passthrough, bind, parse};
use planner::catalog::{Catalog, Column, ColumnStats, EngineKind, Placement, Source, Table, TableKind};
use planner::context::{Aggregation, Pushdown};
use planner::{PgType, QueryContext, explain, fragment};

const COLUMNS: [(&str, PgType, Option<f64>); 9] = [
    ("id", PgType::INT4, Some(1e6)),
    ("dim_id", PgType::INT4, Some(100.0)),
    ("day", PgType::DATE, Some(300.0)),
    ("n", PgType::INT4, None),
    ("big", PgType::INT8, None),
    ("price", PgType::numeric(10, 2), None),
    ("exact", PgType::NUMERIC, None),
    ("f", PgType::FLOAT8, None),
    ("name", PgType::TEXT, Some(50.0)),
];

fn column((name, ty, distinct): (&str, PgType, Option<f64>)) -> Column {
    Column {
        name: name.into(),
        remote_name: name.into(),
        ty,
        remote_type: ty.sql_name(),
        nullable: true,
        opaque: false,
        always_null: false,
        collation: None,
        comment: None,
        stats: ColumnStats { distinct, ..ColumnStats::default() },
    }
}

fn table(name: &str, source: &str, rows: f64) -> Table {
    let placement = Placement {
        source: source.into(),
        remote_schema: "public".into(),
        remote_name: name.into(),
        predicate: None,
        part: None,
        replica_group: 0,
    };
    Table {
        schema: "public".into(),
        name: name.into(),
        kind: TableKind::Table,
        columns: COLUMNS.map(column).into(),
        keys: Vec::new(),
        placements: vec![placement],
        rows: Some(rows),
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid: 16_384,
        key_oids: Vec::new(),
    }
}

/// Facts and more of them at a MariaDB, dimensions at a PostgreSQL, a third part of the facts in files.
fn catalog() -> Catalog {
    let source = |(name, kind, version): (&str, EngineKind, &str)| Source {
        id: name.into(),
        site: name.into(),
        kind,
        version: version.into(),
        c_collation: true,
        snapshots: true,
    };
    let sources = [
        ("pg", EngineKind::Postgres, "15"),
        ("my", EngineKind::MySql, "10.11.6-MariaDB"),
        ("files", EngineKind::Files, ""),
    ];
    let tables = [
        table("facts", "my", 1e6),
        table("more", "my", 1e4),
        table("dim", "pg", 100.0),
        table("facts_pg", "pg", 1e6),
        table("facts_files", "files", 1e6),
    ];
    Catalog {
        sources: sources.map(source).into_iter().map(|s| (s.id.clone(), Arc::new(s))).collect(),
        schemas: BTreeMap::from([("public".to_string(), tables.map(|t| (t.name.clone(), Arc::new(t))).into())]),
        ..Catalog::default()
    }
}

fn explained(sql: &str, context: QueryContext) -> String {
    let catalog = catalog();
    let statements = parse(sql).unwrap();
    let bound = bind(&statements[0].statement, &catalog, &context, sql, &[], &Passthrough::default()).unwrap();
    explain::explain(&fragment::plan(bound, &catalog, &context).unwrap(), explain::Options::default()).join("\n")
}

fn plan(sql: &str, aggregation: Aggregation) -> String {
    explained(sql, QueryContext { aggregation, ..QueryContext::default() })
}

/// Each fragment's statement must hold the text.
#[track_caller]
fn sends(sql: &str, statements: &[&str]) {
    let plan = plan(sql, Aggregation::On);
    for statement in statements {
        assert!(plan.contains(statement), "{sql}\nlacks {statement}\n{plan}");
    }
    assert!(!self::plan(sql, Aggregation::Off).contains("#p"), "{sql}");
}

#[track_caller]
fn stays(sql: &str, aggregation: Aggregation) {
    let plan = plan(sql, aggregation);
    assert!(!plan.contains("#p"), "{sql}\n{plan}");
}

#[test]
fn each_input_of_a_union_is_grouped_at_its_source() {
    let all = "(select * from facts union all select * from facts_pg union all select * from facts_files) t";
    sends(
        &format!("select name, count(*), sum(price), avg(n), min(day) from {all} group by name"),
        &[
            "GROUP BY (CONVERT(t0.`name` USING utf8mb4) COLLATE utf8mb4_nopad_bin)",
            "count(*) AS c1, sum(t0.`price`) AS c2",
            "GROUP BY t0.\"name\"",
        ],
    );
    sends(&format!("select count(*), sum(big) from {all}"), &["SELECT count(*)", "coalesce"]);
    // A number whose key is not its value, of which there are more than of the years.
    sends(
        &format!("select extract(year from day) as y, count(*) from {all} group by y"),
        &["GROUP BY t0.`day`", "GROUP BY t0.\"day\"", "numeric_key(extract_date"],
    );
    // As many groups as rows.
    stays(&format!("select id, count(*) from {all} group by id"), Aggregation::On);
    // Distinct values of a column of few.
    let distinct = plan(&format!("select distinct name from {all}"), Aggregation::On);
    assert_eq!(distinct.matches("GROUP BY").count(), 3, "{distinct}");
}

#[test]
fn a_side_of_a_join_is_grouped_by_what_is_read_of_it() {
    sends(
        "select d.name, sum(f.price), count(*), avg(f.n) from facts f join dim d on d.id = f.dim_id group by d.name",
        &["GROUP BY t0.`dim_id`", "sum(t0.`price`)", "count(*)"],
    );
    sends(
        "select d.name, f.day, sum(f.price * (1 - f.price)) from facts f join dim d on d.id = f.dim_id group by d.name, f.day",
        &["GROUP BY t0.`day`, t0.`dim_id`"],
    );
    // Of one source, joined there first.
    sends(
        "select d.name, sum(f.price) from facts f join dim d on d.id = f.dim_id join more m on m.day = f.day group by d.name",
        &["INNER JOIN `public`.`more`", "GROUP BY t0.`dim_id`"],
    );
    // Over a table of several sources: both rewrites.
    let union = "(select * from facts union all select * from facts_files)";
    let plan = plan(
        &format!("select d.name, sum(f.price) from {union} f join dim d on d.id = f.dim_id group by d.name"),
        Aggregation::On,
    );
    assert_eq!(plan.matches("GROUP BY t0.").count(), 2, "{plan}");
}

#[test]
fn an_outer_join_may_fill_the_groups_with_nulls() {
    sends(
        "select d.name, sum(f.price), count(f.n) from dim d left join facts f on d.id = f.dim_id group by d.name",
        &["GROUP BY t0.`dim_id`", "coalesce"],
    );
    for call in ["count(*)", "sum(coalesce(f.price, 1))", "sum(case when f.price is null then 1 else 0 end)"] {
        let sql = format!("select d.name, {call} from dim d left join facts f on d.id = f.dim_id group by d.name");
        stays(&sql, Aggregation::On);
    }
    sends(
        "select f.name, count(*) from facts f left join dim d on d.id = f.dim_id group by f.name",
        &["GROUP BY t0.`dim_id`, (CONVERT(t0.`name`"],
    );
}

#[test]
fn what_would_not_be_exact_is_left_alone() {
    let join = "from facts f join dim d on d.id = f.dim_id";
    for select in [
        "sum(f.n * d.n)",
        "sum(f.n), sum(d.n)",
        "sum(f.f)",
        "sum(f.exact)",
        "count(distinct f.n)",
        // Might overflow for a row without a partner.
        "sum(f.n + f.n)",
        "sum(f.n) filter (where random() < 0.5)",
    ] {
        stays(&format!("select {select} {join}"), Aggregation::Force);
    }
    stays(&format!("select f.f, sum(f.n) {join} group by f.f"), Aggregation::Force);
    stays("select sum(f.n) from facts f join dim d on d.f = f.f", Aggregation::Force);
    stays("select sum(f.n) from facts f cross join dim d", Aggregation::Force);
    // One source answers it whole.
    stays("select m.name, sum(f.n) from facts f join more m on m.id = f.dim_id group by m.name", Aggregation::Force);
}

#[test]
fn what_would_not_pay_is_left_alone() {
    let by_key = "select d.name, sum(f.price) from facts f join dim d on d.id = f.id group by d.name";
    stays(by_key, Aggregation::On);
    assert!(plan(by_key, Aggregation::Force).contains("GROUP BY t0.`id`"));
    stays("select m.name, sum(d.price) from dim d join more m on m.id = d.dim_id group by m.name", Aggregation::On);
    let filter =
        QueryContext { pushdown: Pushdown::Filter, aggregation: Aggregation::Force, ..QueryContext::default() };
    assert!(!explained(by_key, filter).contains("#p"));
}

#[test]
fn least_and_greatest_of_the_other_side_do_not_count_rows() {
    sends(
        "select max(d.name), min(d.day), sum(f.price) from facts f join dim d on d.id = f.dim_id",
        &["GROUP BY t0.`dim_id`"],
    );
}
