//! What the catalog says of an object by its OID: names, definitions, comments, sizes.

use std::collections::HashMap;

use crate::bind::Binder;
use crate::bind::relation::SYSTEM_SCHEMA;
use crate::catalog::{Key, KeyKind, Table, name_oid};
use crate::error::Result;
use crate::pgsem::Typed;
use crate::pgsem::lookup::{Lookup, NUMBER_OF, TEXT_OF, TRUTH_OF};
use crate::pgsem::text::quote::quote_ident;
use crate::pgtype::{PgType, oid};

type Answers = Vec<((u32, i32), String)>;
type FoundByName<'a> = HashMap<&'a str, &'a str>;

impl Binder<'_> {
    fn look_up(&self, name: &str, answers: Answers) -> Lookup {
        Lookup::new(name, self.catalog.version, answers)
    }

    /// A function of an OID (and, for parts of an object, a number) whose answers are in the catalog. The arguments have the
    /// declared types; those that only change the style of the answer are gone.
    pub(super) fn catalog_function(&mut self, function: &str, args: Vec<Typed>) -> Result<Option<Typed>> {
        let pretty = args.last().is_some_and(|a| a.ty == PgType::BOOL);
        let first = || args[..1].to_vec();
        let text = |args, lookup| Some(TEXT_OF.look_up(args, PgType::TEXT, lookup));
        Ok(match function {
            "obj_description" => text(first(), self.look_up(function, self.comments())),
            "col_description" => text(args, self.look_up(function, self.column_comments())),
            "pg_get_indexdef" => {
                let answers = self.index_definitions(pretty);
                let name = if pretty { "pg_get_indexdef pretty" } else { function };
                text(args.into_iter().filter(|a| a.ty != PgType::BOOL).collect(), self.look_up(name, answers))
            }
            "pg_get_constraintdef" => {
                let answers = self.keys().map(|(_, key, oid)| ((oid, 0), constraint_definition(key))).collect();
                text(first(), self.look_up(function, answers))
            }
            "pg_table_is_visible" => {
                Some(TRUTH_OF.look_up(first(), PgType::BOOL, self.look_up(&self.path_name(function), self.visible())))
            }
            "pg_table_size" | "pg_relation_size" | "pg_total_relation_size" => {
                let sized = self.catalog.tables().filter_map(|t| Some(((t.oid, 0), format!("{:.0}", t.bytes?))));
                let answers = sized.collect();
                Some(NUMBER_OF.look_up(first(), PgType::INT8, self.look_up("pg_table_size", answers)))
            }
            "pg_get_userbyid" => {
                let users = self.catalog.users.iter().map(String::as_str).chain([self.ctx.principal.as_ref()]);
                let answers = users.map(|user| ((name_oid(&[user]), 0), user.to_string())).collect();
                let lookup = self.look_up(&format!("{function} {}", self.ctx.principal), answers);
                let unknown = |oid| Some(format!("unknown (OID={oid})"));
                let named = TEXT_OF.look_up(first(), PgType::NAME, lookup.or(unknown));
                Some(named)
            }
            _ => None,
        })
    }

    /// A `regclass` or `regnamespace` as text: the name as a statement of this session would write it.
    pub(super) fn name_of_object(&mut self, object: Typed) -> Option<Typed> {
        let answers: Answers = match object.ty.oid {
            oid::REGCLASS => {
                let found = self.found_by_name();
                let tables = self.catalog.tables().map(|t| ((t.oid, 0), shown(&found, true, t, &t.name)));
                tables.chain(self.keys().map(|(t, key, oid)| ((oid, 0), shown(&found, true, t, &key.name)))).collect()
            }
            oid::REGNAMESPACE => {
                self.catalog.schema_oids.iter().map(|(name, oid)| ((*oid, 0), quote_ident(name))).collect()
            }
            _ => return None,
        };
        let lookup = self.look_up(&self.path_name(&object.ty.sql_name()), answers);
        let unknown = |oid: i64| Some(if oid == 0 { "-".to_string() } else { oid.to_string() });
        Some(TEXT_OF.look_up(vec![object], PgType::TEXT, lookup.or(unknown)))
    }

    /// A name for what depends on the search path.
    fn path_name(&self, function: &str) -> String {
        format!("{function} {:?}", self.ctx.search_path)
    }

    /// Every key with its table and OID.
    fn keys(&self) -> impl Iterator<Item = (&Table, &Key, u32)> {
        self.catalog.tables().flat_map(|t| t.indexes().map(|(key, oid)| (t.as_ref(), key, oid)))
    }

    /// The schema in which a relation or index is found by its name alone.
    fn found_by_name(&self) -> FoundByName<'_> {
        let mut found = HashMap::new();
        let path = self.ctx.search_path.iter().map(String::as_str);
        for schema in std::iter::once(SYSTEM_SCHEMA).chain(path) {
            for (name, table) in self.catalog.schemas.get(schema).into_iter().flatten() {
                for name in std::iter::once(name).chain(table.keys.iter().map(|key| &key.name)) {
                    found.entry(name.as_str()).or_insert(schema);
                }
            }
        }
        found
    }

    /// `t` or `f` for every relation.
    fn visible(&self) -> Answers {
        let found = self.found_by_name();
        let answer = |t: &Table, name: &str| (if is_found(&found, t, name) { "t" } else { "f" }).to_string();
        let tables = self.catalog.tables().map(|t| ((t.oid, 0), answer(t, &t.name)));
        tables.chain(self.keys().map(|(t, key, oid)| ((oid, 0), answer(t, &key.name)))).collect()
    }

    fn comments(&self) -> Answers {
        self.catalog.tables().filter_map(|t| Some(((t.oid, 0), t.comment.clone()?))).collect()
    }

    fn column_comments(&self) -> Answers {
        let of = |t: &Table| -> Answers {
            let numbered = t.columns.iter().zip(1..);
            numbered.filter_map(|(c, number)| Some(((t.oid, number), c.comment.clone()?))).collect()
        };
        self.catalog.tables().flat_map(|t| of(t)).collect()
    }

    /// The whole definition under 0, the columns from 1.
    fn index_definitions(&self, pretty: bool) -> Answers {
        let found = self.found_by_name();
        let mut answers = Vec::new();
        for (table, key, oid) in self.keys() {
            let on = shown(&found, pretty, table, &table.name);
            answers.push(((oid, 0), key.index_definition(&on)));
            answers.extend(key.columns.iter().zip(1..).map(|(column, number)| ((oid, number), quote_ident(column))));
        }
        answers
    }
}

fn is_found(found: &FoundByName<'_>, table: &Table, name: &str) -> bool {
    found.get(name) == Some(&table.schema.as_str())
}

/// The name of a relation beside that table: without the schema if it is found so and may be `short`.
fn shown(found: &FoundByName<'_>, short: bool, table: &Table, name: &str) -> String {
    if short && is_found(found, table, name) {
        quote_ident(name)
    } else {
        format!("{}.{}", quote_ident(&table.schema), quote_ident(name))
    }
}

fn constraint_definition(key: &Key) -> String {
    let columns: Vec<String> = key.columns.iter().map(|c| quote_ident(c)).collect();
    let kind = match key.kind {
        KeyKind::Primary => "PRIMARY KEY",
        KeyKind::Unique => "UNIQUE",
    };
    format!("{kind} ({})", columns.join(", "))
}
