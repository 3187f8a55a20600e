//! From the client's string to statements.

use planner::error::state;
use planner::pgtype::type_by_name;
use planner::{Error, PgType, Result};

use super::call::call;
use super::command::*;
use super::copy::copy;
use super::cursor::Tokens;
use super::lexer::{Kind, Token, position, tokens};
use super::settings::{current_setting, reset, set, set_config, show};
use super::transaction::transaction;

/// All statements of the string, in order; none if there is nothing but space and semicolons. An error anywhere means that
/// none of them may run, as in PostgreSQL.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    let tokens = tokens(sql)?;
    let is_end = |t: &Token| t.kind == Kind::Symbol && t.text(sql) == ";";
    tokens
        .split(is_end)
        .filter(|s| !s.is_empty())
        .map(|tokens| {
            let (start, end) = (tokens[0].start, tokens[tokens.len() - 1].end);
            let offset = position(sql, start) - 1;
            let shifted: Vec<Token> =
                tokens.iter().map(|t| Token { start: t.start - start, end: t.end - start, ..*t }).collect();
            let text = &sql[start..end];
            statement(text, &shifted)
                .map(|command| Statement { text: text.to_string(), offset, command })
                .map_err(|e| shift(e, offset))
        })
        .collect()
}

/// Moves an error's position by the characters before the part it was found in.
pub fn shift(error: Error, offset: u32) -> Error {
    match error.position() {
        Some(position) if offset > 0 => error.at_position(position + offset),
        _ => error,
    }
}

/// The first words that belong to writing and to definitions, which only the sources may do.
const WRITES: &[&str] = &[
    "insert", "update", "delete", "merge", "truncate", "create", "alter", "drop", "grant", "revoke", "comment",
    "security", "refresh", "reindex", "cluster", "import", "reassign", "vacuum", "analyze", "analyse",
];

fn statement(sql: &str, tokens: &[Token]) -> Result<Command> {
    let mut t = Tokens::new(sql, tokens);
    let first = match t.peek() {
        Some(token) if token.kind == Kind::Word => token.text(sql).to_ascii_lowercase(),
        Some(token) if token.text(sql) == "(" => return Ok(query(sql)),
        _ => return Err(t.syntax_error()),
    };
    if let Some(command) = transaction(&mut t, &first)? {
        return Ok(command);
    }
    match first.as_str() {
        "select" => Ok(set_config(sql, tokens).or_else(|| current_setting(sql, tokens)).unwrap_or_else(|| query(sql))),
        "values" | "table" | "with" => Ok(query(sql)),
        "explain" => explain(&mut t),
        "set" => set(&mut t),
        "reset" => reset(&mut t),
        "show" => show(&mut t),
        "discard" => discard(&mut t),
        "prepare" => prepare(&mut t),
        "execute" => execute(&mut t),
        "deallocate" => deallocate(&mut t),
        "declare" => declare(&mut t),
        "fetch" | "move" => fetch(&mut t, first == "move"),
        "close" => close(&mut t),
        "copy" => copy(&mut t),
        "call" => call(&mut t),
        "unlisten" => Ok(Command::Ignored("UNLISTEN")),
        "listen" | "notify" | "do" | "load" | "checkpoint" | "lock" => {
            Ok(Command::Refused(Error::unsupported(first.to_uppercase())))
        }
        word if WRITES.contains(&word) => Ok(Command::Refused(read_only(sql, tokens))),
        _ => Err(t.syntax_error()),
    }
}

fn query(sql: &str) -> Command {
    Command::Query(Sql { text: sql.to_string(), offset: 0 })
}

