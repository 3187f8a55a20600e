//! Tests against real servers, one binary.

mod harness;
mod workspace;
