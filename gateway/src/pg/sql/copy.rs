//! `COPY … TO STDOUT` with its options in both spellings.

use planner::error::state;
use planner::{Error, Result};

use super::command::{Command, CopyFormat, CopyOptions, ForceQuote, Sql};
use super::cursor::Tokens;
use super::lexer::position;
use super::parse::option_value;

pub(super) fn copy(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("copy")?;
    let sql = t.sql;
    let query = if t.peek_text() == "(" {
        let (start, text) = t.parenthesised()?;
        let leading = text.len() - text.trim_start().len();
        Sql { text: text.trim().to_string(), offset: position(sql, start + leading) - 1 }
    } else {
        table(t)?
    };
    if t.eat("from") {
        return Ok(Command::Refused(
            Error::new(state::READ_ONLY, "cannot execute COPY FROM in a read-only transaction")
                .with_hint("Narrows answers queries only. Load data at the source that holds them."),
        ));
    }
    t.expect("to")?;
    if !t.eat("stdout") {
        let message = "COPY to a file or program on the server is not supported";
        return Ok(Command::Refused(
            Error::new(state::FEATURE_NOT_SUPPORTED, message).with_hint("Use COPY … TO STDOUT or psql's \\copy."),
        ));
    }
    let mut given = Given::default();
    let with = t.eat("with");
    if t.eat_symbol("(") {
        loop {
            given.option(t)?;
            if !t.eat_symbol(",") {
                break;
            }
        }
        t.expect_symbol(")")?;
    } else {
        while !t.at_end() {
            given.old_option(t)?;
        }
        let _ = with;
    }
    t.expect_end()?;
    Ok(Command::Copy { query, options: given.check()? })
}

/// `COPY table (a, b)` is a query over that table.
fn table(t: &mut Tokens<'_>) -> Result<Sql> {
    let sql = t.sql;
    let start = t.peek().map_or(sql.len(), |token| token.start);
    let quoted = |name: String| format!("\"{}\"", name.replace('"', "\"\""));
    let mut name = quoted(t.name()?);
    while t.eat_symbol(".") {
        name.push('.');
        name.push_str(&quoted(t.name()?));
    }
    let mut columns = Vec::new();
    if t.eat_symbol("(") {
        loop {
            columns.push(quoted(t.name()?));
            if !t.eat_symbol(",") {
                break;
            }
        }
        t.expect_symbol(")")?;
    }
    let columns = if columns.is_empty() { "*".to_string() } else { columns.join(", ") };
    Ok(Sql { text: format!("SELECT {columns} FROM {name}"), offset: position(sql, start) - 1 })
}

#[derive(Default)]
struct Given {
    format: Option<CopyFormat>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<bool>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<ForceQuote>,
}

fn syntax(message: impl Into<String>) -> Error {
    Error::new(state::SYNTAX_ERROR, message)
}

fn put<T>(slot: &mut Option<T>, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(syntax("conflicting or redundant options")),
    }
}

