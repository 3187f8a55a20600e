//! Regular expressions as PostgreSQL's engine (Henry Spencer's) matches them, under collation C.
//!
//! Whether a text matches, and where its leftmost match starts, is the same question for every engine: the `regex` crate answers
//! it. Where that match ends and what its groups hold follows other rules than Perl's: [`tree`] and [`dissect`].

mod dissect;
mod flags;
mod functions;
mod nth;
mod parse;
mod set;
mod similar;
mod tree;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

pub use flags::Flags;

use super::registry::{CastDef, Signature};
use crate::error::{Error, Result, state};
use dissect::{Groups, Part};
use tree::Node;

pub fn signatures() -> (Vec<Signature>, Vec<CastDef>) {
    let mut all = functions::signatures();
    all.extend(nth::signatures());
    all.extend(similar::signatures());
    (all, Vec::new())
}

/// What is wrong with a pattern (`regerrs.h`).
#[derive(Clone, Copy, Debug)]
enum Invalid {
    BackReference,
    Bound,
    Braces,
    Brackets,
    Class,
    Escape,
    Option,
    Parentheses,
    Pattern,
    Quantifier,
    Range,
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        let what = match invalid {
            Invalid::BackReference => "invalid backreference number",
            Invalid::Bound => "invalid repetition count(s)",
            Invalid::Braces => "braces {} not balanced",
            Invalid::Brackets => "brackets [] not balanced",
            Invalid::Class => "invalid character class",
            Invalid::Escape => "invalid escape \\ sequence",
            Invalid::Option => "invalid embedded option",
            Invalid::Parentheses => "parentheses () not balanced",
            Invalid::Pattern => "invalid regexp (reg version 0.8)",
            Invalid::Quantifier => "quantifier operand invalid",
            Invalid::Range => "invalid character range",
        };
        Error::new(state::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {what}"))
    }
}

/// A compiled pattern.
pub struct Regex {
    search: regex::Regex,
    node: Node,
    captures: usize,
    whole: OnceCell<Part>,
    with_groups: OnceCell<Part>,
}

impl Regex {
    pub fn new(pattern: &str, flags: Flags) -> Result<Self> {
        let parsed = parse::parse(pattern, flags)?;
        let node = tree::alternatives(&parsed.alternatives);
        let search = regex::Regex::new(&node.pattern)
            .map_err(|_| Error::unsupported("a regular expression as complex as this"))?;
        Ok(Self { search, node, captures: parsed.captures, whole: OnceCell::new(), with_groups: OnceCell::new() })
    }

    /// Number of groups.
    pub fn captures(&self) -> usize {
        self.captures
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.search.is_match(text)
    }

    /// The first match that starts at byte `from` or later.
    pub fn find(&self, text: &str, from: usize) -> Result<Option<Range<usize>>> {
        let Some(found) = self.search.find_at(text, from) else { return Ok(None) };
        let whole = part(&self.whole, &self.node, false)?;
        let end = whole.end(text, found.start())?;
        Ok(end.map(|end| found.start()..end))
    }

    /// The same with the groups; group 0 is the match.
    pub fn find_groups(&self, text: &str, from: usize) -> Result<Option<Groups>> {
        let Some(span) = self.find(text, from)? else { return Ok(None) };
        let mut groups: Groups = vec![None; self.captures + 1];
        if self.captures > 0 {
            part(&self.with_groups, &self.node, true)?.dissect(text, span.clone(), &mut groups)?;
        }
        groups[0] = Some(span);
        Ok(Some(groups))
    }
}

fn part<'a>(cell: &'a OnceCell<Part>, node: &Node, groups: bool) -> Result<&'a Part> {
    if let Some(part) = cell.get() {
        return Ok(part);
    }
    let part = Part::new(node, groups)?;
    Ok(cell.get_or_init(|| part))
}

/// The patterns of one evaluation; most often there is one.
#[derive(Default)]
pub struct Patterns {
    compiled: HashMap<(String, Flags), Rc<Regex>>,
}

impl Patterns {
    pub fn get(&mut self, pattern: &str, flags: Flags) -> Result<Rc<Regex>> {
        /// A column full of patterns must not fill the memory.
        const MOST: usize = 100;
        let key = (pattern.to_string(), flags);
        if let Some(regex) = self.compiled.get(&key) {
            return Ok(Rc::clone(regex));
        }
        let regex = Rc::new(Regex::new(pattern, flags)?);
        if self.compiled.len() >= MOST {
            self.compiled.clear();
        }
        self.compiled.insert(key, Rc::clone(&regex));
        Ok(regex)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_are_postgres() {
        crate::pgsem::answers::check(include_str!("../testdata/regex.tsv"));
    }
}
