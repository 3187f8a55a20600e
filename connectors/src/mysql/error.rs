//! The server's errors as ours, naming the source.

use cost_model::SourceId;
use mysql_async::{DriverError, Error as MySqlError};
use planner::error::{Error, Retry, SqlState, state};

pub fn from_mysql(source: &SourceId, error: MySqlError) -> Error {
    let named = |sqlstate: SqlState, message: String| {
        Error::new(sqlstate, format!("source \"{source}\": {message}")).with_source_id(source.clone())
    };
    match error {
        MySqlError::Server(server) => {
            let message = server.message.clone();
            match server.code {
                1045 | 1044 | 1698 => named(state::INVALID_PASSWORD, message)
                    .with_hint("Check user and password of this source in the configuration."),
                1049 => named(state::CANNOT_CONNECT, message),
                1040 | 1203 | 1226 => named(state::TOO_MANY_CONNECTIONS, message).with_retry(Retry::Query),
                1146 | 1054 | 1051 => named(state::FDW_TABLE_NOT_FOUND, message)
                    .with_hint("The table has changed at the source; CALL narrows.refresh_catalog() reads it again."),
                1317 => named(state::QUERY_CANCELED, "canceling statement due to user request".into()),
                1969 | 3024 => named(state::QUERY_CANCELED, "canceling statement due to statement timeout".into()),
                1142 | 1143 => named(state::INSUFFICIENT_PRIVILEGE, message),
                1264 | 1690 => named(state::NUMERIC_VALUE_OUT_OF_RANGE, message),
                1064 => named(state::FDW_ERROR, message),
                _ => named(state::FDW_ERROR, format!("{message} (error {})", server.code)),
            }
        }
        MySqlError::Io(_) | MySqlError::Driver(DriverError::ConnectionClosed | DriverError::PoolDisconnected) => {
            named(state::CONNECTION_FAILURE, error.to_string()).with_retry(Retry::Query).with_cause(error)
        }
        // The statement's fault, not the connection's.
        MySqlError::Driver(
            DriverError::MixedParams | DriverError::Params(_) | DriverError::StmtParamsMismatch { .. },
        ) => named(state::UNDEFINED_PARAMETER, "a statement sent to this engine cannot have parameters".into()),
        other => named(state::FDW_ERROR, other.to_string()).with_cause(other),
    }
}

/// The same while connecting.
pub fn not_connected(source: &SourceId, error: MySqlError) -> Error {
    match error {
        MySqlError::Server(_) => from_mysql(source, error),
        other => Error::new(state::CANNOT_CONNECT, format!("could not connect to source \"{source}\": {other}"))
            .with_source_id(source.clone())
            .with_retry(Retry::Replica)
            .with_cause(other),
    }
}
