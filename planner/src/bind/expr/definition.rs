//! What the catalog says of an object by its OID: names, definitions, comments, sizes.

use crate::bind::Binder;
use crate::bind::relation::SYSTEM_SCHEMA;
use crate::catalog::{Key, KeyKind, Table, name_oid};
use crate::error::Result;
use crate::pgsem::Typed;
use crate::pgsem::lookup::{Lookup, NUMBER_OF, TEXT_OF, TRUTH_OF};
use crate::pgsem::text::quote::quote_ident;
use crate::pgtype::{PgType, oid};

type Answers = Vec<((u32, i32), String)>;

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
                let shown = |t: &Table, name: &str| {
                    if self.finds(&t.schema, name) {
                        quote_ident(name)
                    } else {
                        format!("{}.{}", quote_ident(&t.schema), quote_ident(name))
                    }
                };
                let tables = self.catalog.tables().map(|t| ((t.oid, 0), shown(t, &t.name)));
                tables.chain(self.keys().map(|(t, key, oid)| ((oid, 0), shown(t, &key.name)))).collect()
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
        self.catalog.tables().flat_map(|t| t.keys.iter().zip(&t.key_oids).map(|(key, oid)| (t.as_ref(), key, *oid)))
    }

    /// Whether the name alone means the relation of that schema.
    fn finds(&self, schema: &str, name: &str) -> bool {
        let has = |s: &str| {
            self.catalog.schemas.get(s).is_some_and(|tables| {
                tables.contains_key(name) || tables.values().any(|t| t.keys.iter().any(|k| k.name == name))
            })
        };
        let path = self.ctx.search_path.iter().map(String::as_str);
        std::iter::once(SYSTEM_SCHEMA).chain(path).find(|s| has(s)) == Some(schema)
    }

    /// `t` or `f` for every relation.
    fn visible(&self) -> Answers {
        let on_path = |schema: &str| schema == SYSTEM_SCHEMA || self.ctx.search_path.iter().any(|s| s == schema);
        let answer = |schema: &str, name: &str| {
            let found = on_path(schema) && self.finds(schema, name);
            (if found { "t" } else { "f" }).to_string()
        };
        let tables = self.catalog.tables().map(|t| ((t.oid, 0), answer(&t.schema, &t.name)));
        tables.chain(self.keys().map(|(t, key, oid)| ((oid, 0), answer(&t.schema, &key.name)))).collect()
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
        let mut answers = Vec::new();
        for (table, key, oid) in self.keys() {
            let columns: Vec<String> = key.columns.iter().map(|c| quote_ident(c)).collect();
            let on = if pretty && self.finds(&table.schema, &table.name) {
                quote_ident(&table.name)
            } else {
                format!("{}.{}", quote_ident(&table.schema), quote_ident(&table.name))
            };
            let (name, list) = (quote_ident(&key.name), columns.join(", "));
            answers.push(((oid, 0), format!("CREATE UNIQUE INDEX {name} ON {on} USING btree ({list})")));
            answers.extend(columns.into_iter().zip(1..).map(|(column, number)| ((oid, number), column)));
        }
        answers
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
