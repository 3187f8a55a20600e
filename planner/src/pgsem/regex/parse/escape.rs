//! What a backslash means.

use super::{Parser, WORD_END, WORD_START};
use crate::error::{Error, Result};
use crate::pgsem::regex::Invalid;
use crate::pgsem::regex::set::{self, CharSet};

pub enum Escape {
    Char(char),
    Class(CharSet),
    Assertion(&'static str),
}

impl Parser {
    /// Behind the backslash.
    pub(super) fn escape(&mut self) -> Result<Escape> {
        let c = self.peek().ok_or(Invalid::Escape)?;
        self.at += 1;
        let class = |name: &str| CharSet::class(name, false);
        Ok(match c {
            'a' => Escape::Char('\x07'),
            'A' => Escape::Assertion(r"\A"),
            'b' => Escape::Char('\x08'),
            'B' => Escape::Char('\\'),
            'c' => {
                let c = self.peek().ok_or(Invalid::Escape)?;
                self.at += 1;
                Escape::Char(char::from((c as u32 & 0x1f) as u8))
            }
            'd' => Escape::Class(class("digit")?),
            'D' => Escape::Class(class("digit")?.complement()),
            'e' => Escape::Char('\x1b'),
            'f' => Escape::Char('\x0c'),
            'm' => Escape::Assertion(WORD_START),
            'M' => Escape::Assertion(WORD_END),
            'n' => Escape::Char('\n'),
            'r' => Escape::Char('\r'),
            's' => Escape::Class(class("space")?),
            'S' => Escape::Class(class("space")?.complement()),
            't' => Escape::Char('\t'),
            'u' => Escape::Char(self.code(16, 4, 4)?),
            'U' => Escape::Char(self.code(16, 8, 8)?),
            'v' => Escape::Char('\x0b'),
            'w' => Escape::Class(class("word")?),
            'W' => Escape::Class(class("word")?.complement()),
            'x' => Escape::Char(self.code(16, 1, 255)?),
            'y' => Escape::Assertion(r"(?-u:\b)"),
            'Y' => Escape::Assertion(r"(?-u:\B)"),
            'Z' => Escape::Assertion(r"\z"),
            '0' => {
                self.at -= 1;
                Escape::Char(self.code(8, 1, 3)?)
            }
            '1'..='9' => {
                let start = self.at - 1;
                let digits = self.text[start..].iter().take_while(|c| c.is_ascii_digit()).count();
                let number: String = self.text[start..start + digits].iter().collect();
                // One digit, or a group that there is, is a back-reference; anything else is octal.
                if digits == 1 || number.parse::<usize>().is_ok_and(|n| n <= self.captures) {
                    if number.parse::<usize>().is_ok_and(|n| n > self.captures) {
                        return Err(Invalid::BackReference.into());
                    }
                    return Err(Error::unsupported("a back-reference in a regular expression"));
                }
                self.at = start;
                Escape::Char(self.code(8, 1, 3)?)
            }
            c if c.is_ascii_alphabetic() => return Err(Invalid::Escape.into()),
            c => Escape::Char(c),
        })
    }

    /// The character whose number follows.
    fn code(&mut self, base: u32, least: usize, most: usize) -> Result<char> {
        let mut code: u32 = 0;
        let mut digits = 0;
        while digits < most {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(base)) else { break };
            code = code.checked_mul(base).map_or(u32::MAX, |code| code.saturating_add(digit));
            digits += 1;
            self.at += 1;
        }
        if digits < least || code > set::MAX_CHAR {
            return Err(Invalid::Escape.into());
        }
        char::from_u32(code).ok_or_else(|| Error::unsupported("a surrogate in a regular expression"))
    }
}
