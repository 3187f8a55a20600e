//! How many connections a source may see, shared first come, first served.
//!
//! A query waits for one permit only; what it wants beyond that it gets if it is free right then. So two queries never wait for
//! each other's rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cost_model::Clock;
use planner::error::state;
use planner::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits of one source; one permit is one connection.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    semaphore: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Permits in hand; they go back when this is dropped.
#[derive(Debug)]
pub struct Permits {
    _held: OwnedSemaphorePermit,
    /// One to as many as were asked for.
    pub count: usize,
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Budget {
    pub fn new(limit: usize) -> Self {
        let limit = limit.clamp(1, u16::MAX.into());
        Self { limit, semaphore: Arc::new(Semaphore::new(limit)), waiting: AtomicUsize::new(0) }
    }

    /// Waits in line. `name` is the source's, for the error; without a deadline the wait has no end.
    pub async fn acquire(
        &self,
        name: &str,
        wanted: usize,
        deadline: Option<Duration>,
        clock: &dyn Clock,
    ) -> Result<Permits> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let acquire = self.semaphore.clone().acquire_owned();
        let held = match deadline {
            None => Some(acquire.await),
            Some(at) => tokio::time::timeout(at.saturating_sub(clock.now()), acquire).await.ok(),
        };
        match held {
            Some(Ok(mut held)) => Ok(Permits { count: self.add(&mut held, wanted), _held: held }),
            Some(Err(_)) => Err(Error::internal("a budget was closed")),
            None => Err(Error::new(
                state::TOO_MANY_CONNECTIONS,
                format!("no connection to source \"{name}\" became free in time"),
            )
            .with_detail(format!("The source's limit of {} connections is used up by other queries.", self.limit))),
        }
    }

    /// As many as are free right now, up to what is wanted; `None` if there is none, or others wait.
    pub fn try_acquire(&self, wanted: usize) -> Option<Permits> {
        let mut held = self.semaphore.clone().try_acquire_owned().ok()?;
        Some(Permits { count: self.add(&mut held, wanted), _held: held })
    }

    /// What is free beyond the first one; the number of all.
    fn add(&self, held: &mut OwnedSemaphorePermit, wanted: usize) -> usize {
        let mut count = 1;
        while count < wanted
            && let Ok(another) = self.semaphore.clone().try_acquire_owned()
        {
            held.merge(another);
            count += 1;
        }
        count
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn in_use(&self) -> usize {
        self.limit - self.semaphore.available_permits()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use cost_model::SystemClock;
    use futures::poll;
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn the_first_in_line_is_served_first() {
        let clock = SystemClock::shared();
        let budget = Budget::new(1);
        let held = budget.acquire("s", 1, None, clock.as_ref()).await.unwrap();
        let mut first = pin!(budget.acquire("s", 2, None, clock.as_ref()));
        let mut second = pin!(budget.acquire("s", 1, None, clock.as_ref()));
        assert!(poll!(first.as_mut()).is_pending());
        assert!(poll!(second.as_mut()).is_pending());
        assert_eq!(budget.waiting(), 2);
        drop(held);
        assert!(budget.try_acquire(1).is_none(), "others wait");
        assert!(poll!(second.as_mut()).is_pending());
        drop(first.await.unwrap());
        second.await.unwrap();
        assert_eq!((budget.in_use(), budget.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn more_permits_than_one_are_a_bonus() {
        let clock = SystemClock::shared();
        let budget = Budget::new(3);
        let one = budget.acquire("s", 1, None, clock.as_ref()).await.unwrap();
        let rest = budget.acquire("s", 9, None, clock.as_ref()).await.unwrap();
        assert_eq!((one.count, rest.count, budget.in_use()), (1, 2, 3));
        drop(rest);
        assert_eq!(budget.in_use(), 1);
    }

    #[tokio::test]
    async fn a_deadline_ends_the_wait_and_leaves_the_line() {
        let clock = SystemClock::shared();
        let budget = Budget::new(1);
        let held = budget.acquire("s", 5, None, clock.as_ref()).await.unwrap();
        assert_eq!(held.count, 1, "never more than there are");
        let deadline = Some(clock.now() + Duration::from_millis(20));
        let error = budget.acquire("s", 1, deadline, clock.as_ref()).await.unwrap_err();
        assert_eq!(error.sqlstate(), state::TOO_MANY_CONNECTIONS);
        assert_eq!(budget.waiting(), 0);
    }
}
