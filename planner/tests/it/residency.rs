//! Rules about what may leave a site: which plans are refused, and which keys are not sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use cost_model::{Link, Links};
use planner::bind::{Passthrough, bind, parse};
use planner::catalog::{Catalog, Column, ColumnStats, EngineKind, Placement, Source, Table, TableKind};
use planner::context::{Pushdown, Reduction};
use planner::error::{Error, Result, state};
use planner::plan::QueryPlan;
use planner::residency::{Leave, Residency, Rule};
use planner::search::network::Network;
use planner::{PgType, QueryContext, fragment};

/// `eu.people` and `us.people`, each at a site of its own; the gateway is at `local`.
fn table(source: &str, name: &str) -> Table {
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
        stats: ColumnStats { distinct: (name == "id").then_some(1e6), ..ColumnStats::default() },
    };
    Table {
        schema: source.into(),
        name: name.into(),
        kind: TableKind::Table,
        columns: vec![
            column("email", PgType::TEXT),
            column("id", PgType::INT4),
            column("pay", PgType::INT4),
            column("city", PgType::TEXT),
        ],
        keys: Vec::new(),
        placements: vec![Placement {
            source: source.into(),
            remote_schema: "public".into(),
            remote_name: name.into(),
            predicate: None,
            part: None,
            replica_group: 0,
        }],
        rows: Some(if name == "few" { 10.0 } else { 1e6 }),
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid: 16_384,
        key_oids: Vec::new(),
    }
}

fn catalog(leave: Leave, columns: Option<&[&str]>) -> Catalog {
    let source = |name: &str, site: &str| Source {
        id: name.into(),
        site: site.into(),
        kind: EngineKind::Postgres,
        version: "15".into(),
        c_collation: true,
        snapshots: true,
    };
    let sources = [source("eu", "eu"), source("us", "us"), source("here", "inside")];
    let tables = |source: &str| {
        let tables = ["people", "few"].map(|name| (name.to_string(), Arc::new(table(source, name))));
        (source.to_string(), BTreeMap::from(tables))
    };
    let mut links = Links::new(vec!["local".into(), "eu".into(), "us".into()]);
    links.set(1, 0, Link { bandwidth: 1e7, rtt: 0.01, price_per_gb: 0.0 });
    let rule = |table: &str| Rule {
        schema: "public".into(),
        table: table.into(),
        columns: columns.map(|c| c.iter().map(|c| c.to_string()).collect()),
        leave: leave.clone(),
    };
    let rules = ["eu", "here"].map(|source| (source.into(), vec![rule("people"), rule("few")]));
    Catalog {
        sources: sources.map(|s| (s.id.clone(), Arc::new(s))).into(),
        schemas: ["eu", "us", "here"].map(tables).into(),
        network: Network { links, computes: 0b111, home: 0 },
        residency: Arc::new(rules.into()),
        ..Catalog::default()
    }
}

fn plan_under(sql: &str, catalog: &Catalog, context: &QueryContext) -> Result<QueryPlan> {
    let statements = parse(sql)?;
    let mut passthrough = Passthrough::default();
    for (source, text) in statements[0].passthrough.iter().cloned() {
        passthrough.calls.insert((source.as_str().into(), text), vec![("n".to_string(), PgType::INT4)]);
    }
    let bound = bind(&statements[0].statement, catalog, context, sql, &[], &passthrough)?;
    fragment::plan(bound, catalog, context)
}

fn plan(sql: &str, catalog: &Catalog) -> Result<QueryPlan> {
    plan_under(sql, catalog, &QueryContext::default())
}

fn refused(sql: &str, catalog: &Catalog) -> Error {
    let error = plan(sql, catalog).err().unwrap_or_else(|| panic!("allowed: {sql}"));
    assert_eq!(error.sqlstate(), state::INSUFFICIENT_PRIVILEGE, "{sql}: {error}");
    error
}

