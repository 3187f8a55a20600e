//! The command line of `narrows`.

mod hash_password;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::process;

const EXAMPLES: &str = "\
Examples:
  narrows check --config narrows.toml       Is the file good, do the sources answer?
  narrows gateway --config narrows.toml     Serve until SIGTERM; SIGHUP reads the file again
  narrows site --config frankfurt.toml      Serve the sources of a datacenter to gateways elsewhere
  psql -h 127.0.0.1 -p 5432                 Connect
  narrows hash-password ana                 Make a [[user]] entry without writing down the password

A smallest configuration:
  config_version = 1
  [[source]]
  name = \"lake\"
  engine = \"files\"
  path = \"/data/parquet\"

All keys are explained in docs/configuration.md.";

/// One SQL query over PostgreSQL, MySQL, MariaDB and Parquet, wherever they are.
///
/// Narrows speaks PostgreSQL's protocol. Each source's tables appear as a schema; a query may join tables of different
/// sources, and each source answers the part that concerns it.
#[derive(Debug, Parser)]
#[command(name = "narrows", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway that clients connect to
    Gateway(ConfigFile),
    /// Run a site: the sources of one datacenter, for gateways elsewhere
    Site(ConfigFile),
    /// Validate the configuration, connect to each source, show what was found
    Check(ConfigFile),
    /// Read a password and print its SCRAM-SHA-256 verifier for a [[user]]
    HashPassword(hash_password::HashPassword),
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// Configuration file (TOML)
    #[arg(long, short, value_name = "FILE", env = "NARROWS_CONFIG")]
    config: PathBuf,
}

impl Cli {
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Gateway(file) => process::run(&file.config),
            Command::Site(file) => process::site::run(&file.config),
            Command::Check(file) => crate::check::run(&file.config),
            Command::HashPassword(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
