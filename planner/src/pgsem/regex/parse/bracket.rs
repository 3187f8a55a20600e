//! `[…]`

use super::Parser;
use super::escape::Escape;
use crate::error::{Error, Result};
use crate::pgsem::regex::Invalid;
use crate::pgsem::regex::set::CharSet;

impl Parser {
    /// Behind `[`.
    pub(super) fn bracket(&mut self) -> Result<CharSet> {
        let complemented = self.eat('^');
        let mut set = CharSet::default();
        let mut first = true;
        loop {
            let c = self.next_in_bracket()?;
            if c == ']' && !first {
                break;
            }
            if c == '-' && !first && self.peek() != Some(']') {
                return Err(Invalid::Range.into());
            }
            first = false;
            let Some(from) = self.bracket_element(c, &mut set)? else { continue };
            let to = if self.peek() == Some('-') && self.text.get(self.at + 1) != Some(&']') {
                self.at += 1;
                let c = self.next_in_bracket()?;
                self.bracket_element(c, &mut set)?.ok_or(Invalid::Range)?
            } else {
                from
            };
            if from > to {
                return Err(Invalid::Range.into());
            }
            set.add(from as u32, to as u32);
        }
        if self.flags.ignore_case {
            set.fold_case();
        }
        if complemented {
            set = set.complement();
            if self.flags.stop_at_newline {
                set = set.without_newline();
            }
        }
        Ok(set)
    }

    fn next_in_bracket(&mut self) -> Result<char> {
        let c = self.peek().ok_or(Invalid::Brackets)?;
        self.at += 1;
        Ok(c)
    }

    /// The character that stands there, or `None` if it was a class, which is added.
    fn bracket_element(&mut self, c: char, set: &mut CharSet) -> Result<Option<char>> {
        match (c, self.peek()) {
            ('[', None) => Err(Invalid::Brackets.into()),
            ('[', Some(':')) => {
                let name = self.bracket_name(':')?;
                set.add_all(&CharSet::class(&name, self.flags.ignore_case)?);
                Ok(None)
            }
            ('[', Some(kind @ ('.' | '='))) => {
                let name = self.bracket_name(kind)?;
                let mut characters = name.chars();
                match (characters.next(), characters.next()) {
                    // The class of what is equivalent to a character is that character.
                    (Some(c), None) if kind == '=' => {
                        set.add(c as u32, c as u32);
                        Ok(None)
                    }
                    (Some(c), None) => Ok(Some(c)),
                    _ => Err(Error::unsupported("a named collating element in a regular expression")),
                }
            }
            ('\\', _) => match self.escape()? {
                Escape::Char(c) => Ok(Some(c)),
                Escape::Class(class) => {
                    set.add_all(&class);
                    Ok(None)
                }
                Escape::Assertion(_) => Err(Invalid::Escape.into()),
            },
            _ => Ok(Some(c)),
        }
    }

    /// `:name:]`
    fn bracket_name(&mut self, kind: char) -> Result<String> {
        self.at += 1;
        let mut name = String::new();
        loop {
            let c = self.next_in_bracket()?;
            if c == kind && self.eat(']') {
                return Ok(name);
            }
            name.push(c);
        }
    }
}
