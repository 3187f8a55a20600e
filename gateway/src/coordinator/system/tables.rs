//! `pg_class`, `pg_attribute` and `pg_description`: relations, their columns, what is said about them.

use planner::catalog::{Column, Key, Table, TableKind};
use planner::pgtype::oid;

use super::View;
use super::rows::Rows;

/// OIDs of PostgreSQL's catalogs and access methods.
const PG_CLASS: u32 = 1259;
const HEAP: u32 = 2;
const BTREE: u32 = 403;

/// A member of `pg_class`: a table or view, or the index of one of its keys.
pub enum Relation<'a> {
    Table(&'a Table),
    Index { table: &'a Table, key: &'a Key, oid: u32 },
}

impl<'a> Relation<'a> {
    fn table(&self) -> &'a Table {
        match self {
            Relation::Table(table) | Relation::Index { table, .. } => table,
        }
    }

    fn oid(&self) -> u32 {
        match self {
            Relation::Table(table) => table.oid,
            Relation::Index { oid, .. } => *oid,
        }
    }

    fn name(&self) -> &'a str {
        match self {
            Relation::Table(table) => &table.name,
            Relation::Index { key, .. } => &key.name,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Relation::Table(table) if table.kind == TableKind::View => "v",
            Relation::Table(_) => "r",
            Relation::Index { .. } => "i",
        }
    }

    fn columns(&self) -> Vec<&'a Column> {
        match self {
            Relation::Table(table) => table.columns.iter().collect(),
            Relation::Index { table, key, .. } => {
                key.columns.iter().filter_map(|name| table.columns.iter().find(|c| c.name == *name)).collect()
            }
        }
    }
}

impl<'v> View<'v> {
    fn relations(&self) -> Vec<Relation<'v>> {
        let catalog = self.catalog;
        let of_table = |table: &'v Table| {
            let indexes = table.indexes().map(move |(key, oid)| Relation::Index { table, key, oid });
            std::iter::once(Relation::Table(table)).chain(indexes)
        };
        catalog.tables().flat_map(|t| of_table(t)).collect()
    }

    pub(super) fn pg_class(&self, rows: Rows) -> Rows {
        const PAGE: f64 = 8192.0;
        let all = self.relations();
        let is_view = |r: &Relation<'_>| r.kind() == "v";
        rows.with("oid", all.iter().map(Relation::oid))
            .with("relname", all.iter().map(Relation::name))
            .with("relnamespace", all.iter().map(|r| self.schema_oid(&r.table().schema)))
            .all("relowner", self.owner())
            .with(
                "relam",
                all.iter().map(|r| match r.kind() {
                    "v" => 0,
                    "i" => BTREE,
                    _ => HEAP,
                }),
            )
            .with("relfilenode", all.iter().map(|r| if is_view(r) { 0 } else { r.oid() }))
            .with("relpages", all.iter().map(|r| (r.table().bytes.unwrap_or(0.0) / PAGE).ceil() as i32))
            .with("reltuples", all.iter().map(|r| r.table().rows.unwrap_or(if is_view(r) { 0.0 } else { -1.0 })))
            .with("relhasindex", all.iter().map(|r| matches!(r, Relation::Table(t) if !t.keys.is_empty())))
            .all("relpersistence", "p")
            .with("relkind", all.iter().map(Relation::kind))
            .with("relnatts", all.iter().map(|r| r.columns().len()))
            .with("relhasrules", all.iter().map(is_view))
            .all("relispopulated", true)
            .with("relreplident", all.iter().map(|r| if r.kind() == "r" { "d" } else { "n" }))
    }

    pub(super) fn pg_attribute(&self, rows: Rows) -> Rows {
        let relations = self.relations();
        let numbered = |r: &Relation<'v>| {
            let (relation, index) = (r.oid(), r.kind() == "i");
            r.columns().into_iter().zip(1..).map(move |(c, number)| (relation, index, c, number)).collect::<Vec<_>>()
        };
        let all: Vec<(u32, bool, &Column, i32)> = relations.iter().flat_map(numbered).collect();
        let info = |c: &Column| c.ty.info();
        rows.with("attrelid", all.iter().map(|a| a.0))
            .with("attname", all.iter().map(|a| &a.2.name))
            .with("atttypid", all.iter().map(|a| a.2.ty.oid))
            .all("attstattarget", -1)
            .with("attlen", all.iter().map(|a| info(a.2).len))
            .with("attnum", all.iter().map(|a| a.3))
            .with("attndims", all.iter().map(|a| i32::from(a.2.ty.is_array())))
            .all("attcacheoff", -1)
            .with("atttypmod", all.iter().map(|a| a.2.ty.typmod))
            .with("attbyval", all.iter().map(|a| (1..=8).contains(&info(a.2).len)))
            .with("attalign", all.iter().map(|a| alignment(info(a.2).len)))
            .with("attstorage", all.iter().map(|a| storage(a.2)))
            .with("attnotnull", all.iter().map(|a| !a.1 && !a.2.nullable))
            .all("attislocal", true)
            .with("attcollation", all.iter().map(|a| collation(a.2)))
    }

    pub(super) fn pg_description(&self, rows: Rows) -> Rows {
        let mut all: Vec<(u32, i32, &String)> = Vec::new();
        for table in self.catalog.tables() {
            all.extend(table.comment.iter().map(|comment| (table.oid, 0, comment)));
            let columns = table.columns.iter().zip(1..);
            all.extend(columns.filter_map(|(c, number)| Some((table.oid, number, c.comment.as_ref()?))));
        }
        rows.with("objoid", all.iter().map(|d| d.0))
            .all("classoid", PG_CLASS)
            .with("objsubid", all.iter().map(|d| d.1))
            .with("description", all.iter().map(|d| d.2))
    }
}

fn alignment(len: i16) -> &'static str {
    match len {
        1 | 64 => "c",
        2 => "s",
        8 | 16 => "d",
        _ => "i",
    }
}

fn storage(column: &Column) -> &'static str {
    match (column.ty.info().len, column.ty.oid) {
        (-1, oid::NUMERIC | oid::INET) => "m",
        (-1, _) => "x",
        _ => "p",
    }
}

/// `default` for text, `C` for names, as the types have it.
pub fn collation(column: &Column) -> u32 {
    let element = column.ty.element().unwrap_or(column.ty);
    match element.oid {
        oid::TEXT | oid::VARCHAR | oid::BPCHAR => 100,
        oid::NAME => 950,
        _ => 0,
    }
}