/// They read the column in conditions and orders only, all at the source.
const CONDITIONS: &[&str] = &[
    "select id, city from eu.people where email = 'a@b'",
    "select count(*) from eu.people where email like 'a%'",
    "select p.city, count(*) from eu.people p join eu.few f on p.email = f.email group by p.city",
    "select id from eu.people where email in (select email from eu.few)",
    "select id from eu.people order by email limit 3",
    "select city, max(id) from eu.people group by city having count(*) > 3",
    "select x.city from (select email, city from eu.people) x",
    "select id from eu.people where id = (select max(id) from eu.few where email = 'a')",
    "select p.id, u.city from eu.people p join us.few u on p.id = u.id where p.email > 'm'",
    "select count(*) from eu.people group by email || 'x', city having email || 'x' > city and max(id) > 3 or email || 'x' is null \
     order by email || 'x'",
    "select email from us.people",
    "select city from eu.people union all select city from us.people",
];

/// Each shows values of single rows.
const VALUES: &[&str] = &[
    "select email from eu.people",
    "select * from eu.people",
    "select upper(email) from eu.people",
    "select email = 'a' from eu.people",
    "select email is null from eu.people",
    "select case when email = 'a' then 1 else 0 end from eu.people",
    "select distinct email from eu.people",
    "select email, count(*) from eu.people group by email",
    "select array_agg(email) from eu.people",
    "select string_agg(email, ',') from eu.people",
    "select mode() within group (order by email) from eu.people",
    "select rank() over (order by email) from eu.people",
    "select max(email) over () from eu.people",
    "select e from (select city, email e from eu.people) x",
    "with w as (select lower(email) e, id from eu.people) select e from w where id > 3",
    "select city from eu.people union all select email from eu.people",
    "select (select email from eu.people where id = 3)",
    "select id, (select p.email from eu.people p where p.id = f.id) from eu.few f",
    "select f.id, exists (select 1 from eu.people p where p.email = f.city) from eu.few f",
    "select u.id from eu.people p join us.few u on p.email = u.email",
    "select id from us.people where email in (select email from eu.people)",
    "select u.id from us.people u where not exists (select 1 from eu.people p where p.email = u.email)",
    "select email from here.people",
    "select city from eu.people where (email || random()::text) > 'x'",
    "select narrows.n from narrows.query('eu', 'select 1 as n') narrows(n)",
    "select count(*) from narrows.query('eu', 'select 1 as n') narrows(n)",
];

const AGGREGATES: &[&str] = &[
    "select count(email), count(distinct email), min(email), max(email) from eu.people",
    "select city, max(email) || '!' from eu.people group by city",
    "select city, count(*) filter (where email > 'm') from eu.people group by city order by max(email)",
    "select m from (select max(email) m from eu.people) x where m > 'a'",
    "select u.id, p.m from us.few u join (select city, max(email) m from eu.people group by city) p on u.city = p.city",
    "select (select max(email) from eu.people), city from us.people",
];

