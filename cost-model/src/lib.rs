//! What every other crate of Narrows shares and what the cost model is made of.
//!
//! This crate knows nothing of SQL, DataFusion, actors or engines. For now it holds the identifiers that appear in every
//! log line, lease and SQL comment ([`ids`]), the injected clock ([`clock`]), the matrix of links ([`link`]) and the analytic
//! model of what steps cost ([`analytic`]).

pub mod analytic;
pub mod clock;
pub mod ids;
pub mod link;

pub use clock::{Clock, SystemClock};
pub use ids::{EngineKind, Epoch, QueryId, RelationId, SiteId, SourceId, StepId};
pub use link::{Link, Links};
