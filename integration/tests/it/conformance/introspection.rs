//! What a connector tells of its engine's tables.

use connectors::engine::UnsupportedTypes;
use planner::PgType;
use planner::catalog::{KeyKind, SourceTable};
use planner::error::state;

use super::for_each_engine;
use super::subject::{Kind, Options};

for_each_engine!(
    columns_keys_and_comments_are_found,
    sizes_and_statistics_are_found,
    the_policy_decides_and_no_table_vanishes,
    statements_are_described_and_nothing_else_is,
);

async fn table(kind: Kind, name: &str, policy: UnsupportedTypes) -> SourceTable {
    let schema = kind.engine(&Options { policy, ..Options::default() }).introspect().await.unwrap();
    let mut tables = schema.tables.into_iter().filter(|t| t.remote_schema == schema.default_schema);
    tables.find(|t| t.remote_name == name).unwrap_or_else(|| panic!("no table {name}"))
}

async fn columns_keys_and_comments_are_found(kind: Kind) {
    let (item, declared) = (table(kind, "item", UnsupportedTypes::Error).await, kind.declared());
    let found: Vec<_> = item.columns.iter().map(|c| format!("{} {} {}", c.name, c.ty, c.nullable)).collect();
    let text = if kind == Kind::Files { "text" } else { "character varying(20)" };
    let at = "at timestamp without time zone true".to_string();
    let expected = ["id integer false".to_string(), format!("code {text} false"), "n numeric(10,2) true".into(), at];
    assert_eq!(found[..4], expected);
    assert_eq!(found[4..], ["Note text true"], "the column of an unknown type is left out");
    let keys: Vec<_> = item.keys.iter().map(|k| (k.kind, k.columns.join(","))).collect();
    let expected = if declared.keys { vec![(KeyKind::Primary, "id".to_string())] } else { vec![] };
    assert_eq!(keys, expected);
    let comments = (item.comment.as_deref(), item.columns[1].comment.as_deref());
    assert_eq!(comments, if declared.comments { (Some("things"), Some("their code")) } else { (None, None) });
}

async fn sizes_and_statistics_are_found(kind: Kind) {
    let item = table(kind, "item", UnsupportedTypes::Error).await;
    assert_eq!(item.rows, Some(1000.0));
    assert!(item.bytes.unwrap() > 1000.0);
    let [id, n] = [0, 2].map(|i| &item.columns[i].stats);
    if kind.declared().statistics {
        assert_eq!((id.min.as_deref(), id.max.as_deref()), (Some("1"), Some("1000")));
        assert_eq!((id.null_fraction, n.null_fraction), (Some(0.0), Some(0.25)));
        if let Some(distinct) = id.distinct {
            assert_eq!(distinct, 1000.0);
        }
    } else {
        assert_eq!((&id.min, &id.max, id.null_fraction), (&None, &None, None));
    }
}

async fn the_policy_decides_and_no_table_vanishes(kind: Kind) {
    let odd = |t: &SourceTable| t.columns.iter().find(|c| c.name == "odd").map(|c| (c.ty, c.opaque, c.always_null));
    let item = table(kind, "item", UnsupportedTypes::Error).await;
    assert_eq!((odd(&item), item.columns.len()), (None, 5));
    assert_eq!(item.skipped.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["odd"]);
    let only = table(kind, "only_odd", UnsupportedTypes::Error).await;
    assert_eq!((only.columns.len(), only.skipped.len()), (0, 2), "there, with the reasons");

    let item = table(kind, "item", UnsupportedTypes::Null).await;
    assert_eq!(odd(&item).map(|(ty, _, null)| (ty, null)), Some((PgType::TEXT, true)));
    assert!(item.skipped.is_empty());

    let item = table(kind, "item", UnsupportedTypes::Text).await;
    assert_eq!(odd(&item).is_some_and(|(_, _, null)| !null), kind.declared().text_policy);
    let only = table(kind, "only_odd", UnsupportedTypes::Text).await;
    assert_eq!(only.columns.len(), if kind.declared().text_policy { 2 } else { 0 });

    // A damaged neighbour is there as well, or at least harms nobody.
    let schema = kind.engine(&Options::default()).introspect().await.unwrap();
    assert!(schema.tables.iter().any(|t| t.remote_name == "broken"));
}

async fn statements_are_described_and_nothing_else_is(kind: Kind) {
    let engine = kind.engine(&Options::default());
    let item = kind.item();
    let described = engine.describe(&format!("select id, n as \"N\" from {item} where 1 / 0 = 1")).await.unwrap();
    assert_eq!(described, [("id".to_string(), PgType::INT4), ("N".to_string(), PgType::numeric(10, 2))]);
    for (sql, why) in [
        ("selec 1", "no SQL"),
        (&*format!("select 1; drop table {item}"), "two statements"),
        (&*format!("drop table {item}"), "no rows"),
        ("", "nothing"),
    ] {
        let error = engine.describe(sql).await.expect_err(why);
        assert!(!["XX000", "08006", "08001"].contains(&error.sqlstate().as_str()), "{why}: {error}");
    }
    assert_eq!(table(kind, "item", UnsupportedTypes::Error).await.rows, Some(1000.0));
    let missing = engine.describe("select * from no_such_table").await.unwrap_err();
    assert!([state::UNDEFINED_TABLE, state::FDW_TABLE_NOT_FOUND].contains(&missing.sqlstate()), "{missing}");
}
