//! Where joins of tables at different sites take place, and what the steps there are sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use cost_model::{Link, Links, SourceId};
use planner::bind::{Passthrough, bind, parse};
use planner::catalog::{Catalog, Column, ColumnStats, EngineKind, Placement, Source, Table, TableKind};
use planner::context::{self, Aggregation, Reduction};
use planner::fragment::RowCounts;
use planner::plan::{Fragment, QueryPlan};
use planner::search::network::Network;
use planner::{PgType, QueryContext, fragment};

/// Name, site, engine, rows.
const TABLES: [(&str, &str, EngineKind, f64); 4] = [
    ("customers", "eu", EngineKind::Postgres, 1e4),
    ("orders", "us", EngineKind::MySql, 1e6),
    ("parts", "us", EngineKind::Files, 1e5),
    ("local", "home", EngineKind::Postgres, 100.0),
];

fn column(name: &str, ty: PgType, distinct: Option<f64>) -> Column {
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

fn table((name, _, _, rows): (&str, &str, EngineKind, f64)) -> Table {
    Table {
        schema: "public".into(),
        name: name.into(),
        kind: TableKind::Table,
        columns: vec![
            column("id", PgType::INT4, Some(rows)),
            column("ref", PgType::INT4, Some(1e4)),
            column("kind", PgType::INT4, Some(10.0)),
            column("price", PgType::numeric(15, 2), None),
            column("name", PgType::TEXT, None),
        ],
        placements: vec![Placement {
            source: name.into(),
            remote_schema: "public".into(),
            remote_name: name.into(),
            predicate: None,
            part: None,
            replica_group: 0,
        }],
        keys: Vec::new(),
        rows: Some(rows),
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid: 16_384,
        key_oids: Vec::new(),
    }
}

fn catalog() -> Catalog {
    let source = |(name, site, kind, _): (&str, &str, EngineKind, f64)| Source {
        id: name.into(),
        site: site.into(),
        kind,
        version: "15".into(),
        c_collation: true,
        snapshots: true,
    };
    let mut links = Links::new(vec!["home".into(), "eu".into(), "us".into()]);
    let link = Link { bandwidth: 12.5e6, rtt: 0.05, price_per_gb: 0.0 };
    for (from, to) in [(1, 0), (2, 0), (1, 2), (2, 1)] {
        links.set(from, to, link);
    }
    let tables = TABLES.map(|t| (t.0.to_string(), Arc::new(table(t))));
    Catalog {
        sources: TABLES.map(source).into_iter().map(|s| (s.id.clone(), Arc::new(s))).collect(),
        schemas: BTreeMap::from([("public".to_string(), BTreeMap::from(tables))]),
        network: Network { links, computes: 0b111, home: 0 },
        ..Catalog::default()
    }
}

fn plan(sql: &str, context: &QueryContext) -> QueryPlan {
    let catalog = catalog();
    let statements = parse(sql).unwrap();
    let bound = bind(&statements[0].statement, &catalog, context, sql, &[], &Passthrough::default()).unwrap();
    fragment::plan(bound, &catalog, context).unwrap()
}

fn without_reduction() -> QueryContext {
    QueryContext { reduction: Reduction::Off, aggregation: Aggregation::Off, ..QueryContext::default() }
}

fn sql(fragment: &Fragment) -> String {
    planner::emit::render(fragment, &[]).unwrap().replace('\u{1}', "¦")
}

/// Each relation is read once, columns agree with their readers, and what the gateway has goes nowhere.
fn check(plan: &QueryPlan) {
    for (number, fragment) in plan.fragments.iter().enumerate() {
        assert_eq!(fragment.engine == EngineKind::Site, !fragment.inputs.is_empty(), "{fragment:?}");
        assert_eq!(fragment.columns.len(), fragment.schema.fields().len());
        let readers = plan.fragments.iter().filter(|f| f.inputs.contains(&number)).count();
        assert!(readers <= 1, "fragment {number} is read {readers} times");
        for input in &fragment.inputs {
            assert_ne!(plan.fragments[*input].site.as_str(), "home");
        }
        for filter in &fragment.key_filters {
            let from = &plan.fragments[filter.from];
            assert!(from.position < fragment.position && filter.from_column < from.columns.len());
        }
    }
}

#[test]
fn the_smaller_one_goes_to_the_larger_one_and_the_aggregate_with_it() {
    let plan = plan(
        "select c.kind, count(*), sum(o.price) from customers c join orders o on o.ref = c.id group by c.kind",
        &without_reduction(),
    );
    check(&plan);
    let step = &plan.fragments[0];
    assert_eq!(plan.fragments.len(), 3);
    assert_eq!((step.engine, step.site.as_str()), (EngineKind::Site, "us"));
    assert_eq!(step.source, SourceId::compute(&"us".into()));
    assert!(sql(step).contains("GROUP BY") && sql(step).contains("FROM r"), "{}", sql(step));
    let customers = plan.fragments.iter().find(|f| f.source.as_str() == "customers").unwrap();
    assert_eq!(customers.columns, [PgType::INT4, PgType::INT4], "only what is read moves");
}

#[test]
fn two_sources_of_one_site_meet_there() {
    let plan =
        plan("select p.kind, sum(o.price) from orders o join parts p on o.ref = p.id group by 1", &without_reduction());
    check(&plan);
    assert_eq!(plan.fragments[0].site.as_str(), "us");
    assert_eq!(plan.fragments[0].inputs, [1, 2]);
}

#[test]
fn nothing_is_sent_from_the_gateway() {
    let plan = plan("select o.price from orders o join local l on o.ref = l.id", &without_reduction());
    check(&plan);
    assert!(plan.fragments.iter().all(|f| f.engine != EngineKind::Site));
}

#[test]
fn off_means_off() {
    let context = QueryContext { placement: context::Placement::Off, ..without_reduction() };
    let plan = plan("select o.price from orders o join customers c on o.ref = c.id", &context);
    assert!(plan.fragments.iter().all(|f| f.engine != EngineKind::Site));
}

#[test]
fn what_a_source_refuses_is_done_beside_it() {
    // MariaDB has no to_char.
    let query = "select o.kind, count(*) from orders o where regexp_replace(o.name, 'a+', 'b') = 'b' group by 1";
    let plan = plan(query, &without_reduction());
    check(&plan);
    assert_eq!(plan.fragments[0].engine, EngineKind::Site);
    assert!(sql(&plan.fragments[0]).contains("regexp_replace"), "{}", sql(&plan.fragments[0]));
}

#[test]
fn keys_go_straight_to_what_they_filter() {
    let query = "select o.price from orders o join customers c on o.ref = c.id where c.kind = 3";
    let plan = plan(query, &QueryContext::default());
    check(&plan);
    let orders = plan.fragments.iter().find(|f| f.source.as_str() == "orders").unwrap();
    assert_eq!(plan.fragments[orders.key_filters[0].from].source.as_str(), "customers");
    assert!(orders.key_filters[0].column.is_some());
}

#[test]
fn a_source_that_was_asked_is_believed() {
    let catalog = catalog();
    let plan = |sql: &str, known: &RowCounts| {
        let statements = parse(sql).unwrap();
        let context = QueryContext::default();
        let bound = bind(&statements[0].statement, &catalog, &context, sql, &[], &Passthrough::default()).unwrap();
        fragment::plan_with(bound, &catalog, &context, known).unwrap()
    };
    let sql = "select c.name, o.price from customers c join orders o on o.ref = c.id where c.kind = 3";
    let first = plan(sql, &RowCounts::default());
    let [question] = first.questions.as_slice() else { panic!("{:?}", first.questions) };
    assert!(question.source.as_str() == "customers" && question.sql.contains("\"kind\" = 3"), "{question:?}");
    let second = plan(sql, &RowCounts([(question.clone(), 7.0)].into()));
    check(&second);
    let customers = second.fragments.iter().find(|f| f.source.as_str() == "customers").unwrap();
    assert_eq!(customers.estimated_rows, Some(7.0));
    assert!(second.questions.is_empty());
    // Nothing stands between table and result, nothing is known of the value yet, or one source answers all.
    for sql in [
        "select c.name, o.price from customers c join orders o on o.ref = c.id",
        "select c.name, o.price from customers c join orders o on o.ref = c.id where c.kind = $1::int",
        "select c.name from customers c where c.kind = 3",
    ] {
        assert_eq!(plan(sql, &RowCounts::default()).questions, [], "{sql}");
    }
}

#[test]
fn chance_reaches_many_plans_and_all_are_sound() {
    let query =
        "select c.name, sum(o.price) from customers c join orders o on o.ref = c.id join parts p on p.id = o.kind
                 left join (select kind from customers where id < 5) x on x.kind = p.kind
                 where exists (select 1 from parts q where q.ref = c.id) group by 1 order by 2 limit 3";
    let shapes = (1..200u64).map(|seed| {
        let context = QueryContext { placement: context::Placement::Random(seed), ..QueryContext::default() };
        let plan = plan(query, &context);
        check(&plan);
        plan.fragments.iter().map(|f| format!("{}<{:?}", f.source, f.inputs)).collect::<Vec<_>>()
    });
    let shapes: std::collections::BTreeSet<_> = shapes.collect();
    assert!(shapes.len() > 20, "{}", shapes.len());
}
