//! Which chunks of a relation have arrived, and what to ask for next.

use std::collections::BTreeMap;

use planner::{Error, Result};

/// The chunks that one stream of several reads: from `from` on, those whose number leaves `part` when divided by `parts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    pub from: u64,
    pub part: u32,
    pub parts: u32,
}

impl Portion {
    pub const ALL: Self = Self { from: 0, part: 0, parts: 1 };

    /// `None` if there is no such part.
    pub fn new(from: u64, part: u32, parts: u32) -> Option<Self> {
        (part < parts).then_some(Self { from, part, parts })
    }

    /// The first of its chunks.
    pub fn first(&self) -> u64 {
        let (part, parts) = (u64::from(self.part), u64::from(self.parts));
        let behind = (part + parts - self.from % parts) % parts;
        self.from.saturating_add(behind)
    }

    /// The one that follows one of its chunks.
    pub fn after(&self, chunk: u64) -> u64 {
        chunk.saturating_add(u64::from(self.parts))
    }
}

/// A set of chunk numbers. Every chunk is counted once, however often and over whichever stream it comes.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// First number and the one behind the last, apart from each other.
    ranges: BTreeMap<u64, u64>,
    total: Option<u64>,
}

impl Ledger {
    /// False if the chunk was there already: its rows must be dropped.
    pub fn insert(&mut self, chunk: u64) -> bool {
        let before = self.ranges.range(..=chunk).next_back().map(|(start, end)| (*start, *end));
        if before.is_some_and(|(_, end)| chunk < end) {
            return false;
        }
        let start = match before {
            Some((start, end)) if end == chunk => start,
            _ => chunk,
        };
        let end = self.ranges.remove(&(chunk + 1)).unwrap_or(chunk + 1);
        self.ranges.insert(start, end);
        true
    }

    pub fn contains(&self, chunk: u64) -> bool {
        self.ranges.range(..=chunk).next_back().is_some_and(|(_, end)| chunk < *end)
    }

    /// The first chunk of a portion that is not there yet.
    pub fn missing(&self, portion: Portion) -> u64 {
        let mut next = portion.first();
        while let Some((_, end)) = self.ranges.range(..=next).next_back().filter(|(_, end)| next < **end) {
            next = Portion { from: *end, ..portion }.first();
        }
        next
    }

    /// There are so many in all. Two producers would disagree, or one that lost some.
    pub fn seal(&mut self, total: u64) -> Result<()> {
        let beyond = self.ranges.last_key_value().is_some_and(|(_, end)| *end > total);
        if beyond || *self.total.get_or_insert(total) != total {
            return Err(Error::internal("a relation has ended with another number of chunks than it had"));
        }
        Ok(())
    }

    /// All are there.
    pub fn is_complete(&self) -> bool {
        match self.total {
            Some(0) => true,
            Some(total) => self.ranges.get(&0) == Some(&total),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_ledger_is_a_set(chunks in prop::collection::vec(0u64..40, 0..60), from in 0u64..40, parts in 1u32..5) {
            let (mut ledger, mut set) = (Ledger::default(), BTreeSet::new());
            for chunk in chunks {
                prop_assert_eq!(ledger.insert(chunk), set.insert(chunk));
            }
            for part in 0..parts {
                let portion = Portion::new(from, part, parts).unwrap();
                let expected = (from..).find(|n| n % u64::from(parts) == u64::from(part) && !set.contains(n)).unwrap();
                prop_assert_eq!(ledger.missing(portion), expected);
            }
            for chunk in 0..41 {
                prop_assert_eq!(ledger.contains(chunk), set.contains(&chunk));
            }
            let total = set.len() as u64;
            let dense = set.last().is_none_or(|last| last + 1 == total);
            prop_assert_eq!(ledger.seal(total).is_ok(), dense);
            prop_assert_eq!(ledger.is_complete(), dense);
        }
    }

    #[test]
    fn the_number_of_chunks_is_one() {
        let mut ledger = Ledger::default();
        assert!(!ledger.is_complete());
        ledger.seal(2).unwrap();
        assert!(ledger.seal(3).is_err());
        ledger.insert(1);
        assert!(!ledger.is_complete());
        ledger.insert(0);
        assert!(ledger.is_complete());
    }

    #[test]
    fn there_is_no_part_beyond_the_parts() {
        assert!(Portion::new(0, 2, 2).is_none() && Portion::new(0, 0, 0).is_none());
        assert_eq!(Portion::new(5, 1, 4).unwrap().first(), 5);
        assert_eq!(Portion::new(6, 1, 4).unwrap().first(), 9);
    }
}
