//! Connections for rows to one site: one for each stream at a time, so that no stream's window or loss slows another. Idle ones
//! are kept for the next stream, which then needs no handshake over the WAN. One that has carried much has found out how much the
//! path takes, so it is for who needs much again; small answers take one that has not. They need no control connection beside them.

use std::sync::Arc;

use arrow_flight::flight_service_client::FlightServiceClient;
use parking_lot::Mutex;
use planner::{Error, Result};
use tokio::runtime::Handle;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::dial::{Bearer, Dialer, RemoteSiteOptions};
use crate::wire::LONGEST_MESSAGE;

pub type Client = FlightServiceClient<InterceptedService<Channel, Bearer>>;

/// Idle connections kept for each site.
const IDLE: usize = 8;

pub struct Channels {
    dialer: Dialer,
    io: Handle,
    /// With the bytes that each has carried.
    idle: Mutex<Vec<(Channel, u64)>>,
}

/// A connection in use. It is kept for others only if it is given back in good order.
pub struct Taken {
    channel: Channel,
    carried: u64,
    channels: Arc<Channels>,
}

/// What fits into the first round trips of any connection.
const SMALL: f64 = 64e3;

impl Channels {
    pub fn new(dialer: Dialer, io: Handle) -> Self {
        Self { dialer, io, idle: Mutex::default() }
    }

    /// To a site with which this process has nothing else to do.
    pub fn to(options: RemoteSiteOptions, io: Handle) -> Result<Arc<Self>> {
        Ok(Arc::new(Self::new(Dialer::new(options)?, io)))
    }

    pub fn options(&self) -> &RemoteSiteOptions {
        &self.dialer.options
    }

    /// The site does not answer any more.
    pub fn lost(&self) -> Error {
        self.dialer.lost()
    }

    /// For so many bytes, as far as anybody knows.
    pub async fn take(self: &Arc<Self>, bytes: Option<f64>) -> Result<Taken> {
        let (channel, carried) = match self.idle(bytes.is_some_and(|bytes| bytes <= SMALL)) {
            Some(idle) => idle,
            None => {
                // The connection's own task must not run on the threads that compute.
                let dialer = self.dialer.clone();
                let connecting = self.io.spawn(async move { dialer.channel().await });
                let connected = connecting.await;
                (connected.unwrap_or_else(|_| Err(self.dialer.unreachable("the gateway is shutting down")))?, 0)
            }
        };
        Ok(Taken { channel, carried, channels: self.clone() })
    }

    fn idle(&self, small: bool) -> Option<(Channel, u64)> {
        let mut idle = self.idle.lock();
        let by_bytes = |i: &usize| idle[*i].1;
        let at = if small { (0..idle.len()).min_by_key(by_bytes) } else { (0..idle.len()).max_by_key(by_bytes) };
        at.map(|at| idle.swap_remove(at))
    }

    /// The site is lost: no connection to it is of use.
    pub fn clear(&self) {
        self.idle.lock().clear();
    }
}

impl Taken {
    pub fn client(&self) -> Client {
        FlightServiceClient::with_interceptor(self.channel.clone(), self.channels.dialer.bearer.clone())
            .max_decoding_message_size(LONGEST_MESSAGE)
    }

    /// The stream has ended by itself, after so many bytes.
    pub fn give_back(self, bytes: u64) {
        let mut idle = self.channels.idle.lock();
        if idle.len() < IDLE {
            idle.push((self.channel, self.carried + bytes));
        }
    }
}
