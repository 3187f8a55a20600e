//! Statements with holes for parameter values and key lists.
//!
//! While a statement is put together a parameter is the text `\u{1}n:oid:typmod\u{1}`; no dialect lets that character through in
//! a literal or an identifier, so it cannot be forged.

use std::collections::{BTreeMap, BTreeSet};

use datafusion_common::ScalarValue;

use super::{Refusal, Written, dialect, keys};
use crate::catalog::EngineKind;
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

const RELATION: &str = "relation:";
const COLUMN: &str = "column:";

/// The result of a fragment, as a table.
pub(super) fn relation(fragment: usize) -> String {
    format!("{MARK}{RELATION}{fragment}{MARK}")
}

/// A column of that table.
pub(super) fn relation_column(fragment: usize, column: usize) -> String {
    format!("{MARK}{COLUMN}{fragment}:{column}{MARK}")
}

/// The relations a text reads, each with its columns, by number.
pub fn relations(text: &str) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut found: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for part in text.split(MARK).skip(1).step_by(2) {
        if let Some(number) = part.strip_prefix(RELATION).and_then(|n| n.parse().ok()) {
            found.entry(number).or_default();
        } else if let Some((fragment, column)) = column_of(part) {
            found.entry(fragment).or_default().insert(column);
        }
    }
    found
}

fn column_of(part: &str) -> Option<(usize, usize)> {
    let (fragment, column) = part.strip_prefix(COLUMN)?.split_once(':')?;
    Some((fragment.parse().ok()?, column.parse().ok()?))
}

/// The text with relations and their columns under the names they have at their reader: the n-th relation is `rn`, and its
/// columns are counted among those that are read.
pub fn with_relations(text: &str, relations: &BTreeMap<usize, BTreeSet<usize>>) -> String {
    let mut written = String::with_capacity(text.len());
    for (i, part) in text.split(MARK).enumerate() {
        let position = |fragment: usize| relations.keys().position(|f| *f == fragment);
        if i % 2 == 0 {
            written.push_str(part);
        } else if let Some(n) = part.strip_prefix(RELATION).and_then(|f| position(f.parse().ok()?)) {
            written += &format!("r{n}");
        } else if let Some(n) = column_of(part).and_then(|(f, c)| relations.get(&f)?.iter().position(|x| *x == c)) {
            written += &format!("c{n}");
        } else {
            written.push(MARK);
            written.push_str(part);
            written.push(MARK);
        }
    }
    written
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

/// A column that a list of keys may be compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyColumn {
    /// As the statement calls it.
    pub sql: String,
    pub ty: PgType,
}

/// The statement for these parameter values, with room left for the fragment's key filters: [`complete`] fills it, here or at the
/// fragment's site.
pub fn render(fragment: &Fragment, parameters: &[ParameterValue]) -> Result<String> {
    let dialect = dialect_of(fragment.engine)?;
    let mut sql = String::new();
    for piece in &fragment.sql.0 {
        match piece {
            SqlPiece::Text(text) => sql.push_str(text),
            SqlPiece::Keys(number) => sql.push_str(&key_filter(*number)),
            SqlPiece::Conditions => sql.push_str(CONDITIONS),
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
    Ok(sql)
}

/// What is known of the values of a key filter.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyValues {
    /// These may have partners. None is NULL.
    Listed(Vec<ScalarValue>),
    /// Too many to list: the filter is left out.
    Unlisted,
    /// Nothing yet: its hole stays, as that of the filter with this number.
    Later(usize),
}

/// A [`render`]ed statement with conditions in the holes of the fragment's key filters.
pub fn fill(rendered: &str, engine: EngineKind, filters: &[(KeyColumn, KeyValues)]) -> Result<String> {
    let dialect = dialect_of(engine)?;
    let mut sql = String::with_capacity(rendered.len());
    for (i, part) in rendered.split(MARK).enumerate() {
        if i % 2 == 0 {
            sql.push_str(part);
        } else if part == CONDITIONS.trim_matches(MARK) {
            sql.push_str(CONDITIONS);
        } else {
            let number = part.strip_prefix(KEYS).and_then(|number| number.parse::<usize>().ok());
            let number = number.ok_or_else(|| Error::internal("a statement with an unknown hole"))?;
            match filters.get(number) {
                Some((_, KeyValues::Later(later))) => sql.push_str(&key_filter(*later)),
                Some((column, KeyValues::Listed(values))) => {
                    sql.push_str(keys::condition(dialect, column, values).as_deref().unwrap_or("TRUE"));
                }
                Some((_, KeyValues::Unlisted)) | None => sql.push_str("TRUE"),
            }
        }
    }
    Ok(sql)
}

/// A [`fill`]ed statement without holes, ready to be sent.
pub fn complete(filled: &str) -> Result<Statement> {
    let (before, after) = filled.split_once(CONDITIONS).unwrap_or((filled, ""));
    let conditions_at = (before.len() < filled.len()).then_some(before.len());
    let sql = [before, after].concat();
    if sql.contains(MARK) {
        Err(Error::internal("a statement with a hole"))
    } else {
        Ok(Statement { sql, conditions_at })
    }
}

fn dialect_of(engine: EngineKind) -> Result<&'static dyn super::Dialect> {
    dialect(engine).ok_or_else(|| Error::internal("a fragment for an engine without a dialect"))
}

fn literal(dialect: &dyn super::Dialect, value: &ScalarValue, ty: PgType) -> Written<String> {
    let text = dialect.literal(value, ty)?;
    if text.contains(MARK) { Err(Refusal::new("a control character")) } else { Ok(text) }
}
