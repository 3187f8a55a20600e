//! What is the same for every engine: budget, health, circuit breaker, reconnecting, cancelling, and surviving a panic.
//!
//! A [`ConnectorHandle`] is what the rest of the process holds of a source. Behind it a [`ConnectorActor`](actor) owns the
//! [`Engine`](crate::engine::Engine) and the circuit breaker, and a [guardian](crate::guardian) re-creates that actor should it ever panic. Only
//! requests and their outcomes pass the actor; the rows of a [session](crate::engine::EngineSession) flow straight from the
//! engine's connection to the reader, through bounded channels.
//!
//! The actor runs on an arbiter's single thread and only decides; all input and output runs on the multi-threaded runtime, so a
//! slow engine never delays another source's requests.

mod actor;
mod breaker;
mod budget;
mod handle;
mod running;
mod shared;
mod status;
#[cfg(test)]
mod tests;
mod tracked;

pub use breaker::Circuit;
pub use handle::{ConnectorHandle, ConnectorOptions, EngineFactory};
pub use status::{ConnectorStatus, Health, Published};
pub use tracked::ConnectorLease;
