//! How a message can fail: for the statement, for the session, or because nobody is there any more.

use std::io;

use planner::Error;

use crate::queries::Reason;

#[derive(Debug)]
pub enum Fault {
    /// The statement fails; the session goes on.
    Error(Error),
    /// The session ends after the client was told.
    Fatal(Error),
    /// The client is gone.
    Gone,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::User | Reason::Timeout => Self::Error(reason.error()),
            Reason::Shutdown => Self::Fatal(reason.error()),
            Reason::ClientGone => Self::Gone,
        }
    }
}
