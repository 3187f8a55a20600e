//! PostgreSQL's advanced regular expressions (`regc_lex.c`, `regcomp.c`): from text to [`Alternatives`].
//!
//! Look-around and back-references are refused: they are not regular, or not in the engine underneath.

mod bracket;
mod escape;

use super::flags::Flags;
use super::set::CharSet;
use super::{Invalid, set};
use crate::error::{Error, Result};
use escape::Escape;

/// Branches separated by `|`.
#[derive(Debug)]
pub struct Alternatives(pub Vec<Vec<Piece>>);

/// A part of a branch.
#[derive(Debug)]
pub enum Piece {
    /// Matches between characters; written as the `regex` crate has it.
    Assertion(&'static str),
    Atom(Atom, Quantifier),
}

#[derive(Debug)]
pub enum Atom {
    Set(CharSet),
    Group { capture: Option<usize>, inner: Alternatives },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    Longer,
    Shorter,
}

#[derive(Clone, Copy, Debug)]
pub struct Quantifier {
    pub min: u32,
    /// `None`: any number.
    pub max: Option<u32>,
    /// `None`: that of what is repeated.
    pub preference: Option<Preference>,
}

impl Quantifier {
    const ONE: Self = Self { min: 1, max: Some(1), preference: None };
}

/// Largest number in `{m,n}` (`DUPMAX`).
const MAX_REPEAT: u32 = 255;

pub struct Parsed {
    pub alternatives: Alternatives,
    pub captures: usize,
}

pub fn parse(pattern: &str, flags: Flags) -> Result<Parsed> {
    let mut parser = Parser { text: pattern.chars().collect(), at: 0, flags, captures: 0 };
    parser.prefixes()?;
    if parser.flags.literal {
        let rest = parser.text[parser.at..].to_vec();
        let branch = rest.into_iter().map(|c| Piece::Atom(Atom::Set(parser.single(c)), Quantifier::ONE)).collect();
        return Ok(Parsed { alternatives: Alternatives(vec![branch]), captures: 0 });
    }
    let alternatives = parser.alternatives()?;
    // Only a closing parenthesis too many ends the top level early.
    if parser.at < parser.text.len() {
        return Err(Invalid::Parentheses.into());
    }
    Ok(Parsed { alternatives, captures: parser.captures })
}

struct Parser {
    text: Vec<char>,
    at: usize,
    flags: Flags,
    captures: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn looking_at(&self, what: &str) -> bool {
        what.chars().enumerate().all(|(i, c)| self.text.get(self.at + i) == Some(&c))
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn single(&self, c: char) -> CharSet {
        let mut set = CharSet::of(c);
        if self.flags.ignore_case {
            set.fold_case();
        }
        set
    }

    /// `***:`, `***=` and `(?i)` at the very start.
    fn prefixes(&mut self) -> Result<()> {
        if self.flags.literal {
            return Ok(());
        }
        if self.looking_at("***") && self.text.len() >= 4 {
            match self.text[3] {
                '=' => {
                    self.at = 4;
                    self.flags = Flags { literal: true, ignore_case: self.flags.ignore_case, ..Flags::default() };
                    return Ok(());
                }
                ':' => self.at = 4,
                '?' => return Err(Invalid::Pattern.into()),
                _ => return Err(Invalid::Quantifier.into()),
            }
        }
        if self.looking_at("(?") && self.text.get(self.at + 2).is_some_and(char::is_ascii_alphabetic) {
            self.at += 2;
            while let Some(letter) = self.peek().filter(char::is_ascii_alphabetic) {
                self.flags.set(letter).unwrap_or_else(|| Err(Invalid::Option.into()))?;
                self.at += 1;
            }
            if !self.eat(')') {
                return Err(Invalid::Option.into());
            }
            if self.flags.literal {
                self.flags = Flags { literal: true, ignore_case: self.flags.ignore_case, ..Flags::default() };
            }
        }
        Ok(())
    }

    /// Comments, and white space in the expanded syntax.
    fn skip(&mut self) {
        loop {
            if self.looking_at("(?#") {
                while self.peek().is_some_and(|c| c != ')') {
                    self.at += 1;
                }
                self.eat(')');
                continue;
            }
            if !self.skip_blanks() {
                return;
            }
        }
    }

    fn skip_blanks(&mut self) -> bool {
        let start = self.at;
        while self.flags.expanded {
            match self.peek() {
                Some(c) if c.is_ascii_whitespace() || c == '\x0b' => self.at += 1,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        self.at > start
    }

    fn alternatives(&mut self) -> Result<Alternatives> {
        let mut branches = Vec::new();
        loop {
            branches.push(self.branch()?);
            if !self.eat('|') {
                return Ok(Alternatives(branches));
            }
        }
    }

    /// Up to `|`, `)` or the end.
    fn branch(&mut self) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        loop {
            self.skip();
            let Some(c) = self.peek().filter(|c| !matches!(c, '|' | ')')) else { return Ok(pieces) };
            self.at += 1;
            let piece = self.piece(c)?;
            pieces.push(piece);
        }
    }

    fn piece(&mut self, c: char) -> Result<Piece> {
        let lines = self.flags.anchor_lines;
        let atom = match c {
            '^' => return Ok(Piece::Assertion(if lines { "(?m:^)" } else { r"\A" })),
            '$' => return Ok(Piece::Assertion(if lines { "(?m:$)" } else { r"\z" })),
            '*' | '+' | '?' => return Err(Invalid::Quantifier.into()),
            '{' if self.digit_follows() => return Err(Invalid::Quantifier.into()),
            '.' => Atom::Set(self.any()),
            '(' => self.group()?,
            '[' if self.looking_at("[:<:]]") => {
                self.at += 6;
                return Ok(Piece::Assertion(WORD_START));
            }
            '[' if self.looking_at("[:>:]]") => {
                self.at += 6;
                return Ok(Piece::Assertion(WORD_END));
            }
            '[' => Atom::Set(self.bracket()?),
            '\\' => match self.escape()? {
                Escape::Char(c) => Atom::Set(self.single(c)),
                Escape::Class(set) => Atom::Set(set),
                Escape::Assertion(assertion) => return Ok(Piece::Assertion(assertion)),
            },
            c => Atom::Set(self.single(c)),
        };
        Ok(Piece::Atom(atom, self.quantifier()?))
    }

    fn any(&self) -> CharSet {
        let any = CharSet::range(0, set::MAX_CHAR);
        if self.flags.stop_at_newline { any.without_newline() } else { any }
    }

    fn group(&mut self) -> Result<Atom> {
        let mut capture = None;
        if self.eat('?') {
            let kind = self.peek().ok_or(Invalid::Quantifier)?;
            self.at += 1;
            match kind {
                ':' => {}
                '=' | '!' => return Err(Error::unsupported("look-around in a regular expression")),
                '<' if matches!(self.peek(), Some('=' | '!')) => {
                    return Err(Error::unsupported("look-around in a regular expression"));
                }
                _ => return Err(Invalid::Quantifier.into()),
            }
        } else {
            self.captures += 1;
            capture = Some(self.captures);
        }
        let inner = self.alternatives()?;
        if !self.eat(')') {
            return Err(Invalid::Parentheses.into());
        }
        Ok(Atom::Group { capture, inner })
    }

    /// Behind `{`: whether it starts a bound, otherwise it is a character like any other.
    fn digit_follows(&mut self) -> bool {
        self.skip_blanks();
        self.peek().is_some_and(|c| c.is_ascii_digit())
    }

    fn quantifier(&mut self) -> Result<Quantifier> {
        self.skip();
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let start = self.at;
                self.at += 1;
                if self.digit_follows() {
                    return self.bound();
                }
                self.at = start;
                return Ok(Quantifier::ONE);
            }
            _ => return Ok(Quantifier::ONE),
        };
        self.at += 1;
        Ok(Quantifier { min, max, preference: Some(self.preference()) })
    }

