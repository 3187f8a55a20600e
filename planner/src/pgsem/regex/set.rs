//! Sets of characters. Under collation C, classes and case know ASCII only.

use crate::error::Result;

use super::Invalid;

pub const MAX_CHAR: u32 = 0x10_ffff;

/// Sorted ranges that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CharSet(Vec<(u32, u32)>);

impl CharSet {
    pub fn of(c: char) -> Self {
        Self::range(c as u32, c as u32)
    }

    pub fn range(from: u32, to: u32) -> Self {
        Self(vec![(from, to)])
    }

    /// A named class: `[:alpha:]`.
    pub fn class(name: &str, ignore_case: bool) -> Result<Self> {
        let ascii = |holds: fn(&u8) -> bool| {
            let mut set = Self::default();
            (0..128u8).filter(holds).for_each(|c| set.add(c.into(), c.into()));
            set
        };
        Ok(match name {
            "alnum" => ascii(u8::is_ascii_alphanumeric),
            "lower" | "upper" if ignore_case => ascii(u8::is_ascii_alphabetic),
            "alpha" => ascii(u8::is_ascii_alphabetic),
            "ascii" => Self::range(0, 127),
            "blank" => ascii(|c| matches!(c, b' ' | b'\t')),
            "cntrl" => Self(vec![(0, 0x1f), (0x7f, 0x9f)]),
            "digit" => ascii(u8::is_ascii_digit),
            "graph" => ascii(u8::is_ascii_graphic),
            "lower" => ascii(u8::is_ascii_lowercase),
            "print" => ascii(|c| matches!(c, b' '..=b'~')),
            "punct" => ascii(u8::is_ascii_punctuation),
            "space" => ascii(|c| matches!(c, b'\t'..=b'\r' | b' ')),
            "upper" => ascii(u8::is_ascii_uppercase),
            "xdigit" => ascii(u8::is_ascii_hexdigit),
            "word" => ascii(|c| c.is_ascii_alphanumeric() || *c == b'_'),
            _ => return Err(Invalid::Class.into()),
        })
    }

    pub fn add(&mut self, from: u32, to: u32) {
        self.0.push((from, to));
        self.0.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for &(from, to) in &self.0 {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        self.0 = merged;
    }

    pub fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|&(from, to)| self.add(from, to));
    }

    /// The other case of every ASCII letter.
    pub fn fold_case(&mut self) {
        let letters: Vec<u8> = (0..128u8).filter(|c| c.is_ascii_alphabetic() && self.contains(u32::from(*c))).collect();
        for c in letters {
            let other = u32::from(c ^ 0x20);
            self.add(other, other);
        }
    }

    fn contains(&self, c: u32) -> bool {
        self.0.iter().any(|&(from, to)| (from..=to).contains(&c))
    }

    #[must_use]
    pub fn complement(&self) -> Self {
        let mut out = Vec::new();
        let mut next = 0;
        for &(from, to) in &self.0 {
            if from > next {
                out.push((next, from - 1));
            }
            next = to + 1;
        }
        if next <= MAX_CHAR {
            out.push((next, MAX_CHAR));
        }
        Self(out)
    }

    #[must_use]
    pub fn without_newline(&self) -> Self {
        let mut complement = self.complement();
        complement.add(u32::from(b'\n'), u32::from(b'\n'));
        complement.complement()
    }

    /// As the `regex` crate writes it.
    pub fn pattern(&self) -> String {
        let mut out = String::from("[");
        for &(from, to) in &self.0 {
            // Surrogates are no characters.
            let from = if (0xd800..0xe000).contains(&from) { 0xe000 } else { from };
            let to = if (0xd800..0xe000).contains(&to) { 0xd7ff } else { to };
            if from <= to {
                out.push_str(&format!("\\x{{{from:x}}}-\\x{{{to:x}}}"));
            }
        }
        if out.len() == 1 {
            // Nothing matches.
            return format!("[^\\x{{0}}-\\x{{{MAX_CHAR:x}}}]");
        }
        out.push(']');
        out
    }
}
