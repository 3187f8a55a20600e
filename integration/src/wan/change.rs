//! What may change while a network runs: by command, on a schedule, or from a trace.

use std::io;
use std::time::Duration;

use super::rate::Rate;

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Of one directed link.
    Rate { from: String, to: String, rate: Rate },
    /// One way, of one directed link. Bytes already on their way keep theirs.
    Delay { from: String, to: String, delay: Duration },
    /// Of all links from a site together.
    Egress { site: String, rate: Rate },
    /// Of all links to a site together.
    Ingress { site: String, rate: Rate },
    /// Of all connections between two sites, whoever dialled.
    Fault { between: (String, String), fault: Fault },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Connections end, new ones are refused.
    Cut,
    /// Connections are accepted and stay, and nothing arrives; later it does, if the fault is mended.
    BlackHole,
    /// Connections break (RST); new ones work.
    Reset,
    /// Back to work, after a cut or a black hole.
    Mend,
}

impl Change {
    #[must_use]
    pub fn rate(from: &str, to: &str, rate: Rate) -> Self {
        Self::Rate { from: from.into(), to: to.into(), rate }
    }

    #[must_use]
    pub fn delay(from: &str, to: &str, delay: Duration) -> Self {
        Self::Delay { from: from.into(), to: to.into(), delay }
    }

    #[must_use]
    pub fn fault(a: &str, b: &str, fault: Fault) -> Self {
        Self::Fault { between: (a.into(), b.into()), fault }
    }
}

/// Reads a trace of rates: lines of `seconds,from,to,mbit_per_s`, after an optional heading; blank lines and `#` comments are
/// skipped.
pub fn parse_trace(csv: &str) -> io::Result<Vec<(Duration, Change)>> {
    let mut changes = Vec::new();
    for (number, line) in csv.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (changes.is_empty() && line.starts_with("seconds,")) {
            continue;
        }
        let change = trace_line(line).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line {} of the trace is not seconds,from,to,mbit_per_s: {line}", number + 1),
            )
        })?;
        changes.push(change);
    }
    Ok(changes)
}

fn trace_line(line: &str) -> Option<(Duration, Change)> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [seconds, from, to, megabits] = fields[..] else { return None };
    let at = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    let megabits: f64 = megabits.parse().ok()?;
    (megabits.is_finite() && megabits >= 0.0).then(|| (at, Change::rate(from, to, Rate::mbit(megabits))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_a_list_of_rates() {
        let trace = "seconds,from,to,mbit_per_s\n0,eu,us,100\n\n# dip\n2.5, eu, us, 0.5\n";
        let expected = [
            (Duration::ZERO, Change::rate("eu", "us", Rate::mbit(100.0))),
            (Duration::from_millis(2500), Change::rate("eu", "us", Rate::mbit(0.5))),
        ];
        assert_eq!(parse_trace(trace).unwrap(), expected);
    }

    #[test]
    fn a_bad_line_is_named() {
        for line in ["1,eu,us", "x,eu,us,3", "-1,eu,us,3", "1,eu,us,-3", "1,eu,us,inf"] {
            let error = parse_trace(&format!("0,eu,us,1\n{line}\n")).unwrap_err();
            assert!(
                error.to_string().contains(&format!("line 2 of the trace is not seconds,from,to,mbit_per_s: {line}"))
            );
        }
    }
}
