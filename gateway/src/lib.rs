//! The process that clients connect to: configuration, front ends, sessions, admission, and the way to the planner and the
//! sites.

pub mod admission;
mod check;
pub mod cli;
pub mod config;
pub mod coordinator;
pub mod pg;
pub mod process;
pub mod queries;
