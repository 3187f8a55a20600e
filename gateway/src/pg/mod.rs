//! The PostgreSQL front end.
//!
//! The protocol loop is our own ([`wire`], [`session`]) rather than a library's handlers, because a federated query is slow to
//! start, long to stream and expensive to leave running: rows must leave while the rest is still coming, a portal must stop at
//! its row limit, a cancel, a time-out or a client that is gone must reach the engines at any moment, and a stranger must not
//! make the gateway buffer anything. `pgwire` provides the SCRAM exchange.

pub mod auth;
mod cancel;
mod decode;
mod encode;
mod login;
pub mod server;
mod session;
mod settings;
mod sql;
mod wire;

pub use server::{Live, Shared, serve};
pub(crate) use settings::preset_settings;
