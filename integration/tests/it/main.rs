//! Tests against real servers, one binary.

mod cases;
mod catalogs;
mod client;
mod conformance;
mod failures;
mod generated;
mod geo;
mod harness;
mod injection;
mod leftovers;
mod mysql_pool;
mod postgres_connector;
mod reduction;
mod serve;
mod shared;
mod tpch;
mod traps;
mod wan;
mod workspace;
