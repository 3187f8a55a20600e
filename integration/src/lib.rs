//! The test and benchmark harness of Narrows: throw-away database servers, TPC-H data, a running gateway, the answer oracle.
//!
//! Everything listens on loopback, on a free port, in a temporary directory, and stops with the process that started it, also
//! when that one is killed.

pub mod cases;
pub mod gateway;
pub mod oracle;
pub mod plot;
pub mod servers;
pub mod site;
pub mod tpch;
pub mod wan;

/// The middle one of several measurements; of an even number the later of the two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
