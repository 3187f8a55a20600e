//! Identifiers, one kind each, so that a site can never be passed where a source is meant.
//!
//! A query's id is a UUIDv7 and doubles as trace id; it is written into the comment of every statement an engine sees.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(name: impl AsRef<str>) -> Self {
                Self(Arc::from(name.as_ref()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

name_id!(
    /// A datacenter: its sources, its compute, its exchange.
    SiteId
);
name_id!(
    /// One configured engine instance at one site.
    SourceId
);

impl SourceId {
    /// The source that a site's compute is to a plan. No configured source has a name like it.
    pub fn compute(site: &SiteId) -> Self {
        Self::new(format!("@{site}"))
    }

    pub fn is_compute(&self) -> bool {
        self.as_str().starts_with('@')
    }
}

/// The kind of engine behind a source; it picks dialect, capabilities and rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineKind {
    Postgres,
    /// MySQL and MariaDB speak one dialect; a source's version tells them apart.
    MySql,
    /// A folder of Parquet or CSV files, answered by DataFusion in the site's own process. Its SQL is PostgreSQL's, bound by
    /// the planner, so it computes exactly what the gateway computes.
    Files,
    /// Tables of the gateway itself (`pg_catalog`, `narrows`): never sent anywhere.
    System,
    /// A site's own compute, over relations that are there or are fetched from other sites. Its SQL is that of [`Self::Files`].
    Site,
}

/// One query of one client: UUIDv7, so ids sort by start time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueryId(pub Uuid);

impl QueryId {
    /// A fresh id. `unix_ms` comes from the injected clock.
    pub fn at(unix_ms: u64) -> Self {
        let seconds = unix_ms / 1000;
        let nanos = (unix_ms % 1000) as u32 * 1_000_000;
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A step of a query's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepId {
    pub query: QueryId,
    pub number: u32,
}

/// The result of a fragment or a join. `attempt` grows when its producer is started anew; rows of two attempts never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelationId {
    pub query: QueryId,
    pub number: u32,
    pub attempt: u16,
}

/// One life of a gateway process; what a site holds for it is leased to its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);
