//! PostgreSQL's protocol version 3.0, as bytes.

pub mod backend;
pub mod connection;
pub mod frontend;

pub use connection::{Connection, Frame, ReadError, Stream};
