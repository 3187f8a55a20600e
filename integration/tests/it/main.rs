//! Tests against real servers, one binary.

mod cases;
mod harness;
mod shared;
mod tpch;
mod workspace;
