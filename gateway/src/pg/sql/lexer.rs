//! PostgreSQL's lexical rules, as far as they are needed to cut a string into statements and to read the commands a session
//! answers itself. Offsets are bytes of the text, so a statement's own text can be passed on unchanged.

use planner::error::state;
use planner::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An unquoted word: keyword or identifier.
    Word,
    /// `"quoted"` or `U&"quoted"`.
    Quoted,
    /// `'…'` with standard_conforming_strings on; also `N'…'`.
    String,
    /// `E'…'`.
    Escape,
    /// `$tag$…$tag$`.
    Dollar,
    /// `B'…'`, `X'…'`, `U&'…'`.
    OtherString,
    Number,
    /// `$1`
    Parameter,
    /// One or more operator characters, or one of `( ) [ ] , : .` on its own; `;` too.
    Symbol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

impl Token {
    pub fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.start..self.end]
    }

    pub fn is_word(&self, sql: &str, word: &str) -> bool {
        self.kind == Kind::Word && self.text(sql).eq_ignore_ascii_case(word)
    }
}

/// Position of byte `offset` as PostgreSQL counts: characters from 1.
pub fn position(sql: &str, offset: usize) -> u32 {
    sql[..offset].chars().count() as u32 + 1
}

pub fn tokens(sql: &str) -> Result<Vec<Token>> {
    let mut lexer = Lexer { sql, bytes: sql.as_bytes(), at: 0 };
    let mut out = Vec::new();
    while let Some(token) = lexer.next()? {
        out.push(token);
    }
    Ok(out)
}

struct Lexer<'a> {
    sql: &'a str,
    bytes: &'a [u8],
    at: usize,
}

fn word_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn word_part(b: u8) -> bool {
    word_start(b) || b.is_ascii_digit() || b == b'$'
}

