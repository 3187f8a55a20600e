//! Options: the letters behind a pattern (`'gi'`) or in front of it (`(?i)`).

use crate::error::{Error, Result, state};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    pub ignore_case: bool,
    /// White space and comments in the pattern mean nothing.
    pub expanded: bool,
    /// `.` and complemented sets do not match a newline.
    pub stop_at_newline: bool,
    /// `^` and `$` match at every line.
    pub anchor_lines: bool,
    /// The pattern is text.
    pub literal: bool,
}

impl Flags {
    /// Takes one letter, if it is an option; basic and extended syntax are refused.
    pub fn set(&mut self, letter: char) -> Option<Result<()>> {
        match letter {
            'i' => self.ignore_case = true,
            'c' => self.ignore_case = false,
            'm' | 'n' => (self.stop_at_newline, self.anchor_lines) = (true, true),
            'p' => (self.stop_at_newline, self.anchor_lines) = (true, false),
            'w' => (self.stop_at_newline, self.anchor_lines) = (false, true),
            's' => (self.stop_at_newline, self.anchor_lines) = (false, false),
            'x' => self.expanded = true,
            't' => self.expanded = false,
            'q' => self.literal = true,
            'b' | 'e' => {
                return Some(Err(Error::unsupported("basic and extended regular expression syntax (options b, e)")));
            }
            _ => return None,
        }
        Some(Ok(()))
    }

    /// The options of a call and whether `g` is among them.
    pub fn parse(options: &str) -> Result<(Self, bool)> {
        let (mut flags, mut global) = (Self::default(), false);
        for letter in options.chars() {
            if letter == 'g' {
                global = true;
                continue;
            }
            flags.set(letter).unwrap_or_else(|| {
                Err(Error::new(
                    state::INVALID_PARAMETER_VALUE,
                    format!("invalid regular expression option: \"{letter}\""),
                ))
            })?;
        }
        if flags.literal {
            flags.expanded = false;
            flags.stop_at_newline = false;
            flags.anchor_lines = false;
        }
        Ok((flags, global))
    }
}
