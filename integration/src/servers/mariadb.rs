//! A throw-away MariaDB: utf8mb4, user `narrows` with password `narrows`, database `test`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Watched, command, find_program, free_port, read_pid, run, server_dir};

#[derive(Debug)]
pub struct TestMariaDb {
    server: Watched,
    dir: PathBuf,
    pub port: u16,
}

impl TestMariaDb {
    /// Starts a server; `settings` are `name=value`.
    pub fn start(settings: &[&str]) -> io::Result<Self> {
        let dir = server_dir("mariadb")?;
        let none = Path::new("/nonexistent");
        run(command(find_program("mariadb-install-db", none)?, &dir)
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", dir.join("data").display())))?;
        let port = free_port()?;
        let server = launch(&dir, port, settings)?;
        let mut mariadb = Self { server, dir, port };
        mariadb.wait()?;
        pipe(
            mariadb.root(),
            "create database test; create user narrows@'%' identified by 'narrows'; \
             grant all on *.* to narrows@'%' with grant option;",
        )?;
        Ok(mariadb)
    }

    /// Ends its process at once, without a goodbye.
    pub fn crash(&mut self) -> io::Result<()> {
        self.server.crash(read_pid(&self.dir.join("pid"))?)
    }

    /// Starts it again after a crash, with its data and on its port.
    pub fn restart(&mut self) -> io::Result<()> {
        self.server = launch(&self.dir, self.port, &[])?;
        self.wait()
    }

    fn wait(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while pipe(self.root(), "select 1").is_err() {
            if self.server.ended() || Instant::now() > deadline {
                return Err(io::Error::other(format!("MariaDB did not start: {}", self.server.log())));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn root(&self) -> Command {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root"]);
        client.arg(format!("--socket={}", self.dir.join("socket").display()));
        client
    }

    /// The mariadb client over TCP as user `narrows`, unformatted output.
    pub fn client(&self) -> Command {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--batch", "--skip-column-names", "--user=narrows", "--password=narrows"]);
        client.args(["--host=127.0.0.1", "--protocol=tcp", "--local-infile=1", "--default-character-set=utf8mb4"]);
        client.arg(format!("--port={}", self.port)).arg("test");
        client
    }

    /// Runs a script, stopping at its first error.
    pub fn sql(&self, script: &str) -> io::Result<String> {
        pipe(self.client(), script)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn launch(dir: &Path, port: u16, settings: &[&str]) -> io::Result<Watched> {
    let mut args = vec![
        "--no-defaults".to_string(),
        format!("--datadir={}", dir.join("data").display()),
        format!("--socket={}", dir.join("socket").display()),
        format!("--pid-file={}", dir.join("pid").display()),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_string(),
        "--character-set-server=utf8mb4".to_string(),
        "--innodb-flush-log-at-trx-commit=0".to_string(),
        "--innodb-buffer-pool-size=512M".to_string(),
        "--max-connections=200".to_string(),
        "--local-infile=1".to_string(),
    ];
    args.extend(settings.iter().map(|s| format!("--{s}")));
    Watched::start(&find_program("mariadbd", Path::new("/nonexistent"))?, &args, dir, "TERM")
}

fn pipe(mut client: Command, script: &str) -> io::Result<String> {
    let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(stdin) = child.stdin.as_mut() {
        stdin.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
