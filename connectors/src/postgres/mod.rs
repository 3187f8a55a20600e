//! PostgreSQL, and what speaks its protocol and keeps its catalogs.
//!
//! # Types
//!
//! | PostgreSQL | here | carried as |
//! |---|---|---|
//! | `bool`, `int2`, `int4`, `int8`, `float4`, `float8` | the same | Boolean, Int16, Int32, Int64, Float32, Float64 |
//! | `numeric(p, s)` with `0 <= s <= p <= 76` | the same | Decimal128 or Decimal256; NaN is an error that names the column |
//! | other `numeric` | `numeric` | order-preserving bytes of any precision and scale, NaN and infinities |
//! | `text`, `varchar(n)`, `name`, `json`, `"char"` | the same | text |
//! | `char(n)` | the same | text without the padding |
//! | `jsonb`, `uuid`, `inet` | the same | text as PostgreSQL prints it |
//! | `bytea` | the same | bytes |
//! | `date`, `time`, `timestamp`, `timestamptz` | the same | Date32, Time64 (µs), Timestamp (µs), Timestamp (µs, UTC); infinities as least and greatest value; beyond January 294247: an error |
//! | `interval` | the same | months, days, nanoseconds; a time part beyond 292 years: an error |
//! | `oid` | the same | Int64 |
//! | arrays of these | the same | List; other than one dimension counted from 1: an error |
//! | enums and arrays of them | `text`, opaque | text |
//! | domains | their base type | as that |
//! | arrays of domains | array of the base type, opaque | as that |
//! | anything else | by policy ([`UnsupportedTypes`](crate::engine::UnsupportedTypes)): `text`, opaque; or NULL; or left out with the reason | text |
//!
//! *Opaque* columns are selected through a cast to the type given here, and no predicate on them is sent. Columns of a
//! nondeterministic collation are opaque too, because their `=` is not ours.

mod cancel;
mod config;
mod connect;
mod decode;
mod engine;
mod error;
mod introspect;
mod scan;
mod server;
mod session;
mod split;
mod tls;
mod types;
mod working;

pub use config::{PostgresConfig, SslMode};
pub use engine::PostgresEngine;
