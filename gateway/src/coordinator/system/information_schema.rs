//! The standard's view of the same things: schemata, tables, columns, keys.

use planner::PgType;
use planner::catalog::{Column, Key, KeyKind, Table, TableKind};
use planner::pgtype::oid;

use super::View;
use super::rows::Rows;

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "YES" } else { "NO" }
}

impl<'v> View<'v> {
    pub(super) fn information_schema(&self, name: &str, rows: Rows) -> Rows {
        match name {
            "information_schema_catalog_name" => rows.with("catalog_name", [self.database]),
            "schemata" => self.schemata(rows),
            "tables" => self.tables(rows),
            "views" => self.views(rows),
            "columns" => self.columns(rows),
            "table_constraints" => self.table_constraints(rows),
            "key_column_usage" => self.key_columns(rows, false),
            "constraint_column_usage" => self.key_columns(rows, true),
            "enabled_roles" => rows.with("role_name", [self.principal]),
            _ => rows,
        }
    }

    fn schemata(&self, rows: Rows) -> Rows {
        let all = &self.catalog.schema_oids;
        rows.with("schema_name", all.keys()).all("catalog_name", self.database).all("schema_owner", self.principal)
    }

    fn tables(&self, rows: Rows) -> Rows {
        let all: Vec<_> = self.catalog.tables().collect();
        let kind = |t: &Table| if t.kind == TableKind::View { "VIEW" } else { "BASE TABLE" };
        rows.with("table_schema", all.iter().map(|t| &t.schema))
            .with("table_name", all.iter().map(|t| &t.name))
            .with("table_type", all.iter().map(|t| kind(t)))
            .all("table_catalog", self.database)
            .all("is_insertable_into", "NO")
            .all("is_typed", "NO")
    }

    fn views(&self, rows: Rows) -> Rows {
        let all: Vec<_> = self.catalog.tables().filter(|t| t.kind == TableKind::View).collect();
        rows.with("table_schema", all.iter().map(|t| &t.schema))
            .with("table_name", all.iter().map(|t| &t.name))
            .all("table_catalog", self.database)
            .all("check_option", "NONE")
            .all("is_updatable", "NO")
            .all("is_insertable_into", "NO")
            .all("is_trigger_updatable", "NO")
            .all("is_trigger_deletable", "NO")
            .all("is_trigger_insertable_into", "NO")
    }

    fn columns(&self, rows: Rows) -> Rows {
        let numbered = |t: &'v Table| t.columns.iter().zip(1..).map(move |(c, number)| (t, c, number));
        let catalog = self.catalog;
        let all: Vec<(&Table, &Column, i32)> = catalog.tables().flat_map(|t| numbered(t)).collect();
        let types = || all.iter().map(|(_, c, _)| c.ty);
        rows.with("table_schema", all.iter().map(|(t, ..)| &t.schema))
            .with("table_name", all.iter().map(|(t, ..)| &t.name))
            .with("column_name", all.iter().map(|(_, c, _)| &c.name))
            .with("ordinal_position", all.iter().map(|a| a.2))
            .with("is_nullable", all.iter().map(|(_, c, _)| yes_or_no(c.nullable)))
            .with("data_type", types().map(data_type))
            .with("character_maximum_length", types().map(|ty| ty.length_typmod()))
            .with("character_octet_length", types().map(octets))
            .with("numeric_precision", types().map(precision))
            .with("numeric_precision_radix", types().map(radix))
            .with("numeric_scale", types().map(scale))
            .with("datetime_precision", types().map(datetime_precision))
            .with("udt_name", types().map(|ty| ty.info().name))
            .with("dtd_identifier", all.iter().map(|a| a.2.to_string()))
            .all("table_catalog", self.database)
            .all("udt_catalog", self.database)
            .all("udt_schema", "pg_catalog")
            .all("is_self_referencing", "NO")
            .all("is_identity", "NO")
            .all("identity_cycle", "NO")
            .all("is_generated", "NEVER")
            .all("is_updatable", "NO")
    }

