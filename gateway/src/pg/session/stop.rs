//! Waiting without going deaf: while a statement waits for anything, cancel requests, its time-out, shutdown and the client's
//! departure are heard.

use std::future::Future;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
use crate::pg::wire::Connection;
use crate::queries::{Interrupt, Reason};

#[derive(Clone, Debug)]
pub struct Stop {
    pub interrupt: Arc<Interrupt>,
    pub deadline: Option<Instant>,
    pub kill: CancellationToken,
}

impl Stop {
    /// For work that does not wait.
    pub fn check(&self) -> Result<(), Fault> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.interrupt.fire(Reason::Timeout);
        }
        if self.kill.is_cancelled() {
            self.interrupt.fire(Reason::Shutdown);
        }
        self.interrupt.reason().map_or(Ok(()), |reason| Err(reason.into()))
    }

    /// Returns the reason as soon as there is one.
    async fn stopped(&self) -> Reason {
        let timeout = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let reason = tokio::select! {
            reason = self.interrupt.fired() => reason,
            () = timeout => Reason::Timeout,
            () = self.kill.cancelled() => Reason::Shutdown,
        };
        self.interrupt.fire(reason);
        reason
    }

    /// Waits for `work`; gives it up when the statement has to stop.
    pub async fn wait<T>(&self, conn: &mut Connection, work: impl Future<Output = T>) -> Result<T, Fault> {
        tokio::select! {
            biased;
            out = work => Ok(out),
            reason = self.stopped() => Err(reason.into()),
            () = conn.gone() => {
                self.interrupt.fire(Reason::ClientGone);
                Err(Fault::Gone)
            }
        }
    }

    /// Sends what waits in the buffer. A client that does not read cannot hold up a cancel.
    pub async fn flush(&self, conn: &mut Connection) -> Result<(), Fault> {
        tokio::select! {
            biased;
            done = conn.flush() => {
                if done.is_err() {
                    self.interrupt.fire(Reason::ClientGone);
                }
                Ok(done?)
            }
            reason = self.stopped() => Err(reason.into()),
        }
    }
}
