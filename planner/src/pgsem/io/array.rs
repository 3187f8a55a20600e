//! Array literals: `{1,NULL,"a b"}`. One dimension from index 1: the carrier is a list. Others are refused.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Field;

use super::input::Parser;
use super::is_space;
use super::output::CellWriter;
use crate::error::{Error, Result, state};

/// The list that carries an array.
pub fn list(array: &dyn Array) -> Result<&ListArray> {
    array
        .as_any()
        .downcast_ref()
        .ok_or_else(|| Error::internal(format!("a kernel expected a list and got {}", array.data_type())))
}

/// Where the elements of a row are among the list's values.
pub fn span(list: &ListArray, row: usize) -> Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

/// Reads array literals, their elements by the element type's parser.
pub struct ArrayParser {
    elements: Box<dyn Parser>,
    offsets: Vec<i32>,
    count: i32,
    valid: Vec<bool>,
}

impl ArrayParser {
    pub fn new(elements: Box<dyn Parser>) -> Self {
        Self { elements, offsets: vec![0], count: 0, valid: Vec::new() }
    }
}

impl Parser for ArrayParser {
    fn append(&mut self, text: Option<&str>) -> Result<()> {
        if let Some(text) = text {
            let mut literal = Literal::new(text)?;
            // A defect of the literal is reported before one of an element.
            let mut elements = Vec::new();
            while let Some(element) = literal.next()? {
                elements.push(element);
            }
            for element in elements {
                self.elements.append(element.as_deref())?;
                self.count += 1;
            }
        }
        self.valid.push(text.is_some());
        self.offsets.push(self.count);
        Ok(())
    }

    fn finish(self: Box<Self>) -> ArrayRef {
        let values = self.elements.finish();
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Arc::new(ListArray::new(field, offsets, values, Some(NullBuffer::from(self.valid))))
    }
}

/// The elements of a literal, one after the other.
struct Literal<'a> {
    whole: &'a str,
    rest: &'a str,
    first: bool,
    done: bool,
}

impl<'a> Literal<'a> {
    fn new(whole: &'a str) -> Result<Self> {
        let mut literal = Self { whole, rest: whole.trim_start_matches(is_space), first: true, done: false };
        if literal.rest.starts_with('[') {
            return Err(Error::unsupported("an array literal with explicit bounds"));
        }
        match literal.rest.strip_prefix('{') {
            Some(rest) => literal.rest = rest,
            None => return Err(literal.malformed("Array value must start with \"{\" or dimension information.")),
        }
        Ok(literal)
    }

    fn malformed(&self, detail: &str) -> Error {
        Error::new(state::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{}\"", self.whole))
            .with_detail(detail)
    }

    fn unexpected(&self, c: char) -> Error {
        self.malformed(&format!("Unexpected \"{c}\" character."))
    }

    fn close(&mut self) -> Result<Option<Option<String>>> {
        self.rest = &self.rest[1..];
        self.done = true;
        if self.rest.chars().all(is_space) { Ok(None) } else { Err(self.malformed("Junk after closing right brace.")) }
    }

    /// The next element, `Some(None)` for NULL; `None` after the last.
    fn next(&mut self) -> Result<Option<Option<String>>> {
        if self.done {
            return Ok(None);
        }
        self.rest = self.rest.trim_start_matches(is_space);
        match self.rest.chars().next() {
            Some('}') if self.first => return self.close(),
            Some('{') if self.first => return Err(Error::unsupported("an array of more than one dimension")),
            Some(c @ (',' | '}' | '{')) => return Err(self.unexpected(c)),
            _ => self.first = false,
        }
        let element = if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            Some(self.quoted()?)
        } else {
            self.unquoted()?
        };
        self.rest = self.rest.trim_start_matches(is_space);
        match self.rest.chars().next() {
            Some(',') => self.rest = &self.rest[1..],
            Some('}') => {
                self.close()?;
            }
            None => return Err(self.end()),
            Some(_) => return Err(self.malformed("Unexpected array element.")),
        }
        Ok(Some(element))
    }

    fn end(&self) -> Error {
        self.malformed("Unexpected end of input.")
    }

    fn quoted(&mut self) -> Result<String> {
        let mut out = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next() {
                Some('"') => break,
                Some('\\') => out.push(characters.next().ok_or_else(|| self.end())?),
                Some(c) => out.push(c),
                None => return Err(self.end()),
            }
        }
        self.rest = characters.as_str();
        Ok(out)
    }

    fn unquoted(&mut self) -> Result<Option<String>> {
        let mut out = String::new();
        // Bytes of `out` up to the last character that is not trailing white space.
        let mut kept = 0;
        let mut escaped = false;
        let mut characters = self.rest.chars();
        loop {
            self.rest = characters.as_str();
            match characters.next() {
                Some(',' | '}') => break,
                Some('\\') => {
                    out.push(characters.next().ok_or_else(|| self.end())?);
                    escaped = true;
                    kept = out.len();
                }
                Some('"') => return Err(self.malformed("Unexpected array element.")),
                Some('{') => return Err(self.unexpected('{')),
                Some(c) => {
                    out.push(c);
                    if !is_space(c) {
                        kept = out.len();
                    }
                }
                None => return Err(self.end()),
            }
        }
        out.truncate(kept);
        Ok(if !escaped && out.eq_ignore_ascii_case("null") { None } else { Some(out) })
    }
}

/// The output function of a vector: its elements, none of them NULL, between blanks.
pub fn vector_writer<'a>(list: &'a ListArray, element: CellWriter<'a>) -> CellWriter<'a> {
    Box::new(move |row, out| {
        for (i, at) in span(list, row).enumerate() {
            if i > 0 {
                out.push(' ');
            }
            element(at, out);
        }
    })
}

/// Writes arrays, their elements by the element type's writer.
pub fn array_writer<'a>(list: &'a ListArray, element: CellWriter<'a>) -> CellWriter<'a> {
    Box::new(move |row, out| {
        let mut text = String::new();
        out.push('{');
        for (i, at) in span(list, row).enumerate() {
            if i > 0 {
                out.push(',');
            }
            if list.values().is_null(at) {
                out.push_str("NULL");
                continue;
            }
            text.clear();
            element(at, &mut text);
            push_element(&text, out);
        }
        out.push('}');
    })
}

fn push_element(text: &str, out: &mut String) {
    let special = |c| matches!(c, '"' | '\\' | '{' | '}' | ',') || is_space(c);
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
