//! PostgreSQL's messages for what goes wrong in arithmetic.

use std::fmt::Display;

use crate::error::{Error, state};

pub fn division_by_zero() -> Error {
    Error::new(state::DIVISION_BY_ZERO, "division by zero")
}

/// `integer out of range`; `ty` is the type's SQL name.
pub fn out_of_range(ty: &str) -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, format!("{ty} out of range"))
}

/// `"1e400" is out of range for type double precision`.
pub fn text_out_of_range(text: impl Display, ty: &str) -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, format!("\"{text}\" is out of range for type {ty}"))
}

/// `value "99999" is out of range for type smallint`.
pub fn value_out_of_range(text: &str, ty: &str) -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, format!("value \"{text}\" is out of range for type {ty}"))
}

pub fn invalid_syntax(text: &str, ty: &str) -> Error {
    Error::new(state::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {ty}: \"{text}\""))
}

pub fn float_overflow() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

pub fn float_underflow() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}
