//! Time as an argument. Everything that waits, times out or stamps asks a [`Clock`], so that the simulator can run the same
//! code on a virtual one.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time. `now` is monotonic and only good for differences; `unix_micros` is the wall clock.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Monotonic time since the clock was made.
    fn now(&self) -> Duration;
    /// Microseconds since 1970-01-01 UTC.
    fn unix_micros(&self) -> i64;
}

/// The machine's own clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self { started: Instant::now() })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn unix_micros(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
    }
}
