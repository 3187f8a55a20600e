//! MySQL's and MariaDB's SQL: only what computes exactly what PostgreSQL computes.
//!
//! Left out on purpose: integer arithmetic (results widen instead of overflowing), division (its own scale), `avg`, text
//! functions, anything over floats but equality-free reading. Text compares under an explicit binary, unpadded collation.
//! Sessions pin `sql_mode` (backslash escapes on), UTC and utf8mb4.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::JoinType;

use super::literal::text_of;
use super::{AggregateSql, Comparison, Dialect, Refusal, Sql, Written};
use crate::catalog::{Column, Source};
use crate::pgsem::{PgFunc, SqlForm};
use crate::pgtype::{PgType, oid};

pub struct MySql;

/// MariaDB's largest decimal is 65 digits, 38 of them after the point.
const MAX_PRECISION: u8 = 65;
const MAX_SCALE: i8 = 30;

/// Changes of carrier that change no value here. Not among them: padding of `char(n)` (here its blanks are gone) and a
/// decimal's own scale per row (here the whole column has one).
const TRANSPARENT: &[&str] =
    &["int2_widen", "int28_widen", "int4_widen", "int_as_int8", "int8_as_numeric", "numeric_key", "date_as_timestamp"];

fn binary_collation(source: &Source) -> &'static str {
    if source.version.contains("MariaDB") { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" }
}

/// Text by bytes and without padding.
fn collated(source: &Source, value: &Sql) -> String {
    if value.ty.is_string() {
        format!("(CONVERT({} USING utf8mb4) COLLATE {})", value.text, binary_collation(source))
    } else {
        value.text.clone()
    }
}

/// Types whose comparison is the same on both sides.
fn comparable(ty: PgType) -> bool {
    ty.is_string() && ty.oid != oid::NAME
        || matches!(ty.oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::NUMERIC | oid::DATE | oid::TIMESTAMP | oid::BOOL)
}

impl Dialect for MySql {
    fn identifier(&self, name: &str) -> Written<String> {
        if name.chars().any(char::is_control) {
            return Err(Refusal::new("a control character in a name"));
        }
        Ok(format!("`{}`", name.replace('`', "``")))
    }

