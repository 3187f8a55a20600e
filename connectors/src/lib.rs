//! Connector actors, one folder per engine, and the site that runs a query's steps.

mod backoff;
pub mod connector;
pub mod engine;
pub mod exchange;
pub mod files;
mod guardian;
mod keys;
pub mod mysql;
mod pool;
pub mod postgres;
pub mod remote;
pub mod server;
pub mod site;
pub mod step;
pub mod wire;
