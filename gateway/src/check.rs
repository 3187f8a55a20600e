//! `narrows check`: is the configuration good, and do the sources answer?

use std::path::Path;
use std::process::ExitCode;

use crate::config::Config;
use crate::pg::Live;

/// Prints what was found; the exit code tells whether all is well.
pub fn run(path: &Path) -> ExitCode {
    crate::process::install_tls();
    let config = Config::read(path).map_err(|e| e.to_string());
    match config.and_then(|config| Live::new(&config).map(|_| config)) {
        Ok(config) => {
            println!("{}: {} sources, {} users", path.display(), config.sources.len(), config.users.len());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
