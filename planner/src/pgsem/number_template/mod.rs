//! `to_char` of numbers and `to_number`: PostgreSQL's number templates (`999G990D00`).

mod functions;
mod number;
#[cfg(test)]
mod oracle_tests;
mod read;
mod write;

pub use functions::area;

use crate::error::{Error, Result, state};

/// A pattern that means something; everything else stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Comma,
    Point,
    Zero,
    Nine,
    Blank,
    LocalPoint,
    Exponent,
    FillMode,
    Group,
    Currency,
    Minus,
    Plus,
    Brackets,
    Roman,
    LowerRoman,
    SignBoth,
    SpellOut,
    Sign,
    Ordinal,
    LowerOrdinal,
    Multiply,
}

/// In the order in which they are tried.
const KEYS: &[(&str, Key)] = &[
    (",", Key::Comma),
    (".", Key::Point),
    ("0", Key::Zero),
    ("9", Key::Nine),
    ("B", Key::Blank),
    ("D", Key::LocalPoint),
    ("EEEE", Key::Exponent),
    ("FM", Key::FillMode),
    ("G", Key::Group),
    ("L", Key::Currency),
    ("MI", Key::Minus),
    ("PL", Key::Plus),
    ("PR", Key::Brackets),
    ("RN", Key::Roman),
    ("SG", Key::SignBoth),
    ("SP", Key::SpellOut),
    ("S", Key::Sign),
    ("TH", Key::Ordinal),
    ("V", Key::Multiply),
    ("b", Key::Blank),
    ("d", Key::LocalPoint),
    ("eeee", Key::Exponent),
    ("fm", Key::FillMode),
    ("g", Key::Group),
    ("l", Key::Currency),
    ("mi", Key::Minus),
    ("pl", Key::Plus),
    ("pr", Key::Brackets),
    ("rn", Key::LowerRoman),
    ("sg", Key::SignBoth),
    ("sp", Key::SpellOut),
    ("s", Key::Sign),
    ("th", Key::LowerOrdinal),
    ("v", Key::Multiply),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Key(Key),
    Literal(char),
}

/// Where `S` puts the sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SignPlace {
    #[default]
    None,
    Before,
    After,
}

/// What the whole template says about the number (`NUMDesc`).
#[derive(Clone, Debug, Default)]
struct Description {
    /// Digits before and after the point.
    pre: i32,
    post: i32,
    sign: SignPlace,
    /// Digits before `S`.
    digits_before_sign: i32,
    /// Digits after `V`.
    multiply: i32,
    /// Position (from 1) of the first `0`, position of the last.
    zero_start: i32,
    zero_end: i32,
    has_point: bool,
    has_zero: bool,
    has_blank: bool,
    fill_mode: bool,
    brackets: bool,
    minus: bool,
    plus: bool,
    roman: bool,
    multiplies: bool,
    exponent: bool,
}

#[derive(Clone, Debug)]
struct Template {
    nodes: Vec<Node>,
    description: Description,
}

fn syntax(message: impl Into<String>) -> Error {
    Error::new(state::SYNTAX_ERROR, message)
}

impl Template {
    fn parse(text: &str) -> Result<Self> {
        let mut nodes = Vec::new();
        let mut description = Description::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((name, key)) = KEYS.iter().find(|(name, _)| rest.starts_with(name)) {
                description.take(*key)?;
                nodes.push(Node::Key(*key));
                rest = &rest[name.len()..];
            } else if first == '"' {
                rest = quoted(&rest[1..], &mut nodes);
            } else {
                // A backslash is special before a quote only.
                let literal = rest.strip_prefix('\\').filter(|r| r.starts_with('"')).unwrap_or(rest);
                let c = literal.chars().next().unwrap_or(first);
                nodes.push(Node::Literal(c));
                rest = &literal[c.len_utf8()..];
            }
        }
        Ok(Self { nodes, description })
    }
}

