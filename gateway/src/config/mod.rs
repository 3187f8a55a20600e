//! The configuration file: what may stand in it ([`model`]), how it is read ([`load`]), what must hold ([`validate`]).

mod connection;
mod load;
mod model;
mod network;
mod reference;
mod schema;
mod secret;
mod tables;
mod validate;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};

pub use connection::{Endpoint, Server};
pub use load::{Problem, nearest};
pub use model::{EngineName, Gateway, LeaveName, LeaveWord, LogFormat, SslMode, UnsupportedTypes};
pub use network::{LinkConfig, ResidencyConfig};
pub use reference::page as reference_page;
pub use tables::{PlacementConfig, TableConfig};
pub use validate::{Config, RemoteSiteConfig, SiteConfig, SiteProcessConfig, SourceConfig, TlsFiles, UserConfig};
pub use values::{ByteSize, Period};

/// Everything that is wrong with a configuration file, so that one look is enough to mend it.
#[derive(Debug)]
pub struct ConfigError {
    pub path: PathBuf,
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            match problem.line {
                0 => write!(f, "{newline}{}: {}", self.path.display(), problem.message)?,
                line => write!(f, "{newline}{}:{line}: {}", self.path.display(), problem.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|e| ConfigError {
        path: path.to_path_buf(),
        problems: vec![Problem { line: 0, message: format!("cannot read the configuration file: {e}") }],
    })
}

fn error(mut problems: Vec<Problem>, path: &Path) -> ConfigError {
    problems.sort_by_key(|p| p.line);
    ConfigError { path: path.to_path_buf(), problems }
}

impl SiteProcessConfig {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read_text(path)?, path)
    }

    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        load::load_site(text).and_then(|raw| validate::check_site(raw, path)).map_err(|problems| error(problems, path))
    }
}

impl Config {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read_text(path)?, path)
    }

    /// `path` is where relative paths start and what errors name.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        load::load(text).and_then(|raw| validate::check(raw, path)).map_err(|problems| error(problems, path))
    }
}

#[cfg(test)]
mod tests;
