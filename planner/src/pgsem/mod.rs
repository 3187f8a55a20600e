//! PostgreSQL's semantics for DataFusion: every operator, cast, function and aggregate the binder accepts is here, as a
//! [`registry::Signature`] that says whether DataFusion computes it exactly ([`Verdict::Exact`]) or we do
//! ([`Verdict::Replaced`]). What is not in the registry does not bind: SQLSTATE 42883 or 0A000.
//!
//! * [`text`], [`bytea`], [`json`], [`array`]: functions by type; [`io`]: what literals mean and psql shows; [`cast`]: casts;
//! * [`datetime`]: date, time, timestamp, timestamptz, interval;
//! * [`func`]: our functions inside DataFusion's expressions ([`func::PgFunc`]) and typed expressions ([`func::Typed`]);
//! * [`kernel`]: from a Rust closure over values to a function over Arrow arrays;
//! * [`registry`]: signatures; * [`builtin`]: PostgreSQL's own list of them; * [`resolve`]: which one a call means.

pub mod aggregate;
#[cfg(test)]
mod answers;
pub mod array;
mod array_key;
pub mod builtin;
pub mod bytea;
pub mod cast;
pub mod codec;
pub mod collect;
pub mod compare;
pub mod conditional;
pub mod datetime;
pub mod errors;
pub mod evaluate;
pub mod float;
pub mod float_functions;
pub mod func;
pub mod integer;
pub mod io;
pub mod json;
pub mod kernel;
pub mod key;
pub mod lookup;
pub mod number_casts;
pub mod number_io;
pub mod number_template;
pub mod numeric;
mod primitive;
pub mod regex;
pub mod registry;
pub mod resolve;
mod size;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod uuid;

pub use func::{FuncDef, PgFunc, SqlForm, Typed, Verdict};
