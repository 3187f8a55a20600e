//! A running `narrows gateway` and clients of it.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::servers::{TestMariaDb, TestPostgres, free_port};
use crate::site::TestSite;

/// A configuration in the making: listeners and data folder are the harness's.
#[derive(Clone, Debug, Default)]
pub struct GatewayConfig {
    gateway: String,
    rest: String,
}

impl GatewayConfig {
    /// One more line of `[gateway]`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        let _ = writeln!(self.gateway, "{line}");
        self
    }

    /// Any other tables, as TOML.
    #[must_use]
    pub fn section(mut self, toml: &str) -> Self {
        let _ = writeln!(self.rest, "{toml}\n");
        self
    }

    /// One more line of the last of those tables.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.rest.truncate(self.rest.trim_end().len());
        let _ = writeln!(self.rest, "\n{line}\n");
        self
    }

    fn text(&self, dir: &Path, port: u16, http_port: u16) -> String {
        format!(
            "config_version = 1\n\n[gateway]\nlisten = \"127.0.0.1:{port}\"\nhttp_listen = \"127.0.0.1:{http_port}\"\n\
             data_dir = \"{}\"\n{}\n{}",
            dir.join("data").display(),
            self.gateway,
            self.rest
        )
    }

    /// The file of a site that has these sources.
    pub(crate) fn site_text(&self, site: &str, dir: &Path) -> String {
        format!("config_version = 1\n\n[site]\n{site}\ndata_dir = \"{}\"\n\n{}", dir.join("data").display(), self.rest)
    }

    /// A site that is a process of its own.
    #[must_use]
    pub fn remote_site(self, site: &TestSite) -> Self {
        self.remote_site_at(site, site.port)
    }

    /// The same, reached by another port, as that of an emulated link.
    #[must_use]
    pub fn remote_site_at(self, site: &TestSite, port: u16) -> Self {
        self.section(&format!(
            "[[site]]\nname = \"{}\"\naddress = \"127.0.0.1:{}\"\ntoken_file = \"{}\"\ntimeout = \"2s\"",
            site.name,
            port,
            site.token_file().display()
        ))
    }

    #[must_use]
    pub fn site(self, name: &str) -> Self {
        self.section(&format!("[[site]]\nname = \"{name}\""))
    }

    #[must_use]
    pub fn postgres(self, name: &str, site: &str, server: &TestPostgres) -> Self {
        self.section(&format!(
            "[[source]]\nname = \"{name}\"\nsite = \"{site}\"\nengine = \"postgres\"\nhost = \"127.0.0.1\"\nport = {}\n\
             database = \"postgres\"\nuser = \"postgres\"\nsslmode = \"disable\"",
            server.port
        ))
    }

    #[must_use]
    pub fn mariadb(self, name: &str, site: &str, server: &TestMariaDb) -> Self {
        self.section(&format!(
            "[[source]]\nname = \"{name}\"\nsite = \"{site}\"\nengine = \"mysql\"\nhost = \"127.0.0.1\"\nport = {}\n\
             database = \"test\"\nuser = \"narrows\"\npassword = \"narrows\"\nsslmode = \"disable\"",
            server.port
        ))
    }

    #[must_use]
    pub fn files(self, name: &str, site: &str, folder: &Path) -> Self {
        self.section(&format!(
            "[[source]]\nname = \"{name}\"\nsite = \"{site}\"\nengine = \"files\"\npath = \"{}\"",
            folder.display()
        ))
    }

    /// A table under another name.
    #[must_use]
    pub fn table(self, schema: &str, name: &str, source: &str, remote: &str) -> Self {
        self.section(&format!(
            "[[table]]\nschema = \"{schema}\"\nname = \"{name}\"\nsource = \"{source}\"\nremote = \"{remote}\""
        ))
    }
}

/// A running `narrows gateway` or `narrows site`; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// A shell that ends it with this process, however that ends.
    watcher: Child,
}

const WATCHER: &str = "while [ -d /proc/$1 ] && kill -0 $2 2>/dev/null; do sleep 0.5; done; kill -KILL $2 2>/dev/null";

