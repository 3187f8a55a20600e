//! What binding decides without running anything: names, types, errors, and the shape that every plan must have.

use std::collections::HashSet;
use std::sync::Arc;

use cost_model::{SiteId, SourceId};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};

use super::{BoundQuery, Passthrough, bind, parse};
use crate::catalog::{Catalog, Column, ColumnStats, EngineKind, Key, KeyKind, Placement, Source, Table, TableKind};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgtype::PgType;

fn column(name: &str, ty: PgType) -> Column {
    Column {
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
    }
}

fn table(name: &str, oid: u32, columns: Vec<Column>, key: Option<&str>) -> Arc<Table> {
    let primary = |c: &str| Key { name: format!("{name}_pkey"), kind: KeyKind::Primary, columns: vec![c.into()] };
    Arc::new(Table {
        schema: "public".into(),
        name: name.into(),
        kind: TableKind::Table,
        columns,
        keys: key.map(primary).into_iter().collect(),
        placements: vec![Placement {
            source: SourceId::new("pg"),
            remote_schema: "public".into(),
            remote_name: name.into(),
            predicate: None,
            replica_group: 0,
            part: None,
        }],
        rows: None,
        bytes: None,
        comment: None,
        skipped: vec![("blob".into(), "type geometry has no mapping".into())],
        oid,
        key_oids: Vec::new(),
    })
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    let source = Source {
        id: SourceId::new("pg"),
        site: SiteId::new("here"),
        kind: EngineKind::Postgres,
        version: "15.8".into(),
        c_collation: true,
        snapshots: true,
    };
    catalog.sources.insert(source.id.clone(), Arc::new(source));
    catalog.unavailable.insert(SourceId::new("far"), "connection refused".into());
    let t = vec![column("id", PgType::INT4), column("name", PgType::TEXT), column("x", PgType::FLOAT8)];
    let u = vec![column("id", PgType::INT4), column("t_id", PgType::INT8), column("n", PgType::numeric(8, 2))];
    let tables = [table("t", 100, t, Some("id")), table("u", 200, u, None)];
    let tables = tables.into_iter().map(|t| (t.name.clone(), t)).collect();
    catalog.schemas.insert("public".into(), tables);
    catalog
}

fn bound(sql: &str) -> Result<BoundQuery> {
    let statements = parse(sql)?;
    bind(&statements[0].statement, &catalog(), &QueryContext::default(), sql, &[], &Passthrough::default())
}

fn failed(sql: &str) -> Error {
    match bound(sql) {
        Ok(_) => panic!("{sql} was bound"),
        Err(e) => e,
    }
}

