//! Introspection, description, and errors that name what they are about.

use connectors::engine::UnsupportedTypes;
use planner::catalog::{KeyKind, SourceTable, TableKind};
use planner::error::{Retry, state};

use super::*;

const SETUP: &str = r#"
drop schema if exists shop cascade; drop schema if exists hidden cascade; drop schema if exists "Odd" cascade;
create schema shop; create schema hidden; create schema "Odd";
create type shop.mood as enum ('sad', 'happy');
create domain shop.price as numeric(10,2) check (value >= 0);
create domain shop.list_price as shop.price;
create collation shop.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table shop.item (
    id int primary key, code varchar(10) not null unique, mood shop.mood, moods shop.mood[], price shop.list_price,
    prices shop.price[], any_number numeric, tags text[], at timestamptz(3), place point, cost money, "Mixed Case" text collate "C",
    loose text collate shop.loose, dropped int, primary_part int generated always as (id * 2) stored);
alter table shop.item drop column dropped;
comment on table shop.item is 'things'; comment on column shop.item.code is 'their code';
create unique index partial on shop.item (code) where price > 1;
create unique index expression on shop.item (lower(code));
create unique index wide on shop.item (price, any_number) include (tags);
insert into shop.item (id, code, price, any_number) select i, 'c' || i, i % 10, case when i % 4 = 0 then null else i end
    from generate_series(1, 1000) i;
analyze shop.item;
create table shop.sales (at date not null, amount numeric(15,2)) partition by range (at);
create table shop.sales_1 partition of shop.sales for values from ('2020-01-01') to ('2021-01-01');
create table shop.sales_2 partition of shop.sales for values from ('2021-01-01') to ('2022-01-01');
insert into shop.sales select date '2020-01-01' + i, i from generate_series(0, 599) i;
analyze shop.sales;
create view shop.cheap as select id, price from shop.item where price < 2;
create materialized view shop.stock as select mood, count(*) as n from shop.item group by mood;
create table shop.fresh (a int, b text); insert into shop.fresh select i, 'x' from generate_series(1, 10000) i;
create table hidden.secret (a int);
create table "Odd"."na""me" ("co""l" int);
"#;

/// The tests of this file share one set of tables.
fn prepared() -> &'static TestPostgres {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| drop(server().sql(SETUP).unwrap()));
    server()
}

async fn tables(change: impl Fn(&mut PostgresConfig)) -> Vec<SourceTable> {
    let mut config = config(prepared(), "catalog");
    config.include_schemas = vec!["shop".into(), "Odd".into()];
    change(&mut config);
    engine(config).introspect().await.unwrap().tables
}

