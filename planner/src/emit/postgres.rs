//! PostgreSQL's SQL, which is also what the embedded files engine takes.
//!
//! A function of [`crate::pgsem`] is PostgreSQL's own, so everything with an SQL form may be sent. Exceptions are what depends
//! on the database's collation or character classification (an explicit `COLLATE "C"` makes it ours) and on session settings
//! (never sent: [`SqlForm::Local`]). Sessions pin `standard_conforming_strings = on` and an empty `search_path`.

use datafusion_common::ScalarValue;
use datafusion_expr::JoinType;

use super::literal::text_of;
use super::{AggregateSql, Comparison, Dialect, Refusal, Sql, Written};
use crate::catalog::{Column, Source};
use crate::pgsem::{PgFunc, SqlForm};
use crate::pgtype::{PgType, oid};

pub struct Postgres {
    /// The reader is Narrows' own binder (files engine): it has the gateway's collation and no `"C"` to name.
    pub narrows: bool,
}

/// Functions whose result depends on the character classification or collation of their first argument.
const CTYPE_FUNCTIONS: &[&str] = &["upper", "lower", "initcap", "texticlike", "texticnlike"];

fn depends_on_ctype(func: &PgFunc) -> bool {
    CTYPE_FUNCTIONS.contains(&func.def.name) || func.def.name.contains("regex")
}

/// Aggregates by the name they have in the plan and in SQL.
const AGGREGATES: &[(&str, &str)] = &[
    ("count", "count"),
    ("sum", "sum"),
    ("min", "min"),
    ("max", "max"),
    ("bool_and", "bool_and"),
    ("bool_or", "bool_or"),
    ("string_agg", "string_agg"),
    ("array_agg", "array_agg"),
];

impl Postgres {
    /// Text under the gateway's collation.
    fn collated(&self, source: &Source, value: &Sql) -> String {
        if self.narrows || source.c_collation || !value.ty.is_string() || value.ty == PgType::NAME {
            return value.text.clone();
        }
        format!("({} COLLATE \"C\")", value.text)
    }
}

impl Dialect for Postgres {
    fn identifier(&self, name: &str) -> Written<String> {
        if name.chars().any(char::is_control) {
            return Err(Refusal::new("a control character in a name"));
        }
        Ok(format!("\"{}\"", name.replace('"', "\"\"")))
    }

    fn literal(&self, value: &ScalarValue, ty: PgType) -> Written<String> {
        match value {
            ScalarValue::Boolean(Some(b)) => return Ok(if *b { "TRUE" } else { "FALSE" }.to_string()),
            ScalarValue::Int32(Some(n)) if *n >= 0 && ty.oid == oid::INT4 => return Ok(n.to_string()),
            _ => {}
        }
        Ok(format!("{}::{}", quoted(&text_of(value, ty)?)?, type_name(ty.without_typmod())?))
    }

    fn takes_text_keys(&self) -> bool {
        true
    }

    fn untyped(&self, text: &str) -> Written<String> {
        quoted(text)
    }

    fn null(&self, ty: PgType) -> Written<String> {
        Ok(format!("NULL::{}", type_name(ty.without_typmod())?))
    }

    fn column(&self, _source: &Source, text: String, column: &Column) -> Written {
        if column.always_null {
            return Ok(Sql::new(self.null(column.ty)?, column.ty));
        }
        if column.opaque {
            // Also a collation that is not deterministic: equal would be more than the same bytes.
            let collate = if column.ty.is_string() && !self.narrows { " COLLATE \"C\"" } else { "" };
            return Ok(Sql::new(format!("(CAST({text} AS {}){collate})", type_name(column.ty)?), column.ty));
        }
        Ok(Sql::simple(text, column.ty))
    }

    fn output(&self, value: Sql, ty: PgType) -> Written<String> {
        // A bare column has its type; anything else is pinned, since the binary stream carries none.
        if value.simple && value.ty.oid == ty.oid {
            return Ok(value.text);
        }
        Ok(format!("CAST({} AS {})", value.text, type_name(ty.without_typmod())?))
    }

    fn comparison(&self, source: &Source, op: Comparison, left: Sql, right: Sql) -> Written {
        let left_text = if op.is_ordering() { self.collated(source, &left) } else { left.text };
        Ok(Sql::new(format!("({left_text} {} {})", op.sql(), right.text), PgType::BOOL))
    }