/// PostgreSQL's error in a read-only transaction, and where to go instead.
fn read_only(sql: &str, tokens: &[Token]) -> Error {
    let word = |i: usize| tokens.get(i).filter(|t| t.kind == Kind::Word).map(|t| t.text(sql).to_uppercase());
    let verb = word(0).unwrap_or_default();
    let object = match verb.as_str() {
        "CREATE" | "ALTER" | "DROP" => (1..tokens.len()).filter_map(word).find(|w| {
            !matches!(
                w.as_str(),
                "OR" | "REPLACE" | "TEMP" | "TEMPORARY" | "UNLOGGED" | "GLOBAL" | "LOCAL" | "UNIQUE" | "RECURSIVE"
            )
        }),
        _ => None,
    };
    let what = object.map_or(verb.clone(), |o| format!("{verb} {o}"));
    Error::new(state::READ_ONLY, format!("cannot execute {what} in a read-only transaction"))
        .with_hint("Narrows answers queries only. Change data and definitions at the source that holds them.")
}

/// A statement inside another one, from the next token to the end.
fn inner(t: &mut Tokens<'_>) -> Result<Box<Statement>> {
    let sql = t.sql;
    let (start, text) = t.rest()?;
    let offset = position(sql, start) - 1;
    let mut statements = parse(text).map_err(|e| shift(e, offset))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(s), true) => Ok(Box::new(Statement { offset, ..s })),
        _ => Err(t.syntax_error()),
    }
}

/// The rest of the statement, which must be a query.
fn inner_query(t: &mut Tokens<'_>) -> Result<Sql> {
    let first = t.peek_text().to_ascii_lowercase();
    if !matches!(first.as_str(), "select" | "values" | "table" | "with" | "(") {
        return Err(t.syntax_error());
    }
    let sql = t.sql;
    let (start, text) = t.rest()?;
    Ok(Sql { text: text.to_string(), offset: position(sql, start) - 1 })
}

fn explain(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("explain")?;
    let mut out = Explain {
        analyze: false,
        verbose: false,
        costs: true,
        timing: true,
        statement: Box::new(Statement { text: String::new(), offset: 0, command: Command::Empty }),
    };
    let opens_options = t.peek_text() == "(" && !explained_is_parenthesised(t);
    if opens_options {
        t.expect_symbol("(")?;
        loop {
            explain_option(t, &mut out)?;
            if !t.eat_symbol(",") {
                break;
            }
        }
        t.expect_symbol(")")?;
    } else {
        out.analyze = t.eat_one_of(&["analyze", "analyse"]).is_some();
        out.verbose = t.eat("verbose");
    }
    out.statement = inner(t)?;
    match out.statement.command {
        Command::Query(_) | Command::Execute { .. } => Ok(Command::Explain(out)),
        Command::Declare { ref query, .. } => {
            let offset = out.statement.offset + query.offset;
            let command = Command::Query(Sql { text: query.text.clone(), offset: 0 });
            out.statement = Box::new(Statement { text: query.text.clone(), offset, command });
            Ok(Command::Explain(out))
        }
        Command::Refused(ref error) => Ok(Command::Refused(error.clone())),
        Command::SetConfig { .. } | Command::CurrentSetting { .. } => {
            let text = out.statement.text.clone();
            out.statement.command = Command::Query(Sql { text, offset: 0 });
            Ok(Command::Explain(out))
        }
        _ => Err(Error::new(
            state::SYNTAX_ERROR,
            format!("syntax error at or near \"{}\"", first_word(&out.statement.text)),
        )
        .or_position(Some(out.statement.offset + 1))),
    }
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}

/// `EXPLAIN (SELECT …)` has no options.
fn explained_is_parenthesised(t: &Tokens<'_>) -> bool {
    let rest = t.after(1);
    matches!(rest.to_ascii_lowercase().as_str(), "select" | "values" | "table" | "with" | "(")
}

