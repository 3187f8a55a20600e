//! [`Error`] as a message, and inside a gRPC status where a stream ends with it.

use cost_model::{SiteId, SourceId};
use planner::Error;
use planner::error::{Retry, SqlState, state};
use prost::Message;
use tonic::{Code, Status};

use super::proto;

impl From<&Error> for proto::Error {
    fn from(error: &Error) -> Self {
        Self {
            sqlstate: error.sqlstate().as_str().to_string(),
            message: error.message().to_string(),
            detail: error.detail().map(str::to_string),
            hint: error.hint().map(str::to_string),
            position: error.position(),
            site: error.site().map(ToString::to_string),
            source: error.source_id().map(ToString::to_string),
            retry: match error.retry() {
                Retry::Never => "never",
                Retry::Step => "step",
                Retry::Replica => "replica",
                Retry::Replan => "replan",
                Retry::Query => "query",
            }
            .to_string(),
        }
    }
}

impl From<proto::Error> for Error {
    fn from(sent: proto::Error) -> Self {
        let code: Option<[u8; 5]> = sent.sqlstate.as_bytes().try_into().ok();
        let code = code.filter(|c| c.iter().all(u8::is_ascii_alphanumeric)).map_or(state::INTERNAL_ERROR, SqlState);
        let mut error = Error::new(code, sent.message).with_retry(match sent.retry.as_str() {
            "step" => Retry::Step,
            "replica" => Retry::Replica,
            "replan" => Retry::Replan,
            "query" => Retry::Query,
            _ => Retry::Never,
        });
        if let Some(detail) = sent.detail {
            error = error.with_detail(detail);
        }
        if let Some(hint) = sent.hint {
            error = error.with_hint(hint);
        }
        if let Some(site) = sent.site {
            error = error.with_site(SiteId::new(site));
        }
        if let Some(source) = sent.source {
            error = error.with_source_id(SourceId::new(source));
        }
        error.or_position(sent.position)
    }
}

/// The longest text of an error in a status: gRPC keeps it in headers, which have limits of their own.
const LONGEST: usize = 2048;

/// A stream's last word.
pub fn into_status(error: &Error) -> Status {
    let mut sent = proto::Error::from(error);
    for text in [Some(&mut sent.message), sent.detail.as_mut(), sent.hint.as_mut()].into_iter().flatten() {
        if text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
    }
    Status::with_details(Code::Aborted, "see details", sent.encode_to_vec().into())
}

/// What a status says, if one of ours sent it.
pub fn from_status(status: &Status) -> Option<Error> {
    let sent = proto::Error::decode(status.details()).ok()?;
    (status.code() == Code::Aborted && !sent.sqlstate.is_empty()).then(|| sent.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_arrives_as_it_was_sent() {
        let error = Error::new(state::DIVISION_BY_ZERO, "division by zero")
            .with_detail("d")
            .with_hint("h")
            .with_source_id("pg".into())
            .with_site("eu".into())
            .with_retry(Retry::Replica)
            .at_position(7);
        let back = from_status(&into_status(&error)).unwrap();
        assert_eq!(proto::Error::from(&back), proto::Error::from(&error));
        let long = Error::new(state::FDW_ERROR, "ü".repeat(10_000));
        let back = from_status(&into_status(&long)).unwrap();
        assert!(back.message().len() <= LONGEST + 4 && back.message().ends_with('…'));
        assert!(from_status(&Status::unavailable("gone")).is_none());
    }
}