fn named<'a>(tables: &'a [SourceTable], name: &str) -> &'a SourceTable {
    tables.iter().find(|t| t.remote_name == name).unwrap_or_else(|| panic!("no table {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_table_is_found_with_its_columns() {
    let schema = engine(config(prepared(), "catalog")).introspect().await.unwrap();
    assert!(schema.version.starts_with(|c: char| c.is_ascii_digit()), "{}", schema.version);
    assert!(schema.c_collation && schema.snapshots);
    assert_eq!(schema.default_schema, "public");
    assert!(schema.tables.iter().any(|t| t.remote_schema == "hidden"));
    assert!(
        !schema.tables.iter().any(|t| t.remote_schema.starts_with("pg_") || t.remote_schema == "information_schema")
    );

    let tables = tables(|_| {}).await;
    let names: Vec<_> = tables.iter().map(|t| t.remote_name.as_str()).collect();
    assert_eq!(names, ["na\"me", "cheap", "fresh", "item", "sales", "stock"], "no partitions, no hidden schema");
    assert_eq!(named(&tables, "na\"me").columns[0].remote_name, "co\"l");
    assert_eq!(named(&tables, "cheap").kind, TableKind::View);

    let item = named(&tables, "item");
    let columns: Vec<_> = item
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.ty.sql_name(), c.remote_type.as_str(), c.opaque, c.nullable))
        .map(|(name, ty, remote, opaque, nullable)| {
            format!(
                "{name}: {ty} = {remote}{}{}",
                if opaque { " opaque" } else { "" },
                if nullable { "" } else { " not null" }
            )
        })
        .collect();
    assert_eq!(
        columns,
        [
            "id: integer = integer not null",
            "code: character varying(10) = character varying(10) not null",
            "mood: text = shop.mood opaque",
            "moods: text[] = shop.mood[] opaque",
            "price: numeric(10,2) = shop.list_price",
            "prices: numeric(10,2)[] = shop.price[] opaque",
            "any_number: numeric = numeric",
            "tags: text[] = text[]",
            "at: timestamp(3) with time zone = timestamp(3) with time zone",
            "place: text = point opaque",
            "cost: text = money opaque",
            "Mixed Case: text = text",
            "loose: text = text opaque",
            "primary_part: integer = integer",
        ]
    );
    assert_eq!(item.comment.as_deref(), Some("things"));
    assert_eq!(item.columns[1].comment.as_deref(), Some("their code"));
    assert_eq!(item.columns[11].collation.as_deref(), Some("C"));
    assert_eq!(item.columns[1].collation, None);
    let keys: Vec<_> = item.keys.iter().map(|k| (k.kind, k.columns.join(","))).collect();
    let expected = [(KeyKind::Primary, "id"), (KeyKind::Unique, "code"), (KeyKind::Unique, "price,any_number")];
    assert_eq!(keys, expected.map(|(kind, columns)| (kind, columns.to_string())));
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_and_statistics_are_those_of_the_server() {
    let tables = tables(|_| {}).await;
    let item = named(&tables, "item");
    assert_eq!(item.rows, Some(1000.0));
    assert!(item.bytes.unwrap() >= 8192.0);
    let [id, number] = ["id", "any_number"].map(|n| &item.columns.iter().find(|c| c.name == n).unwrap().stats);
    assert_eq!((id.distinct, id.null_fraction, id.width), (Some(1000.0), Some(0.0), Some(4.0)));
    assert_eq!((id.min.as_deref(), id.max.as_deref()), (Some("1"), Some("1000")));
    assert_eq!(number.null_fraction, Some(0.25));
    let price = &item.columns.iter().find(|c| c.name == "price").unwrap().stats;
    assert_eq!(price.distinct, Some(10.0));
    assert_eq!(named(&tables, "sales").rows, Some(600.0));
    assert!(named(&tables, "sales").bytes.unwrap() > 0.0);
    assert_eq!(named(&tables, "cheap").rows, None);
    let fresh = named(&tables, "fresh").rows.unwrap();
    assert!((5_000.0..20_000.0).contains(&fresh), "never analysed, estimated as {fresh}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_decides_on_types_without_a_mapping() {
    let skipping = tables(|c| c.unsupported_types = UnsupportedTypes::Error).await;
    let item = named(&skipping, "item");
    let skipped: Vec<_> = item.skipped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    assert_eq!(skipped, ["place: type point is not supported", "cost: type money is not supported"]);
    assert_eq!(item.columns.len(), 12, "the rest of the table is there");
    let nulls = tables(|c| c.unsupported_types = UnsupportedTypes::Null).await;
    let item = named(&nulls, "item");
    let null: Vec<_> = item.columns.iter().filter(|c| c.always_null).map(|c| (c.name.as_str(), c.ty)).collect();
    assert_eq!(null, [("place", PgType::TEXT), ("cost", PgType::TEXT)]);
    let excluded = tables(|c| c.exclude_schemas = vec!["Odd".into()]).await;
    assert!(excluded.iter().all(|t| t.remote_schema == "shop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_described_without_being_run() {
    let engine = engine(config(prepared(), "catalog"));
    let sql = "select id, price, mood, moods, prices, place, 1/0 as boom, now() from shop.item";
    let described = engine.describe(sql).await.unwrap();
    let described: Vec<_> = described.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
    assert_eq!(
        described,
        [
            "id integer",
            "price numeric(10,2)",
            "mood text",
            "moods text[]",
            "prices numeric[]",
            "place text",
            "boom integer",
            "now timestamp with time zone"
        ]
    );
    assert_eq!(engine.describe("select * from nothing").await.unwrap_err().sqlstate(), state::UNDEFINED_TABLE);
    assert_eq!(engine.describe("selec 1").await.unwrap_err().sqlstate(), state::SYNTAX_ERROR);
    assert_eq!(engine.describe("select 1; select 2").await.unwrap_err().sqlstate(), state::SYNTAX_ERROR);
    assert!(engine.describe("checkpoint").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_keep_their_code_and_name_the_source() {
    let engine = engine(config(prepared(), "catalog"));
    for n in [FEW, MANY] {
        let error = column(&engine, "select 1 / (i - 5000) from generate_series(1, 9000) i", PgType::INT4, n)
            .await
            .unwrap_err();
        assert_eq!((error.sqlstate(), error.message()), (state::DIVISION_BY_ZERO, "division by zero"));
        assert_eq!(error.source_id().unwrap().as_str(), "pg");
        assert!(error.detail().unwrap().contains("source \"pg\""));
        let error = column(&engine, "select a from shop.gone", PgType::INT4, n).await.unwrap_err();
        assert_eq!(error.sqlstate(), state::FDW_TABLE_NOT_FOUND);
        assert_eq!(error.message(), "table \"shop.gone\" no longer exists at source \"pg\"");
        assert_eq!(error.retry(), Retry::Replan);
        let error = column(&engine, "select 1 from (select set_config('a.b', 'c', false)) t where pg_create_logical_replication_slot('x', 'y') is null", PgType::INT4, n).await;
        assert!(error.is_err());
    }
    let error = column(&engine, "select nextval('pg_catalog.nothing')", PgType::INT8, FEW).await.unwrap_err();
    assert!(error.detail().is_some());
    // The connection of a failed statement is not used again, the next one works.
    assert_eq!(column(&engine, "select 1", PgType::INT4, FEW).await.unwrap().len(), 1);
}