fn explain_option(t: &mut Tokens<'_>, out: &mut Explain) -> Result<()> {
    let at = t.syntax_error().position();
    let name = t.name()?;
    let value = if t.peek_text() == "," || t.peek_text() == ")" { None } else { Some(option_value(t)?) };
    let flag = |value: Option<String>| match value.as_deref() {
        None | Some("on" | "true" | "1") => Ok(true),
        Some("off" | "false" | "0") => Ok(false),
        Some(_) => Err(Error::new(state::SYNTAX_ERROR, format!("{name} requires a Boolean value"))),
    };
    match name.as_str() {
        "analyze" | "analyse" => out.analyze = flag(value)?,
        "verbose" => out.verbose = flag(value)?,
        "costs" => out.costs = flag(value)?,
        "timing" => out.timing = flag(value)?,
        "settings" | "buffers" | "wal" | "summary" => {
            flag(value)?;
        }
        "format" => match value.as_deref() {
            Some("text") => {}
            Some(other @ ("json" | "xml" | "yaml")) => {
                return Err(Error::unsupported(format!("EXPLAIN (FORMAT {})", other.to_uppercase())).or_position(at));
            }
            other => {
                let message = format!("unrecognized value for EXPLAIN option \"format\": \"{}\"", other.unwrap_or(""));
                return Err(Error::new(state::INVALID_PARAMETER_VALUE, message).or_position(at));
            }
        },
        _ => {
            return Err(
                Error::new(state::SYNTAX_ERROR, format!("unrecognized EXPLAIN option \"{name}\"")).or_position(at)
            );
        }
    }
    Ok(())
}

/// A word, string or number of an option list, words in lower case.
pub(super) fn option_value(t: &mut Tokens<'_>) -> Result<String> {
    if let Some(text) = t.string()? {
        return Ok(text);
    }
    match t.peek() {
        Some(token) if token.kind == Kind::Number => {
            let text = t.peek_text().to_string();
            t.next();
            Ok(text)
        }
        _ => t.name(),
    }
}

fn discard(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("discard")?;
    let what = match t.eat_one_of(&["all", "plans", "sequences", "temp", "temporary"]) {
        Some("all") => Discard::All,
        Some("plans") => Discard::Plans,
        Some("sequences") => Discard::Sequences,
        Some(_) => Discard::Temp,
        None => return Err(t.syntax_error()),
    };
    t.expect_end()?;
    Ok(Command::Discard(what))
}

fn prepare(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("prepare")?;
    let name = t.name()?;
    let mut types = Vec::new();
    if t.peek_text() == "(" {
        let at = t.syntax_error().position();
        let (_, list) = t.parenthesised()?;
        let list = split_arguments(list)?;
        types = list.iter().map(|ty| parameter_type(&ty.text).map_err(|e| e.or_position(at))).collect::<Result<_>>()?;
    }
    t.expect("as")?;
    let body = inner(t)?;
    match body.command {
        Command::Query(_) | Command::SetConfig { .. } | Command::CurrentSetting { .. } => {
            let command = Command::Query(Sql { text: body.text.clone(), offset: 0 });
            Ok(Command::Prepare { name, types, body: Box::new(Statement { command, ..*body }) })
        }
        Command::Refused(error) => Ok(Command::Refused(error)),
        _ => Err(Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{}\"", first_word(&body.text)))
            .or_position(Some(body.offset + 1))),
    }
}

/// A type as `PREPARE` names it; lengths play no part for parameters.
fn parameter_type(text: &str) -> Result<PgType> {
    let name = text.split('(').next().unwrap_or("").trim().to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let (base, array) = match name.strip_suffix("[]") {
        Some(base) => (base.trim(), true),
        None => (name, false),
    };
    let base = base.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = type_by_name(&base).map(|info| PgType::of(info.oid));
    found
        .and_then(|ty| if array { ty.array_of() } else { Some(ty) })
        .ok_or_else(|| Error::new(state::UNDEFINED_OBJECT, format!("type \"{}\" does not exist", text.trim())))
}

fn execute(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("execute")?;
    let name = t.name()?;
    let mut arguments = Vec::new();
    if t.peek_text() == "(" {
        let sql = t.sql;
        let (start, list) = t.parenthesised()?;
        arguments = split_arguments(list)?;
        let offset = position(sql, start) - 1;
        arguments.iter_mut().for_each(|a| a.offset += offset);
    }
    t.expect_end()?;
    Ok(Command::Execute { name, arguments })
}

