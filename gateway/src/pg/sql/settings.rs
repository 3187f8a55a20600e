//! SET, RESET, SHOW and the two functions that do the same inside a SELECT.

use planner::{Error, Result};

use super::command::{Command, Scope, SetValue};
use super::cursor::Tokens;
use super::lexer::{Kind, Token};
use super::transaction::modes;

pub(super) fn set(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("set")?;
    if t.looking_at(&["session", "characteristics"]) {
        t.expect("session characteristics as transaction")?;
        return Ok(Command::SetTransaction { session: true, modes: modes(t)? });
    }
    if t.looking_at(&["transaction"]) && !t.after(1).starts_with(['=']) && !t.after(1).eq_ignore_ascii_case("to") {
        t.expect("transaction")?;
        return Ok(Command::SetTransaction { session: false, modes: modes(t)? });
    }
    // `SET SESSION AUTHORIZATION` is a setting of its own.
    let scope = if t.looking_at(&["session", "authorization"]) {
        Scope::Session
    } else if t.eat("local") {
        Scope::Local
    } else {
        t.eat("session");
        Scope::Session
    };
    let (name, value) = if t.eat("time zone") {
        ("timezone".to_string(), time_zone(t)?)
    } else if t.eat("session authorization") {
        ("session_authorization".to_string(), values(t)?)
    } else if t.eat("names") {
        ("client_encoding".to_string(), if t.at_end() { SetValue::Default } else { values(t)? })
    } else if t.eat("schema") {
        ("search_path".to_string(), values(t)?)
    } else if t.looking_at(&["role"]) && !matches!(t.after(1), "=") && !t.after(1).eq_ignore_ascii_case("to") {
        t.expect("role")?;
        ("role".to_string(), values(t)?)
    } else {
        let name = t.dotted_name()?;
        if !t.eat_symbol("=") {
            t.expect("to")?;
        }
        (name, values(t)?)
    };
    t.expect_end()?;
    Ok(Command::Set { scope, name, value })
}

fn values(t: &mut Tokens<'_>) -> Result<SetValue> {
    if t.eat("default") {
        return Ok(SetValue::Default);
    }
    let mut list = vec![value(t)?];
    while t.eat_symbol(",") {
        list.push(value(t)?);
    }
    Ok(SetValue::List(list))
}

/// A word, string or signed number.
fn value(t: &mut Tokens<'_>) -> Result<String> {
    if let Some(text) = t.string()? {
        return Ok(text);
    }
    let sign = if t.eat_symbol("-") {
        "-"
    } else {
        t.eat_symbol("+");
        ""
    };
    match t.peek() {
        Some(token) if token.kind == Kind::Number => {
            let text = format!("{sign}{}", t.peek_text());
            t.next();
            Ok(text)
        }
        Some(_) if sign.is_empty() => t.name(),
        _ => Err(t.syntax_error()),
    }
}

fn time_zone(t: &mut Tokens<'_>) -> Result<SetValue> {
    if t.eat_one_of(&["local", "default"]).is_some() {
        return Ok(SetValue::Default);
    }
    if t.eat("interval") {
        let at = t.syntax_error().position();
        let text = t.expect_string()?;
        t.eat("hour to minute");
        // As hours, the form in which a number is a time zone.
        let hours = interval_hours(&text)
            .ok_or_else(|| Error::unsupported(format!("time zone interval '{text}'")).or_position(at))?;
        return Ok(SetValue::List(vec![hours.to_string()]));
    }
    Ok(SetValue::List(vec![value(t)?]))
}

/// `-08:00`, `5:30`, `+2`
fn interval_hours(text: &str) -> Option<f64> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let number = |s: &str| s.parse::<u8>().ok().filter(|_| s.bytes().all(|b| b.is_ascii_digit()));
    Some(sign * (f64::from(number(hours)?) + f64::from(number(minutes).filter(|m| *m < 60)?) / 60.0))
}

fn setting_name(t: &mut Tokens<'_>) -> Result<String> {
    if t.eat("time zone") {
        return Ok("timezone".to_string());
    }
    if t.eat("transaction isolation level") {
        return Ok("transaction_isolation".to_string());
    }
    if t.eat("session authorization") {
        return Ok("session_authorization".to_string());
    }
    t.dotted_name()
}

pub(super) fn reset(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("reset")?;
    let name = if t.eat("all") { None } else { Some(setting_name(t)?) };
    t.expect_end()?;
    Ok(Command::Reset(name))
}

pub(super) fn show(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("show")?;
    let name = if t.eat("all") { None } else { Some(setting_name(t)?) };
    t.expect_end()?;
    Ok(Command::Show(name))
}

/// `SELECT [pg_catalog.]function(` at the start of the statement.
fn select_call<'a>(sql: &'a str, tokens: &'a [Token], function: &str) -> Option<Tokens<'a>> {
    let mut t = Tokens::new(sql, tokens);
    t.expect("select").ok()?;
    if t.eat("pg_catalog") {
        t.expect_symbol(".").ok()?;
    }
    t.expect(function).ok()?;
    t.expect_symbol("(").ok()?;
    Some(t)
}

pub(super) fn set_config(sql: &str, tokens: &[Token]) -> Option<Command> {
    let mut t = select_call(sql, tokens, "set_config")?;
    let name = t.string().ok()??;
    t.expect_symbol(",").ok()?;
    let value = t.string().ok()??;
    t.expect_symbol(",").ok()?;
    let local = boolean(&mut t)?;
    t.expect_symbol(")").ok()?;
    t.at_end().then_some(Command::SetConfig { name, value, local })
}

pub(super) fn current_setting(sql: &str, tokens: &[Token]) -> Option<Command> {
    let mut t = select_call(sql, tokens, "current_setting")?;
    let name = t.string().ok()??;
    let missing_ok = if t.eat_symbol(",") { boolean(&mut t)? } else { false };
    t.expect_symbol(")").ok()?;
    t.at_end().then_some(Command::CurrentSetting { name, missing_ok })
}

fn boolean(t: &mut Tokens<'_>) -> Option<bool> {
    t.eat_one_of(&["true", "false"]).map(|word| word == "true")
}
