//! The binary itself: command line, signals, exit codes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::NoTls;

fn narrows(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_narrows"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("NARROWS_CONFIG");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn run(arguments: &[&str]) -> Output {
    narrows(arguments).output().unwrap()
}

/// A folder with a CSV table and a configuration.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(gateway: &str, tables: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lake")).unwrap();
        fs::write(folder.path().join("lake/fish.csv"), "id,name\n1,cod\n2,eel\n").unwrap();
        let site = Self { folder };
        site.configure(gateway, tables);
        site
    }

    fn configure(&self, gateway: &str, tables: &str) {
        let text = format!(
            "config_version = 1\n[gateway]\nlisten = \"127.0.0.1:0\"\nhttp_listen = \"127.0.0.1:0\"\n{gateway}\n\
             [[source]]\nname = \"lake\"\nengine = \"files\"\npath = \"lake\"\n{tables}"
        );
        fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("narrows.toml")
    }

    fn path(&self) -> String {
        self.file().display().to_string()
    }
}

/// A running gateway; killed if the test fails.
struct Running {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    port: u16,
}

impl Running {
    fn start(config: &Path) -> Self {
        let file = config.display().to_string();
        let mut child = narrows(&["gateway", "--config", &file]).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut running = Self { child, log, port: 0 };
        let ready = running.wait_for("ready");
        let address = ready.split("listen=").nth(1).unwrap().split_whitespace().next().unwrap();
        running.port = address.rsplit(':').next().unwrap().parse().unwrap();
        running
    }

    /// Reads the log up to a line with this text.
    fn wait_for(&mut self, what: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "no line with \"{what}\" in:\n{all}");
            if line.contains(what) {
                return line;
            }
            all.push_str(&line);
        }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "the gateway does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    async fn ask(&self, extra: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        let url = format!("host=127.0.0.1 port={} user=ana {extra}", self.port);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        client.simple_query(sql).await.map(|answer| crate::harness::rows(&answer))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_and_version() {
    let help = text(&run(&["--help"]).stdout);
    for word in ["gateway", "check", "hash-password", "psql -h", "config_version = 1"] {
        assert!(help.contains(word), "{help}");
    }
    assert_eq!(text(&run(&["--version"]).stdout), format!("narrows {}\n", env!("CARGO_PKG_VERSION")));
    assert!(!run(&["gatway"]).status.success());
}

#[test]
fn a_hashed_password_is_a_user_entry() {
    let mut child = narrows(&["hash-password", "ana"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    let entry = text(&child.wait_with_output().unwrap().stdout);
    let config = gateway::config::Config::parse(&format!("config_version = 1\n{entry}"), Path::new("x.toml")).unwrap();
    assert_eq!(config.users[0].name, "ana");
    assert!(!entry.contains("secret"));
}

#[test]
fn check_tells_what_the_sources_hold() {
    let site = Site::new("", "");
    let output = run(&["check", "--config", &site.path()]);
    let report = text(&output.stdout);
    assert!(output.status.success(), "{report}{}", text(&output.stderr));
    assert!(report.contains("lake.fish") && report.contains("2 columns"), "{report}");
}

#[test]
fn check_fails_when_something_is_wrong() {
    let down = "[[source]]\nname = \"shop\"\nengine = \"postgres\"\nurl = \"postgres://u:hunter2@127.0.0.1:1/d\"";
    let site = Site::new("", down);
    let output = run(&["check", "--config", &site.path()]);
    let report = text(&output.stdout);
    assert!(!output.status.success());
    assert!(report.contains("lake.fish") && report.contains("NO ANSWER"), "{report}");
    assert!(!report.contains("hunter2"), "{report}");

    site.configure("lisen = 1", "");
    let output = run(&["check", "--config", &site.path()]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("did you mean \"listen\"?"));
    assert!(!run(&["check", "--config", "/nowhere/narrows.toml"]).status.success());
}

#[tokio::test]
async fn sighup_reads_the_file_again() {
    let site = Site::new("", "");
    let mut gateway = Running::start(&site.file());
    assert_eq!(gateway.ask("", "select id, name from lake.fish order by id").await.unwrap(), ["1|cod", "2|eel"]);

    let verifier = gateway::pg::auth::Verifier::from_password("pw").to_string();
    let user = format!("[[user]]\nname = \"ana\"\npassword_verifier = \"{verifier}\"\n");
    site.configure("statement_timeout = \"9s\"", &user);
    gateway.signal("-HUP");
    gateway.wait_for("configuration reloaded");
    assert!(gateway.ask("", "select 1").await.is_err());
    assert_eq!(gateway.ask("password=pw", "show statement_timeout").await.unwrap(), ["9s"]);

    // A bad file changes nothing.
    site.configure("statement_timeout = 9", &user);
    gateway.signal("-HUP");
    gateway.wait_for("not reloaded");
    assert_eq!(gateway.ask("password=pw", "show statement_timeout").await.unwrap(), ["9s"]);

    gateway.signal("-TERM");
    assert!(gateway.ended().success());
}

#[tokio::test]
async fn what_is_taken_is_named() {
    let site = Site::new("", "");
    let gateway = Running::start(&site.file());
    let second = run(&["gateway", "--config", &site.path()]);
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("is in use by another process"));

    site.configure("data_dir = \"other\"", "");
    let configured = fs::read_to_string(site.file()).unwrap();
    let taken = configured.replacen("listen = \"127.0.0.1:0\"", &format!("listen = \"127.0.0.1:{}\"", gateway.port), 1);
    fs::write(site.file(), taken).unwrap();
    let second = run(&["gateway", "--config", &site.path()]);
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("the address is in use"), "{}", text(&second.stderr));
}