/// Takes a quoted text up to its end quote and gives back what follows.
fn quoted<'t>(mut rest: &'t str, nodes: &mut Vec<Node>) -> &'t str {
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        let literal = match first {
            '"' => return rest,
            '\\' => match rest.chars().next() {
                Some(next) => {
                    rest = &rest[next.len_utf8()..];
                    next
                }
                None => first,
            },
            other => other,
        };
        nodes.push(Node::Literal(literal));
    }
    rest
}

impl Description {
    /// Notes one more key, in the template's order.
    fn take(&mut self, key: Key) -> Result<()> {
        if self.exponent && key != Key::Exponent {
            return Err(syntax("\"EEEE\" must be the last pattern used"));
        }
        let together = |a: &str, b: &str| Err(syntax(format!("cannot use {a} and {b} together")));
        let has_sign = self.sign != SignPlace::None;
        match key {
            Key::Nine if self.brackets => return Err(syntax("\"9\" must be ahead of \"PR\"")),
            Key::Zero if self.brackets => return Err(syntax("\"0\" must be ahead of \"PR\"")),
            Key::Nine if self.multiplies => self.multiply += 1,
            Key::Nine => self.count_digit(),
            Key::Zero => {
                if !self.has_zero && !self.has_point {
                    self.has_zero = true;
                    self.zero_start = self.pre + 1;
                }
                self.count_digit();
                self.zero_end = self.pre + self.post;
            }
            Key::Blank => self.has_blank |= self.pre == 0 && self.post == 0 && !self.has_zero,
            Key::LocalPoint | Key::Point => {
                if self.has_point {
                    return Err(syntax("multiple decimal points"));
                }
                if self.multiplies {
                    return together("\"V\"", "decimal point");
                }
                self.has_point = true;
            }
            Key::FillMode => self.fill_mode = true,
            Key::Sign => {
                if has_sign {
                    return Err(syntax("cannot use \"S\" twice"));
                }
                if self.plus || self.minus || self.brackets {
                    return together("\"S\"", "\"PL\"/\"MI\"/\"SG\"/\"PR\"");
                }
                self.sign = if self.has_point { SignPlace::After } else { SignPlace::Before };
                if !self.has_point {
                    self.digits_before_sign = self.pre;
                }
            }
            Key::Minus if has_sign => return together("\"S\"", "\"MI\""),
            Key::Plus if has_sign => return together("\"S\"", "\"PL\""),
            Key::SignBoth if has_sign => return together("\"S\"", "\"SG\""),
            Key::Minus => self.minus = true,
            Key::Plus => self.plus = true,
            Key::SignBoth => {
                self.minus = true;
                self.plus = true;
            }
            Key::Brackets => {
                if has_sign || self.plus || self.minus {
                    return together("\"PR\"", "\"S\"/\"PL\"/\"MI\"/\"SG\"");
                }
                self.brackets = true;
            }
            Key::Roman | Key::LowerRoman => self.roman = true,
            Key::Multiply => {
                if self.has_point {
                    return together("\"V\"", "decimal point");
                }
                self.multiplies = true;
            }
            Key::Exponent => self.take_exponent()?,
            Key::Comma | Key::Group | Key::Currency | Key::SpellOut | Key::Ordinal | Key::LowerOrdinal => {}
        }
        Ok(())
    }

    fn count_digit(&mut self) {
        if self.has_point {
            self.post += 1;
        } else {
            self.pre += 1;
        }
    }

    fn take_exponent(&mut self) -> Result<()> {
        if self.exponent {
            return Err(syntax("cannot use \"EEEE\" twice"));
        }
        let others = [
            self.has_blank,
            self.fill_mode,
            self.sign != SignPlace::None,
            self.brackets,
            self.minus,
            self.plus,
            self.roman,
            self.multiplies,
        ];
        if others.contains(&true) {
            let detail = "\"EEEE\" may only be used together with digit and decimal point patterns.";
            return Err(syntax("\"EEEE\" is incompatible with other formats").with_detail(detail));
        }
        self.exponent = true;
        Ok(())
    }
}
