//! Identifiers and literals as PostgreSQL's SQL would have them written.

use super::TEXT;
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::cast;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::Text;
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::func("quote_ident", &[TEXT], TEXT, &QUOTE_IDENT),
        Signature::func("quote_literal", &[TEXT], TEXT, &QUOTE_LITERAL),
        Signature::build("quote_literal", &[oid::ANYELEMENT], TEXT, |ctx, args| {
            through_text(ctx, args, &QUOTE_LITERAL)
        }),
        Signature::func("quote_nullable", &[TEXT], TEXT, &QUOTE_NULLABLE),
        Signature::build("quote_nullable", &[oid::ANYELEMENT], TEXT, |ctx, args| {
            through_text(ctx, args, &QUOTE_NULLABLE)
        }),
    ]
}

fn through_text(ctx: &QueryContext, args: Vec<Typed>, def: &'static FuncDef) -> Result<Typed> {
    let args = args.into_iter().map(|a| cast::to_text(ctx, a)).collect::<Result<Vec<_>>>()?;
    Ok(def.apply(args, PgType::TEXT))
}

static QUOTE_IDENT: FuncDef =
    FuncDef::new("quote_ident", SqlForm::Call("quote_ident"), |c| c.map1::<Text, Text>(|s| Ok(quote_ident(s))));
static QUOTE_LITERAL: FuncDef =
    FuncDef::new("quote_literal", SqlForm::Call("quote_literal"), |c| c.map1::<Text, Text>(|s| Ok(quote_literal(s))));
static QUOTE_NULLABLE: FuncDef = FuncDef::new("quote_nullable", SqlForm::Call("quote_nullable"), |c| {
    let column = c.column::<Text>(0)?;
    c.build::<Text>(|row| Ok(Some(c.get::<Text>(&column, 0, row).map_or_else(|| "NULL".to_string(), quote_literal))))
})
.not_strict();

pub fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && KEYWORDS.binary_search(&name).is_err();
    if plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

pub fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// Every keyword of PostgreSQL 15 that is not an ordinary name, sorted.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint",
    "binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation",
    "column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable",
    "desc", "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "float", "for", "foreign",
    "freeze", "from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in", "initially", "inner",
    "inout", "int", "integer", "intersect", "interval", "into", "is", "isnull", "join", "lateral", "leading", "least",
    "left", "like", "limit", "localtime", "localtimestamp", "national", "natural", "nchar", "none", "normalize", "not",
    "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps", "overlay",
    "placing", "position", "precision", "primary", "real", "references", "returning", "right", "row", "select",
    "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", "table", "tablesample", "then",
    "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union", "unique", "user", "using", "values",
    "varchar", "variadic", "verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement",
    "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];
