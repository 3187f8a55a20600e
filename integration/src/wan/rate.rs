//! A bandwidth, and a bucket that lets bytes through at that rate.

use std::time::Duration;

/// How far a bucket may run ahead of its rate after a pause: the depth of its tokens, as time. It makes up for what a link loses
/// while it waits for the other links of its site.
const BURST: Duration = Duration::from_millis(2);

/// Bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    pub const UNLIMITED: Self = Self(u64::MAX);
    /// Nothing passes until the rate is set again.
    pub const ZERO: Self = Self(0);

    /// Megabits (10⁶ bits) per second. Negative values and NaN are zero.
    #[must_use]
    pub fn mbit(megabits: f64) -> Self {
        Self((megabits * 1e6).round() as u64)
    }

    /// Bytes that pass within a time, at most `limit`.
    pub(super) fn bytes_in(self, time: Duration, limit: usize) -> usize {
        let bytes = u128::from(self.0) * time.as_nanos() / 8_000_000_000;
        usize::try_from(bytes).map_or(limit, |bytes| bytes.min(limit))
    }
}

/// A token bucket, kept as the time at which it will have sent all that it has let through.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    free_at: Duration,
    /// What whole nanoseconds did not hold of earlier bytes, in bits × 10⁹; so the rate is exact in the long run.
    owed: u128,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, free_at: Duration::ZERO, owed: 0 }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// From when on it lets the next bytes through; never at rate zero.
    pub(super) fn ready(&self) -> Option<Duration> {
        (self.rate != Rate::ZERO).then(|| self.free_at.saturating_sub(BURST))
    }

    /// Lets bytes through, not before it is ready. Returns how long they take to pass.
    pub(super) fn take(&mut self, bytes: usize, at: Duration) -> Duration {
        if self.rate == Rate::UNLIMITED || self.rate == Rate::ZERO {
            self.free_at = self.free_at.max(at);
            return Duration::ZERO;
        }
        let rate = u128::from(self.rate.0);
        let cost = bytes as u128 * 8_000_000_000 + self.owed;
        self.owed = cost % rate;
        let time = Duration::from_nanos(u64::try_from(cost / rate).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(at) + time;
        time
    }

    /// What has not been let through by now starts at the new rate.
    pub(super) fn set_rate(&mut self, rate: Rate, now: Duration) {
        self.rate = rate;
        self.owed = 0;
        self.resume(now);
    }

    /// Forgets time that passed while nothing could be sent: it must not be made up for.
    pub(super) fn resume(&mut self, now: Duration) {
        self.free_at = self.free_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_run_rate_is_exact_whatever_the_pieces() {
        for (rate, piece) in [(Rate::mbit(7.0), 1461), (Rate::mbit(999.999_937), 65_536), (Rate(3), 1)] {
            let mut bucket = Bucket::new(rate);
            let pieces = 10_000u64;
            for _ in 0..pieces {
                let at = bucket.ready().unwrap();
                bucket.take(piece, at);
            }
            let ideal = (pieces * piece as u64 * 8) as f64 / rate.0 as f64;
            assert!((bucket.free_at.as_secs_f64() - ideal).abs() < 1e-6, "{rate:?}: {:?} for {ideal}", bucket.free_at);
        }
    }

    #[test]
    fn a_pause_is_made_up_for_only_by_the_burst() {
        let mut bucket = Bucket::new(Rate::mbit(8.0));
        bucket.take(1000, Duration::from_secs(5));
        assert_eq!(bucket.ready(), Some(Duration::from_millis(5001) - BURST));
    }

    #[test]
    fn a_stopped_bucket_is_never_ready_and_does_not_catch_up() {
        let mut bucket = Bucket::new(Rate::ZERO);
        assert_eq!(bucket.ready(), None);
        bucket.set_rate(Rate::mbit(1.0), Duration::from_secs(9));
        assert_eq!(bucket.ready(), Some(Duration::from_secs(9) - BURST));
    }

    #[test]
    fn bytes_in_a_time_are_capped() {
        assert_eq!(Rate::mbit(8.0).bytes_in(Duration::from_millis(1), 65_536), 1000);
        assert_eq!(Rate::UNLIMITED.bytes_in(Duration::from_millis(1), 65_536), 65_536);
    }
}
