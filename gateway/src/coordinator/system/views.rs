//! `pg_tables`, `pg_views`, `pg_indexes`: PostgreSQL's own summaries of its catalogs.

use planner::catalog::{Key, Table, TableKind};
use planner::pgsem::text::quote::quote_ident;

use super::View;
use super::rows::Rows;

impl<'v> View<'v> {
    fn of_kind(&self, kind: TableKind) -> Vec<&'v Table> {
        let catalog = self.catalog;
        catalog.tables().map(AsRef::as_ref).filter(|t| t.kind == kind).collect()
    }

    pub(super) fn pg_tables(&self, rows: Rows) -> Rows {
        let all = self.of_kind(TableKind::Table);
        rows.with("schemaname", all.iter().map(|t| &t.schema))
            .with("tablename", all.iter().map(|t| &t.name))
            .all("tableowner", self.principal)
            .with("hasindexes", all.iter().map(|t| !t.keys.is_empty()))
            .all("hasrules", false)
            .all("hastriggers", false)
            .all("rowsecurity", false)
    }

    pub(super) fn pg_views(&self, rows: Rows) -> Rows {
        let all = self.of_kind(TableKind::View);
        rows.with("schemaname", all.iter().map(|t| &t.schema))
            .with("viewname", all.iter().map(|t| &t.name))
            .all("viewowner", self.principal)
    }

    pub(super) fn pg_indexes(&self, rows: Rows) -> Rows {
        let all: Vec<(&Table, &Key)> =
            self.catalog.tables().flat_map(|t| t.keys.iter().map(move |key| (t.as_ref(), key))).collect();
        rows.with("schemaname", all.iter().map(|(t, _)| &t.schema))
            .with("tablename", all.iter().map(|(t, _)| &t.name))
            .with("indexname", all.iter().map(|(_, key)| &key.name))
            .with("indexdef", all.iter().map(|(t, key)| definition(t, key)))
    }
}

fn definition(table: &Table, key: &Key) -> String {
    key.index_definition(&format!("{}.{}", quote_ident(&table.schema), quote_ident(&table.name)))
}