    fn literal(&self, value: &ScalarValue, ty: PgType) -> Written<String> {
        let text = text_of(value, ty)?;
        match ty.oid {
            oid::BOOL => Ok(if text == "t" { "TRUE" } else { "FALSE" }.to_string()),
            oid::INT2 | oid::INT4 | oid::INT8 => Ok(format!("({text})")),
            oid::NUMERIC if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.')) => {
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                if digits > MAX_PRECISION as usize || scale > MAX_SCALE as usize {
                    return Err(Refusal::new("a decimal that is too long"));
                }
                // The point keeps it a decimal: an integer literal beyond 64 bits would be rounded.
                Ok(if text.contains('.') { format!("({text})") } else { format!("({text}.)") })
            }
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME => quoted(&text),
            oid::DATE if plain_year(&text) => Ok(format!("DATE'{text}'")),
            oid::TIMESTAMP if plain_year(&text) => Ok(format!("TIMESTAMP'{text}'")),
            _ => Err(Refusal::new(format!("a literal of type {ty}"))),
        }
    }

    fn null(&self, _ty: PgType) -> Written<String> {
        Ok("NULL".to_string())
    }

    fn column(&self, _source: &Source, text: String, column: &Column) -> Written {
        if column.always_null {
            return Ok(Sql::new("NULL", column.ty));
        }
        if column.opaque {
            // Only read: nothing is computed from a value without a type.
            return Ok(match text_form(&column.remote_type) {
                Some((before, after)) => Sql::new(format!("{before}{text}{after}"), PgType::UNKNOWN),
                None => Sql::simple(text, PgType::UNKNOWN),
            });
        }
        Ok(Sql::simple(text, column.ty))
    }

    fn output(&self, value: Sql, _ty: PgType) -> Written<String> {
        Ok(value.text)
    }

    fn comparison(&self, source: &Source, op: Comparison, left: Sql, right: Sql) -> Written {
        if !comparable(left.ty) || !comparable(right.ty) || left.ty.is_string() != right.ty.is_string() {
            return Err(Refusal::new(format!("comparing {} with {}", left.ty, right.ty)));
        }
        let dates = |s: &Sql| matches!(s.ty.oid, oid::DATE | oid::TIMESTAMP);
        if dates(&left) && matches!(op, Comparison::Distinct | Comparison::NotDistinct) {
            return Err(Refusal::new("IS DISTINCT FROM over dates"));
        }
        if let Some(guarded) = without_zero_dates(op, &left, &right) {
            return Ok(guarded);
        }
        let (l, r) = (collated(source, &left), collated(source, &right));
        let text = match op {
            Comparison::NotDistinct => format!("({l} <=> {r})"),
            Comparison::Distinct => format!("(NOT ({l} <=> {r}))"),
            op => format!("({l} {} {r})", op.sql()),
        };
        Ok(Sql::new(text, PgType::BOOL))
    }

    /// `IS NULL` would find zero dates in a NOT NULL column.
    fn null_test(&self, value: &Sql, negated: bool) -> String {
        let not = if negated { "NOT " } else { "" };
        match value.ty.oid {
            oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ => format!("({not}({} <=> NULL))", value.text),
            _ => format!("({} IS {not}NULL)", value.text),
        }
    }

    fn function(&self, source: &Source, func: &PgFunc, args: Vec<Sql>) -> Written {
        let refused = || Err(Refusal::new(format!("the function {}", func.def.name)));
        match (func.def.sql, args.as_slice()) {
            (SqlForm::Transparent, [a, ..]) if TRANSPARENT.contains(&func.def.name) => Ok(a.clone().through(func)),
            // Decimals: exact while both the result and the operands stay within 65 digits.
            (SqlForm::Infix(op @ ("+" | "-" | "*")), [l, r]) if small_decimal(&func.repr) => {
                if !func.arg_reprs.iter().all(small_decimal) {
                    return refused();
                }
                Ok(Sql::new(format!("({} {op} {})", l.text, r.text), func.ty))
            }
            // Integer to numeric, numeric to more digits: no value changes.
            (SqlForm::Cast, [a]) if small_decimal(&func.repr) && (a.ty.is_integer()) => {
                let DataType::Decimal128(p, s) = func.repr else { return refused() };
                Ok(Sql::new(format!("CAST({} AS DECIMAL({p},{s}))", a.text), func.ty))
            }
            (SqlForm::Cast, [a]) if a.ty.is_integer() && matches!(func.ty.oid, oid::INT8) => {
                Ok(Sql::new(a.text.clone(), func.ty))
            }
            // varchar to text and back without a length: the same characters.
            (SqlForm::Cast, [a])
                if a.ty.is_string()
                    && func.ty.is_string()
                    && func.ty.typmod < 0
                    && ![a.ty.oid, func.ty.oid].contains(&oid::BPCHAR) =>
            {
                Ok(Sql::new(a.text.clone(), func.ty))
            }
            // A backslash in the pattern, or a pattern that is no constant, could end in an escape: an error on one side only.
            (SqlForm::Infix(like @ ("LIKE" | "NOT LIKE")), [value, pattern])
                if value.ty.is_string()
                    && value.ty.oid != oid::BPCHAR
                    && pattern.text.starts_with('\'')
                    && !pattern.text.contains('\\') =>
            {
                Ok(Sql::new(format!("({} {like} {})", collated(source, value), pattern.text), PgType::BOOL))
            }
            // The same digits in a wider carrier.
            (SqlForm::Transparent, [a])
                if func.def.name == "numeric_carry" && same_scale(&func.arg_reprs[0], &func.repr) =>
            {
                Ok(a.clone())
            }
            _ => refused(),
        }
    }

    fn aggregate(&self, source: &Source, call: AggregateSql<'_>) -> Written {
        let refused = Err(Refusal::new(format!("the aggregate {}", call.name)));
        if call.filter.is_some() || !call.order_by.is_empty() {
            return refused;
        }
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let text = match (call.name, call.args.as_slice()) {
            ("count", []) => "count(*)".to_string(),
            ("count", [a]) => format!("count({distinct}{})", collated(source, a)),
            ("sum", [a]) if a.ty.is_integer() || a.ty.oid == oid::NUMERIC => format!("sum({distinct}{})", a.text),
            (name @ ("min" | "max"), [a]) if comparable(a.ty) => format!("{name}({})", collated(source, a)),
            _ => return refused,
        };
        Ok(Sql::new(text, call.ty))
    }

    fn window(&self, name: &str) -> Written<()> {
        Err(Refusal::new(format!("the window function {name}")))
    }

    fn group_key(&self, source: &Source, value: Sql) -> Written {
        if !comparable(value.ty) {
            return Err(Refusal::new(format!("grouping by {}", value.ty)));
        }
        let text = collated(source, &value);
        Ok(Sql { text, ..value })
    }

    fn sort_key(&self, source: &Source, value: Sql, ascending: bool, nulls_first: bool) -> Written<String> {
        if !comparable(value.ty) {
            return Err(Refusal::new(format!("ordering by {}", value.ty)));
        }
        let key = collated(source, &value);
        let direction = if ascending { "ASC" } else { "DESC" };
        // NULLs come first in ascending order here.
        if nulls_first == ascending {
            return Ok(format!("{key} {direction}"));
        }
        let nulls = if nulls_first { "DESC" } else { "ASC" };
        Ok(format!("({} IS NULL) {nulls}, {key} {direction}", value.text))
    }

    fn join(&self, kind: JoinType) -> Written<()> {
        match kind {
            JoinType::Full => Err(Refusal::new("a full join")),
            _ => Ok(()),
        }
    }

    /// Decimals get the largest scale of all branches: only those of one fixed scale keep their zeros.
    fn union_all(&self, columns: &[Sql]) -> Written<()> {
        match columns.iter().any(|c| c.ty.oid == oid::NUMERIC && c.ty.numeric_typmod().is_none()) {
            true => Err(Refusal::new("UNION ALL of numerics without a scale")),
            false => Ok(()),
        }
    }

    fn renames_derived_columns(&self) -> bool {
        false
    }

    fn limit(&self, fetch: Option<usize>, skip: usize) -> String {
        match (fetch, skip) {
            (None, 0) => String::new(),
            (Some(fetch), 0) => format!(" LIMIT {fetch}"),
            (fetch, skip) => format!(" LIMIT {} OFFSET {skip}", fetch.map_or(u64::MAX, |f| f as u64)),
        }
    }
}

