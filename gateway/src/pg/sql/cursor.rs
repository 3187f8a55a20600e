//! Walking over the tokens of one statement.

use planner::error::state;
use planner::{Error, Result};

use super::lexer::{Kind, Token, position};

/// A statement's tokens and where the reader stands.
pub struct Tokens<'a> {
    pub sql: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(sql: &'a str, tokens: &'a [Token]) -> Self {
        Self { sql, tokens, at: 0 }
    }

    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    pub fn peek_text(&self) -> &'a str {
        self.peek().map_or("", |t| t.text(self.sql))
    }

    /// Text of the token `n` places after the next one; empty at the end.
    pub fn after(&self, n: usize) -> &'a str {
        self.tokens.get(self.at + n).map_or("", |t| t.text(self.sql))
    }

    pub fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    pub fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The next tokens are these words.
    pub fn looking_at(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, w)| self.tokens.get(self.at + i).is_some_and(|t| t.is_word(self.sql, w)))
    }

    /// Consumes the word (or words, separated by a space) if it comes next.
    pub fn eat(&mut self, words: &str) -> bool {
        let words: Vec<&str> = words.split(' ').collect();
        let found = self.looking_at(&words);
        if found {
            self.at += words.len();
        }
        found
    }

    /// Consumes the first of these words that comes next.
    pub fn eat_one_of<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        words.iter().copied().find(|w| self.eat(w))
    }

    pub fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_some_and(|t| t.kind == Kind::Symbol && t.text(self.sql) == symbol);
        self.at += usize::from(found);
        found
    }

    pub fn expect(&mut self, words: &str) -> Result<()> {
        if self.eat(words) { Ok(()) } else { Err(self.syntax_error()) }
    }

    pub fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.syntax_error()) }
    }

    pub fn expect_end(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.syntax_error()) }
    }

    pub fn syntax_error(&self) -> Error {
        let (message, offset) = match self.peek() {
            Some(token) => (format!("syntax error at or near \"{}\"", token.text(self.sql)), token.start),
            None => ("syntax error at end of input".to_string(), self.sql.len()),
        };
        Error::new(state::SYNTAX_ERROR, message).or_position(Some(position(self.sql, offset)))
    }

    /// A name: unquoted names fold to lower case.
    pub fn name(&mut self) -> Result<String> {
        match self.peek() {
            Some(t) if t.kind == Kind::Word => {
                self.at += 1;
                Ok(t.text(self.sql).to_lowercase())
            }
            Some(t) if t.kind == Kind::Quoted && t.text(self.sql).starts_with('"') => {
                self.at += 1;
                let text = t.text(self.sql);
                Ok(text[1..text.len() - 1].replace("\"\"", "\""))
            }
            _ => Err(self.syntax_error()),
        }
    }

    /// A name that may have dots in it, as settings have.
    pub fn dotted_name(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.eat_symbol(".") {
            name.push('.');
            name.push_str(&self.name()?);
        }
        Ok(name)
    }

    /// The value of a string constant, if one comes next.
    pub fn string(&mut self) -> Result<Option<String>> {
        let Some(token) = self.peek() else { return Ok(None) };
        let text = token.text(self.sql);
        let value = match token.kind {
            Kind::String => {
                let text = text.strip_prefix(['n', 'N']).unwrap_or(text);
                text[1..text.len() - 1].replace("''", "'")
            }
            Kind::Escape => unescape(&text[2..text.len() - 1]).ok_or_else(|| {
                Error::new(state::INVALID_ESCAPE_SEQUENCE, "invalid escape sequence in string constant")
                    .or_position(Some(position(self.sql, token.start)))
            })?,
            Kind::Dollar => {
                let tag = text[1..].find('$').map_or(0, |i| i + 2);
                text[tag..text.len() - tag].to_string()
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(value))
    }

    pub fn expect_string(&mut self) -> Result<String> {
        self.string()?.ok_or_else(|| self.syntax_error())
    }

    /// A whole number with an optional sign.
    pub fn integer(&mut self) -> Result<Option<i64>> {
        let start = self.at;
        let negative = self.eat_symbol("-");
        if !negative {
            self.eat_symbol("+");
        }
        let value = self.peek().filter(|t| t.kind == Kind::Number).and_then(|t| t.text(self.sql).parse::<i64>().ok());
        match value {
            Some(n) => {
                self.at += 1;
                Ok(Some(if negative { -n } else { n }))
            }
            None if self.at > start => Err(self.syntax_error()),
            None => Ok(None),
        }
    }

    /// Text from the next token to the end of the statement.
    pub fn rest(&mut self) -> Result<(usize, &'a str)> {
        let (Some(first), Some(last)) = (self.peek(), self.tokens.last()) else { return Err(self.syntax_error()) };
        self.at = self.tokens.len();
        Ok((first.start, &self.sql[first.start..last.end]))
    }

    /// Text inside the parentheses that open here; nested ones included.
    pub fn parenthesised(&mut self) -> Result<(usize, &'a str)> {
        self.expect_symbol("(")?;
        let start = self.tokens[self.at - 1].end;
        let mut depth = 1;
        while let Some(token) = self.next() {
            match (token.kind, token.text(self.sql)) {
                (Kind::Symbol, "(") => depth += 1,
                (Kind::Symbol, ")") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok((start, &self.sql[start..token.start]));
            }
        }
        Err(self.syntax_error())
    }
}

/// The body of an `E'…'` string.
fn unescape(body: &str) -> Option<String> {
    let mut out = Vec::with_capacity(body.len());
    let bytes = body.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let b = bytes[i];
        i += 1;
        if b == b'\'' {
            i += 1; // the second of a pair
            out.push(b'\'');
            continue;
        }
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let escape = *bytes.get(i)?;
        i += 1;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'x' if bytes.get(i).is_some_and(u8::is_ascii_hexdigit) => {
                let n = bytes[i..].iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
                out.push(u8::from_str_radix(&body[i..i + n], 16).ok()?);
                i += n;
            }
            b'0'..=b'7' => {
                let n = bytes[i - 1..].iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                out.push(u32::from_str_radix(&body[i - 1..i - 1 + n], 8).ok()? as u8);
                i += n - 1;
            }
            b'u' | b'U' => {
                let n = if escape == b'u' { 4 } else { 8 };
                let c = char::from_u32(u32::from_str_radix(body.get(i..i + n)?, 16).ok()?)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                i += n;
            }
            other => out.push(other),
        }
    }
    if out.contains(&0) { None } else { String::from_utf8(out).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(unescape(r"a\tb\x41\101\u00e9\\''\'").unwrap(), "a\tbAAé\\''");
        assert_eq!(unescape(r"\xff"), None);
        assert_eq!(unescape(r"\u12"), None);
    }
}
