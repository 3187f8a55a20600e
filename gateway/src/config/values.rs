//! Values with a unit: `"30s"`, `"64MiB"`.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::schema::{Setting, setting_types};

setting_types! {
    Period = "duration",
    ByteSize = "size",
}

/// A length of time; zero switches a time-out off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period(pub Duration);

impl Period {
    /// The time-out, unless it is switched off.
    pub fn limit(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// Splits `30s` into number and unit.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

fn parse_period(text: &str) -> Option<Duration> {
    let (n, unit) = split_unit(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if n == 0 => 1,
        _ => return None,
    };
    n.checked_mul(millis).map(Duration::from_millis)
}

fn parse_size(text: &str) -> Option<u64> {
    let (n, unit) = split_unit(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    n.checked_mul(factor)
}

struct PeriodVisitor;

impl Visitor<'_> for PeriodVisitor {
    type Value = Period;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"500ms\", \"30s\", \"5m\" or \"1h\"")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
        parse_period(text).map(Period).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PeriodVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = ByteSize;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 65536, \"64MiB\" or \"2GB\"")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        parse_size(text).map(ByteSize).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<ByteSize, E> {
        u64::try_from(n).map(ByteSize).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(n), &self))
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(n))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(parse_period("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_period("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_period("0"), Some(Duration::ZERO));
        assert_eq!(parse_period("5"), None);
        assert_eq!(parse_period("99999999999999999999s"), None);
        assert_eq!(parse_size("64MiB"), Some(64 << 20));
        assert_eq!(parse_size("2gb"), Some(2_000_000_000));
        assert_eq!(parse_size("2 parsecs"), None);
    }
}
