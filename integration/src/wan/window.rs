//! The congestion window of one direction of a connection: what makes one stream slower than its link.

use std::time::Duration;

/// One segment of TCP, in bytes.
pub(super) const SEGMENT: usize = 1460;

/// What the connections of an emulated network have in common.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Bytes a new connection may have in flight.
    pub initial_window: usize,
    /// Bytes it may have in flight at most: the receive window, or where it would lose packets.
    pub max_window: usize,
    /// Bytes that wait for the link, per connection and direction; then the sender's socket is not read.
    pub queue: usize,
    /// Idle connections go back towards the initial window.
    pub idle_restart: bool,
    /// A connection's first bytes wait for its handshake.
    pub handshake: bool,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            initial_window: 10 * SEGMENT,
            max_window: 4 << 20,
            queue: 256 << 10,
            idle_restart: true,
            handshake: true,
        }
    }
}

#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    initial: usize,
    max: usize,
    in_flight: usize,
    /// What was in flight when bytes were last sent: how much of the window is used.
    used: usize,
    last_sent: Duration,
    idle_restart: bool,
}

impl Window {
    pub(super) fn new(tcp: &Tcp) -> Self {
        let max = tcp.max_window.max(SEGMENT);
        let initial = tcp.initial_window.clamp(SEGMENT, max);
        Self {
            size: initial,
            initial,
            max,
            in_flight: 0,
            used: 0,
            last_sent: Duration::ZERO,
            idle_restart: tcp.idle_restart,
        }
    }

    /// Whether bytes may leave, or as much of them as is worth a segment.
    pub(super) fn is_open_for(&self, bytes: usize) -> bool {
        self.room() >= bytes.min(SEGMENT)
    }

    pub(super) fn room(&self) -> usize {
        self.size.saturating_sub(self.in_flight)
    }

    /// Halves the window for each time-out that passed without anything sent or on its way, as Linux does.
    pub(super) fn decay(&mut self, now: Duration, timeout: Duration) {
        if !self.idle_restart || self.in_flight > 0 {
            return;
        }
        let mut idle = now.saturating_sub(self.last_sent);
        while idle > timeout && self.size > self.initial {
            self.size = (self.size / 2).max(self.initial);
            idle -= timeout;
        }
    }

    pub(super) fn sent(&mut self, bytes: usize, at: Duration) {
        self.in_flight += bytes;
        self.used = self.in_flight;
        self.last_sent = at;
    }

    /// Slow start: what is acknowledged widens the window by as much, so it doubles each round trip, if it was used.
    pub(super) fn acknowledged(&mut self, bytes: usize) {
        if self.size < self.used * 2 {
            self.size = (self.size + bytes).min(self.max);
        }
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(window: &mut Window) -> usize {
        let bytes = window.room();
        window.sent(bytes, Duration::ZERO);
        window.acknowledged(bytes);
        bytes
    }

    #[test]
    fn it_doubles_each_round_trip_up_to_the_maximum() {
        let mut window = Window::new(&Tcp { max_window: 100_000, ..Tcp::default() });
        let rounds: Vec<usize> = (0..5).map(|_| round(&mut window)).collect();
        assert_eq!(rounds, [14_600, 29_200, 58_400, 100_000, 100_000]);
    }

    #[test]
    fn it_does_not_grow_unused() {
        let mut window = Window::new(&Tcp::default());
        for _ in 0..100 {
            window.sent(1000, Duration::ZERO);
            window.acknowledged(1000);
        }
        assert_eq!(window.room(), 14_600);
    }

    #[test]
    fn idle_time_shrinks_it_again_unless_told_not_to() {
        let timeout = Duration::from_millis(300);
        for (idle_restart, expected) in [(true, 14_600), (false, 14_600 << 5)] {
            let mut window = Window::new(&Tcp { idle_restart, ..Tcp::default() });
            for _ in 0..5 {
                round(&mut window);
            }
            window.decay(timeout, timeout);
            assert_eq!(window.room(), 14_600 << 5);
            window.decay(Duration::from_secs(60), timeout);
            assert_eq!(window.room(), expected);
        }
    }

    #[test]
    fn a_sliver_of_room_is_not_used() {
        let mut window = Window::new(&Tcp::default());
        window.sent(14_000, Duration::ZERO);
        assert!(window.is_open_for(600));
        assert!(!window.is_open_for(60_000));
    }
}
