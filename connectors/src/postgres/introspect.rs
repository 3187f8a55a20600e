//! What a PostgreSQL database holds: six queries, whatever its size, in one snapshot.

use std::collections::{BTreeMap, HashMap};

use planner::PgType;
use planner::catalog::{Column, ColumnStats, Key, KeyKind, SourceSchema, SourceTable, TableKind};
use postgres_types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::config::PostgresConfig;
use super::types::{Mapped, RemoteType, map};
use crate::engine::UnsupportedTypes;

const DATABASE: &str = "
SELECT pg_catalog.current_setting('server_version'),
       d.datcollate IN ('C', 'POSIX') AND d.datctype IN ('C', 'POSIX')
           AND coalesce(pg_catalog.to_jsonb(d)->>'datlocprovider', 'c') = 'c'
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// Partitions are read through the table they belong to. Rows are estimated as PostgreSQL's own planner does it: by the density
/// of the last analysis and the present size; without an analysis by the width of the columns.
const TABLES: &str = "
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, pg_catalog.obj_description(c.oid, 'pg_class'),
       CASE WHEN c.relkind = 'p' THEN (SELECT pg_catalog.sum(greatest(p.reltuples, 0))::float8 FROM pg_catalog.pg_partition_tree(c.oid) t
                                       JOIN pg_catalog.pg_class p ON p.oid = t.relid WHERE t.isleaf)
            WHEN c.relkind = 'f' THEN nullif(c.reltuples, -1)::float8
            WHEN c.relkind NOT IN ('r', 'm') THEN NULL
            WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples::float8 / c.relpages * s.pages
            WHEN c.reltuples = 0 AND s.pages = 0 THEN 0
            ELSE s.pages * ((s.block - 24) / (28 + (
                SELECT coalesce(pg_catalog.sum(CASE WHEN t.typlen > 0 THEN t.typlen ELSE 32 END), 0)
                FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
       END::float8,
       CASE WHEN c.relkind = 'p' THEN (SELECT pg_catalog.sum(pg_catalog.pg_relation_size(t.relid))::float8
                                       FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf)
            WHEN c.relkind IN ('r', 'm') THEN (s.pages * s.block)::float8 END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT b.block, CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) / b.block ELSE 0 END AS pages
                    FROM (SELECT pg_catalog.current_setting('block_size')::int8 AS block) b) s
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND (pg_catalog.cardinality($1) = 0 OR n.nspname = ANY ($1)) AND NOT n.nspname = ANY ($2)
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
ORDER BY 2, 3";

const COLUMNS: &str = "
SELECT a.attrelid, a.attname::text, a.atttypid, a.atttypmod, a.attnotnull, pg_catalog.format_type(a.atttypid, a.atttypmod),
       CASE WHEN l.collname <> 'default' THEN l.collname::text END, coalesce(NOT l.collisdeterministic, false),
       pg_catalog.col_description(a.attrelid, a.attnum), pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";

const TYPES: &str = "
WITH RECURSIVE used (oid) AS (
    SELECT pg_catalog.unnest($1::oid[])
    UNION SELECT x FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (CASE WHEN t.typlen = -1 THEN t.typelem ELSE 0 END)) v (x) WHERE x <> 0)
SELECT t.oid, t.typtype::text, t.typbasetype, t.typtypmod, CASE WHEN t.typlen = -1 THEN t.typelem ELSE 0 END::oid
FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid";

/// Unique indexes of plain columns, whether a constraint made them or not.
const KEYS: &str = "
SELECT i.indrelid, c.relname::text, i.indisprimary, ARRAY(
           SELECT a.attname::text FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n)
           JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
           WHERE k.n <= i.indnkeyatts ORDER BY k.n)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indrelid, NOT i.indisprimary, c.relname";

/// The histogram's ends are the best there is for least and greatest value; a value too long to be worth keeping is left out.
const STATISTICS: &str = "
SELECT DISTINCT ON (c.oid, s.attname) c.oid, s.attname::text, s.null_frac::float8, s.avg_width::float8, s.n_distinct::float8,
       CASE WHEN pg_catalog.length(h.b[1]) <= 200 THEN h.b[1] END,
       CASE WHEN pg_catalog.length(h.b[pg_catalog.cardinality(h.b)]) <= 200 THEN h.b[pg_catalog.cardinality(h.b)] END
FROM pg_catalog.pg_stats s JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
CROSS JOIN LATERAL (SELECT s.histogram_bounds::text::text[] AS b) h
WHERE c.oid = ANY ($1)
ORDER BY c.oid, s.attname, s.inherited DESC";