/// What turns a column of a type that PostgreSQL does not have into text, before and after the column.
pub fn text_form(column_type: &str) -> Option<(&'static str, String)> {
    const GEOMETRIES: &[&str] = &[
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
    ];
    if GEOMETRIES.contains(&column_type) {
        return Some(("ST_AsText(", ")".into()));
    }
    let bits: u32 = column_type.strip_prefix("bit(")?.strip_suffix(')')?.parse().ok()?;
    (bits > 1).then(|| ("LPAD(BIN(", format!("), {bits}, '0')")))
}

/// A zero date sorts before every date; Narrows reads it as NULL or an error, so it must not pass a `<` that it passes there.
fn without_zero_dates(op: Comparison, left: &Sql, right: &Sql) -> Option<Sql> {
    let dates = |s: &Sql| matches!(s.ty.oid, oid::DATE | oid::TIMESTAMP);
    if !dates(left) || matches!(op, Comparison::Eq | Comparison::Gt | Comparison::GtEq) && !right.simple {
        return None;
    }
    let guard = |s: &Sql| if s.simple { format!(" AND {} > 0", s.text) } else { String::new() };
    let text = format!("({} {} {}{}{})", left.text, op.sql(), right.text, guard(left), guard(right));
    Some(Sql::new(text, PgType::BOOL))
}

fn small_decimal(repr: &DataType) -> bool {
    matches!(repr, DataType::Decimal128(p, s) | DataType::Decimal256(p, s) if *p <= MAX_PRECISION && *s <= MAX_SCALE)
}

fn same_scale(from: &DataType, to: &DataType) -> bool {
    let scale = |repr: &DataType| match repr {
        DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => Some(*s),
        _ => None,
    };
    small_decimal(from) && small_decimal(to) && scale(from) == scale(to)
}

/// Dates outside these years exist only on one side.
fn plain_year(text: &str) -> bool {
    text.as_bytes().get(4) == Some(&b'-') && !text.ends_with("BC") && text >= "1000"
}

fn quoted(text: &str) -> Written<String> {
    if text.chars().any(|c| c.is_control()) {
        let hex: String = text.bytes().map(|b| format!("{b:02X}")).collect();
        return Ok(format!("_utf8mb4 X'{hex}'"));
    }
    Ok(format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")))
}