#[test]
fn what_may_never_leave_may_be_compared_at_its_source() {
    let catalog = catalog(Leave::Never, Some(&["email"]));
    for sql in CONDITIONS {
        plan(sql, &catalog).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    for sql in VALUES.iter().chain(AGGREGATES) {
        refused(sql, &catalog);
    }
}

#[test]
fn aggregates_may_leave_where_the_rule_says_so() {
    let catalog = catalog(Leave::Aggregates, Some(&["email"]));
    for sql in CONDITIONS.iter().chain(AGGREGATES) {
        plan(sql, &catalog).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    for sql in VALUES {
        refused(sql, &catalog);
    }
}

#[test]
fn an_aggregate_that_the_source_cannot_compute_is_refused() {
    let catalog = catalog(Leave::Aggregates, Some(&["pay"]));
    for pushdown in [Pushdown::Off, Pushdown::Filter] {
        let context = QueryContext { pushdown, ..QueryContext::default() };
        let error = plan_under("select sum(pay) from eu.people", &catalog, &context).unwrap_err();
        assert_eq!(error.sqlstate(), state::INSUFFICIENT_PRIVILEGE, "{error}");
        plan_under("select sum(id), count(*) from eu.people", &catalog, &context).unwrap();
    }
    plan("select sum(pay) from eu.people", &catalog).unwrap();
    // Over a join with another source it is the gateway that would aggregate.
    refused("select sum(p.pay * u.id) from eu.people p join us.few u on p.id = u.id", &catalog);
}

#[test]
fn a_rule_without_columns_is_about_all() {
    let catalog = catalog(Leave::Never, None);
    refused("select city from eu.people", &catalog);
    refused("select id from eu.few", &catalog);
    plan("select count(*) from eu.people where city = 'x'", &catalog).unwrap();
    // Nobody reads a column, but rows have to be counted.
    let off = QueryContext { pushdown: Pushdown::Off, ..QueryContext::default() };
    plan_under("select count(*) from eu.people", &catalog, &off).unwrap();
}

#[test]
fn rows_that_are_only_counted_are_not_counted_by_what_must_stay() {
    let catalog = catalog(Leave::Never, Some(&["email"]));
    let off = QueryContext { pushdown: Pushdown::Off, ..QueryContext::default() };
    plan_under("select count(*) from eu.people, us.few", &catalog, &off).unwrap();
    plan_under("select u.id from us.few u, (select email, id from eu.people limit 5) p", &catalog, &off).unwrap();
}

#[test]
fn errors_must_not_tell_what_may_not_leave() {
    let catalog = catalog(Leave::Never, Some(&["email", "pay"]));
    refused("select count(*) from eu.people where email::int > 3", &catalog);
    // An error about numbers names none.
    plan("select count(*) from eu.people where pay * 2 > 3", &catalog).unwrap();
}

#[test]
fn listed_sites_may_have_it() {
    let clients = catalog(Leave::Sites(vec!["local".into()]), Some(&["email"]));
    plan("select email from eu.people", &clients).unwrap();
    plan("select u.id from eu.people p join us.few u on p.email = u.email", &clients).unwrap();
    // Another site inside the gateway is where the gateway is.
    plan("select email from eu.people", &catalog(Leave::Sites(vec!["inside".into()]), None)).unwrap();
    let us = catalog(Leave::Sites(vec!["us".into()]), Some(&["email"]));
    refused("select email from eu.people", &us);
    refused("select email from here.people", &us);
}

#[test]
fn keys_do_not_go_where_their_values_may_not() {
    let force = QueryContext { reduction: Reduction::Force, ..QueryContext::default() };
    let filtered = |leave: Leave| {
        let sql = "select u.city from eu.few e join us.people u on e.id = u.id";
        let plan = plan_under(sql, &catalog(leave, Some(&["id"])), &force).unwrap();
        plan.fragments.iter().any(|f| f.source.as_str() == "us" && !f.key_filters.is_empty())
    };
    assert!(filtered(Leave::Sites(vec!["local".into(), "us".into()])));
    assert!(!filtered(Leave::Sites(vec!["local".into()])));
}

#[test]
fn a_search_is_told_where_rows_may_be() {
    let statements = parse("select email, max(id) m from eu.people group by email").unwrap();
    let sites = |leave: Leave, column: &str| {
        let catalog = catalog(leave, Some(&[column]));
        let context = QueryContext::default();
        let bound = bind(&statements[0].statement, &catalog, &context, "", &[], &Passthrough::default()).unwrap();
        Residency::of(&catalog).allowed_sites(&bound.plan)
    };
    assert_eq!(sites(Leave::Never, "city"), None);
    assert_eq!(sites(Leave::Never, "email"), Some(0b010));
    assert_eq!(sites(Leave::Aggregates, "email"), Some(0b010));
    assert_eq!(sites(Leave::Aggregates, "id"), None);
    assert_eq!(sites(Leave::Sites(vec!["us".into()]), "id"), Some(0b110));
}

#[test]
fn a_refusal_names_column_and_rule() {
    let error = refused("select email from eu.people", &catalog(Leave::Aggregates, Some(&["email"])));
    let expected = "column \"email\" of table eu.people may leave its site in aggregates only (leave = \"aggregates\")";
    assert_eq!(error.message(), expected);
    assert!(error.detail().unwrap().contains("[[residency]] of source \"eu\", table public.people, columns email"));
    assert!(error.hint().is_some());
}
