//! The canonical text of `jsonb` and the pieces other functions print JSON with.

use std::fmt::Write;

use super::document::{Kind, Node};
use crate::error::Result;
use crate::pgsem::numeric::parse_numeric;

/// What a `jsonb` value is carried as: keys by length, then bytes, the last of equal ones; numbers as numeric prints them.
pub fn canonical(text: &str) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    push_canonical(&Node::parse(text)?, &mut out)?;
    Ok(out)
}

fn push_canonical(node: &Node<'_>, out: &mut String) -> Result<()> {
    match &node.kind {
        Kind::Null | Kind::Bool(_) => out.push_str(node.text),
        Kind::Number => out.push_str(&number(node.text)?),
        Kind::String(s) => push_string(s, out),
        Kind::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                push_canonical(element, out)?;
            }
            out.push(']');
        }
        Kind::Object(members) => {
            let mut sorted: Vec<(&str, &Node<'_>)> = members.iter().map(|(k, v)| (k.as_ref(), v)).collect();
            // Stable: the last of equal keys stays last.
            sorted.sort_by_key(|&(key, _)| key_order(key));
            out.push('{');
            let mut first = true;
            for (i, (key, value)) in sorted.iter().enumerate() {
                if sorted.get(i + 1).is_some_and(|(next, _)| next == key) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push_str(", ");
                }
                push_string(key, out);
                out.push_str(": ");
                push_canonical(value, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// The order in which `jsonb` keeps its keys.
pub fn key_order(key: &str) -> (usize, &str) {
    (key.len(), key)
}

/// A JSON number as numeric prints it.
pub fn number(text: &str) -> Result<String> {
    Ok(parse_numeric(text)?.to_string())
}

/// A JSON string.
pub fn push_string(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing into a String cannot fail.
            '\0'..' ' => drop(write!(out, "\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// A canonical array of canonical parts.
pub fn array<'a>(elements: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (i, element) in elements.into_iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(element);
    }
    out.push(']');
    out
}

/// A canonical object of canonical parts whose keys are distinct and in order.
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::from("{");
    for (i, (key, value)) in members.into_iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        push_string(key, &mut out);
        out.push_str(": ");
        out.push_str(value);
    }
    out.push('}');
    out
}

/// `jsonb_pretty`
pub fn pretty(node: &Node<'_>) -> String {
    let mut out = String::new();
    push_pretty(node, 0, &mut out);
    out
}

fn push_pretty(node: &Node<'_>, level: usize, out: &mut String) {
    let line = |level: usize, out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', level * 4));
    };
    match &node.kind {
        Kind::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                line(level + 1, out);
                push_pretty(element, level + 1, out);
            }
            line(level, out);
            out.push(']');
        }
        Kind::Object(members) => {
            out.push('{');
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                line(level + 1, out);
                push_string(key, out);
                out.push_str(": ");
                push_pretty(value, level + 1, out);
            }
            line(level, out);
            out.push('}');
        }
        _ => out.push_str(node.text),
    }
}
