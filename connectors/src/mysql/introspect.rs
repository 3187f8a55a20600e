//! Tables, columns, keys and statistics from `information_schema`, in four queries.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use planner::catalog::{Column, ColumnStats, Key, KeyKind, SourceSchema, SourceTable, TableKind};
use planner::emit::mysql::text_form;
use planner::pgtype::oid;
use planner::{PgType, Result};

use super::MySqlConfig;
use super::types::{Declared, of_declared};
use crate::engine::UnsupportedTypes;

type TableName = (String, String);

const OWN_SCHEMAS: &str = "'information_schema', 'mysql', 'performance_schema', 'sys'";

pub async fn introspect(connection: &mut Conn, config: &MySqlConfig) -> Result<SourceSchema> {
    let failed = |e| config.error(e);
    let version: Option<String> = connection.query_first("SELECT VERSION()").await.map_err(failed)?;
    let mut tables: BTreeMap<TableName, SourceTable> = BTreeMap::new();
    let sql = format!(
        "SELECT table_schema, table_name, table_type, table_rows, data_length, table_comment \
         FROM information_schema.tables WHERE table_schema NOT IN ({OWN_SCHEMAS})"
    );
    for row in connection.query::<Row, _>(sql).await.map_err(failed)? {
        let (schema, name) = (text(&row, 0), text(&row, 1));
        if config.schemas.as_ref().is_some_and(|s| !s.contains(&schema)) {
            continue;
        }
        let base = text(&row, 2) != "VIEW";
        let table = SourceTable {
            remote_schema: schema.clone(),
            remote_name: name.clone(),
            kind: if base { TableKind::Table } else { TableKind::View },
            columns: Vec::new(),
            keys: Vec::new(),
            rows: number(&row, 3).filter(|_| base),
            bytes: number(&row, 4).filter(|_| base),
            comment: Some(text(&row, 5)).filter(|c| base && !c.is_empty()),
            skipped: Vec::new(),
        };
        tables.insert((schema, name), table);
    }
    columns(connection, config, &mut tables).await?;
    keys(connection, config, &mut tables).await?;
    // A key of which a column cannot be seen is no key here.
    for table in tables.values_mut() {
        let seen = |name: &String| table.columns.iter().any(|c| c.remote_name == *name && !c.always_null);
        table.keys.retain(|key| key.columns.iter().all(seen));
    }
    column_statistics(connection, &mut tables).await;
    Ok(SourceSchema {
        version: version.unwrap_or_default(),
        default_schema: config.database.clone(),
        c_collation: false,
        snapshots: true,
        tables: tables.into_values().collect(),
    })
}

async fn columns(
    connection: &mut Conn,
    config: &MySqlConfig,
    tables: &mut BTreeMap<TableName, SourceTable>,
) -> Result<()> {
    let sql = format!(
        "SELECT table_schema, table_name, column_name, data_type, column_type, character_maximum_length, \
         numeric_precision, numeric_scale, datetime_precision, is_nullable, collation_name, column_comment \
         FROM information_schema.columns WHERE table_schema NOT IN ({OWN_SCHEMAS}) \
         ORDER BY table_schema, table_name, ordinal_position"
    );
    for row in connection.query::<Row, _>(sql).await.map_err(|e| config.error(e))? {
        let Some(table) = tables.get_mut(&(text(&row, 0), text(&row, 1))) else { continue };
        let whole = |i| number(&row, i).map(|n| n as u64);
        let declared = Declared {
            data_type: text(&row, 3).to_lowercase(),
            column_type: text(&row, 4).to_lowercase(),
            length: whole(5),
            precision: whole(6),
            scale: whole(7),
            fraction: whole(8),
        };
        let name = text(&row, 2);
        let (ty, opaque, always_null) = match (of_declared(&declared), config.unsupported) {
            // Some values are NULL here that are none there, so nothing may be computed from them there.
            (Some(mapped), UnsupportedTypes::Null) => (mapped.ty, mapped.opaque || may_not_fit(mapped.ty), false),
            (Some(mapped), _) => (mapped.ty, mapped.opaque, false),
            (None, UnsupportedTypes::Null) => (PgType::TEXT, true, true),
            (None, UnsupportedTypes::Text) if text_form(&declared.column_type).is_some() => (PgType::TEXT, true, false),
            (None, policy) => {
                let why = format!("type {} has no PostgreSQL counterpart (policy {policy:?})", declared.column_type);
                table.skipped.push((name, why.to_lowercase()));
                continue;
            }
        };
        table.columns.push(Column {
            name: name.clone(),
            remote_name: name,
            ty,
            remote_type: declared.column_type,
            nullable: text(&row, 9) != "NO",
            opaque,
            always_null,
            collation: Some(text(&row, 10)).filter(|c| !c.is_empty()),
            comment: Some(text(&row, 11)).filter(|c| !c.is_empty()),
            stats: ColumnStats::default(),
        });
    }
    Ok(())
}

