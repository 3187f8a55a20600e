//! The one error of Narrows: what a client reads, what a retry decision reads, and what travels between processes.
//!
//! Boxed inside, so that a `Result` stays small. `sqlstate` is PostgreSQL's five-character code (its documentation,
//! appendix A); `position` counts characters from 1 in the client's statement.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use cost_model::{SiteId, SourceId};
use datafusion_common::DataFusionError;
use serde::{Deserialize, Serialize};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What may be tried again after an error, from nothing to the whole query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retry {
    #[default]
    Never,
    Step,
    Replica,
    Replan,
    Query,
}

#[derive(Clone, Debug, Default)]
struct Body {
    sqlstate: SqlState,
    message: String,
    site: Option<SiteId>,
    source: Option<SourceId>,
    retry: Retry,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<u32>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// A five-character SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    pub const fn new(code: &str) -> Self {
        let b = code.as_bytes();
        assert!(b.len() == 5);
        Self([b[0], b[1], b[2], b[3], b[4]])
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl Default for SqlState {
    fn default() -> Self {
        state::INTERNAL_ERROR
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The SQLSTATEs Narrows raises itself, by PostgreSQL's condition names.
pub mod state {
    use super::SqlState;

    macro_rules! states {
        ($($name:ident = $code:literal),* $(,)?) => { $(pub const $name: SqlState = SqlState::new($code);)* };
    }

    states! {
        SUCCESSFUL_COMPLETION = "00000",
        CONNECTION_FAILURE = "08006",
        CANNOT_CONNECT = "08001",
        PROTOCOL_VIOLATION = "08P01",
        FEATURE_NOT_SUPPORTED = "0A000",
        CARDINALITY_VIOLATION = "21000",
        STRING_DATA_RIGHT_TRUNCATION = "22001",
        NUMERIC_VALUE_OUT_OF_RANGE = "22003",
        INVALID_DATETIME_FORMAT = "22007",
        DATETIME_FIELD_OVERFLOW = "22008",
        DIVISION_BY_ZERO = "22012",
        INVALID_PARAMETER_VALUE = "22023",
        INVALID_REGULAR_EXPRESSION = "2201B",
        NULL_NOT_ALLOWED = "22004",
        INVALID_PRECEDING_OR_FOLLOWING = "22013",
        INVALID_LIMIT = "2201W",
        INVALID_OFFSET = "2201X",
        INVALID_ARGUMENT_FOR_LOG = "2201E",
        INVALID_ARGUMENT_FOR_POWER = "2201F",
        INVALID_ESCAPE_SEQUENCE = "22025",
        INVALID_TEXT_REPRESENTATION = "22P02",
        INVALID_BINARY_REPRESENTATION = "22P03",
        CHARACTER_NOT_IN_REPERTOIRE = "22021",
        ARRAY_SUBSCRIPT_ERROR = "2202E",
        NO_ACTIVE_TRANSACTION = "25P01",
        READ_ONLY = "25006",
        IN_FAILED_TRANSACTION = "25P02",
        INVALID_STATEMENT_NAME = "26000",
        INVALID_AUTHORIZATION = "28000",
        INVALID_PASSWORD = "28P01",
        INVALID_CURSOR_NAME = "34000",
        INVALID_SCHEMA_NAME = "3F000",
        INSUFFICIENT_PRIVILEGE = "42501",
        SYNTAX_ERROR = "42601",
        INVALID_NAME = "42602",
        DUPLICATE_ALIAS = "42712",
        DUPLICATE_COLUMN = "42701",
        DUPLICATE_CURSOR = "42P03",
        DUPLICATE_PREPARED_STATEMENT = "42P05",
        AMBIGUOUS_ALIAS = "42P09",
        AMBIGUOUS_COLUMN = "42702",
        AMBIGUOUS_PARAMETER = "42P08",
        AMBIGUOUS_FUNCTION = "42725",
        UNDEFINED_COLUMN = "42703",
        UNDEFINED_FUNCTION = "42883",
        UNDEFINED_TABLE = "42P01",
        UNDEFINED_PARAMETER = "42P02",
        UNDEFINED_OBJECT = "42704",
        WRONG_OBJECT_TYPE = "42809",
        GROUPING_ERROR = "42803",
        DATATYPE_MISMATCH = "42804",
        WINDOWING_ERROR = "42P20",
        INVALID_COLUMN_REFERENCE = "42P10",
        INVALID_RECURSION = "42P19",
        INDETERMINATE_DATATYPE = "42P18",
        CANNOT_COERCE = "42846",
        OUT_OF_MEMORY = "53200",
        DISK_FULL = "53100",
        TOO_MANY_CONNECTIONS = "53300",
        PROGRAM_LIMIT_EXCEEDED = "54000",
        STATEMENT_TOO_COMPLEX = "54001",
        TOO_MANY_ARGUMENTS = "54023",
        TOO_MANY_COLUMNS = "54011",
        OBJECT_NOT_IN_PREREQUISITE_STATE = "55000",
        CANT_CHANGE_RUNTIME_PARAM = "55P02",
        QUERY_CANCELED = "57014",
        ADMIN_SHUTDOWN = "57P01",
        CANNOT_CONNECT_NOW = "57P03",
        IDLE_SESSION_TIMEOUT = "57P05",
        CONFIG_FILE_ERROR = "F0000",
        FDW_ERROR = "HV000",
        FDW_TABLE_NOT_FOUND = "HV00R",
        INTERNAL_ERROR = "XX000",
    }
}

/// An error with everything a client, a retry decision and a log line need.
#[derive(Clone)]
pub struct Error(Box<Body>);

impl Error {
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self(Box::new(Body { sqlstate, message: message.into(), ..Body::default() }))
    }

    /// 0A000: PostgreSQL could do it, Narrows says honestly that it does not (yet).
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(state::FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
    }

    /// XX000: a defect of Narrows.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(state::INTERNAL_ERROR, message)
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the position unless an inner call already knew a more exact one.
    #[must_use]
    pub fn or_position(mut self, position: Option<u32>) -> Self {
        self.0.position = self.0.position.or(position);
        self
    }

    /// Sets the position, known or not: for text that is part of a longer one.
    #[must_use]
    pub fn at_position(mut self, position: u32) -> Self {
        self.0.position = Some(position);
        self
    }

    #[must_use]
    pub fn with_source_id(mut self, source: SourceId) -> Self {
        self.0.source = Some(source);
        self
    }

    #[must_use]
    pub fn with_site(mut self, site: SiteId) -> Self {
        self.0.site = Some(site);
        self
    }

    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    #[must_use]
    pub fn with_cause(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    pub fn sqlstate(&self) -> SqlState {
        self.0.sqlstate
    }
    pub fn message(&self) -> &str {
        &self.0.message
    }
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
    pub fn position(&self) -> Option<u32> {
        self.0.position
    }
    pub fn source_id(&self) -> Option<&SourceId> {
        self.0.source.as_ref()
    }
    pub fn site(&self) -> Option<&SiteId> {
        self.0.site.as_ref()
    }
    pub fn retry(&self) -> Retry {
        self.0.retry
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(detail) = &self.0.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {self}", self.0.sqlstate)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|c| c as &(dyn StdError + 'static))
    }
}

/// Kernels run inside DataFusion: our errors pass through it unchanged.
impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// The way back: an [`Error`] that travelled inside DataFusion is found again, whatever wraps it.
impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(e) = cause {
            if let Some(own) = e.downcast_ref::<Error>() {
                return own.clone();
            }
            cause = match e.downcast_ref::<DataFusionError>() {
                Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
                _ => e.source(),
            };
            if let Some(arrow::error::ArrowError::ExternalError(inner)) = cause.and_then(|c| c.downcast_ref()) {
                cause = Some(inner.as_ref());
            }
        }
        let message = error.strip_backtrace();
        let sqlstate = match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => state::OUT_OF_MEMORY,
            DataFusionError::NotImplemented(_) => state::FEATURE_NOT_SUPPORTED,
            _ => state::INTERNAL_ERROR,
        };
        Error::new(sqlstate, message)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        DataFusionError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_datafusion() {
        let e = Error::new(state::DIVISION_BY_ZERO, "division by zero").with_hint("h");
        let wrapped = DataFusionError::from(e).context("while running");
        let wrapped = DataFusionError::Shared(Arc::new(wrapped));
        let back = Error::from(wrapped);
        assert_eq!(back.sqlstate(), state::DIVISION_BY_ZERO);
        assert_eq!(back.hint(), Some("h"));
    }
}
