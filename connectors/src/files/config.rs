//! What is configured of a source of files.

use std::path::PathBuf;

use cost_model::{SiteId, SourceId};

use super::csv::CsvOptions;
use crate::engine::UnsupportedTypes;

/// A folder whose files and sub-folders are tables.
#[derive(Clone, Debug)]
pub struct FilesConfig {
    pub source: SourceId,
    pub site: SiteId,
    pub folder: PathBuf,
    pub csv: CsvOptions,
    /// What becomes of columns and values that have no PostgreSQL counterpart.
    pub unsupported_types: UnsupportedTypes,
}
