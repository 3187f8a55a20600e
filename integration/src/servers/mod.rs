//! Throw-away database servers.
//!
//! A small shell watches each server and the process that started it: when either ends, the server is stopped and its directory
//! removed. So nothing is left behind, whatever happens to a test.

mod mariadb;
mod postgres;

pub use mariadb::TestMariaDb;
pub use postgres::TestPostgres;

use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A port nobody listens on right now, below those that the system gives to outgoing connections: one of them could take it
/// before the server that it is meant for.
pub fn free_port() -> io::Result<u16> {
    const FIRST: u32 = 15_000;
    const COUNT: u32 = 17_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time start at different places.
    let start = std::process::id().wrapping_mul(997);
    for _ in 0..COUNT {
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(port).unwrap_or(u16::MAX);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port"))
}

/// Database servers refuse to run as root: then they run as `nobody`.
fn unprivileged() -> Option<u32> {
    let root = std::fs::metadata("/proc/self").map(|m| m.uid() == 0).unwrap_or(false);
    root.then_some(65534)
}

/// A fresh directory the server may write to.
fn server_dir(kind: &str) -> io::Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("narrows-{kind}-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&dir)?;
    chown_to_server(&dir)?;
    Ok(dir)
}

fn chown_to_server(path: &Path) -> io::Result<()> {
    unprivileged().map_or(Ok(()), |user| chown(path, Some(user), Some(user)))
}

/// A command as the user servers run as.
fn command(program: impl AsRef<std::ffi::OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env("HOME", dir).env_remove("PGHOST").env_remove("PGPORT");
    if let Some(user) = unprivileged() {
        command.uid(user).gid(user);
    }
    command
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?} failed: {said}{}", String::from_utf8_lossy(&output.stdout))))
}

/// A server and the shell that watches it.
#[derive(Debug)]
struct Watched {
    watcher: Child,
    dir: PathBuf,
}

/// A file in a server's directory: the directory outlives the server.
const KEEP: &str = "keep";

/// The parent is probed through /proc: `kill -0` may not be allowed to another user.
const WATCHER: &str = r#"
parent=$1; dir=$2; stop=$3; shift 3
"$@" & server=$!
trap 'kill -$stop $server 2>/dev/null' TERM
while [ -d "/proc/$parent" ] && kill -0 $server 2>/dev/null; do sleep 0.2; done
kill -$stop $server 2>/dev/null
wait $server
cd /; [ -e "$dir/keep" ] || rm -rf "$dir""#;

impl Watched {
    fn start(program: &Path, args: &[String], dir: &Path, stop_signal: &str) -> io::Result<Self> {
        let log = std::fs::File::create(dir.join("server.log"))?;
        let _ = std::fs::remove_file(dir.join(KEEP));
        let watcher = command("/bin/sh", dir)
            .arg("-c")
            .arg(WATCHER)
            .arg("sh")
            .arg(std::process::id().to_string())
            .arg(dir)
            .arg(stop_signal)
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        Ok(Self { watcher, dir: dir.to_path_buf() })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default()
    }

    /// Ends the server and all its processes at once, as a power failure would. Its files stay, for another start.
    fn crash(&mut self, server: u32) -> io::Result<()> {
        std::fs::write(self.dir.join(KEEP), [])?;
        let mut processes = vec![server];
        processes.extend(children(server)?);
        run(Command::new("kill").arg("-KILL").args(processes.iter().map(u32::to_string)))?;
        self.watcher.wait().map(drop)
    }

    fn ended(&mut self) -> bool {
        !matches!(self.watcher.try_wait(), Ok(None))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended() {
            let _ = Command::new("kill").arg("-TERM").arg(self.watcher.id().to_string()).status();
            let _ = self.watcher.wait();
        }
        if self.dir.join(KEEP).exists() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// The first number in a file of the server's.
fn read_pid(file: &Path) -> io::Result<u32> {
    let text = std::fs::read_to_string(file)?;
    text.lines().next().and_then(|line| line.trim().parse().ok()).ok_or_else(|| io::Error::other("no process id"))
}

/// The processes a process has started, by /proc.
fn children(parent: u32) -> io::Result<Vec<u32>> {
    let stat = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent_of = |stat: String| stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse::<u32>().ok();
    let pids = std::fs::read_dir("/proc")?.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter(|pid| parent_of(stat(pid)) == Some(parent)).collect())
}

/// The program of the newest version under `versions` (`VERSION/bin/name`), or from the search path.
fn find_program(name: &str, versions: &Path) -> io::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            let program = entry.path().join("bin").join(name);
            program.exists().then_some((version, program))
        })
        .collect();
    found.sort();
    if let Some((_, program)) = found.pop() {
        return Ok(program);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/bin")])
        .map(|dir| dir.join(name))
        .find(|p| p.exists())
        .ok_or_else(|| io::Error::other(format!("{name} is not installed; `make setup` installs what the tests need")))
}