impl Given {
    fn option(&mut self, t: &mut Tokens<'_>) -> Result<()> {
        let at = t.syntax_error().position();
        let name = t.name()?;
        let result = match name.as_str() {
            "format" => {
                let value = option_value(t)?;
                let format = match value.as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    other => {
                        let message = format!("COPY format \"{other}\" not recognized");
                        return Err(Error::new(state::INVALID_PARAMETER_VALUE, message).or_position(at));
                    }
                };
                put(&mut self.format, format)
            }
            "delimiter" => put(&mut self.delimiter, option_value(t)?),
            "null" => put(&mut self.null, option_value(t)?),
            "quote" => put(&mut self.quote, option_value(t)?),
            "escape" => put(&mut self.escape, option_value(t)?),
            "header" => {
                let value = if matches!(t.peek_text(), "," | ")") { "true".to_string() } else { option_value(t)? };
                match value.as_str() {
                    "true" | "on" | "1" => put(&mut self.header, true),
                    "false" | "off" | "0" => put(&mut self.header, false),
                    "match" => Err(syntax("cannot use \"match\" with HEADER in COPY TO")),
                    _ => Err(syntax("header requires a Boolean value or \"match\"")),
                }
            }
            "force_quote" => {
                let columns = if t.eat_symbol("*") { ForceQuote::All } else { ForceQuote::Columns(names(t)?) };
                put(&mut self.force_quote, columns)
            }
            "encoding" => {
                let value = option_value(t)?;
                match value.to_ascii_lowercase().replace('-', "").as_str() {
                    "utf8" | "unicode" => Ok(()),
                    _ => Err(Error::unsupported(format!("COPY with encoding \"{value}\""))),
                }
            }
            "force_null" | "force_not_null" => Err(Error::new(
                state::FEATURE_NOT_SUPPORTED,
                format!("COPY {} only available using COPY FROM", name.replace('_', " ")),
            )),
            "freeze" => {
                if !matches!(t.peek_text(), "," | ")") {
                    option_value(t)?;
                }
                Ok(())
            }
            _ => Err(syntax(format!("option \"{name}\" not recognized"))),
        };
        result.map_err(|e| e.or_position(at))
    }

    /// The spelling from before PostgreSQL 9.0, which `\copy` users still type.
    fn old_option(&mut self, t: &mut Tokens<'_>) -> Result<()> {
        if t.eat("binary") {
            put(&mut self.format, CopyFormat::Binary)
        } else if t.eat("csv") {
            put(&mut self.format, CopyFormat::Csv)
        } else if t.eat("header") {
            put(&mut self.header, true)
        } else if t.eat("force quote") {
            let columns = if t.eat_symbol("*") {
                ForceQuote::All
            } else {
                let mut names = vec![t.name()?];
                while t.eat_symbol(",") {
                    names.push(t.name()?);
                }
                ForceQuote::Columns(names)
            };
            put(&mut self.force_quote, columns)
        } else {
            let slot = match t.eat_one_of(&["delimiter", "delimiters", "null", "quote", "escape"]) {
                Some("delimiter" | "delimiters") => &mut self.delimiter,
                Some("null") => &mut self.null,
                Some("quote") => &mut self.quote,
                Some(_) => &mut self.escape,
                None => return Err(t.syntax_error()),
            };
            t.eat("as");
            put(slot, t.expect_string()?)
        }
    }

    /// PostgreSQL's rules (`ProcessCopyOptions`).
    fn check(self) -> Result<CopyOptions> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let csv = format == CopyFormat::Csv;
        if format == CopyFormat::Binary {
            if self.delimiter.is_some() {
                return Err(syntax("cannot specify DELIMITER in BINARY mode"));
            }
            if self.null.is_some() {
                return Err(syntax("cannot specify NULL in BINARY mode"));
            }
            if self.header == Some(true) {
                return Err(Error::new(state::FEATURE_NOT_SUPPORTED, "cannot specify HEADER in BINARY mode"));
            }
        }
        for (name, given) in [
            ("quote", self.quote.is_some()),
            ("escape", self.escape.is_some()),
            ("force quote", self.force_quote.is_some()),
        ] {
            if given && !csv {
                let message = format!("COPY {name} available only in CSV mode");
                return Err(Error::new(state::FEATURE_NOT_SUPPORTED, message));
            }
        }
        let delimiter = one_byte("delimiter", self.delimiter.as_deref().unwrap_or(if csv { "," } else { "\t" }))?;
        let null = self.null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_string() });
        let invalid = |message: &str| Err(Error::new(state::INVALID_PARAMETER_VALUE, message));
        if matches!(delimiter, b'\n' | b'\r') {
            return invalid("COPY delimiter cannot be newline or carriage return");
        }
        if null.contains(['\n', '\r']) {
            return invalid("COPY null representation cannot use newline or carriage return");
        }
        if !csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter) {
            return invalid(&format!("COPY delimiter cannot be \"{}\"", delimiter as char));
        }
        let quote = one_byte("quote", self.quote.as_deref().unwrap_or("\""))?;
        let escape = match &self.escape {
            Some(escape) => one_byte("escape", escape)?,
            None => quote,
        };
        if csv && delimiter == quote {
            return invalid("COPY delimiter and quote must be different");
        }
        if null.as_bytes().contains(&delimiter) {
            return invalid("COPY delimiter must not appear in the NULL specification");
        }
        if csv && null.as_bytes().contains(&quote) {
            return invalid("CSV quote character must not appear in the NULL specification");
        }
        let force_quote = self.force_quote.unwrap_or(ForceQuote::None);
        Ok(CopyOptions { format, delimiter, null, header: self.header.unwrap_or(false), quote, escape, force_quote })
    }
}

fn one_byte(what: &str, text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(Error::new(state::FEATURE_NOT_SUPPORTED, format!("COPY {what} must be a single one-byte character"))),
    }
}

fn names(t: &mut Tokens<'_>) -> Result<Vec<String>> {
    t.expect_symbol("(")?;
    let mut names = vec![t.name()?];
    while t.eat_symbol(",") {
        names.push(t.name()?);
    }
    t.expect_symbol(")")?;
    Ok(names)
}
