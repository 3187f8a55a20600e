//! A JSON text as a tree whose every node knows the text it came from. A part of a canonical `jsonb` text is canonical itself, so
//! one tree serves both types: `json` hands out the original spelling, `jsonb` the canonical one.

use std::borrow::Cow;

use super::lexer::{Lexer, Token};
use crate::error::{Error, Result, state};

/// Nesting beyond this is refused, as PostgreSQL does at some depth: `stack depth limit exceeded`.
const MAX_DEPTH: usize = 1000;

#[derive(Debug)]
pub struct Node<'a> {
    pub text: &'a str,
    pub kind: Kind<'a>,
}

#[derive(Debug)]
pub enum Kind<'a> {
    Null,
    Bool(bool),
    /// Spelled as in [`Node::text`].
    Number,
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// Parses a whole text and resolves its string escapes.
    pub fn parse(text: &'a str) -> Result<Self> {
        Parser { lexer: Lexer::new(text, true)?, depth: 0 }.document()
    }

    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    pub fn is_scalar(&self) -> bool {
        !matches!(self.kind, Kind::Array(_) | Kind::Object(_))
    }

    /// As `jsonb_typeof` names it.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "boolean",
            Kind::Number => "number",
            Kind::String(_) => "string",
            Kind::Array(_) => "array",
            Kind::Object(_) => "object",
        }
    }

    /// The member of an object; of equal keys the last counts.
    pub fn member(&self, key: &str) -> Option<&Node<'a>> {
        match &self.kind {
            Kind::Object(members) => members.iter().rev().find(|(k, _)| k == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The element of an array, counted from the end if negative.
    pub fn element(&self, index: i64) -> Option<&Node<'a>> {
        let Kind::Array(elements) = &self.kind else { return None };
        let at = if index < 0 { index + elements.len() as i64 } else { index };
        elements.get(usize::try_from(at).ok()?)
    }

    /// What `->>` gives: NULL for null, strings without quotes.
    pub fn as_text(&self) -> Option<String> {
        match &self.kind {
            Kind::Null => None,
            Kind::String(s) => Some(s.to_string()),
            _ => Some(self.text.to_string()),
        }
    }
}

/// Checks a `json` value, which keeps its spelling: escapes are looked at only as far as PostgreSQL does on input.
pub fn validate(text: &str) -> Result<()> {
    Parser { lexer: Lexer::new(text, false)?, depth: 0 }.document().map(drop)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn document(mut self) -> Result<Node<'a>> {
        let node = self.value()?;
        match self.lexer.token {
            Token::End => Ok(node),
            _ => Err(self.lexer.expected("end of input")),
        }
    }

    fn value(&mut self) -> Result<Node<'a>> {
        let start = self.lexer.start;
        let kind = match std::mem::replace(&mut self.lexer.token, Token::End) {
            Token::Null => Kind::Null,
            Token::Bool(value) => Kind::Bool(value),
            Token::Number => Kind::Number,
            Token::String(value) => Kind::String(value),
            Token::Punctuation(b'[') => return self.nested(start, Self::array),
            Token::Punctuation(b'{') => return self.nested(start, Self::object),
            other => {
                self.lexer.token = other;
                return Err(self.lexer.expected("JSON value"));
            }
        };
        self.close(start, kind)
    }

    /// The node that ends with the current token.
    fn close(&mut self, start: usize, kind: Kind<'a>) -> Result<Node<'a>> {
        let text = self.lexer.text_from(start);
        self.lexer.advance()?;
        Ok(Node { text, kind })
    }

    fn nested(&mut self, start: usize, body: fn(&mut Self) -> Result<Kind<'a>>) -> Result<Node<'a>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"));
        }
        self.lexer.advance()?;
        let kind = body(self)?;
        self.depth -= 1;
        self.close(start, kind)
    }

    fn array(&mut self) -> Result<Kind<'a>> {
        let mut elements = Vec::new();
        if self.lexer.at(b']') {
            return Ok(Kind::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            if self.lexer.at(b']') {
                return Ok(Kind::Array(elements));
            }
            if !self.lexer.at(b',') {
                return Err(self.lexer.expected("\",\" or \"]\""));
            }
            self.lexer.advance()?;
        }
    }

    fn object(&mut self) -> Result<Kind<'a>> {
        let mut members = Vec::new();
        if self.lexer.at(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            let key = match std::mem::replace(&mut self.lexer.token, Token::End) {
                Token::String(key) => key,
                other => {
                    self.lexer.token = other;
                    return Err(self.lexer.expected(if members.is_empty() { "string or \"}\"" } else { "string" }));
                }
            };
            self.lexer.advance()?;
            if !self.lexer.at(b':') {
                return Err(self.lexer.expected("\":\""));
            }
            self.lexer.advance()?;
            members.push((key, self.value()?));
            if self.lexer.at(b'}') {
                return Ok(Kind::Object(members));
            }
            if !self.lexer.at(b',') {
                return Err(self.lexer.expected("\",\" or \"}\""));
            }
            self.lexer.advance()?;
        }
    }
}
