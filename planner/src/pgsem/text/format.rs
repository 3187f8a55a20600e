//! `format('%1$-10s %I %L', …)`.

use arrow::array::ArrayRef;

use super::quote::{quote_ident, quote_literal};
use super::{TEXT, measure::chars};
use crate::error::{Error, Result, SqlState, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::io::{self, CellWriter};
use crate::pgsem::kernel::{Call, Text};
use crate::pgsem::number_io::parse_int4;
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

const NULL_VALUE_NOT_ALLOWED: SqlState = SqlState::new("22004");

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::build("format", &[TEXT], TEXT, |ctx, args| Ok(io::output_call(&FORMAT, ctx, args))),
        Signature::build("format", &[TEXT, oid::ANY], TEXT, |ctx, args| Ok(io::output_call(&FORMAT, ctx, args)))
            .variadic(),
    ]
}

static FORMAT: FuncDef = FuncDef::failing("format", SqlForm::Call("format"), format).not_strict();

fn format(call: &Call<'_>) -> Result<ArrayRef> {
    let template = call.column::<Text>(0)?;
    let writers = io::argument_writers(call, 1)?;
    call.build::<Text>(|row| match call.get::<Text>(&template, 0, row) {
        Some(template) => Row { call, writers: &writers, row, next: 1 }.format(template).map(Some),
        None => Ok(None),
    })
}

/// The arguments of one call; number 0 is the template itself.
struct Row<'a, 'b> {
    call: &'a Call<'b>,
    writers: &'a [CellWriter<'a>],
    row: usize,
    /// The argument the next specifier without a position takes.
    next: usize,
}

/// `%[position$][flags][width]type`, without the `%` and the type.
#[derive(Default)]
struct Spec {
    position: Option<usize>,
    left: bool,
    width: i32,
}

impl Row<'_, '_> {
    fn format(mut self, template: &str) -> Result<String> {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((literal, tail)) = rest.split_once('%') {
            out.push_str(literal);
            if let Some(tail) = tail.strip_prefix('%') {
                out.push('%');
                rest = tail;
                continue;
            }
            let (spec, tail) = self.spec(tail)?;
            let kind = tail.chars().next().ok_or_else(unterminated)?;
            if !matches!(kind, 's' | 'I' | 'L') {
                return Err(invalid(format!("unrecognized format() type specifier \"{kind}\""))
                    .with_hint("For a single \"%\" use \"%%\"."));
            }
            let argument = spec.position.unwrap_or(self.next);
            self.next = argument + 1;
            let value = self.argument(argument)?;
            let text = match kind {
                's' => value.unwrap_or_default(),
                'I' => quote_ident(&value.ok_or_else(|| {
                    Error::new(NULL_VALUE_NOT_ALLOWED, "null values cannot be formatted as an SQL identifier")
                })?),
                _ => value.map_or_else(|| "NULL".to_string(), |v| quote_literal(&v)),
            };
            pad(&text, &spec, &mut out);
            rest = &tail[1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn argument(&self, number: usize) -> Result<Option<String>> {
        if number >= self.call.args.len() {
            return Err(invalid("too few arguments for format()"));
        }
        if self.call.is_null(number, self.row) {
            return Ok(None);
        }
        let mut text = String::new();
        self.writers[number - 1](self.call.row(number, self.row), &mut text);
        Ok(Some(text))
    }

    fn spec<'t>(&mut self, text: &'t str) -> Result<(Spec, &'t str)> {
        let mut spec = Spec::default();
        let (number, mut rest) = digits(text)?;
        if let Some(number) = number {
            match rest.strip_prefix('$') {
                Some(tail) => {
                    spec.position = Some(position(number)?);
                    rest = tail;
                }
                // No flags may follow a width.
                None => {
                    spec.width = number;
                    return Ok((spec, rest));
                }
            }
        }
        while let Some(tail) = rest.strip_prefix('-') {
            spec.left = true;
            rest = tail;
        }
        if let Some(tail) = rest.strip_prefix('*') {
            let (number, tail) = digits(tail)?;
            let (argument, tail) = match (number, tail.strip_prefix('$')) {
                (Some(number), Some(tail)) => (position(number)?, tail),
                (Some(_), None) => return Err(invalid("width argument position must be ended by \"$\"")),
                (None, _) => (self.next, tail),
            };
            self.next = argument + 1;
            spec.width = match self.argument(argument)? {
                None => 0,
                Some(width) => parse_int4(&width)?,
            };
            return Ok((spec, tail));
        }
        let (width, rest) = digits(rest)?;
        spec.width = width.unwrap_or(0);
        Ok((spec, rest))
    }
}

fn pad(text: &str, spec: &Spec, out: &mut String) {
    let missing = (spec.width.unsigned_abs() as usize).saturating_sub(chars(text) as usize);
    let blanks = std::iter::repeat_n(' ', missing);
    if spec.left || spec.width < 0 {
        out.push_str(text);
        out.extend(blanks);
    } else {
        out.extend(blanks);
        out.push_str(text);
    }
}

fn digits(text: &str) -> Result<(Option<i32>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(unterminated)?;
    if end == 0 {
        return Ok((None, text));
    }
    let number =
        text[..end].parse().map_err(|_| Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range"))?;
    Ok((Some(number), &text[end..]))
}

fn position(number: i32) -> Result<usize> {
    if number == 0 {
        return Err(invalid("format specifies argument 0, but arguments are numbered from 1"));
    }
    Ok(number as usize)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

fn unterminated() -> Error {
    invalid("unterminated format() type specifier").with_hint("For a single \"%\" use \"%%\".")
}
