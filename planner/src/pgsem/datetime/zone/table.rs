//! The time zone tables (`zones.tsv`, made by `update.py`), read one zone at a time when it is first asked for.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use chrono_tz::{TZ_VARIANTS, Tz};

use super::rule::Rule;

/// What clocks show in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub east: i32,
    pub abbreviation: &'static str,
}

/// One zone: its changes, and its rule after the last of them.
#[derive(Debug)]
pub struct Table {
    first: Kind,
    changes: Vec<(i64, Kind)>,
    rule: Rule,
}

static LINES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    include_str!("zones.tsv").lines().filter(|l| !l.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
});

impl Table {
    pub fn of(tz: Tz) -> &'static Self {
        static TABLES: LazyLock<Vec<OnceLock<Table>>> =
            LazyLock::new(|| TZ_VARIANTS.iter().map(|_| OnceLock::new()).collect());
        // The variants stand in the order of the enum.
        TABLES[tz as usize].get_or_init(|| Self::read(tz.name()).unwrap_or_else(Self::utc))
    }

    fn utc() -> Self {
        let first = Kind { east: 0, abbreviation: "UTC" };
        Self { first, changes: Vec::new(), rule: Rule::fixed(first) }
    }

    fn read(name: &str) -> Option<Self> {
        let mut line = *LINES.get(name)?;
        if let Some(target) = line.strip_prefix("=\t") {
            line = LINES.get(target)?;
        }
        let mut fields = line.split('\t');
        let kinds: Vec<Kind> = fields.next()?.split(',').map(read_kind).collect::<Option<_>>()?;
        let changes = fields.next()?.split(',').filter(|c| !c.is_empty());
        let changes = changes
            .map(|change| {
                let (at, kind) = change.split_once(' ')?;
                Some((at.parse().ok()?, *kinds.get(kind.parse::<usize>().ok()?)?))
            })
            .collect::<Option<_>>()?;
        Some(Self { first: *kinds.first()?, changes, rule: Rule::parse(fields.next()?)? })
    }

    /// What the zone's clocks show at an instant, seconds since 1970 UTC.
    pub fn at(&self, utc: i64) -> &Kind {
        let before = self.changes.partition_point(|(at, _)| *at <= utc);
        let (since, kind) = match before {
            0 => (i64::MIN, &self.first),
            n => (self.changes[n - 1].0, &self.changes[n - 1].1),
        };
        if before < self.changes.len() {
            return kind;
        }
        // The rule takes over with its first change after the table's last.
        match self.rule.last_change(utc) {
            Some((at, by_rule)) if at > since => by_rule,
            _ => kind,
        }
    }

    /// The first change after an instant, and what begins with it.
    pub fn next_change(&self, utc: i64) -> Option<(i64, &Kind)> {
        match self.changes.get(self.changes.partition_point(|(at, _)| *at <= utc)) {
            Some((at, kind)) => Some((*at, kind)),
            None => self.rule.next_change(utc),
        }
    }

    pub fn is_fixed(&self) -> bool {
        self.rule.is_fixed() && self.changes.iter().all(|(_, kind)| kind.east == self.first.east)
    }

    /// What an abbreviation, upper case, last meant at an instant, or else what it first meant after it.
    pub fn meaning(&self, abbreviation: &str, utc: i64) -> Option<i32> {
        let (before, after) = self.changes.split_at(self.changes.partition_point(|(at, _)| *at <= utc));
        let mut known = before.iter().rev().chain(after);
        known.find(|(_, kind)| kind.abbreviation == abbreviation).map(|(_, kind)| kind.east)
    }
}

/// `-14400 EDT`.
fn read_kind(text: &'static str) -> Option<Kind> {
    let (east, abbreviation) = text.split_once(' ')?;
    Some(Kind { east: east.parse().ok()?, abbreviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_has_a_table() {
        for (i, tz) in TZ_VARIANTS.into_iter().enumerate() {
            assert_eq!(tz as usize, i);
            let table = Table::read(tz.name()).unwrap_or_else(|| panic!("no table of {tz}"));
            assert!(table.changes.is_sorted_by_key(|(at, _)| *at), "{tz}");
        }
    }
}
