//! PostgreSQL's semantics for DataFusion: every operator, cast, function and aggregate the binder accepts is here, as a
//! [`registry::Signature`] that says whether DataFusion computes it exactly ([`Verdict::Exact`]) or we do
//! ([`Verdict::Replaced`]). What is not in the registry does not bind: SQLSTATE 42883 or 0A000.
//!
//! * [`datetime`]: date, time, timestamp, timestamptz, interval;
//! * [`func`]: our functions inside DataFusion's expressions ([`func::PgFunc`]) and typed expressions ([`func::Typed`]);
//! * [`kernel`]: from a Rust closure over values to a function over Arrow arrays;
//! * [`registry`]: signatures; * [`builtin`]: PostgreSQL's own list of them; * [`resolve`]: which one a call means.

pub mod aggregate;
mod array_key;
pub mod builtin;
pub mod compare;
mod date_key;
pub mod datetime;
pub mod errors;
pub mod float;
pub mod float_functions;
pub mod func;
pub mod integer;
pub mod kernel;
pub mod key;
pub mod number_casts;
pub mod number_io;
pub mod numeric;
mod primitive;
pub mod registry;
pub mod resolve;
#[cfg(test)]
pub(crate) mod testing;

pub use func::{FuncDef, PgFunc, SqlForm, Typed, Verdict};