/// Types with values that PostgreSQL's do not have: zero dates, times beyond a day.
fn may_not_fit(ty: PgType) -> bool {
    matches!(ty.oid, oid::DATE | oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ)
}

/// Primary keys and unique indexes; an index's cardinality is its first column's number of distinct values.
async fn keys(
    connection: &mut Conn,
    config: &MySqlConfig,
    tables: &mut BTreeMap<TableName, SourceTable>,
) -> Result<()> {
    let sql = format!(
        "SELECT table_schema, table_name, index_name, non_unique, seq_in_index, column_name, cardinality, sub_part \
         FROM information_schema.statistics WHERE table_schema NOT IN ({OWN_SCHEMAS}) \
         ORDER BY table_schema, table_name, index_name, seq_in_index"
    );
    for row in connection.query::<Row, _>(sql).await.map_err(|e| config.error(e))? {
        let Some(table) = tables.get_mut(&(text(&row, 0), text(&row, 1))) else { continue };
        let (index, column) = (text(&row, 2), text(&row, 5));
        let unique = number(&row, 3) == Some(0.0);
        let first = number(&row, 4) == Some(1.0);
        let prefix_only = number(&row, 7).is_some();
        if unique && !prefix_only {
            match table.keys.iter_mut().find(|k| k.name == index) {
                Some(key) => key.columns.push(column.clone()),
                None => {
                    let kind = if index == "PRIMARY" { KeyKind::Primary } else { KeyKind::Unique };
                    table.keys.push(Key { name: index, kind, columns: vec![column.clone()] });
                }
            }
        }
        if first
            && let Some(distinct) = number(&row, 6)
            && let Some(column) = table.columns.iter_mut().find(|c| c.remote_name == column)
        {
            column.stats.distinct = Some(column.stats.distinct.unwrap_or(0.0).max(distinct));
        }
    }
    Ok(())
}

/// MariaDB's engine-independent statistics, where `ANALYZE TABLE … PERSISTENT` made them and we may read them.
async fn column_statistics(connection: &mut Conn, tables: &mut BTreeMap<TableName, SourceTable>) {
    let sql = "SELECT db_name, table_name, column_name, min_value, max_value, nulls_ratio, avg_length, avg_frequency \
               FROM mysql.column_stats";
    let Ok(rows) = connection.query::<Row, _>(sql).await else { return };
    for row in rows {
        let Some(table) = tables.get_mut(&(text(&row, 0), text(&row, 1))) else { continue };
        let total = table.rows;
        let name = text(&row, 2);
        let Some(column) = table.columns.iter_mut().find(|c| c.remote_name == name) else { continue };
        let value = |i| Some(text(&row, i)).filter(|v| !v.is_empty());
        column.stats.min = value(3);
        column.stats.max = value(4);
        column.stats.null_fraction = number(&row, 5);
        column.stats.width = number(&row, 6);
        if let (Some(total), Some(frequency)) = (total, number(&row, 7).filter(|f| *f >= 1.0)) {
            column.stats.distinct = Some((total / frequency).max(1.0));
        }
    }
}

fn text(row: &Row, i: usize) -> String {
    row.get_opt::<String, _>(i).and_then(Result::ok).unwrap_or_default()
}

fn number(row: &Row, i: usize) -> Option<f64> {
    row.get_opt::<Option<String>, _>(i).and_then(std::result::Result::ok).flatten().and_then(|t| t.parse().ok())
}
