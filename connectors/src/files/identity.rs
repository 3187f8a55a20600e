//! Which file, in which state: what tells that a file has changed since it was looked at.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use planner::error::state;
use planner::{Error, Result};

/// A file as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    pub path: PathBuf,
    pub size: u64,
    modified: Option<SystemTime>,
    /// Device and inode, where there are such.
    inode: (u64, u64),
}

impl FileIdentity {
    pub fn of(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|e| file_error(path, &e))?;
        Ok(Self::from_metadata(path, &metadata))
    }

    fn from_metadata(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), size: metadata.len(), modified: metadata.modified().ok(), inode: inode(metadata) }
    }

    /// Opens the very file that was looked at. It stays the same file as long as it is open, even if its name is given away.
    pub fn open(&self) -> Result<File> {
        let file = File::open(&self.path).map_err(|e| file_error(&self.path, &e))?;
        self.check(&file)?;
        Ok(file)
    }

    /// Fails if an open file was written to.
    pub fn check(&self, file: &File) -> Result<()> {
        let metadata = file.metadata().map_err(|e| file_error(&self.path, &e))?;
        if Self::from_metadata(&self.path, &metadata) == *self { Ok(()) } else { Err(changed(&self.path)) }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

pub(super) fn changed(path: &Path) -> Error {
    Error::new(
        state::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("file \"{}\" changed while it was read", path.display()),
    )
    .with_hint("Run the query again.")
}

pub(super) fn file_error(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(state::FDW_ERROR, format!("file \"{}\" cannot be read: {cause}", path.display()))
}

/// What is inside is not what it should be.
pub(super) fn corrupt(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::new(state::FDW_ERROR, format!("file \"{}\" is damaged or not what its name says: {what}", path.display()))
}
