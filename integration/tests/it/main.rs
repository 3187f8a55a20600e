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
mod links;
mod mysql_pool;
mod partial;
mod plan_space;
mod postgres_connector;
mod reduction;
mod residency;
mod serve;
mod shared;
mod steps;
mod tpch;
mod traps;
mod wan;
mod workspace;
