//! The protocol between gateways and sites (`proto/narrows/v1/site.proto`) and what its messages mean in our own types.
//!
//! Protobuf, so that gateways and sites of different builds understand each other: a field that one of them does not know is
//! skipped, and what must not be misunderstood is checked in the greeting.

mod catalog;
mod compression;
mod error;
mod scan;
mod step;
mod ticket;

pub use catalog::{engine_kind, engine_name, health, health_name};
pub use compression::compression;
pub use error::{from_status, into_status};
pub use ticket::{Ending, Order, Ticket};

/// The messages and the service, generated.
#[allow(clippy::all, clippy::pedantic, missing_docs)]
pub mod proto {
    tonic::include_proto!("narrows.v1");
}

use cost_model::QueryId;
use planner::{Error, PgType, Result};
use uuid::Uuid;

/// What this build speaks. A higher one may add messages, never change their meaning. 2: sites run steps.
pub const PROTOCOL: u32 = 2;

/// Rows travel in messages of about this size, so that none of them delays others for long.
pub const MESSAGE_BYTES: usize = 1 << 20;
/// The longest message either side takes: one row may be wide.
pub const LONGEST_MESSAGE: usize = 512 << 20;

pub fn malformed(what: &str) -> Error {
    Error::new(planner::error::state::PROTOCOL_VIOLATION, format!("{what} of another site or gateway cannot be read"))
}

pub fn query_id(bytes: &[u8]) -> Result<QueryId> {
    Ok(QueryId(Uuid::from_slice(bytes).map_err(|_| malformed("a query's id"))?))
}

impl From<PgType> for proto::Type {
    fn from(ty: PgType) -> Self {
        Self { oid: ty.oid, typmod: ty.typmod }
    }
}

impl From<&proto::Type> for PgType {
    fn from(ty: &proto::Type) -> Self {
        Self { oid: ty.oid, typmod: ty.typmod }
    }
}

pub fn named_types(columns: Vec<(String, PgType)>) -> proto::Columns {
    let named = |(name, ty): (String, PgType)| proto::NamedType { name, r#type: Some(ty.into()) };
    proto::Columns { columns: columns.into_iter().map(named).collect() }
}

pub fn names_and_types(columns: proto::Columns) -> Result<Vec<(String, PgType)>> {
    let one = |c: proto::NamedType| Ok((c.name, c.r#type.as_ref().ok_or_else(|| malformed("a type"))?.into()));
    columns.columns.into_iter().map(one).collect()
}
