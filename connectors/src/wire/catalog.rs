//! What a source holds, as a message.

use planner::catalog::{Column, ColumnStats, EngineKind, Key, KeyKind, SourceSchema, SourceTable, TableKind};
use planner::{Error, Result};

use super::{malformed, proto};
use crate::connector::Health;

pub fn engine_name(kind: EngineKind) -> &'static str {
    match kind {
        EngineKind::Postgres => "postgres",
        EngineKind::MySql => "mysql",
        EngineKind::Files => "files",
        EngineKind::System => "system",
        EngineKind::Site => "site",
    }
}

/// `None`: an engine this build does not know.
pub fn engine_kind(name: &str) -> Option<EngineKind> {
    [EngineKind::Postgres, EngineKind::MySql, EngineKind::Files].into_iter().find(|kind| engine_name(*kind) == name)
}

pub fn health_name(health: Health) -> &'static str {
    match health {
        Health::Opening => "opening",
        Health::Healthy => "healthy",
        Health::Unavailable => "unavailable",
    }
}

pub fn health(name: &str) -> Health {
    match name {
        "healthy" => Health::Healthy,
        "unavailable" => Health::Unavailable,
        _ => Health::Opening,
    }
}

impl From<SourceSchema> for proto::SourceSchema {
    fn from(schema: SourceSchema) -> Self {
        Self {
            version: schema.version,
            default_schema: schema.default_schema,
            c_collation: schema.c_collation,
            snapshots: schema.snapshots,
            tables: schema.tables.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::SourceSchema> for SourceSchema {
    type Error = Error;
    fn try_from(schema: proto::SourceSchema) -> Result<Self> {
        Ok(Self {
            version: schema.version,
            default_schema: schema.default_schema,
            c_collation: schema.c_collation,
            snapshots: schema.snapshots,
            tables: schema.tables.into_iter().map(TryInto::try_into).collect::<Result<_>>()?,
        })
    }
}

impl From<SourceTable> for proto::Table {
    fn from(table: SourceTable) -> Self {
        let key = |k: Key| proto::Key { name: k.name, primary: k.kind == KeyKind::Primary, columns: k.columns };
        let skipped = |(column, reason)| proto::Skipped { column, reason };
        Self {
            schema: table.remote_schema,
            name: table.remote_name,
            view: table.kind == TableKind::View,
            columns: table.columns.into_iter().map(Into::into).collect(),
            keys: table.keys.into_iter().map(key).collect(),
            rows: table.rows,
            bytes: table.bytes,
            comment: table.comment,
            skipped: table.skipped.into_iter().map(skipped).collect(),
        }
    }
}

impl TryFrom<proto::Table> for SourceTable {
    type Error = Error;
    fn try_from(table: proto::Table) -> Result<Self> {
        let kind = |primary| if primary { KeyKind::Primary } else { KeyKind::Unique };
        let key = |k: proto::Key| Key { name: k.name, kind: kind(k.primary), columns: k.columns };
        Ok(Self {
            remote_schema: table.schema,
            remote_name: table.name,
            kind: if table.view { TableKind::View } else { TableKind::Table },
            columns: table.columns.into_iter().map(TryInto::try_into).collect::<Result<_>>()?,
            keys: table.keys.into_iter().map(key).collect(),
            rows: table.rows,
            bytes: table.bytes,
            comment: table.comment,
            skipped: table.skipped.into_iter().map(|s| (s.column, s.reason)).collect(),
        })
    }
}

impl From<Column> for proto::Column {
    fn from(column: Column) -> Self {
        let ColumnStats { distinct, null_fraction, width, min, max } = column.stats;
        Self {
            name: column.name,
            remote_name: column.remote_name,
            r#type: Some(column.ty.into()),
            remote_type: column.remote_type,
            nullable: column.nullable,
            opaque: column.opaque,
            always_null: column.always_null,
            collation: column.collation,
            comment: column.comment,
            distinct,
            null_fraction,
            width,
            min,
            max,
        }
    }
}

impl TryFrom<proto::Column> for Column {
    type Error = Error;
    fn try_from(column: proto::Column) -> Result<Self> {
        let proto::Column { distinct, null_fraction, width, min, max, .. } = column;
        Ok(Self {
            name: column.name,
            remote_name: column.remote_name,
            ty: column.r#type.as_ref().ok_or_else(|| malformed("a column"))?.into(),
            remote_type: column.remote_type,
            nullable: column.nullable,
            opaque: column.opaque,
            always_null: column.always_null,
            collation: column.collation,
            comment: column.comment,
            stats: ColumnStats { distinct, null_fraction, width, min, max },
        })
    }
}

#[cfg(test)]
mod tests {
    use planner::PgType;

    use super::*;

    #[test]
    fn a_schema_arrives_as_it_was_sent() {
        let stats = ColumnStats { distinct: Some(3.0), min: Some("a".into()), ..ColumnStats::default() };
        let column = Column {
            name: "a".into(),
            remote_name: "A".into(),
            ty: PgType { oid: 1700, typmod: 655_366 },
            remote_type: "numeric(10,2)".into(),
            nullable: true,
            opaque: true,
            always_null: false,
            collation: Some("C".into()),
            comment: None,
            stats,
        };
        let table = SourceTable {
            remote_schema: "s".into(),
            remote_name: "t".into(),
            kind: TableKind::View,
            columns: vec![column],
            keys: vec![Key { name: "k".into(), kind: KeyKind::Unique, columns: vec!["a".into()] }],
            rows: Some(0.0),
            bytes: None,
            comment: Some("c".into()),
            skipped: vec![("x".into(), "why".into())],
        };
        let schema = SourceSchema {
            version: "1".into(),
            default_schema: "s".into(),
            c_collation: true,
            snapshots: true,
            tables: vec![table],
        };
        let back = SourceSchema::try_from(proto::SourceSchema::from(schema.clone())).unwrap();
        assert_eq!(format!("{back:?}"), format!("{schema:?}"));
    }
}
