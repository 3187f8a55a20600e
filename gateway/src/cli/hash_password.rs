//! `narrows hash-password`: the verifier that goes into the configuration in place of the password.

use std::io::{IsTerminal, stdin};
use std::process::ExitCode;

use clap::Args;

use crate::pg::auth::Verifier;

/// Reads the password from standard input.
#[derive(Debug, Args)]
pub struct HashPassword {
    /// Print a whole [[user]] entry for this name
    #[arg(value_name = "USER")]
    user: Option<String>,
}

impl HashPassword {
    pub fn run(self) -> ExitCode {
        if stdin().is_terminal() {
            eprintln!("Type the password and press Enter (it is shown; to avoid that, pipe it in):");
        }
        let mut line = String::new();
        let password = match stdin().read_line(&mut line) {
            Ok(_) => line.trim_end_matches(['\r', '\n']),
            Err(error) => {
                eprintln!("narrows: cannot read the password: {error}");
                return ExitCode::FAILURE;
            }
        };
        if password.is_empty() {
            eprintln!("narrows: the password is empty");
            return ExitCode::FAILURE;
        }
        let verifier = Verifier::from_password(password);
        match &self.user {
            Some(user) => {
                println!("[[user]]\nname = {}\npassword_verifier = \"{verifier}\"", toml::Value::from(user.as_str()))
            }
            None => println!("{verifier}"),
        }
        ExitCode::SUCCESS
    }
}
