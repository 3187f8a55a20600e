//! The folder a gateway keeps its things in, for itself alone.

use std::fs::{File, TryLockError, create_dir_all};
use std::path::Path;

/// Holds the folder's lock. The operating system frees it however the process ends.
#[derive(Debug)]
pub struct DataDir {
    _lock: File,
}

/// Creates the folder if need be and locks it.
pub fn claim(path: &Path) -> Result<DataDir, String> {
    let cannot =
        |what: &str, error: &dyn std::fmt::Display| format!("data_dir {}: cannot {what}: {error}", path.display());
    create_dir_all(path).map_err(|e| cannot("create it", &e))?;
    let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
    let lock = lock.map_err(|e| cannot("write to it", &e))?;
    match lock.try_lock() {
        Ok(()) => Ok(DataDir { _lock: lock }),
        Err(TryLockError::WouldBlock) => {
            Err(format!("data_dir {} is in use by another process of Narrows", path.display()))
        }
        Err(TryLockError::Error(error)) => Err(cannot("lock it", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_gateway_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = claim(&path).unwrap();
        assert!(claim(&path).unwrap_err().contains("in use by another process"));
        drop(first);
        claim(&path).unwrap();
    }
}
