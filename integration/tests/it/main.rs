//! Tests against real servers, one binary.

mod cases;
mod catalogs;
mod generated;
mod harness;
mod leftovers;
mod postgres_connector;
mod serve;
mod shared;
mod tpch;
mod workspace;
