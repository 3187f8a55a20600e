//! Where a match ends and what its groups hold (`longest`, `shortest` and `cdissect` of `regexec.c`).

use std::cell::RefCell;
use std::ops::Range;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::{Anchored, Input, MatchKind};

use super::tree::{Kind, Node};
use crate::error::{Error, Result};

/// A part of the pattern, able to tell all ends of its matches from one place on.
#[derive(Debug)]
pub struct Part {
    dfa: DFA,
    cache: RefCell<Cache>,
    kind: PartKind,
    prefers_shorter: bool,
    capture: Option<usize>,
}

#[derive(Debug)]
enum PartKind {
    Leaf,
    Concat(Box<Part>, Box<Part>),
    Alternate(Vec<Part>),
    Repeat { inner: Box<Part>, max: Option<usize> },
    Wrap(Box<Part>),
}

/// Bytes of each group; number 0 is the whole match.
pub type Groups = Vec<Option<Range<usize>>>;

fn too_complex() -> Error {
    Error::unsupported("a regular expression as complex as this")
}

impl Part {
    /// With `groups`, also what is inside.
    pub fn new(node: &Node, groups: bool) -> Result<Self> {
        let dfa = DFA::builder()
            .configure(DFA::config().match_kind(MatchKind::All))
            .build(&node.pattern)
            .map_err(|_| too_complex())?;
        let cache = RefCell::new(dfa.create_cache());
        let boxed = |node: &Node| Self::new(node, true).map(Box::new);
        let kind = match &node.kind {
            _ if !groups => PartKind::Leaf,
            Kind::Leaf => PartKind::Leaf,
            Kind::Concat(left, right) => PartKind::Concat(boxed(left)?, boxed(right)?),
            Kind::Alternate(branches) => {
                PartKind::Alternate(branches.iter().map(|b| Self::new(b, true)).collect::<Result<_>>()?)
            }
            Kind::Repeat { inner, max } => PartKind::Repeat { inner: boxed(inner)?, max: max.map(|max| max as usize) },
            Kind::Wrap(inner) => PartKind::Wrap(boxed(inner)?),
        };
        Ok(Self { dfa, cache, kind, prefers_shorter: node.prefers_shorter(), capture: node.capture })
    }

    /// The end of the match that starts at `begin`: the longest, or the shortest if that is preferred.
    pub fn end(&self, text: &str, begin: usize) -> Result<Option<usize>> {
        let ends = self.ends(text, begin..text.len(), self.prefers_shorter)?;
        Ok(ends.last().copied())
    }

    /// All places in the span where a match from its start may end, ascending.
    fn ends(&self, text: &str, span: Range<usize>, only_first: bool) -> Result<Vec<usize>> {
        let mut ends = Vec::new();
        let cache = &mut *self.cache.borrow_mut();
        let input = Input::new(text).span(span.clone()).anchored(Anchored::Yes);
        let mut state = self.dfa.start_state_forward(cache, &input).map_err(|_| too_complex())?;
        // A match shows one byte late, so that the byte behind it can be looked at.
        for at in span.clone() {
            state = self.dfa.next_state(cache, state, text.as_bytes()[at]).map_err(|_| too_complex())?;
            if state.is_tagged() {
                if state.is_match() {
                    ends.push(at);
                    if only_first {
                        return Ok(ends);
                    }
                } else if state.is_dead() {
                    return Ok(ends);
                } else if state.is_quit() {
                    return Err(too_complex());
                }
            }
        }
        let last = match text.as_bytes().get(span.end) {
            Some(&byte) => self.dfa.next_state(cache, state, byte),
            None => self.dfa.next_eoi_state(cache, state),
        };
        if last.map_err(|_| too_complex())?.is_match() {
            ends.push(span.end);
        }
        Ok(ends)
    }

    fn matches(&self, text: &str, span: Range<usize>) -> Result<bool> {
        let end = span.end;
        Ok(self.ends(text, span, false)?.last() == Some(&end))
    }

    /// Finds the groups of a match of this part. Without back-references the first way that fits is never wrong later.
    pub fn dissect(&self, text: &str, span: Range<usize>, groups: &mut Groups) -> Result<()> {
        match &self.kind {
            PartKind::Leaf => {}
            PartKind::Wrap(inner) => inner.dissect(text, span.clone(), groups)?,
            PartKind::Concat(left, right) => {
                let mut middles = left.ends(text, span.clone(), false)?;
                if !left.prefers_shorter {
                    middles.reverse();
                }
                for middle in middles {
                    if right.matches(text, middle..span.end)? {
                        left.dissect(text, span.start..middle, groups)?;
                        right.dissect(text, middle..span.end, groups)?;
                        break;
                    }
                }
            }
            PartKind::Alternate(branches) => {
                for branch in branches {
                    if branch.matches(text, span.clone())? {
                        branch.dissect(text, span.clone(), groups)?;
                        break;
                    }
                }
            }
            PartKind::Repeat { inner, max } => {
                if let Some(last) = inner.last_repetition(text, span.clone(), *max)? {
                    inner.dissect(text, last, groups)?;
                }
            }
        }
        if let Some(number) = self.capture
            && let Some(group) = groups.get_mut(number)
        {
            *group = Some(span);
        }
        Ok(())
    }

    /// The last of the repetitions that fill the span, if it takes any. Each takes as much as it can (or as little, if that is
    /// preferred) and leaves the rest to the next.
    fn last_repetition(&self, text: &str, span: Range<usize>, max: Option<usize>) -> Result<Option<Range<usize>>> {
        if span.is_empty() {
            // One repetition if it can be empty, but none of what prefers to be short.
            return Ok((!self.prefers_shorter && self.matches(text, span.clone())?).then_some(span));
        }
        let mut stack = vec![self.steps(text, span.start..span.end)?];
        let mut starts = vec![span.start];
        while let Some(steps) = stack.last_mut() {
            let Some(end) = steps.pop() else {
                stack.pop();
                starts.pop();
                continue;
            };
            if end == span.end {
                return Ok(starts.last().map(|&start| start..end));
            }
            if max.is_none_or(|max| starts.len() < max) {
                stack.push(self.steps(text, end..span.end)?);
                starts.push(end);
            }
        }
        Ok(None)
    }

    /// Ends of one repetition, the preferred one last.
    fn steps(&self, text: &str, span: Range<usize>) -> Result<Vec<usize>> {
        let mut ends = self.ends(text, span.clone(), false)?;
        ends.retain(|&end| end > span.start);
        if self.prefers_shorter {
            ends.reverse();
        }
        Ok(ends)
    }
}