impl Running {
    /// Starts `narrows gateway` with that configuration and waits until it listens. What it says goes to the log.
    pub fn start(program: &Path, config: &Path, log: &Path, port: u16) -> io::Result<Self> {
        Self::start_role(program, "gateway", config, log, port)
    }

    /// The same for any role that listens.
    pub fn start_role(program: &Path, role: &str, config: &Path, log: &Path, port: u16) -> io::Result<Self> {
        let out = std::fs::File::create(log)?;
        let child = Command::new(program)
            .args([role, "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        let watcher = Command::new("/bin/sh")
            .args(["-c", WATCHER, "sh", &std::process::id().to_string(), &child.id().to_string()])
            .stdin(Stdio::null())
            .spawn()?;
        Self { child, watcher }.listening(log, port)
    }

    /// Waits until it listens there as well.
    fn listening(self, log: &Path, port: u16) -> io::Result<Self> {
        let mut running = self;
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if running.ended()?.is_some() || Instant::now() > deadline {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(io::Error::other(format!("narrows did not start: {said}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for process in [&mut self.watcher, &mut self.child] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A gateway with a folder and ports of its own.
#[derive(Debug)]
pub struct TestGateway {
    process: Running,
    dir: tempfile::TempDir,
    pub port: u16,
    pub http_port: u16,
}

/// `narrows` in the target directory this program was built into.
pub fn narrows_program() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.ancestors()
        .skip(1)
        .take(3)
        .map(|dir| dir.join("narrows"))
        .find(|p| p.is_file())
        .ok_or_else(|| io::Error::other("the program narrows is not built: cargo build --workspace"))
}

impl TestGateway {
    pub fn start(config: &GatewayConfig) -> io::Result<Self> {
        Self::start_program(&narrows_program()?, config)
    }

    pub fn start_program(program: &Path, config: &GatewayConfig) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let (file, log) = (dir.path().join("narrows.toml"), dir.path().join("gateway.log"));
        for attempt in 0.. {
            let (port, http_port) = (free_port()?, free_port()?);
            std::fs::write(&file, config.text(dir.path(), port, http_port))?;
            // The second port is opened after the first.
            let started = Running::start(program, &file, &log, port).and_then(|p| p.listening(&log, http_port));
            match started {
                Ok(process) => return Ok(Self { process, dir, port, http_port }),
                // Somebody else was quicker.
                Err(error) if attempt < 3 && error.to_string().contains("in use") => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("every attempt returns or is followed by another")
    }

    /// Another configuration; it counts when the gateway is told to read it.
    pub fn reconfigure(&self, config: &GatewayConfig) -> io::Result<()> {
        std::fs::write(self.config_file(), config.text(self.dir.path(), self.port, self.http_port))
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("narrows.toml")
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("gateway.log")).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=tester dbname=narrows", self.port)
    }

    /// psql, connected to this gateway, unaligned output.
    pub fn psql(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "tester", "-p"]);
        psql.arg(self.port.to_string()).arg("narrows");
        psql
    }
}

/// A client of a PostgreSQL-speaking server; its connection runs in the background.
pub async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("connection ended: {error}");
        }
    });
    Ok(client)
}

/// The answer to a statement as text: rows, or the SQLSTATE and message.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Rows(Vec<Vec<Option<String>>>),
    Error { sqlstate: String, message: String },
}

impl Answer {
    /// The connection has ended, and with it most likely the gateway.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Error { sqlstate, .. } if sqlstate == "08006")
    }
}

/// Runs statements by the simple protocol, as psql does; the rows are those of all of them.
pub async fn ask(client: &Client, sql: &str) -> Answer {
    match client.simple_query(sql).await {
        Ok(messages) => {
            let rows = messages.into_iter().filter_map(|m| match m {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_string)).collect()),
                _ => None,
            });
            Answer::Rows(rows.collect())
        }
        Err(error) => match error.as_db_error() {
            Some(db) => Answer::Error { sqlstate: db.code().code().to_string(), message: db.message().to_string() },
            None => Answer::Error { sqlstate: "08006".into(), message: error.to_string() },
        },
    }
}
