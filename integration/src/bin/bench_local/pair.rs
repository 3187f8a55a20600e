//! Two ways to the same rows, measured in turns.

use std::io;
use std::process::{Command, Stdio};
use std::time::Instant;

use integration::median;

/// Medians of both ways, in seconds.
pub struct Pair {
    pub direct: f64,
    pub gateway: f64,
}

impl Pair {
    /// Gateway's time over direct time.
    pub fn ratio(&self) -> f64 {
        self.gateway / self.direct
    }
}

/// Measures both in turns, after one round that does not count.
pub fn measure(
    runs: usize,
    mut direct: impl FnMut() -> io::Result<f64>,
    mut gateway: impl FnMut() -> io::Result<f64>,
) -> io::Result<Pair> {
    direct()?;
    gateway()?;
    let (mut d, mut g) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        d.push(direct()?);
        g.push(gateway()?);
    }
    Ok(Pair { direct: median(d), gateway: median(g) })
}

/// Seconds until a program has ended, its output thrown away.
pub fn timed(command: &mut Command) -> io::Result<f64> {
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(started.elapsed().as_secs_f64())
}
