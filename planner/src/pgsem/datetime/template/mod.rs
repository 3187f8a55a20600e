//! Templates of `to_char`, `to_date` and `to_timestamp` (`formatting.c`): parsing them into nodes.

mod from_char;
mod functions;
mod pattern;
mod said;
mod to_char;

pub use functions::signatures;
use pattern::{KEYWORDS, Keyword};

/// A piece of a template.
#[derive(Clone, Debug)]
pub enum Node {
    Field(Field),
    /// A letter, a digit or anything in quotes.
    Char(char),
    /// Punctuation.
    Separator(char),
    Space(char),
}

/// A pattern and its modifiers.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub keyword: &'static Keyword,
    /// `FM`: no padding.
    pub fill: bool,
    /// `TM`: the locale's names, which are English here.
    pub translated: bool,
    pub ordinal: Option<Ordinal>,
}

/// `TH` and `th`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordinal {
    Upper,
    Lower,
}

pub fn parse(template: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let (mut fill, mut translated) = (false, false);
        if let Some(after) = strip_any(rest, &["FM", "fm"]) {
            (fill, rest) = (true, after);
        } else if let Some(after) = strip_any(rest, &["TM", "tm"]) {
            (translated, rest) = (true, after);
        }
        if let Some(keyword) = KEYWORDS.iter().find(|k| rest.starts_with(k.name)) {
            rest = &rest[keyword.name.len()..];
            let mut ordinal = None;
            if let Some(after) = rest.strip_prefix("TH") {
                (ordinal, rest) = (Some(Ordinal::Upper), after);
            } else if let Some(after) = rest.strip_prefix("th") {
                (ordinal, rest) = (Some(Ordinal::Lower), after);
            } else if let Some(after) = rest.strip_prefix("SP") {
                rest = after;
            }
            nodes.push(Node::Field(Field { keyword, fill, translated, ordinal }));
        } else if let Some(quoted) = rest.strip_prefix('"') {
            rest = parse_quoted(quoted, &mut nodes);
        } else {
            // A backslash quotes a double quote and nothing else.
            if rest.starts_with("\\\"") {
                rest = &rest[1..];
            }
            let mut chars = rest.chars();
            if let Some(c) = chars.next() {
                nodes.push(match c {
                    _ if is_separator(c) => Node::Separator(c),
                    ' ' | '\t'..='\r' => Node::Space(c),
                    _ => Node::Char(c),
                });
            }
            rest = chars.as_str();
        }
    }
    nodes
}

/// Text up to the closing quote, if there is one.
fn parse_quoted<'a>(quoted: &'a str, nodes: &mut Vec<Node>) -> &'a str {
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '"' => return chars.as_str(),
            '\\' => chars.next().unwrap_or('\\'),
            _ => c,
        };
        nodes.push(Node::Char(c));
    }
    ""
}

fn strip_any<'a>(text: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|p| text.strip_prefix(p))
}

/// Printable ASCII that is no letter, digit or space.
pub fn is_separator(c: char) -> bool {
    c.is_ascii_punctuation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pattern_wins_and_quotes_end_patterns() {
        let shown: Vec<String> = parse("HH24MI\"YYYY\\\"\"FMDDth")
            .into_iter()
            .map(|n| match n {
                Node::Field(f) => format!("<{}{}>", if f.fill { "FM" } else { "" }, f.keyword.name),
                Node::Char(c) | Node::Separator(c) | Node::Space(c) => c.to_string(),
            })
            .collect();
        assert_eq!(shown.concat(), "<HH24><MI>YYYY\"<FMDD>");
    }
}