/// `name type` of each column.
fn columns(sql: &str) -> Vec<String> {
    let bound = bound(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    bound.columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect()
}

/// Every node has distinct column names, and no correlated subquery, EXISTS or IN is left.
fn check_shape(sql: &str) {
    let BoundQuery { plan, columns, .. } = bound(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    assert_eq!(plan.schema().fields().len(), columns.len(), "{sql}");
    assert!(!plan.exists(|node| Ok(matches!(node, LogicalPlan::Subquery(_)))).unwrap(), "{sql}");
    plan.apply_with_subqueries(|node| {
        let names = node.schema().columns();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{sql}\n{}", plan.display_indent());
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                let left = matches!(
                    e,
                    Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) | Expr::OuterReferenceColumn(..)
                );
                assert!(!left, "{sql}: {e}");
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .unwrap();
}

#[test]
fn columns_have_the_clients_names() {
    assert_eq!(
        columns("select id, id, name as \"N\", count(*) over () from t"),
        ["id integer", "id integer", "N text", "count bigint"]
    );
    assert_eq!(
        columns("select * from t join u using (id)"),
        ["id integer", "name text", "x double precision", "t_id bigint", "n numeric(8,2)"]
    );
    assert_eq!(
        columns("select j.* from (t join u on t.id = u.id) as j(a)"),
        ["a integer", "name text", "x double precision", "id integer", "t_id bigint", "n numeric(8,2)"]
    );
    assert_eq!(columns("values (1, null), (2.5, 'x')"), ["column1 numeric", "column2 text"]);
    assert_eq!(columns("select 'a' as a union select null"), ["a text"]);
    assert_eq!(columns("select t_id from u union select id from t"), ["t_id bigint"]);
    assert_eq!(columns("with c(k) as (select id from t) select c.k, d.k from c, c d"), ["k integer", "k integer"]);
    assert_eq!(columns("select g from generate_series(1, 2) g"), ["g integer"]);
    assert_eq!(columns("select * from unnest(array['a']) with ordinality as s(v, i)"), ["v text", "i bigint"]);
}

#[test]
fn a_plain_column_keeps_its_origin() {
    let bound = bound("select name, name || '', x as y from (select * from t) s").unwrap();
    let origins: Vec<_> = bound.columns.iter().map(|c| (c.table_oid, c.column_number)).collect();
    assert_eq!(origins, [(100, 2), (0, 0), (100, 3)]);
}

#[test]
fn parameters_take_the_type_their_context_gives_them() {
    let types = |sql: &str| bound(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}")).parameters;
    assert_eq!(types("select name from t where id = $1 limit $2"), [PgType::INT4, PgType::INT8]);
    assert_eq!(types("select $1"), [PgType::TEXT]);
    assert_eq!(types("select n from u union all select $1"), [PgType::NUMERIC]);
}

/// Messages, codes and hints of PostgreSQL 15.
#[test]
fn errors_are_postgresqls() {
    let cases = [
        (
            "select nam from t",
            "42703",
            "column \"nam\" does not exist",
            "Perhaps you meant to reference the column \"t.name\".",
        ),
        (
            "select t.idx from t",
            "42703",
            "column t.idx does not exist",
            "Perhaps you meant to reference the column \"t.id\".",
        ),
        ("select id from t, u", "42702", "column reference \"id\" is ambiguous", ""),
        ("select v.id from t", "42P01", "missing FROM-clause entry for table \"v\"", ""),
        (
            "select t.id from t a",
            "42P01",
            "invalid reference to FROM-clause entry for table \"t\"",
            "Perhaps you meant to reference the table alias \"a\".",
        ),
        (
            "select 1 from t, (select t.id) s",
            "42P01",
            "invalid reference to FROM-clause entry for table \"t\"",
            "There is an entry for table \"t\", but it cannot be referenced from this part of the query.",
        ),
        ("select 1 from nope", "42P01", "relation \"nope\" does not exist", ""),
        ("select 1 from t, t", "42712", "table name \"t\" specified more than once", ""),
        (
            "select name from t group by id + 1",
            "42803",
            "column \"t.name\" must appear in the GROUP BY clause or be used in an aggregate function",
            "",
        ),
        ("select id from t order by 2", "42P10", "ORDER BY position 2 is not in select list", ""),
        ("select id from t group by 0", "42P10", "GROUP BY position 0 is not in select list", ""),
        (
            "select distinct id from t order by name",
            "42P10",
            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
            "",
        ),
        ("select id from t where id", "42804", "argument of WHERE must be type boolean, not type integer", ""),
        ("select 1 union select 1, 2", "42601", "each UNION query must have the same number of columns", ""),
        ("select id from t limit -1", "2201W", "LIMIT must not be negative", ""),
        (
            "select * from (select 1)",
            "42601",
            "subquery in FROM must have an alias",
            "For example, FROM (SELECT ...) [AS] foo.",
        ),
        ("select id from t for update", "25006", "cannot execute SELECT FOR UPDATE in a read-only transaction", ""),
        (
            "with a as (select 1), a as (select 2) select 1",
            "42712",
            "WITH query name \"a\" specified more than once",
            "",
        ),
        ("select sum(id) over w from t", "42704", "window \"w\" does not exist", ""),
    ];
    for (sql, code, message, hint) in cases {
        let e = failed(sql);
        assert_eq!((e.sqlstate().as_str(), e.message(), e.hint().unwrap_or("")), (code, message, hint), "{sql}");
    }
}

#[test]
fn errors_know_their_place() {
    let position = |sql: &str| failed(sql).position();
    assert_eq!(position("select nam from t"), Some(8));
    assert_eq!(position("select id,\n  name\nfrom t group by id + 1"), Some(8));
    assert_eq!(position("select 1\nfrom nope"), Some(15));
    assert_eq!(position("select id from t order by 2"), Some(27));
}

#[test]
fn what_a_source_keeps_back_is_named() {
    let e = failed("select blob from t");
    assert_eq!(e.detail(), Some("The column was left out: type geometry has no mapping"));
    let e = failed("select 1 from far.t");
    assert_eq!(e.message(), "source \"far\" is not available: connection refused");
    assert_eq!(e.source_id(), Some(&SourceId::new("far")));
}

#[test]
fn a_primary_key_determines_its_table() {
    assert!(bound("select t.name, count(*) from t join u on u.id = t.id group by t.id").is_ok());
    assert_eq!(failed("select s.name from (select * from t) s group by s.id").sqlstate().as_str(), "42803");
    assert_eq!(failed("select t_id from u group by id").sqlstate().as_str(), "42803");
}

#[test]
fn plans_hold_no_subqueries_but_those_that_run_once() {
    for sql in [
        "select id, id, (select max(n) from u where u.id = t.id) from t where exists (select 1 from u where t_id = t.id)",
        "select id in (select id from u), id not in (select t_id from u where u.id = t.id) from t",
        "select id from t where id > all (select id from u) or not exists (select 1 from u where u.id > t.id)",
        "select s.* from t, lateral (select n from u where u.id = t.id order by n limit 1) s",
        "select t.id, g from t left join lateral generate_series(1, t.id) g on true",
        "select (select count(*) from u where exists (select 1 from t i where i.id = u.id and i.name = t.name)) from t",
        "with c as (select * from t) select * from c a join c b on a.id = b.id where a.id in (select id from c)",
        "select x, count(*) from t group by rollup (x) having count(*) > (select count(*) from u)",
        "select id from t union all select id from u union select id from t except all select t_id from u",
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select * from r a, t where a.n = t.id",
        "select distinct on (x) x, id, (select min(id) from u) from t order by x, id desc fetch first 2 rows with ties",
    ] {
        check_shape(sql);
    }
}

#[test]
fn deep_statements_end_in_an_error() {
    let deep = format!("select {}", "(select ".repeat(400) + "1" + &")".repeat(400));
    let outcome = bound(&deep);
    assert!(outcome.is_ok() || outcome.is_err_and(|e| e.sqlstate().as_str() == "54001"));
    let long = format!("select {}", vec!["1"; 4000].join(" + "));
    let outcome = bound(&long);
    assert!(outcome.is_ok() || outcome.is_err_and(|e| e.sqlstate().as_str() == "54001"));
    let unions = vec!["select 1"; 2000].join(" union all ");
    assert!(bound(&unions).is_ok());
}
