//! Statements with holes for parameter values and key lists.
//!
//! While a statement is put together a parameter is the text `\u{1}n:oid:typmod\u{1}`; no dialect lets that character through in
//! a literal or an identifier, so it cannot be forged.

use datafusion_common::ScalarValue;

use super::{Refusal, Written, dialect, keys};
use crate::error::{Error, Result, state};
use crate::pgtype::PgType;
use crate::plan::{Fragment, ParameterValue, SqlPiece, SqlTemplate};

pub(super) const MARK: char = '\u{1}';

/// Where a connector may add conditions ([`SqlPiece::Conditions`]).
pub(super) const CONDITIONS: &str = "\u{1}conditions\u{1}";

/// A statement ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sql: String,
    /// Byte offset in `sql` at which ` AND …` may be inserted.
    pub conditions_at: Option<usize>,
}

const KEYS: &str = "keys:";

/// Where the condition of a fragment's key filter goes.
pub(super) fn key_filter(number: usize) -> String {
    format!("{MARK}{KEYS}{number}{MARK}")
}

pub(super) fn parameter(index: usize, ty: PgType) -> String {
    format!("{MARK}{index}:{}:{}{MARK}", ty.oid, ty.typmod)
}

/// Cuts the finished text at its parameters.
pub fn finish(text: &str) -> Written<SqlTemplate> {
    let mut pieces = Vec::new();
    for (i, part) in text.split(MARK).enumerate() {
        if i % 2 == 0 {
            if !part.is_empty() {
                pieces.push(SqlPiece::Text(part.to_string()));
            }
            continue;
        }
        if let Some(number) = part.strip_prefix(KEYS) {
            pieces.push(SqlPiece::Keys(number.parse().map_err(|_| Refusal::new("malformed key list"))?));
            continue;
        }
        if part == CONDITIONS.trim_matches(MARK) {
            pieces.push(SqlPiece::Conditions);
            continue;
        }
        let mut numbers = part.split(':');
        let mut next = || numbers.next().ok_or_else(|| Refusal::new("malformed parameter"));
        let index = next()?.parse().map_err(|_| Refusal::new("malformed parameter"))?;
        let oid = next()?.parse().map_err(|_| Refusal::new("malformed parameter"))?;
        let typmod = next()?.parse().map_err(|_| Refusal::new("malformed parameter"))?;
        pieces.push(SqlPiece::Parameter { index, ty: PgType { oid, typmod } });
    }
    Ok(SqlTemplate(pieces))
}

/// The statement for these parameter values. `key_lists`: for each of the fragment's key filters the values that may have partners,
/// none of them NULL; `None` leaves the filter out.
pub fn render(
    fragment: &Fragment,
    parameters: &[ParameterValue],
    key_lists: &[Option<Vec<ScalarValue>>],
) -> Result<Statement> {
    let dialect =
        dialect(fragment.engine).ok_or_else(|| Error::internal("a fragment for an engine without a dialect"))?;
    let (mut sql, mut conditions_at) = (String::new(), None);
    for piece in &fragment.sql.0 {
        match piece {
            SqlPiece::Text(text) => sql.push_str(text),
            SqlPiece::Keys(number) => {
                let filter = fragment.key_filters.get(*number);
                let values = key_lists.get(*number).and_then(Option::as_ref);
                let condition =
                    filter.zip(values).and_then(|(filter, values)| keys::condition(dialect, filter, values).ok());
                sql.push_str(condition.as_deref().unwrap_or("TRUE"));
            }
            SqlPiece::Conditions => conditions_at = Some(sql.len()),
            SqlPiece::Parameter { index, ty } => {
                let parameter = index
                    .checked_sub(1)
                    .and_then(|i| parameters.get(i))
                    .ok_or_else(|| Error::new(state::UNDEFINED_PARAMETER, format!("there is no parameter ${index}")))?;
                let written = match &parameter.value {
                    value if value.is_null() => dialect.null(*ty),
                    value => literal(dialect, value, *ty),
                };
                sql.push_str(&written.map_err(|Refusal(why)| {
                    Error::unsupported(format!("parameter ${index} in a statement for this engine: {why}"))
                })?);
            }
        }
    }
    Ok(Statement { sql, conditions_at })
}

fn literal(dialect: &dyn super::Dialect, value: &ScalarValue, ty: PgType) -> Written<String> {
    let text = dialect.literal(value, ty)?;
    if text.contains(MARK) { Err(Refusal::new("a control character")) } else { Ok(text) }
}
