//! A wide-area network in user space: without one, a federation is only ever tested where bytes are free and links never break.
//!
//! Processes that run on one machine pretend to be at different sites. Whoever at site `a` wants to reach an address of site `b`
//! connects to the port that [`Wan::listen`] gave out for that, and both directions of the connection pay the links they use:
//! rate, delay, the buckets of both sites, and a congestion window that slow start opens, so that one stream is slower than a
//! link with a long round trip and several are not. No root is needed. Not emulated are lost packets and the headers' bytes.
//!
//! `network` computes when which bytes arrive, without clock or socket; `proxy` carries them.

mod change;
mod flow;
mod handle;
mod network;
mod proxy;
mod rate;
mod shared;
mod topology;
mod window;

pub use change::{Change, Fault, parse_trace};
pub use handle::Wan;
pub use network::Counters;
pub use rate::Rate;
pub use topology::Topology;
pub use window::Tcp;
