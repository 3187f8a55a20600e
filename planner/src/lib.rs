//! From SQL text to a plan: a pure library, deterministic, without sockets, actors or clocks.
//!
//! The way of a statement: parse and bind against a [`catalog::Catalog`] and a [`context::QueryContext`] with PostgreSQL's
//! semantics ([`pgsem`]), optimise, cut into fragments, write each fragment in its engine's SQL.

pub mod bind;
pub mod catalog;
pub mod context;
pub mod emit;
mod empty_relation;
pub mod error;
pub mod explain;
pub mod fragment;
pub mod optimize;
pub mod pgsem;
pub mod pgtype;
pub mod plan;
pub mod prune;
mod replica;
pub mod residency;
pub mod search;
pub mod source;
pub mod stats;
mod unions;

pub use context::QueryContext;
pub use error::{Error, Result};
pub use pgtype::PgType;
