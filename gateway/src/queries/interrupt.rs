//! The reasons for which a statement is stopped from outside, and the errors they become.

use std::sync::atomic::{AtomicU8, Ordering};

use planner::Error;
use planner::error::state;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// A cancel request.
    User = 1,
    /// `statement_timeout`.
    Timeout = 2,
    /// The connection was closed.
    ClientGone = 3,
    /// The gateway stops.
    Shutdown = 4,
}

impl Reason {
    pub fn error(self) -> Error {
        match self {
            Self::User => Error::new(state::QUERY_CANCELED, "canceling statement due to user request"),
            Self::Timeout => Error::new(state::QUERY_CANCELED, "canceling statement due to statement timeout"),
            Self::ClientGone => Error::new(state::CONNECTION_FAILURE, "connection to client lost"),
            Self::Shutdown => Error::new(state::ADMIN_SHUTDOWN, "terminating connection due to administrator command"),
        }
    }
}

/// Stops one statement. The first reason counts.
#[derive(Debug, Default)]
pub struct Interrupt {
    token: CancellationToken,
    reason: AtomicU8,
}

impl Interrupt {
    pub fn fire(&self, reason: Reason) {
        let _ = self.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        self.token.cancel();
    }

    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    pub fn reason(&self) -> Option<Reason> {
        [Reason::User, Reason::Timeout, Reason::ClientGone, Reason::Shutdown]
            .into_iter()
            .find(|r| *r as u8 == self.reason.load(Ordering::Acquire))
    }

    /// Waits until it fires.
    pub async fn fired(&self) -> Reason {
        self.token.cancelled().await;
        self.reason().unwrap_or(Reason::User)
    }
}
