//! What every other crate of Narrows shares and what the cost model is made of.
//!
//! This crate knows nothing of SQL, DataFusion, actors or engines. For now it holds the identifiers that appear in every
//! log line, lease and SQL comment ([`ids`]) and the injected clock ([`clock`]).

pub mod clock;
pub mod ids;

pub use clock::{Clock, SystemClock};
pub use ids::{Epoch, QueryId, RelationId, SiteId, SourceId, StepId};