    fn keys(&self) -> Vec<(&'v Table, &'v Key)> {
        let catalog = self.catalog;
        let of = |t: &'v Table| t.keys.iter().map(move |key| (t, key));
        catalog.tables().flat_map(|t| of(t)).collect()
    }

    fn table_constraints(&self, rows: Rows) -> Rows {
        let all = self.keys();
        let kind = |key: &Key| if key.kind == KeyKind::Primary { "PRIMARY KEY" } else { "UNIQUE" };
        rows.with("constraint_schema", all.iter().map(|(t, _)| &t.schema))
            .with("constraint_name", all.iter().map(|(_, key)| &key.name))
            .with("table_schema", all.iter().map(|(t, _)| &t.schema))
            .with("table_name", all.iter().map(|(t, _)| &t.name))
            .with("constraint_type", all.iter().map(|(_, key)| kind(key)))
            .with("nulls_distinct", all.iter().map(|(_, key)| (key.kind == KeyKind::Unique).then_some("YES")))
            .all("constraint_catalog", self.database)
            .all("table_catalog", self.database)
            .all("is_deferrable", "NO")
            .all("initially_deferred", "NO")
            .all("enforced", "YES")
    }

    /// The columns of keys; `constraint_column_usage` says so without their order.
    fn key_columns(&self, rows: Rows, usage: bool) -> Rows {
        let numbered = |(t, key): (&'v Table, &'v Key)| {
            key.columns.iter().zip(1..).map(move |(column, number)| (t, key, column, number))
        };
        let all: Vec<(&Table, &Key, &String, i32)> = self.keys().into_iter().flat_map(numbered).collect();
        let rows = rows
            .with("constraint_schema", all.iter().map(|a| &a.0.schema))
            .with("constraint_name", all.iter().map(|a| &a.1.name))
            .with("table_schema", all.iter().map(|a| &a.0.schema))
            .with("table_name", all.iter().map(|a| &a.0.name))
            .with("column_name", all.iter().map(|a| a.2))
            .all("constraint_catalog", self.database)
            .all("table_catalog", self.database);
        if usage { rows } else { rows.with("ordinal_position", all.iter().map(|a| a.3)) }
    }
}

fn data_type(ty: PgType) -> &'static str {
    if ty.is_array() { "ARRAY" } else { ty.info().sql_name }
}

fn octets(ty: PgType) -> Option<i64> {
    /// What PostgreSQL says of `text`.
    const MOST: i64 = 1 << 30;
    match (ty.length_typmod(), ty.oid) {
        // A character of UTF-8 takes up to four bytes.
        (Some(length), _) => Some(4 * length as i64),
        (None, oid::TEXT | oid::VARCHAR | oid::BPCHAR) => Some(MOST),
        _ => None,
    }
}

fn precision(ty: PgType) -> Option<u32> {
    match ty.oid {
        oid::INT2 => Some(16),
        oid::INT4 => Some(32),
        oid::INT8 => Some(64),
        oid::FLOAT4 => Some(24),
        oid::FLOAT8 => Some(53),
        _ => ty.numeric_typmod().map(|(precision, _)| precision),
    }
}

fn radix(ty: PgType) -> Option<i32> {
    match ty.oid {
        oid::INT2 | oid::INT4 | oid::INT8 | oid::FLOAT4 | oid::FLOAT8 => Some(2),
        oid::NUMERIC => Some(10),
        _ => None,
    }
}

fn scale(ty: PgType) -> Option<i32> {
    if ty.is_integer() { Some(0) } else { ty.numeric_typmod().map(|(_, scale)| scale) }
}

fn datetime_precision(ty: PgType) -> Option<i32> {
    match ty.oid {
        oid::DATE => Some(0),
        oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ => Some(if ty.typmod < 0 { 6 } else { ty.typmod }),
        oid::INTERVAL => Some(if ty.typmod < 0 || ty.typmod & 0xffff == 0xffff { 6 } else { ty.typmod & 0xffff }),
        _ => None,
    }
}
