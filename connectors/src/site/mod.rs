//! A site's compute: runs the shell of a query over the relations its sources send.
//!
//! [`Executor::execute`] takes a plan to a [`QueryStream`]. On the way: permits and sessions at every source, fragments read
//! into relations ([`relation`]: piped or held), the shell planned and run by DataFusion on threads of its own, a bounded
//! channel to the reader. A reader that stops reading thus stops the engines; a reader that leaves, a cancel or a deadline ends
//! all of it at once.

mod asking;
pub(crate) mod compute;
pub(crate) mod error;
pub(crate) mod executor;
mod fragment;
mod interrupt;
mod job;
mod leaves;
mod measure;
mod memory;
mod parameters;
pub(crate) mod planning;
mod relation;
pub(crate) mod result;
mod run;
mod schedule;
mod settings;
mod spill;
mod step;
mod stream;
#[cfg(test)]
mod tests;
mod wiring;

pub use compute::caught;
pub(crate) use error::{chain, translate};
pub use executor::Executor;
pub(crate) use leaves::row_width;
pub use measure::{FragmentMeasure, Measurements, OperatorMeasure};
pub use memory::SitePool;
pub use run::{Lease, QueryRun, SourceHandle, Sources, SystemTables};
pub use settings::RuntimeSettings;
pub use spill::SpillArea;
pub(crate) use step::{input_source, plan as plan_step};
pub use stream::{QueryStream, Watcher};