    fn preference(&mut self) -> Preference {
        if self.eat('?') { Preference::Shorter } else { Preference::Longer }
    }

    /// `m}`, `m,}` or `m,n}`
    fn bound(&mut self) -> Result<Quantifier> {
        let min = self.number()?;
        let range = self.eat(',');
        self.skip_blanks();
        let max = match range {
            false => Some(min),
            true if self.peek().is_some_and(|c| c.is_ascii_digit()) => Some(self.number()?),
            true => None,
        };
        if max.is_some_and(|max| min > max) {
            return Err(Invalid::Bound.into());
        }
        if self.peek().is_none() {
            return Err(Invalid::Braces.into());
        }
        if !self.eat('}') {
            return Err(Invalid::Bound.into());
        }
        let preference = self.preference();
        // `{m}` keeps the preference of what it repeats, whatever follows.
        Ok(Quantifier { min, max, preference: range.then_some(preference) })
    }

    fn number(&mut self) -> Result<u32> {
        let mut number = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = number * 10 + digit;
            if number > MAX_REPEAT {
                return Err(Invalid::Bound.into());
            }
            self.at += 1;
            self.skip_blanks();
        }
        Ok(number)
    }
}

const WORD_START: &str = r"(?-u:\b{start})";
const WORD_END: &str = r"(?-u:\b{end})";
