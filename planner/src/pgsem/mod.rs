//! PostgreSQL's semantics for DataFusion: every operator, cast, function and aggregate the binder accepts is here, as a
//! [`registry::Signature`] that says whether DataFusion computes it exactly ([`Verdict::Exact`]) or we do
//! ([`Verdict::Replaced`]). What is not in the registry does not bind: SQLSTATE 42883 or 0A000.
//!
//! * [`datetime`]: date, time, timestamp, timestamptz, interval;
//! * [`func`]: our functions inside DataFusion's expressions ([`func::PgFunc`]) and typed expressions ([`func::Typed`]);
//! * [`kernel`]: from a Rust closure over values to a function over Arrow arrays;
//! * [`registry`]: signatures; * [`builtin`]: PostgreSQL's own list of them; * [`resolve`]: which one a call means.

pub mod aggregate;
pub mod builtin;
pub mod datetime;
pub mod errors;
pub mod func;
pub mod kernel;
pub mod numeric;
pub mod registry;
pub mod resolve;

pub use func::{FuncDef, PgFunc, SqlForm, Typed, Verdict};