pub async fn read(client: &Client, config: &PostgresConfig) -> Result<SourceSchema, Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let database = client.query_typed(DATABASE, &[]).await?;
    let filter = (&config.include_schemas, &config.exclude_schemas);
    let text = Type::TEXT_ARRAY;
    let tables = client.query_typed(TABLES, &[(filter.0, text.clone()), (filter.1, text)]).await?;
    let oids: Vec<u32> = tables.iter().map(|t| t.try_get(0)).collect::<Result<_, _>>()?;
    let of_tables: (&(dyn ToSql + Sync), Type) = (&oids, Type::OID_ARRAY);
    let columns = client.query_typed(COLUMNS, std::slice::from_ref(&of_tables)).await?;
    let mut used: Vec<u32> = columns.iter().map(|c| c.try_get(2)).collect::<Result<_, _>>()?;
    used.sort_unstable();
    used.dedup();
    let types = client.query_typed(TYPES, &[(&used, Type::OID_ARRAY)]).await?;
    let keys = client.query_typed(KEYS, std::slice::from_ref(&of_tables)).await?;
    let statistics = client.query_typed(STATISTICS, &[of_tables]).await?;
    client.batch_execute("COMMIT").await?;

    let (version, c_collation) = match database.first() {
        Some(row) => (row.try_get(0)?, row.try_get(1)?),
        None => Default::default(),
    };
    let mut found = BTreeMap::new();
    let mut order = Vec::new();
    for row in &tables {
        let oid: u32 = row.try_get(0)?;
        order.push(oid);
        found.insert(oid, table(row)?);
    }
    let types = types.iter().map(remote_type).collect::<Result<HashMap<_, _>, _>>()?;
    for row in &columns {
        if let Some(table) = found.get_mut(&row.try_get(0)?) {
            column(row, &types, config.unsupported_types, table)?;
        }
    }
    for row in &keys {
        if let Some(table) = found.get_mut(&row.try_get(0)?) {
            key(row, table)?;
        }
    }
    for row in &statistics {
        if let Some(table) = found.get_mut(&row.try_get(0)?) {
            column_statistics(row, table)?;
        }
    }
    Ok(SourceSchema {
        version,
        default_schema: config.include_schemas.first().cloned().unwrap_or_else(|| "public".into()),
        c_collation,
        snapshots: true,
        tables: order.iter().filter_map(|oid| found.remove(oid)).collect(),
    })
}

fn table(row: &Row) -> Result<SourceTable, Error> {
    let kind: &str = row.try_get(3)?;
    Ok(SourceTable {
        remote_schema: row.try_get(1)?,
        remote_name: row.try_get(2)?,
        kind: if kind == "v" { TableKind::View } else { TableKind::Table },
        columns: Vec::new(),
        keys: Vec::new(),
        rows: row.try_get(5)?,
        bytes: row.try_get(6)?,
        comment: row.try_get(4)?,
        skipped: Vec::new(),
    })
}

fn remote_type(row: &Row) -> Result<(u32, RemoteType), Error> {
    let kind: &str = row.try_get(1)?;
    let remote = RemoteType {
        kind: kind.chars().next().unwrap_or('b'),
        base: row.try_get(2)?,
        base_typmod: row.try_get(3)?,
        element: row.try_get(4)?,
    };
    Ok((row.try_get(0)?, remote))
}

fn column(
    row: &Row,
    types: &HashMap<u32, RemoteType>,
    policy: UnsupportedTypes,
    table: &mut SourceTable,
) -> Result<(), Error> {
    let name: String = row.try_get(1)?;
    let ty = PgType { oid: row.try_get(2)?, typmod: row.try_get(3)? };
    let (not_null, remote_type): (bool, String) = (row.try_get(4)?, row.try_get(5)?);
    let (nondeterministic, readable): (bool, bool) = (row.try_get(7)?, row.try_get(9)?);
    let (ty, opaque, always_null) = match map(ty, types, policy) {
        _ if !readable => {
            table.skipped.push((name, "permission denied at the source".into()));
            return Ok(());
        }
        Mapped::As(ty) => (ty, nondeterministic, false),
        Mapped::Cast(ty) => (ty, true, false),
        Mapped::Null => (PgType::TEXT, true, true),
        Mapped::Skipped => {
            table.skipped.push((name, format!("type {remote_type} is not supported")));
            return Ok(());
        }
    };
    table.columns.push(Column {
        remote_name: name.clone(),
        name,
        ty,
        remote_type,
        nullable: always_null || !not_null,
        opaque,
        always_null,
        collation: row.try_get(6)?,
        comment: row.try_get(8)?,
        stats: ColumnStats::default(),
    });
    Ok(())
}

/// A key of which a column cannot be seen is no key here.
fn key(row: &Row, table: &mut SourceTable) -> Result<(), Error> {
    let columns: Vec<String> = row.try_get(3)?;
    let seen = |name: &String| table.columns.iter().any(|c| c.remote_name == *name && !c.always_null);
    if !columns.is_empty() && columns.iter().all(seen) {
        let kind = if row.try_get(2)? { KeyKind::Primary } else { KeyKind::Unique };
        table.keys.push(Key { name: row.try_get(1)?, kind, columns });
    }
    Ok(())
}

fn column_statistics(row: &Row, table: &mut SourceTable) -> Result<(), Error> {
    let (name, rows): (&str, _) = (row.try_get(1)?, table.rows);
    let Some(column) = table.columns.iter_mut().find(|c| c.remote_name == name) else { return Ok(()) };
    if column.always_null {
        return Ok(());
    }
    let distinct: Option<f64> = row.try_get(4)?;
    column.stats = ColumnStats {
        // Negative: as a share of the rows.
        distinct: distinct.and_then(|d| if d < 0.0 { rows.map(|r| -d * r) } else { Some(d).filter(|d| *d > 0.0) }),
        null_fraction: row.try_get(2)?,
        width: row.try_get(3)?,
        min: if column.opaque { None } else { row.try_get(5)? },
        max: if column.opaque { None } else { row.try_get(6)? },
    };
    Ok(())
}
