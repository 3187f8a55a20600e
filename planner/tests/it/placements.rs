//! Which placements of a table a query reads, and what is made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cost_model::link::{Link, Links};
use planner::bind::{Passthrough, bind, bind_predicate, parse};
use planner::catalog::{Catalog, Column, ColumnStats, EngineKind, Part, Placement, Source, Table, TableKind};
use planner::plan::QueryPlan;
use planner::search::network::Network;
use planner::{PgType, QueryContext, fragment};

/// Each at the site of its own name, in the order of their distance.
const SOURCES: [&str; 3] = ["near", "far", "farther"];

/// Placements: source, group, predicate.
fn table(name: &str, placements: &[(&str, u32, Option<&str>)]) -> Table {
    let column = |name: &str, ty: PgType| Column {
        name: name.into(),
        remote_name: name.into(),
        ty,
        remote_type: ty.sql_name(),
        nullable: true,
        opaque: false,
        always_null: false,
        collation: None,
        comment: None,
        stats: ColumnStats::default(),
    };
    let mut table = Table {
        schema: "public".into(),
        name: name.into(),
        kind: TableKind::Table,
        columns: vec![column("id", PgType::INT4), column("x", PgType::TEXT)],
        keys: Vec::new(),
        placements: Vec::new(),
        rows: Some(100.0),
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid: 16_384,
        key_oids: Vec::new(),
    };
    for (source, group, predicate) in placements {
        table.placements.push(Placement {
            source: (*source).into(),
            remote_schema: "public".into(),
            remote_name: format!("{name}_{source}"),
            predicate: predicate.map(str::to_string),
            replica_group: *group,
            part: None,
        });
    }
    let whole = Arc::new(table.clone());
    for placement in table.placements.iter_mut().filter(|_| placements.len() > 1) {
        let holds = placement.predicate.as_ref().map(|text| bind_predicate(text, &whole).unwrap());
        placement.part = Some(Arc::new(Part { table: whole.clone(), holds }));
    }
    table
}

fn catalog() -> Catalog {
    let tables = [
        table("everywhere", &[("farther", 0, None), ("far", 0, None), ("near", 0, None)]),
        table("away", &[("farther", 0, None), ("far", 0, None)]),
        table("there", &[("farther", 0, None)]),
        table("parts", &[("near", 0, Some("id < 10")), ("far", 1, Some("id >= 10")), ("farther", 1, Some("id >= 10"))]),
        table("shards", &[("near", 0, None), ("far", 1, None)]),
    ];
    let source = |name: &str| Source {
        id: name.into(),
        site: name.into(),
        kind: EngineKind::Postgres,
        version: "15".into(),
        c_collation: true,
        snapshots: true,
    };
    let sites = std::iter::once("home").chain(SOURCES).map(Into::into).collect();
    let mut links = Links::new(sites);
    for site in 1..=SOURCES.len() {
        links.set(site, 0, Link { bandwidth: 1e6, rtt: site as f64 * 0.01, price_per_gb: 0.0 });
    }
    Catalog {
        sources: SOURCES.map(source).into_iter().map(|s| (s.id.clone(), Arc::new(s))).collect(),
        schemas: BTreeMap::from([(
            "public".to_string(),
            tables.into_iter().map(|t| (t.name.clone(), Arc::new(t))).collect(),
        )]),
        network: Network { links, computes: 1, home: 0 },
        ..Catalog::default()
    }
}

fn plan(sql: &str, catalog: &Catalog, context: &QueryContext) -> QueryPlan {
    let statements = parse(sql).unwrap();
    let bound = bind(&statements[0].statement, catalog, context, sql, &[], &Passthrough::default()).unwrap();
    fragment::plan(bound, catalog, context).unwrap()
}

fn sources(plan: &QueryPlan) -> Vec<String> {
    let all: BTreeSet<String> = plan.fragments.iter().map(|f| f.source.to_string()).collect();
    all.into_iter().collect()
}

fn asked(sql: &str) -> Vec<String> {
    sources(&plan(sql, &catalog(), &QueryContext::default()))
}

#[test]
fn of_replicas_the_nearest_is_read() {
    assert_eq!(asked("select * from everywhere"), ["near"]);
    assert_eq!(asked("select * from away"), ["far"]);
    assert_eq!(asked("select * from parts where id = 20"), ["far"]);
}

#[test]
fn few_sites_are_better_than_near_ones() {
    assert_eq!(asked("select * from everywhere e join there t on t.id = e.id"), ["farther"]);
    assert_eq!(asked("select * from everywhere e join away a on a.id = e.id"), ["far"]);
    assert_eq!(asked("select * from away a join parts p on a.id = p.id where p.id = 3"), ["far", "near"]);
    assert_eq!(asked("select * from everywhere where id = (select max(id) from there)"), ["farther"]);
}

#[test]
fn a_source_that_does_not_answer_is_not_chosen() {
    let mut catalog = catalog();
    catalog.unavailable.insert("near".into(), "gone".into());
    let context = QueryContext::default();
    assert_eq!(sources(&plan("select * from everywhere", &catalog, &context)), ["far"]);
    let avoid = BTreeSet::from(["far".into()]);
    let context = QueryContext { avoid, ..context };
    assert_eq!(sources(&plan("select * from everywhere", &catalog, &context)), ["farther"]);
    // What is nowhere else is read there.
    assert_eq!(sources(&plan("select * from shards", &catalog, &context)), ["far", "near"]);
}

#[test]
fn parts_are_one_table() {
    assert_eq!(asked("select * from shards where id = 1"), ["far", "near"]);
    assert_eq!(asked("select count(*) from parts"), ["far", "near"]);
    assert_eq!(asked("select count(*) from parts where id between 2 and 5"), ["near"]);
    assert!(asked("select x from parts where id is null").is_empty());
    let whole = plan("select x, count(*) from parts where id < 5 group by x", &catalog(), &QueryContext::default());
    let planner::plan::SqlPiece::Text(sql) = &whole.fragments[0].sql.0[0] else { panic!("{whole:?}") };
    assert!(sql.contains("\"parts_near\"") && sql.contains("GROUP BY"), "{sql}");
    assert_eq!(whole.local, ["Partitions of public.parts: 1 of 2"]);
}

#[test]
fn rows_of_parts_add_up() {
    let rows = |sql: &str| -> f64 {
        let plan = plan(sql, &catalog(), &QueryContext::default());
        planner::stats::estimate(&plan.shell).unwrap().rows
    };
    assert_eq!(rows("select * from parts"), 200.0);
    assert_eq!(rows("select * from there"), 100.0);
}