/// Splits at the commas outside parentheses and brackets.
fn split_arguments(list: &str) -> Result<Vec<Sql>> {
    let (mut out, mut depth, mut first) = (Vec::new(), 0, None);
    let all = tokens(list)?;
    for (i, token) in all.iter().enumerate() {
        let text = token.text(list);
        let symbol = token.kind == Kind::Symbol;
        match text {
            "(" | "[" if symbol => depth += 1,
            ")" | "]" if symbol => depth -= 1,
            _ => {}
        }
        let comma = symbol && text == "," && depth == 0;
        if !comma && first.is_none() {
            first = Some(token.start);
        }
        let end = if comma {
            i.checked_sub(1).map(|p| all[p].end)
        } else if i + 1 == all.len() {
            Some(token.end)
        } else {
            continue;
        };
        match (first.take(), end) {
            (Some(start), Some(end)) => {
                out.push(Sql { text: list[start..end].to_string(), offset: position(list, start) - 1 })
            }
            _ => return Err(Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{text}\""))),
        }
    }
    Ok(out)
}

fn deallocate(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("deallocate")?;
    t.eat("prepare");
    let name = if t.eat("all") { None } else { Some(t.name()?) };
    t.expect_end()?;
    Ok(Command::Deallocate(name))
}

fn declare(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("declare")?;
    let name = t.name()?;
    let (mut binary, mut scroll, mut hold) = (false, false, false);
    loop {
        if t.eat("binary") {
            binary = true;
        } else if t.eat("no scroll") {
            scroll = false;
        } else if t.eat("scroll") {
            scroll = true;
        } else if t.eat_one_of(&["insensitive", "asensitive"]).is_none() {
            break;
        }
    }
    t.expect("cursor")?;
    if t.eat("with hold") {
        hold = true;
    } else {
        t.eat("without hold");
    }
    t.expect("for")?;
    let query = inner_query(t)?;
    Ok(Command::Declare { name, binary, scroll, hold, query })
}

fn fetch(t: &mut Tokens<'_>, discard: bool) -> Result<Command> {
    t.next();
    let count = fetch_count(t)?;
    t.eat_one_of(&["from", "in"]);
    let cursor = t.name()?;
    t.expect_end()?;
    Ok(Command::Fetch { cursor, count, discard })
}

fn fetch_count(t: &mut Tokens<'_>) -> Result<FetchCount> {
    let forward = |n: i64| if n < 0 { FetchCount::Backward } else { FetchCount::Rows(n as u64) };
    if let Some(n) = t.integer()? {
        return Ok(forward(n));
    }
    // A cursor may be called `next` or `all`: such a word counts only if something follows it.
    let followed = !t.after(1).is_empty();
    if !followed {
        return Ok(FetchCount::Rows(1));
    }
    Ok(match t.eat_one_of(&["next", "all", "forward", "backward", "prior", "first", "last", "absolute", "relative"]) {
        None | Some("next") => FetchCount::Rows(1),
        Some("all") => FetchCount::All,
        Some("first") => FetchCount::Absolute(1),
        Some("forward") if t.eat("all") => FetchCount::All,
        Some("forward") => t.integer()?.map_or(FetchCount::Rows(1), forward),
        Some(word @ ("absolute" | "relative")) => match t.integer()? {
            Some(n) if n < 0 => FetchCount::Backward,
            Some(n) if word == "absolute" => FetchCount::Absolute(n as u64),
            Some(n) => FetchCount::Relative(n as u64),
            None => return Err(t.syntax_error()),
        },
        Some("backward") => {
            if !t.eat("all") {
                t.integer()?;
            }
            FetchCount::Backward
        }
        Some(_) => FetchCount::Backward,
    })
}

fn close(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("close")?;
    let name = if t.eat("all") { None } else { Some(t.name()?) };
    t.expect_end()?;
    Ok(Command::Close(name))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
