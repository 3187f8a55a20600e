//! JSON tokens, with PostgreSQL's complaints (`jsonapi.c`).

use std::borrow::Cow;

use crate::error::{Error, Result, SqlState, state};

const UNTRANSLATABLE_CHARACTER: SqlState = SqlState::new("22P05");

#[derive(Debug)]
pub enum Token<'a> {
    Punctuation(u8),
    String(Cow<'a, str>),
    Number,
    Bool(bool),
    Null,
    End,
}

/// One token of look-ahead.
pub struct Lexer<'a> {
    input: &'a str,
    /// Whether escapes must have a meaning as text.
    resolve: bool,
    pub token: Token<'a>,
    /// Bytes of the current token.
    pub start: usize,
    end: usize,
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::new(state::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json").with_detail(detail)
}

fn lone_low_surrogate() -> Error {
    invalid("Unicode low surrogate must follow a high surrogate.")
}

/// Letters, digits, `_` and anything beyond ASCII: PostgreSQL reads a run of them as one (wrong) word.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl<'a> Lexer<'a> {
    /// At the first token.
    pub fn new(input: &'a str, resolve: bool) -> Result<Self> {
        let mut lexer = Self { input, resolve, token: Token::End, start: 0, end: 0 };
        lexer.advance()?;
        Ok(lexer)
    }

    pub fn at(&self, punctuation: u8) -> bool {
        matches!(self.token, Token::Punctuation(c) if c == punctuation)
    }

    /// From byte `start` to the end of the current token.
    pub fn text_from(&self, start: usize) -> &'a str {
        &self.input[start..self.end]
    }

    pub fn expected(&self, what: &str) -> Error {
        match self.text_from(self.start) {
            "" => invalid("The input string ended unexpectedly."),
            found => invalid(format!("Expected {what}, but found \"{found}\".")),
        }
    }

    fn invalid_token(&self, end: usize) -> Error {
        invalid(format!("Token \"{}\" is invalid.", &self.input[self.start..end]))
    }

    pub fn advance(&mut self) -> Result<()> {
        let bytes = self.input.as_bytes();
        let mut at = self.end;
        while bytes.get(at).is_some_and(|c| matches!(c, b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        self.start = at;
        self.end = at;
        let Some(&first) = bytes.get(at) else {
            self.token = Token::End;
            return Ok(());
        };
        match first {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                self.end = at + 1;
                self.token = Token::Punctuation(first);
            }
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        }
        Ok(())
    }

    fn word(&mut self) -> Result<()> {
        let rest = &self.input.as_bytes()[self.start..];
        let length = rest.iter().position(|&c| !is_word(c)).unwrap_or(rest.len());
        // A character that starts nothing is a token of its own.
        let length = if length == 0 { 1 } else { length };
        self.end = self.start + length;
        self.token = match self.text_from(self.start) {
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            "null" => Token::Null,
            _ => return Err(self.invalid_token(self.end)),
        };
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        let bytes = self.input.as_bytes();
        let digits = |mut at: usize| {
            let from = at;
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            (at, at > from)
        };
        let mut at = self.start + usize::from(bytes[self.start] == b'-');
        let mut valid = true;
        if bytes.get(at) == Some(&b'0') {
            at += 1;
        } else {
            (at, valid) = digits(at);
        }
        if valid && bytes.get(at) == Some(&b'.') {
            (at, valid) = digits(at + 1);
        }
        if valid && matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            if matches!(bytes.get(at), Some(b'+' | b'-')) {
                at += 1;
            }
            (at, valid) = digits(at);
        }
        let end = at + bytes[at..].iter().take_while(|&&c| is_word(c)).count();
        if !valid || end > at {
            return Err(self.invalid_token(end));
        }
        self.end = at;
        self.token = Token::Number;
        Ok(())
    }

    fn string(&mut self) -> Result<()> {
        let body = &self.input[self.start + 1..];
        let bytes = body.as_bytes();
        let mut out: Cow<'a, str> = Cow::Borrowed("");
        // Start of the part not yet copied; nothing is copied without escapes.
        let mut from = 0;
        let mut high_surrogate: Option<u32> = None;
        let mut at = 0;
        loop {
            let Some(&c) = bytes.get(at) else { return Err(self.invalid_token(self.input.len())) };
            match c {
                b'"' => break,
                0..0x20 => return Err(invalid(format!("Character with value 0x{c:02x} must be escaped."))),
                b'\\' => {}
                _ if high_surrogate.is_some() => return Err(lone_low_surrogate()),
                _ => {
                    at += 1;
                    continue;
                }
            }
            let (unit, length) = self.escape(&body[at..])?;
            if self.resolve {
                out.to_mut().push_str(&body[from..at]);
                match (high_surrogate.take(), unit) {
                    (Some(high), 0xdc00..0xe000) => {
                        let code = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
                        out.to_mut().extend(char::from_u32(code));
                    }
                    (None, 0xd800..0xdc00) => high_surrogate = Some(unit),
                    (Some(_), 0xd800..0xdc00) => {
                        return Err(invalid("Unicode high surrogate must not follow a high surrogate."));
                    }
                    (Some(_), _) | (None, 0xdc00..0xe000) => return Err(lone_low_surrogate()),
                    (None, 0) => {
                        return Err(Error::new(UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence")
                            .with_detail("\\u0000 cannot be converted to text."));
                    }
                    (None, _) => out.to_mut().extend(char::from_u32(unit)),
                }
            }
            at += length;
            from = at;
        }
        if high_surrogate.is_some() {
            return Err(lone_low_surrogate());
        }
        if from == 0 {
            out = Cow::Borrowed(&body[..at]);
        } else if self.resolve {
            out.to_mut().push_str(&body[from..at]);
        }
        self.end = self.start + 1 + at + 1;
        self.token = Token::String(out);
        Ok(())
    }

    /// The UTF-16 unit of the escape `text` starts with, and its length in bytes.
    fn escape(&self, text: &str) -> Result<(u32, usize)> {
        let Some(c) = text[1..].chars().next() else { return Err(self.invalid_token(self.input.len())) };
        let unit = match c {
            '"' | '\\' | '/' => c as u32,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits = text.get(2..6).filter(|d| d.bytes().all(|c| c.is_ascii_hexdigit()));
                return match digits.map(|d| u32::from_str_radix(d, 16)) {
                    Some(Ok(unit)) => Ok((unit, 6)),
                    _ => Err(invalid("\"\\u\" must be followed by four hexadecimal digits.")),
                };
            }
            _ => return Err(invalid(format!("Escape sequence \"\\{c}\" is invalid."))),
        };
        Ok((unit, 2))
    }
}
