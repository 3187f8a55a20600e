//! Literals and parameters (`make_const` of `parse_node.c`, `parse_param.c`).

use arrow::datatypes::Field;
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;
use datafusion_expr::expr::Placeholder;
use sqlparser::ast::{self, Value};

use super::super::{Binder, Clause, Scope};
use super::types::{interval_type, pg_type};
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgsem::numeric::{carrier, parse_numeric};
use crate::pgsem::registry::CastContext;
use crate::pgtype::PgType;

/// An untyped string.
pub(super) fn unknown(text: &str) -> Typed {
    Typed::literal(ScalarValue::Utf8View(Some(text.to_string())), PgType::UNKNOWN)
}

/// An untyped NULL.
pub(super) fn unknown_null() -> Typed {
    Typed::literal(ScalarValue::Utf8View(None), PgType::UNKNOWN)
}

pub(super) fn boolean(value: bool) -> Typed {
    Typed::literal(ScalarValue::Boolean(Some(value)), PgType::BOOL)
}

pub(super) fn int4(value: i32) -> Typed {
    Typed::literal(ScalarValue::Int32(Some(value)), PgType::INT4)
}

pub(super) fn text(value: &str) -> Typed {
    Typed::literal(ScalarValue::Utf8View(Some(value.to_string())), PgType::TEXT)
}

/// A number has the smallest of integer, bigint and numeric that holds it; with a point or an exponent it is numeric.
pub(super) fn number(digits: &str) -> Result<Typed> {
    if let Ok(value) = digits.parse::<i32>() {
        return Ok(int4(value));
    }
    if let Ok(value) = digits.parse::<i64>() {
        return Ok(Typed::literal(ScalarValue::Int64(Some(value)), PgType::INT8));
    }
    Ok(carrier::literal(&parse_numeric(digits)?, PgType::NUMERIC))
}

/// Index of a parameter (`$1` is 1).
pub(super) fn parameter_index(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Placeholder(p) => p.id.strip_prefix('$')?.parse().ok(),
        _ => None,
    }
}

pub(super) fn parameter(index: usize, ty: PgType) -> Typed {
    let id = format!("${index}");
    let field = Field::new(&id, ty.repr(), true);
    Typed::new(Expr::Placeholder(Placeholder::new_with_field(id, Some(field.into()))), ty)
}

impl Binder<'_> {
    pub(super) fn literal(&mut self, value: &Value) -> Result<Typed> {
        match value {
            Value::Number(digits, _) => number(&digits.replace('_', "")),
            Value::Boolean(value) => Ok(boolean(*value)),
            Value::Null => Ok(unknown_null()),
            Value::SingleQuotedString(s) | Value::EscapedStringLiteral(s) | Value::UnicodeStringLiteral(s) => {
                Ok(unknown(s))
            }
            Value::DollarQuotedString(s) => Ok(unknown(&s.value)),
            Value::NationalStringLiteral(s) => self.coerce(unknown(s), PgType::BPCHAR, CastContext::Explicit),
            Value::Placeholder(id) => self.placeholder(id),
            Value::SingleQuotedByteStringLiteral(_) | Value::HexStringLiteral(_) => {
                Err(Error::unsupported("a bit string literal"))
            }
            other => Err(Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{other}\""))),
        }
    }

    fn placeholder(&mut self, id: &str) -> Result<Typed> {
        let index = id.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()).filter(|n| (1..=65535).contains(n));
        let Some(index) = index else {
            return Err(Error::new(state::UNDEFINED_PARAMETER, format!("there is no parameter {id}")));
        };
        Ok(parameter(index, self.parameter_type(index).unwrap_or(PgType::UNKNOWN)))
    }

    /// `date '2024-01-01'`.
    pub(super) fn typed_string(&mut self, typed: &ast::TypedString) -> Result<Typed> {
        let value = self.literal(&typed.value.value)?;
        if value.ty != PgType::UNKNOWN {
            return Err(Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{}\"", typed.value)));
        }
        self.coerce(value, pg_type(&typed.data_type)?, CastContext::Explicit)
    }

    /// `interval '1' day`.
    pub(super) fn interval(&mut self, interval: &ast::Interval, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        let precision = interval.fractional_seconds_precision.or(interval.leading_precision);
        let ty = interval_type(interval.leading_field.as_ref(), interval.last_field.as_ref(), precision)?;
        let value = self.expr(&interval.value, scope, clause)?;
        if !value.is_unknown_literal() {
            return Err(Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{}\"", interval.value)));
        }
        self.coerce(value, ty, CastContext::Explicit)
    }
}
