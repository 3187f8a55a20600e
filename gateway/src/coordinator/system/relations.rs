//! What system tables there are, and their columns.

use std::sync::{Arc, LazyLock};

use planner::PgType;
use planner::catalog::{Column, ColumnStats, Placement, Table, TableKind};
use planner::pgtype::all_types;

use super::{narrows, source};

pub fn relations() -> &'static [Arc<Table>] {
    static RELATIONS: LazyLock<Vec<Arc<Table>>> = LazyLock::new(|| {
        let postgres = include_str!("relations.tsv").lines().filter(|l| !l.starts_with('#')).filter_map(read);
        postgres.chain(narrows::relations()).collect()
    });
    &RELATIONS
}

pub fn relation(schema: &str, name: &str) -> Option<&'static Arc<Table>> {
    relations().iter().find(|r| r.name == name && r.schema == schema)
}

/// A line of the file; its test keeps it readable.
fn read(line: &str) -> Option<Arc<Table>> {
    let [schema, oid, name, kind, columns] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    let columns = columns.split(',').map(|column| {
        let mut words = column.split(' ');
        let (name, ty) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        (name, type_of(ty), words.next() == Some("!"))
    });
    let kind = if kind == "v" { TableKind::View } else { TableKind::Table };
    Some(define(schema, oid.parse().ok()?, name, kind, columns, None))
}

fn type_of(name: &str) -> PgType {
    match name {
        "varchar(3)" => PgType::varchar(3),
        name => all_types().find(|t| t.name == name).map_or(PgType::UNKNOWN, |t| PgType::of(t.oid)),
    }
}

/// A table with columns of that name, type and NOT NULL.
pub fn define<'a>(
    schema: &str,
    oid: u32,
    name: &str,
    kind: TableKind,
    columns: impl Iterator<Item = (&'a str, PgType, bool)>,
    comment: Option<&str>,
) -> Arc<Table> {
    let columns: Vec<Column> = columns.map(|(name, ty, not_null)| column(name, ty, !not_null)).collect();
    Arc::new(Table {
        schema: schema.to_string(),
        name: name.to_string(),
        kind,
        columns,
        keys: Vec::new(),
        placements: vec![Placement {
            source: source().id,
            remote_schema: schema.to_string(),
            remote_name: name.to_string(),
            predicate: None,
            replica_group: 0,
            part: None,
        }],
        rows: None,
        bytes: None,
        comment: comment.map(str::to_string),
        skipped: Vec::new(),
        oid,
        key_oids: Vec::new(),
    })
}

fn column(name: &str, ty: PgType, nullable: bool) -> Column {
    Column {
        name: name.to_string(),
        remote_name: name.to_string(),
        ty,
        remote_type: ty.to_string(),
        nullable,
        opaque: false,
        always_null: false,
        collation: None,
        comment: None,
        stats: ColumnStats::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_line_is_a_table_of_known_types() {
        let lines = include_str!("relations.tsv").lines().filter(|l| !l.starts_with('#'));
        assert_eq!(lines.filter_map(read).count() + narrows::relations().count(), relations().len());
        for relation in relations() {
            for column in &relation.columns {
                assert_ne!(column.ty, PgType::UNKNOWN, "{}.{}", relation.name, column.name);
            }
        }
    }

    #[test]
    fn oids_differ() {
        let oids: HashSet<u32> = relations().iter().map(|r| r.oid).collect();
        assert_eq!(oids.len(), relations().len());
    }
}
