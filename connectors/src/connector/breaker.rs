//! The circuit breaker: a source that does not answer is left alone for a while instead of being asked by every query.
//!
//! Only failures to *reach* the source count (`Breaker::counts`); an engine that answers with an error is alive.

use std::time::Duration;

use planner::Error;
use planner::error::state;

use crate::backoff::Backoff;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Requests pass.
    Closed,
    /// Requests are refused until then, on the injected clock.
    Open { until: Duration },
    /// One probe is under way; everyone else is still refused.
    HalfOpen,
}

#[derive(Debug)]
pub struct Breaker {
    threshold: u32,
    backoff: Backoff,
    circuit: Circuit,
    failures: u32,
}

impl Breaker {
    /// Opens after `threshold` failures in a row.
    pub fn new(threshold: u32, backoff: Backoff) -> Self {
        Self { threshold: threshold.max(1), backoff, circuit: Circuit::Closed, failures: 0 }
    }

    /// Whether an error says that the source cannot be reached or does not let us in.
    pub fn counts(error: &Error) -> bool {
        let code = error.sqlstate();
        matches!(&code.as_str()[..2], "08" | "28")
            || code == state::CANNOT_CONNECT_NOW
            || matches!(code.as_str(), "57P01" | "57P02")
    }

    /// Lets a request pass, as the probe if the waiting time is over.
    pub fn admit(&mut self, now: Duration) -> bool {
        match self.circuit {
            Circuit::Closed => true,
            Circuit::Open { until } if now >= until => {
                self.circuit = Circuit::HalfOpen;
                true
            }
            Circuit::Open { .. } | Circuit::HalfOpen => false,
        }
    }

    pub fn succeeded(&mut self) {
        self.circuit = Circuit::Closed;
        self.failures = 0;
        self.backoff.reset();
    }

    /// The delay until the next probe if this failure opened the circuit (again).
    pub fn failed(&mut self, now: Duration) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.circuit {
            Circuit::Closed => self.failures >= self.threshold,
            Circuit::HalfOpen => true,
            // A straggler that started before the circuit opened.
            Circuit::Open { .. } => false,
        };
        opens.then(|| {
            let delay = self.backoff.next_delay();
            self.circuit = Circuit::Open { until: now + delay };
            delay
        })
    }

    pub fn circuit(&self) -> Circuit {
        self.circuit
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(3, Backoff::new(Duration::from_secs(1), Duration::from_secs(30), 1))
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let mut b = breaker();
        assert_eq!((b.failed(at(0)), b.failed(at(0))), (None, None));
        b.succeeded();
        assert_eq!((b.failed(at(0)), b.failed(at(0))), (None, None));
        assert!(b.admit(at(0)));
        assert!(b.failed(at(0)).is_some());
        assert!(!b.admit(at(1)));
    }

    #[test]
    fn one_probe_at_a_time_and_longer_waits_after_each_failed_one() {
        let mut b = breaker();
        let mut now = at(0);
        let mut delay = std::iter::repeat_with(|| b.failed(now)).flatten().next().unwrap();
        for _ in 0..3 {
            now += delay;
            assert!(b.admit(now), "the probe passes");
            assert!(!b.admit(now), "nobody else does");
            let next = b.failed(now).unwrap();
            assert!(next > delay / 2, "{next:?} after {delay:?}");
            delay = next;
        }
        now += delay;
        assert!(b.admit(now));
        b.succeeded();
        assert!(b.admit(now) && b.admit(now));
        assert_eq!(b.failures(), 0);
    }

    #[test]
    fn an_engine_that_answers_with_an_error_is_alive() {
        let counts = |code| Breaker::counts(&Error::new(planner::error::SqlState::new(code), ""));
        assert!(["08006", "08001", "57P01", "57P03", "28P01"].into_iter().all(counts));
        assert!(!["22012", "42P01", "57014", "53300", "XX000"].into_iter().any(counts));
    }
}
