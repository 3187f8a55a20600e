//! `pg_index` and `pg_constraint`: the primary keys and unique constraints of the sources.

use planner::catalog::{Key, KeyKind, Table};

use super::View;
use super::rows::Rows;
use super::tables::collation;

/// A key, its table and its OID.
struct Constraint<'a> {
    table: &'a Table,
    key: &'a Key,
    oid: u32,
}

impl Constraint<'_> {
    /// Numbers of its columns.
    fn columns(&self) -> Vec<usize> {
        self.key
            .columns
            .iter()
            .filter_map(|k| self.table.columns.iter().position(|c| c.name == *k))
            .map(|i| i + 1)
            .collect()
    }
}

impl<'v> View<'v> {
    fn constraints(&self) -> Vec<Constraint<'v>> {
        let catalog = self.catalog;
        let of_table = |table: &'v Table| table.indexes().map(move |(key, oid)| Constraint { table, key, oid });
        catalog.tables().flat_map(|t| of_table(t)).collect()
    }

    pub(super) fn pg_index(&self, rows: Rows) -> Rows {
        let all = self.constraints();
        let each = |of: fn(&Constraint<'_>, usize) -> u32| {
            let list = |c: &Constraint<'_>| c.columns().into_iter().map(|n| of(c, n)).collect::<Vec<_>>();
            all.iter().map(list).collect::<Vec<_>>()
        };
        rows.with("indexrelid", all.iter().map(|c| c.oid))
            .with("indrelid", all.iter().map(|c| c.table.oid))
            .with("indnatts", all.iter().map(|c| c.columns().len()))
            .with("indnkeyatts", all.iter().map(|c| c.columns().len()))
            .all("indisunique", true)
            .with("indisprimary", all.iter().map(|c| c.key.kind == KeyKind::Primary))
            .all("indimmediate", true)
            .all("indisvalid", true)
            .all("indisready", true)
            .all("indislive", true)
            .with("indkey", all.iter().map(Constraint::columns))
            .with("indcollation", each(|c, n| collation(&c.table.columns[n - 1])))
            .with("indclass", each(|_, _| 0))
            .with("indoption", each(|_, _| 0))
    }

    pub(super) fn pg_constraint(&self, rows: Rows) -> Rows {
        let all = self.constraints();
        rows.with("oid", all.iter().map(|c| c.oid))
            .with("conname", all.iter().map(|c| &c.key.name))
            .with("connamespace", all.iter().map(|c| self.schema_oid(&c.table.schema)))
            .with("contype", all.iter().map(|c| if c.key.kind == KeyKind::Primary { "p" } else { "u" }))
            .all("convalidated", true)
            .with("conrelid", all.iter().map(|c| c.table.oid))
            .with("conindid", all.iter().map(|c| c.oid))
            .all("confupdtype", " ")
            .all("confdeltype", " ")
            .all("confmatchtype", " ")
            .all("conislocal", true)
            .all("connoinherit", true)
            .with("conkey", all.iter().map(Constraint::columns))
    }
}
