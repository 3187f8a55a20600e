//! The order in which the gateway joins what several sources return.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_expr::{Expr, LogicalPlan};
use planner::bind::{Passthrough, bind, parse};
use planner::catalog::{Catalog, Column, ColumnStats, EngineKind, Placement, Source, Table, TableKind};
use planner::source::FragmentRelation;
use planner::{PgType, QueryContext, fragment};

/// Each at a source of its own name.
const TABLES: [(&str, Option<f64>); 5] =
    [("facts", Some(1e6)), ("many", Some(1e5)), ("few", Some(1e3)), ("one", Some(10.0)), ("unknown", None)];

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

/// `id` is the key; `<table>_id` refers to a table.
fn table(name: &str, rows: Option<f64>) -> Table {
    let mut columns = vec![column("id", PgType::INT4, rows), column("x", PgType::INT4, None)];
    columns.extend(TABLES.map(|(other, rows)| column(&format!("{other}_id"), PgType::INT4, rows)));
    let placement = Placement {
        source: name.into(),
        remote_schema: "public".into(),
        remote_name: name.into(),
        predicate: None,
        replica_group: 0,
        part: None,
    };
    Table {
        schema: "public".into(),
        name: name.into(),
        kind: TableKind::Table,
        columns,
        keys: Vec::new(),
        placements: vec![placement],
        rows,
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid: 16_384,
        key_oids: Vec::new(),
    }
}

fn catalog() -> Catalog {
    let source = |(name, _): (&str, Option<f64>)| Source {
        id: name.into(),
        site: name.into(),
        kind: EngineKind::Postgres,
        version: "15".into(),
        c_collation: true,
        snapshots: true,
    };
    let tables = TABLES.map(|(name, rows)| (name.to_string(), Arc::new(table(name, rows))));
    Catalog {
        sources: TABLES.map(source).into_iter().map(|s| (s.id.clone(), Arc::new(s))).collect(),
        schemas: BTreeMap::from([("public".to_string(), BTreeMap::from(tables))]),
        ..Catalog::default()
    }
}

/// The joins of a statement's shell, the hashed side first, and how many conditions they have.
fn joins(sql: &str) -> (String, usize) {
    let (catalog, context) = (catalog(), QueryContext::default());
    let statements = parse(sql).unwrap();
    let bound = bind(&statements[0].statement, &catalog, &context, sql, &[], &Passthrough::default()).unwrap();
    let plan = fragment::plan(bound, &catalog, &context).unwrap();
    let mut conditions = 0;
    let shape = shape(&plan.shell, &plan, &mut conditions);
    (shape, conditions)
}

fn shape(plan: &LogicalPlan, whole: &planner::plan::QueryPlan, conditions: &mut usize) -> String {
    match plan {
        LogicalPlan::Join(j) => {
            let filters = |e: &Expr| datafusion_expr::utils::split_conjunction(e).len();
            *conditions += j.on.len() + j.filter.iter().map(filters).sum::<usize>();
            format!("({} {})", shape(&j.left, whole, conditions), shape(&j.right, whole, conditions))
        }
        LogicalPlan::TableScan(scan) => {
            let relation = scan.source.downcast_ref::<FragmentRelation>().unwrap();
            whole.fragments[relation.fragment].source.to_string()
        }
        other => other.inputs().into_iter().map(|input| shape(input, whole, conditions)).collect(),
    }
}

const CHAIN: &str = "many.id = facts.many_id and few.id = many.few_id and one.id = few.one_id";

#[test]
fn the_smallest_are_joined_first_whatever_was_written() {
    let expected = ("(((one few) many) facts)".to_string(), 3);
    for tables in ["facts, many, few, one", "one, few, many, facts", "many, one, facts, few"] {
        assert_eq!(joins(&format!("select facts.x, one.x from {tables} where {CHAIN}")), expected, "{tables}");
    }
}

#[test]
fn without_estimates_the_order_stays_as_written() {
    let chain = CHAIN.replace("one", "unknown");
    let sql = format!("select facts.x from facts, many, few, unknown where {chain}");
    assert_eq!(joins(&sql), ("(((facts many) few) unknown)".to_string(), 3));
}

#[test]
fn a_condition_that_may_fail_is_evaluated_where_it_was() {
    let sql = |condition: &str| format!("select facts.x from facts, many, few, one where {CHAIN} and {condition}");
    assert_eq!(joins(&sql("facts.x / many.x > 1")).0, "(((facts many) few) one)");
    assert_eq!(joins(&sql("facts.x + many.x > 1")).0, "(((facts many) few) one)");
    assert_eq!(joins(&sql("facts.x <> one.x")), ("(((one few) many) facts)".to_string(), 4));
}

#[test]
fn parts_that_nothing_connects_are_joined_too() {
    let (shape, conditions) = joins("select facts.x, few.x from facts, many, few, one where facts.many_id = many.id");
    assert_eq!((shape.matches('(').count(), conditions), (3, 1), "{shape}");
}
