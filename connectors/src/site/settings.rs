//! What a site's compute may use of its machine.

use std::path::PathBuf;

use cost_model::Epoch;

/// Limits and sizes of one process's compute.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// Spill files go to `spill/` below it.
    pub data_dir: PathBuf,
    /// This life of the process: with the pid it names the spill folder, so that what a dead process left is recognised.
    pub epoch: Epoch,
    /// Bytes all running queries may hold together.
    pub memory_limit: usize,
    /// Bytes all running queries may have on disk together.
    pub spill_limit: u64,
    /// Threads that compute, and partitions a query is computed in.
    pub target_partitions: usize,
    /// Rows of a record batch.
    pub batch_size: usize,
}

impl RuntimeSettings {
    /// 1 GiB of memory, 10 GiB of disk, every core.
    pub fn new(data_dir: impl Into<PathBuf>, epoch: Epoch) -> Self {
        Self {
            data_dir: data_dir.into(),
            epoch,
            memory_limit: 1 << 30,
            spill_limit: 10 << 30,
            target_partitions: std::thread::available_parallelism().map_or(2, usize::from),
            batch_size: 8192,
        }
    }
}
