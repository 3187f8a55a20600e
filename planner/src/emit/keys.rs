//! Lists of keys in a statement: `column IN (…)`, with values that are known only when the statement is sent.
//!
//! The engine may find more values equal than PostgreSQL would, never fewer. So integers and dates go to every engine, text only
//! to those that compare it by PostgreSQL's rules: equal bytes are equal in each of its collations.

use datafusion_common::ScalarValue;

use super::template::{KeyColumn, MARK};
use super::{Dialect, Refusal, Written};
use crate::pgtype::{PgType, oid};

/// Whether a column of that type may be compared with a list of keys.
pub(super) fn takes(dialect: &dyn Dialect, ty: PgType) -> bool {
    matches!(ty.oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::DATE) || dialect.takes_text_keys() && is_text(ty)
}

fn is_text(ty: PgType) -> bool {
    matches!(ty.oid, oid::TEXT | oid::VARCHAR | oid::UUID)
}

/// The condition, for values of which none is NULL.
pub(super) fn condition(dialect: &dyn Dialect, column: &KeyColumn, values: &[ScalarValue]) -> Written<String> {
    if values.is_empty() {
        return Ok("FALSE".to_string());
    }
    let values = values.iter().map(|value| key(dialect, value, column.ty)).collect::<Written<Vec<_>>>()?;
    let list = format!("({} IN ({}))", column.sql, values.join(", "));
    if list.contains(MARK) { Err(Refusal::new("a control character")) } else { Ok(list) }
}

fn key(dialect: &dyn Dialect, value: &ScalarValue, ty: PgType) -> Written<String> {
    match value {
        // Whatever the width of the column: a wider value is equal to none of its.
        ScalarValue::Int64(Some(n)) => Ok(n.to_string()),
        ScalarValue::Date32(_) => dialect.literal(value, ty),
        // A server may be unable to read characters that its own text does not have.
        ScalarValue::Utf8View(Some(text)) if is_text(ty) && text.is_ascii() => dialect.untyped(text),
        _ => Err(Refusal::new(format!("a list of keys of type {ty}"))),
    }
}
