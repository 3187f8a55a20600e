//! A throw-away PostgreSQL: collation C, trust authentication, no durability.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Watched, chown_to_server, command, find_program, free_port, read_pid, run, server_dir};

const VERSIONS: &str = "/usr/lib/postgresql";

#[derive(Debug)]
pub struct TestPostgres {
    server: Option<Watched>,
    dir: PathBuf,
    pub port: u16,
}

impl TestPostgres {
    /// Starts a server; `settings` are `name=value`.
    pub fn start(settings: &[&str]) -> io::Result<Self> {
        Self::start_at(free_port()?, settings)
    }

    /// The same on a port of the caller's, where another one was stopped.
    pub fn start_at(port: u16, settings: &[&str]) -> io::Result<Self> {
        let mut postgres = Self::init(port)?;
        postgres.launch(settings)?;
        Ok(postgres)
    }

    /// The same with TLS.
    pub fn start_with_certificate(certificate: &Path, key: &Path) -> io::Result<Self> {
        let mut postgres = Self::init(free_port()?)?;
        let mut settings = vec!["ssl=on".to_string()];
        for (setting, file, mode) in [("ssl_cert_file", certificate, "644"), ("ssl_key_file", key, "600")] {
            let own = postgres.dir.join(setting);
            // Only a key that belongs to the server's own user is accepted.
            std::fs::write(&own, [])?;
            chown_to_server(&own)?;
            std::fs::write(&own, std::fs::read(file)?)?;
            run(Command::new("chmod").arg(mode).arg(&own))?;
            settings.push(format!("{setting}={}", own.display()));
        }
        postgres.launch(&settings.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(postgres)
    }

    fn init(port: u16) -> io::Result<Self> {
        let dir = server_dir("postgres")?;
        run(command(find_program("initdb", Path::new(VERSIONS))?, &dir)
            .args(["--locale=C", "--encoding=UTF8", "--username=postgres", "--auth=trust", "--no-sync", "-D"])
            .arg(dir.join("data")))?;
        Ok(Self { server: None, dir, port })
    }

    fn launch(&mut self, settings: &[&str]) -> io::Result<()> {
        let mut args = vec!["-D".to_string(), self.dir.join("data").display().to_string()];
        let port = format!("port={}", self.port);
        let sockets = format!("unix_socket_directories={}", self.dir.display());
        let fixed = [
            port.as_str(),
            sockets.as_str(),
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=200",
            "shared_buffers=256MB",
        ];
        for setting in fixed.iter().chain(settings) {
            args.extend(["-c".to_string(), (*setting).to_string()]);
        }
        let program = find_program("postgres", Path::new(VERSIONS))?;
        let mut server = Watched::start(&program, &args, &self.dir, "INT")?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.sql("select 1").is_err() {
            if server.ended() || Instant::now() > deadline {
                return Err(io::Error::other(format!("PostgreSQL did not start: {}", server.log())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.server = Some(server);
        Ok(())
    }

    /// Ends all its processes at once, without a goodbye.
    pub fn crash(&mut self) -> io::Result<()> {
        let pid_file = self.dir.join("data/postmaster.pid");
        let pid = read_pid(&pid_file)?;
        match &mut self.server {
            Some(server) => server.crash(pid)?,
            None => return Err(io::Error::other("the server does not run")),
        }
        std::fs::remove_file(pid_file)
    }

    /// Starts it again after a crash, with its data and on its port.
    pub fn restart(&mut self) -> io::Result<()> {
        self.launch(&[])
    }

    /// A connection string for tokio-postgres.
    pub fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs a script with psql, stopping at its first error.
    pub fn sql(&self, script: &str) -> io::Result<String> {
        let output = self.psql().args(["-c", script]).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// psql, connected to this server, unaligned output.
    pub fn psql(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-p"]);
        psql.arg(self.port.to_string()).arg("postgres");
        psql
    }
}
