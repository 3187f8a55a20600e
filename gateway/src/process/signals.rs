//! SIGTERM and SIGINT stop the gateway, SIGHUP makes it read its configuration again.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

pub enum Signal {
    Reload,
    Stop,
}

pub struct Signals {
    hangup: Stream,
    interrupt: Stream,
    terminate: Stream,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    /// The next signal that stops: a second one means hurry.
    pub async fn stop(mut self) {
        while matches!(self.next().await, Signal::Reload) {}
    }
}