    fn function(&self, source: &Source, func: &PgFunc, mut args: Vec<Sql>) -> Written {
        if depends_on_ctype(func)
            && let Some(first) = args.first_mut()
        {
            first.text = self.collated(source, first);
        }
        let list = |args: &[Sql]| args.iter().map(|a| a.text.as_str()).collect::<Vec<_>>().join(", ");
        let text = match (func.def.sql, args.as_slice()) {
            (SqlForm::Infix(op), [l, r]) => format!("({} {op} {})", l.text, r.text),
            (SqlForm::Prefix(op), [a]) => format!("({op} {})", a.text),
            (SqlForm::Call(name), args) => format!("{name}({})", list(args)),
            (SqlForm::Cast, [a, ..]) => format!("CAST({} AS {})", a.text, type_name(func.ty)?),
            (SqlForm::Transparent, [a, ..]) => return Ok(a.clone().through(func)),
            (SqlForm::Special("extract"), args) => format!("pg_catalog.\"extract\"({})", list(args)),
            (SqlForm::Special("subscript"), [a, i]) => format!("({})[{}]", a.text, i.text),
            (SqlForm::Special("array"), args) => format!("ARRAY[{}]", list(args)),
            _ => return Err(Refusal::new(format!("the function {}", func.def.name))),
        };
        Ok(Sql::new(text, func.ty))
    }

    fn aggregate(&self, source: &Source, call: AggregateSql<'_>) -> Written {
        let name = match AGGREGATES.iter().find(|(plan, _)| *plan == call.name) {
            Some((_, sql)) => *sql,
            // Any value of a group whose values are all equal.
            None if call.name.starts_with("first_") => "min",
            None => return Err(Refusal::new(format!("the aggregate {}", call.name))),
        };
        let mut args: Vec<String> = call.args.iter().map(|a| a.text.clone()).collect();
        if matches!(name, "min" | "max") {
            args = call.args.iter().map(|a| self.collated(source, a)).collect();
        }
        let mut text = name.to_string() + "(";
        if args.is_empty() {
            text.push('*');
        }
        if call.distinct {
            text += "DISTINCT ";
        }
        text += &args.join(", ");
        if !call.order_by.is_empty() {
            text += &format!(" ORDER BY {}", call.order_by.join(", "));
        }
        text.push(')');
        if let Some(filter) = call.filter {
            text += &format!(" FILTER (WHERE {})", filter.text);
        }
        Ok(Sql::new(text, call.ty))
    }

    fn window(&self, name: &str) -> Written<()> {
        // DataFusion's ranking functions are unsigned, which no engine's answer is.
        const WINDOWS: &[&str] =
            &["lag", "lead", "first_value", "last_value", "nth_value", "count", "sum", "min", "max"];
        if WINDOWS.contains(&name) { Ok(()) } else { Err(Refusal::new(format!("the window function {name}"))) }
    }

    fn group_key(&self, _source: &Source, value: Sql) -> Written {
        Ok(value)
    }

    fn sort_key(&self, source: &Source, value: Sql, ascending: bool, nulls_first: bool) -> Written<String> {
        let direction = if ascending { "ASC" } else { "DESC" };
        let nulls = if nulls_first { "FIRST" } else { "LAST" };
        Ok(format!("{} {direction} NULLS {nulls}", self.collated(source, &value)))
    }

    fn join(&self, _kind: JoinType) -> Written<()> {
        Ok(())
    }

    fn takes_ranges(&self) -> bool {
        !self.narrows
    }

    fn limit(&self, fetch: Option<usize>, skip: usize) -> String {
        let mut text = String::new();
        if let Some(fetch) = fetch {
            text += &format!(" LIMIT {fetch}");
        }
        if skip > 0 {
            text += &format!(" OFFSET {skip}");
        }
        text
    }
}

/// A string constant. Plain quotes if possible; control characters and the parameter mark go as escapes.
fn quoted(text: &str) -> Written<String> {
    if text.contains('\0') {
        return Err(Refusal::new("a zero byte in text"));
    }
    let doubled = text.replace('\'', "''");
    if !text.contains('\u{1}') {
        return Ok(format!("'{doubled}'"));
    }
    Ok(format!("E'{}'", doubled.replace('\\', "\\\\").replace('\u{1}', "\\x01")))
}

/// A type in a cast. Internal names, because `character` alone would mean `character(1)`.
pub fn type_name(ty: PgType) -> Written<String> {
    if let Some(element) = ty.element() {
        return Ok(format!("{}[]", type_name(element)?));
    }
    let name = match ty.oid {
        oid::CHAR => "\"char\"",
        oid::UNKNOWN => "text",
        _ => ty.info().name,
    };
    Ok(match ty.oid {
        _ if ty.typmod < 0 => name.to_string(),
        oid::NUMERIC => {
            let (p, s) = ty.numeric_typmod().unwrap_or((38, 0));
            format!("numeric({p},{s})")
        }
        oid::BPCHAR | oid::VARCHAR => format!("{name}({})", ty.typmod - 4),
        oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ => format!("{name}({})", ty.typmod),
        _ => return Err(Refusal::new(format!("the type {ty}"))),
    })
}
