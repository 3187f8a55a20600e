//! What PostgreSQL and its driver report, as our errors: the source is always named, its own SQLSTATE is kept where the client
//! can make use of it, and what may be tried again is marked.

use std::error::Error as _;

use cost_model::SourceId;
use planner::error::{Retry, SqlState, state};
use planner::{Error, Result};
use tokio_postgres::error::{DbError, Error as DriverError};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    Connect,
    /// A statement the planner wrote: a missing table is news about the catalog.
    Statement,
    /// A statement the user wrote.
    PassThrough,
}

/// Names the source in driver errors.
#[derive(Clone, Debug)]
pub struct Blame(pub SourceId);

impl Blame {
    pub fn error(&self, error: DriverError, during: During) -> Error {
        let mapped = match error.as_db_error() {
            Some(reported) => self.reported(reported, during),
            None => self.broken(&error, during),
        };
        mapped.with_source_id(self.0.clone()).with_cause(error)
    }

    pub fn result<T>(&self, result: Result<T, DriverError>, during: During) -> Result<T> {
        result.map_err(|e| self.error(e, during))
    }

    /// An error of our own, made where the source was not known.
    pub fn own(&self, error: Error) -> Error {
        if error.source_id().is_some() {
            return error;
        }
        let detail = error.detail().map_or_else(|| self.at(), |d| format!("{d} {}", self.at()));
        error.with_source_id(self.0.clone()).with_detail(detail)
    }

    pub fn canceled(&self) -> Error {
        Error::new(state::QUERY_CANCELED, "canceling statement due to user request").with_source_id(self.0.clone())
    }

    pub fn timed_out(&self, waited: std::time::Duration) -> Error {
        let seconds = waited.as_secs_f64();
        Error::new(state::CANNOT_CONNECT, format!("connecting to source \"{}\" took longer than {seconds} s", self.0))
            .with_source_id(self.0.clone())
            .with_retry(Retry::Replica)
    }

    pub fn unknown_host(&self, host: &str, reason: &str) -> Error {
        let message = format!("could not connect to source \"{}\": host \"{host}\" is not known: {reason}", self.0);
        Error::new(state::CANNOT_CONNECT, message).with_source_id(self.0.clone()).with_retry(Retry::Replica)
    }

    fn at(&self) -> String {
        format!("At source \"{}\".", self.0)
    }

    fn broken(&self, error: &DriverError, during: During) -> Error {
        let reason = chain(error);
        match during {
            During::Connect => {
                Error::new(state::CANNOT_CONNECT, format!("could not connect to source \"{}\": {reason}", self.0))
                    .with_retry(Retry::Replica)
            }
            _ => {
                Error::new(state::CONNECTION_FAILURE, format!("connection to source \"{}\" was lost: {reason}", self.0))
                    .with_retry(Retry::Step)
            }
        }
    }

    fn reported(&self, e: &DbError, during: During) -> Error {
        let source = &self.0;
        let message = e.message();
        let code = SqlState::new(checked(e.code().code()));
        let said = |what: String| Error::new(code, what);
        match code.as_str() {
            // Going down, starting up, killed by its administrator or by another backend's crash.
            "57P01" | "57P02" | "57P03" | "57P05" => match during {
                During::Connect => {
                    Error::new(state::CANNOT_CONNECT, format!("could not connect to source \"{source}\": {message}"))
                        .with_retry(Retry::Replica)
                }
                _ => Error::new(
                    state::CONNECTION_FAILURE,
                    format!("connection to source \"{source}\" was lost: {message}"),
                )
                .with_retry(Retry::Step),
            },
            _ if during == During::Connect => {
                said(format!("source \"{source}\" refused the connection: {message}")).with_retry(Retry::Replica)
            }
            "42P01" if during == During::Statement => Error::new(
                state::FDW_TABLE_NOT_FOUND,
                format!("{} no longer exists at source \"{source}\"", named(message, "table")),
            )
            .with_detail(format!("The source said: {message}"))
            .with_hint("CALL narrows.refresh_catalog() reads the tables again.")
            .with_retry(Retry::Replan),
            "42703" if during == During::Statement => Error::new(
                SqlState::new("HV005"),
                format!("{} no longer exists at source \"{source}\"", named(message, "column")),
            )
            .with_detail(format!("The source said: {message}"))
            .with_hint("CALL narrows.refresh_catalog() reads the tables again.")
            .with_retry(Retry::Replan),
            // Serialization failures and deadlocks go away.
            "40001" | "40P01" => said(message.to_string()).with_detail(self.detail(e)).with_retry(Retry::Step),
            _ => said(message.to_string()).with_detail(self.detail(e)),
        }
    }

    fn detail(&self, e: &DbError) -> String {
        e.detail().map_or_else(|| self.at(), |d| format!("{d} {}", self.at()))
    }
}

/// The quoted name in a message of the server's.
fn named(message: &str, kind: &str) -> String {
    match message.split('"').nth(1) {
        Some(name) => format!("{kind} \"{name}\""),
        None => format!("a {kind} of the query"),
    }
}

fn checked(code: &str) -> &str {
    if code.len() == 5 && code.is_ascii() { code } else { "HV000" }
}

/// The driver's message with its causes.
fn chain(error: &DriverError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = e.source();
    }
    text
}
