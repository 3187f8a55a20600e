//! The tables of a folder, and whether they are still what they were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use planner::error::{Retry, state};
use planner::{Error, Result};

use super::config::FilesConfig;
use super::identity::{FileIdentity, file_error};
use super::table::{Candidate, FilesTable, Format};

/// A table, or why it cannot be read.
pub(super) type Found = std::result::Result<Arc<FilesTable>, Error>;

/// What was found by the last look.
pub(super) struct Folder {
    pub config: FilesConfig,
    known: RwLock<BTreeMap<String, Found>>,
}

impl Folder {
    pub fn new(config: FilesConfig) -> Self {
        Self { config, known: RwLock::default() }
    }

    pub fn ping(&self) -> Result<()> {
        self.entries().map(drop)
    }

    /// Without its folder the source is out of reach, like a server that is down.
    fn entries(&self) -> Result<Vec<PathBuf>> {
        let FilesConfig { source, folder, .. } = &self.config;
        visible(folder).map_err(|e| {
            Error::new(state::CANNOT_CONNECT, format!("could not reach source \"{source}\": {}", e.message()))
                .with_source_id(source.clone())
                .with_retry(Retry::Replica)
        })
    }

    /// Looks at everything. What is damaged does not keep the rest from being found.
    pub fn look(&self) -> Result<BTreeMap<String, Found>> {
        let mut found = BTreeMap::new();
        for (name, candidate) in self.candidates()? {
            let before = self.known(&name);
            let table = candidate.and_then(|c| self.inspect(&c, before));
            if let Err(error) = &table {
                tracing::warn!(source = %self.config.source, table = name, %error, "a table cannot be read");
            }
            found.insert(name, table);
        }
        *self.known.write() = found.clone();
        Ok(found)
    }

    fn inspect(&self, candidate: &Candidate, before: Option<Arc<FilesTable>>) -> Found {
        match before {
            Some(before) if before.listing == candidate.files => Ok(before),
            before => FilesTable::inspect(candidate, &self.config, before.as_deref()).map(Arc::new),
        }
    }

    fn known(&self, name: &str) -> Option<Arc<FilesTable>> {
        self.known.read().get(name).and_then(|t| t.as_ref().ok().cloned())
    }

    /// What the last look found, looking if there was none.
    pub fn tables(&self) -> Result<BTreeMap<String, Found>> {
        let known = self.known.read().clone();
        if known.is_empty() { self.look() } else { Ok(known) }
    }

    /// A table as it is now. Rows may have come or gone since the last look; if its columns have changed, whatever was
    /// planned is void.
    pub fn current(&self, name: &str, planned: &FilesTable) -> Result<Arc<FilesTable>> {
        let candidate = self.candidates()?.remove(name);
        let gone = || Error::new(state::UNDEFINED_TABLE, format!("the files of table \"{name}\" are gone"));
        let candidate = candidate.ok_or_else(gone)??;
        let table = self.inspect(&candidate, self.known(name))?;
        if !table.has_columns_of(planned) {
            let message = format!("the columns of table \"{name}\" have changed since it was last looked at");
            return Err(Error::new(state::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
                .with_hint("CALL narrows.refresh_catalog(), then run the query again.")
                .with_retry(Retry::Query));
        }
        self.known.write().insert(name.into(), Ok(table.clone()));
        Ok(table)
    }

    /// By name. Two files that would get one name keep their extensions.
    fn candidates(&self) -> Result<BTreeMap<String, Result<Candidate>>> {
        let mut found: BTreeMap<String, Vec<(PathBuf, Result<Candidate>)>> = BTreeMap::new();
        for path in self.entries()? {
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() {
                let name = path.file_name().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
                if let Some(candidate) = of_folder(&name, &path).transpose() {
                    found.entry(name).or_default().push((path, candidate));
                }
            } else if let Some(format) = Format::of(&path) {
                let file = FileIdentity::of(&path);
                let candidate = file.map(|f| Candidate { name: stem.clone(), format, files: vec![f] });
                found.entry(stem).or_default().push((path, candidate));
            }
        }
        let mut named = BTreeMap::new();
        for (name, mut several) in found {
            if several.len() == 1 {
                named.extend(several.pop().map(|(_, candidate)| (name, candidate)));
                continue;
            }
            for (path, candidate) in several {
                let name = path.file_name().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
                named.insert(name.clone(), candidate.map(|c| Candidate { name, ..c }));
            }
        }
        Ok(named)
    }
}

/// Entries in order of their names; what starts with a dot or an underscore is not data.
fn visible(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let entries = entries.map_err(|e| file_error(folder, &e))?;
    let hidden = |e: &fs::DirEntry| e.file_name().to_string_lossy().starts_with(['.', '_']);
    let mut paths: Vec<_> = entries.iter().filter(|e| !hidden(e)).map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

/// A folder of files of one kind; `None` if it has none.
fn of_folder(name: &str, folder: &Path) -> Result<Option<Candidate>> {
    let mut format = None;
    let mut files = Vec::new();
    for path in visible(folder)? {
        let refused = |why: &str| Error::new(state::FDW_ERROR, format!("folder \"{}\" {why}", folder.display()));
        if path.is_dir() {
            return Err(refused("has folders inside: partitioned tables are not supported"));
        }
        let Some(own) = Format::of(&path) else { continue };
        if *format.get_or_insert(own) != own {
            return Err(refused("mixes Parquet and CSV files"));
        }
        files.push(FileIdentity::of(&path)?);
    }
    Ok(format.map(|format| Candidate { name: name.into(), format, files }))
}
