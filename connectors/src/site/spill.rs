//! Spill files: where operators and held relations go that do not fit in memory.
//!
//! `<data_dir>/spill/<pid>-<epoch>/` belongs to this process; folders of processes that are gone are removed at start. All
//! queries share one limit, beyond which a query fails with 53100 instead of filling the disk.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;
use parking_lot::Mutex;
use planner::error::state;
use planner::{Error, Result};

use super::RuntimeSettings;

/// Folders in use by this process: several sites may live in it.
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// This process's spill folder and the bytes in it.
#[derive(Debug)]
pub struct SpillArea {
    folder: PathBuf,
    limit: u64,
    used: AtomicU64,
    files: AtomicU64,
}

impl SpillArea {
    /// Clears what dead processes left and makes an empty folder.
    pub fn open(settings: &RuntimeSettings) -> Result<Arc<Self>> {
        let root = settings.data_dir.join("spill");
        let failed = |e: io::Error| {
            Error::new(state::CONFIG_FILE_ERROR, format!("the spill folder {} cannot be used: {e}", root.display()))
        };
        fs::create_dir_all(&root).map_err(failed)?;
        let folder = root.join(format!("{}-{}", std::process::id(), settings.epoch.0));
        let mut live = LIVE.lock();
        for entry in fs::read_dir(&root).map_err(failed)?.flatten() {
            if is_abandoned(&entry.file_name().to_string_lossy()) && !live.contains(&entry.path()) {
                fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        fs::create_dir(&folder).map_err(failed)?;
        live.insert(folder.clone());
        drop(live);
        Ok(Arc::new(Self { folder, limit: settings.spill_limit, used: AtomicU64::new(0), files: AtomicU64::new(0) }))
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> io::Result<()> {
        let fits = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other(
                Error::new(state::DISK_FULL, format!("temporary files exceed the limit of {} bytes", self.limit))
                    .with_hint("Raise the spill limit, or let the query read less."),
            )),
        }
    }
}

impl Drop for SpillArea {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        LIVE.lock().remove(&self.folder);
    }
}

/// `<pid>-<epoch>` of a process that is gone. Other names are not ours to remove.
fn is_abandoned(name: &str) -> bool {
    let Some((pid, epoch)) = name.split_once('-') else { return false };
    let (Ok(pid), Ok(_)) = (pid.parse::<u32>(), epoch.parse::<u64>()) else { return false };
    // A folder with our own pid is from an earlier process that had it: ours is not made yet. Without /proc nobody can tell,
    // and a data_dir belongs to one process.
    pid == std::process::id() || !Path::new("/proc/self").exists() || !Path::new(&format!("/proc/{pid}")).exists()
}

/// Makes DataFusion's temporary files in the site's area.
pub(super) struct SpillFiles(pub Arc<SpillArea>);

impl TempFileFactory for SpillFiles {
    fn create_temp_file(&self, _description: &str) -> DfResult<Arc<dyn SpillFile>> {
        let number = self.0.files.fetch_add(1, Ordering::Relaxed);
        let path = self.0.folder.join(format!("{number}.arrow"));
        OpenOptions::new().write(true).create_new(true).open(&path).map_err(DataFusionError::IoError)?;
        Ok(Arc::new(OwnFile { path, area: self.0.clone(), size: Arc::new(AtomicU64::new(0)) }))
    }
}

/// A file that is removed with its last handle.
struct OwnFile {
    path: PathBuf,
    area: Arc<SpillArea>,
    size: Arc<AtomicU64>,
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        self.area.used.fetch_sub(self.size.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl SpillFile for OwnFile {
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn size(&self) -> Option<u64> {
        Some(self.size.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> DfResult<Pin<Box<dyn Stream<Item = DfResult<Bytes>> + Send>>> {
        const CHUNK: u64 = 1 << 20;
        let mut file = File::open(&self.path).map_err(DataFusionError::IoError)?;
        Ok(Box::pin(futures::stream::poll_fn(move |_| {
            // A local file that was just written is in the page cache: as DataFusion's own reader, no thread is asked.
            let mut chunk = Vec::with_capacity(CHUNK as usize);
            std::task::Poll::Ready(match (&mut file).take(CHUNK).read_to_end(&mut chunk) {
                Ok(0) => None,
                Ok(_) => Some(Ok(Bytes::from(chunk))),
                Err(e) => Some(Err(DataFusionError::IoError(e))),
            })
        })))
    }

    fn open_writer(&self) -> DfResult<Box<dyn SpillWriter>> {
        let file = OpenOptions::new().append(true).open(&self.path).map_err(DataFusionError::IoError)?;
        Ok(Box::new(OwnWriter { file, area: self.area.clone(), size: self.size.clone() }))
    }
}

struct OwnWriter {
    file: File,
    area: Arc<SpillArea>,
    size: Arc<AtomicU64>,
}

impl Write for OwnWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.area.take(bytes.len() as u64)?;
        self.size.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SpillWriter for OwnWriter {
    fn finish(&mut self) -> DfResult<()> {
        self.file.flush().map_err(DataFusionError::IoError)
    }
}

#[cfg(test)]
mod tests {
    use cost_model::Epoch;

    use super::*;

    fn settings(dir: &Path, spill_limit: u64) -> RuntimeSettings {
        RuntimeSettings { spill_limit, ..RuntimeSettings::new(dir, Epoch(7)) }
    }

    #[test]
    fn start_clears_what_dead_processes_left_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let spill = dir.path().join("spill");
        // Pids of Linux end far below this one.
        for name in ["4000000000-1", "notes", &format!("{}-3", std::process::id()), "1-1"] {
            fs::create_dir_all(spill.join(name)).unwrap();
        }
        let area = SpillArea::open(&settings(dir.path(), 10)).unwrap();
        let mut left: Vec<_> = fs::read_dir(&spill).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        let ours = format!("{}-7", std::process::id());
        let mut expected = vec!["1-1".into(), std::ffi::OsString::from(&ours), "notes".into()];
        expected.sort();
        assert_eq!(left, expected);
        drop(area);
        assert!(!spill.join(ours).exists(), "an orderly end leaves nothing");
    }

    #[test]
    fn the_limit_is_shared_and_freed_with_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let area = SpillArea::open(&settings(dir.path(), 10)).unwrap();
        let files = SpillFiles(area.clone());
        let a = files.create_temp_file("a").unwrap();
        let b = files.create_temp_file("b").unwrap();
        a.open_writer().unwrap().write_all(b"12345678").unwrap();
        let refused = b.open_writer().unwrap().write_all(b"123").unwrap_err();
        let error = super::super::error::translate(DataFusionError::IoError(refused));
        assert_eq!(error.sqlstate(), state::DISK_FULL);
        drop(a);
        assert_eq!(area.used(), 0);
        b.open_writer().unwrap().write_all(b"123").unwrap();
        assert_eq!(area.used(), 3);
    }
}
