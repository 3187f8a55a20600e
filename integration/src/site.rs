//! A running `narrows site`.

use std::io;
use std::path::PathBuf;

use crate::gateway::{GatewayConfig, Running, narrows_program};
use crate::servers::free_port;

/// A site with a folder, a port and a token of its own.
#[derive(Debug)]
pub struct TestSite {
    process: Option<Running>,
    dir: tempfile::TempDir,
    pub name: String,
    pub port: u16,
}

impl TestSite {
    /// The sources are those of `config`.
    pub fn start(name: &str, config: &GatewayConfig) -> io::Result<Self> {
        let mut site = Self::prepare(name, config)?;
        site.run()?;
        Ok(site)
    }

    /// All but the process.
    pub fn prepare(name: &str, config: &GatewayConfig) -> io::Result<Self> {
        Self::prepare_with(name, config, "token_file = \"token\"")
    }

    /// The same with other keys of `[site]` than the token's.
    pub fn prepare_with(name: &str, config: &GatewayConfig, keys: &str) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let site = Self { process: None, dir, name: name.to_string(), port };
        std::fs::write(site.token_file(), "a token of the tests\n")?;
        let keys = format!("name = \"{name}\"\nlisten = \"127.0.0.1:{port}\"\n{keys}");
        std::fs::write(site.dir.path().join("site.toml"), config.site_text(&keys, site.dir.path()))?;
        Ok(site)
    }

    /// Starts the process, also a second time.
    pub fn run(&mut self) -> io::Result<()> {
        self.kill();
        let (file, log) = (self.dir.path().join("site.toml"), self.dir.path().join("site.log"));
        self.process = Some(Running::start_role(&narrows_program()?, "site", &file, &log, self.port)?);
        Ok(())
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Running::pid)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("site.log")).unwrap_or_default()
    }

    /// Who knows what is in it may connect.
    pub fn token_file(&self) -> PathBuf {
        self.dir.path().join("token")
    }
}