fn operator_char(b: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?".contains(&b)
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn unterminated(&self, what: &str, start: usize) -> Error {
        let shown = &self.sql[start..];
        Error::new(state::SYNTAX_ERROR, format!("unterminated {what} at or near \"{shown}\""))
            .or_position(Some(position(self.sql, start)))
    }

    fn skip_space(&mut self) -> Result<()> {
        loop {
            match self.peek(0) {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'-' if self.peek(1) == b'-' => {
                    while self.at < self.bytes.len() && !matches!(self.bytes[self.at], b'\n' | b'\r') {
                        self.at += 1;
                    }
                }
                b'/' if self.peek(1) == b'*' => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// Comments nest.
    fn skip_comment(&mut self) -> Result<()> {
        let start = self.at;
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                _ if self.at >= self.bytes.len() => return Err(self.unterminated("/* comment", start)),
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn next(&mut self) -> Result<Option<Token>> {
        self.skip_space()?;
        let start = self.at;
        if start >= self.bytes.len() {
            return Ok(None);
        }
        let kind = match self.peek(0) {
            b'\'' => self.quoted(b'\'', false, "quoted string", Kind::String)?,
            b'"' => self.quoted(b'"', false, "quoted identifier", Kind::Quoted)?,
            b'e' | b'E' if self.peek(1) == b'\'' => {
                self.at += 1;
                self.quoted(b'\'', true, "quoted string", Kind::Escape)?
            }
            b'n' | b'N' if self.peek(1) == b'\'' => {
                self.at += 1;
                self.quoted(b'\'', false, "quoted string", Kind::String)?
            }
            b'b' | b'B' | b'x' | b'X' if self.peek(1) == b'\'' => {
                self.at += 1;
                self.quoted(b'\'', false, "bit string literal", Kind::OtherString)?
            }
            b'u' | b'U' if self.peek(1) == b'&' && self.peek(2) == b'\'' => {
                self.at += 2;
                self.quoted(b'\'', false, "quoted string", Kind::OtherString)?
            }
            b'u' | b'U' if self.peek(1) == b'&' && self.peek(2) == b'"' => {
                self.at += 2;
                self.quoted(b'"', false, "quoted identifier", Kind::Quoted)?
            }
            b'$' => self.dollar()?,
            b if word_start(b) => {
                while word_part(self.peek(0)) {
                    self.at += 1;
                }
                Kind::Word
            }
            b if b.is_ascii_digit() || (b == b'.' && self.peek(1).is_ascii_digit()) => self.number(),
            b if operator_char(b) => self.operator(),
            _ => {
                self.at += 1;
                Kind::Symbol
            }
        };
        Ok(Some(Token { kind, start, end: self.at }))
    }

    fn quoted(&mut self, quote: u8, backslash: bool, what: &str, kind: Kind) -> Result<Kind> {
        let start = self.at;
        self.at += 1;
        loop {
            if self.at >= self.bytes.len() {
                return Err(self.unterminated(what, start));
            }
            let b = self.peek(0);
            self.at += 1;
            if b == b'\\' && backslash {
                self.at += 1;
            } else if b == quote {
                if self.peek(0) != quote {
                    return Ok(kind);
                }
                self.at += 1;
            }
        }
    }

    fn dollar(&mut self) -> Result<Kind> {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            return Ok(Kind::Parameter);
        }
        let mut end = self.at;
        if self.bytes.get(end).is_some_and(|b| word_start(*b)) {
            while self.bytes.get(end).is_some_and(|b| word_start(*b) || b.is_ascii_digit()) {
                end += 1;
            }
        }
        if self.bytes.get(end) != Some(&b'$') {
            return Ok(Kind::Symbol);
        }
        let tag = &self.sql[start..=end];
        match self.sql[end + 1..].find(tag) {
            Some(close) => {
                self.at = end + 1 + close + tag.len();
                Ok(Kind::Dollar)
            }
            None => Err(self.unterminated("dollar-quoted string", start)),
        }
    }

    fn number(&mut self) -> Kind {
        while word_part(self.peek(0))
            || (self.peek(0) == b'.' && self.peek(1) != b'.')
            || (matches!(self.peek(0), b'+' | b'-')
                && matches!(self.bytes[self.at - 1], b'e' | b'E')
                && self.peek(1).is_ascii_digit())
        {
            self.at += 1;
        }
        Kind::Number
    }

    fn operator(&mut self) -> Kind {
        let start = self.at;
        while operator_char(self.peek(0)) && !matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*')) {
            self.at += 1;
        }
        // `=-` is two operators, `@-` is one: a trailing sign belongs to an operator only if that holds one of these.
        let special = |b: &u8| b"~!@#%^&|`?".contains(b);
        while self.at > start + 1
            && matches!(self.bytes[self.at - 1], b'+' | b'-')
            && !self.bytes[start..self.at - 1].iter().any(special)
        {
            self.at -= 1;
        }
        Kind::Symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        tokens(sql).unwrap().iter().map(|t| t.text(sql)).collect()
    }

    #[test]
    fn semicolons_inside_quotes_and_comments_are_not_seen() {
        let sql = r#"a ';' "x;""y" E'\';' $$;$$ $q$ $$;$q$ -- ;
            /* ; /* ; */ ; */ $1; é"#;
        assert_eq!(texts(sql), ["a", "';'", r#""x;""y""#, r"E'\';'", "$$;$$", "$q$ $$;$q$", "$1", ";", "é"]);
    }

    #[test]
    fn operators_stop_at_comments() {
        assert_eq!(texts("1--2\n+/*x*/3<=1e-5"), ["1", "+", "3", "<=", "1e-5"]);
        assert_eq!(texts("a=-1 b@-1 c--+"), ["a", "=", "-", "1", "b", "@-", "1", "c"]);
        assert_eq!(texts("a.b[1:2] 1..2"), ["a", ".", "b", "[", "1", ":", "2", "]", "1", ".", ".2"]);
    }

    #[test]
    fn what_is_not_closed_is_an_error_with_a_position() {
        for (sql, at) in [("é 'x", 3), ("select \"x", 8), ("/* /* */", 1), ("$a$ $b$", 1)] {
            let error = tokens(sql).unwrap_err();
            assert_eq!((error.sqlstate(), error.position()), (state::SYNTAX_ERROR, Some(at)), "{sql}");
        }
    }
}
