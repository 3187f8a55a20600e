//! The functions that count matches: `regexp_replace`, `regexp_count`, `regexp_instr`, `regexp_substr`.

use std::ops::Range;

use arrow::array::ArrayRef;

use super::Regex;
use super::functions::{Matches, Rows, invalid, next_search, not_global};
use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Call, I32, Text};
use crate::pgsem::registry::Signature;
use crate::pgsem::text::measure::chars;
use crate::pgtype::oid;

const TEXT: u32 = oid::TEXT;
const I4: u32 = oid::INT4;

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::func("regexp_count", &[TEXT, TEXT], I4, &COUNT2),
        Signature::func("regexp_count", &[TEXT, TEXT, I4], I4, &COUNT3),
        Signature::func("regexp_count", &[TEXT, TEXT, I4, TEXT], I4, &COUNT4),
        Signature::func("regexp_replace", &[TEXT, TEXT, TEXT], TEXT, &REPLACE),
        Signature::func("regexp_replace", &[TEXT, TEXT, TEXT, TEXT], TEXT, &REPLACE_FLAGS),
        Signature::func("regexp_replace", &[TEXT, TEXT, TEXT, I4], TEXT, &REPLACE_FROM),
        Signature::func("regexp_replace", &[TEXT, TEXT, TEXT, I4, I4], TEXT, &REPLACE_NTH),
        Signature::func("regexp_replace", &[TEXT, TEXT, TEXT, I4, I4, TEXT], TEXT, &REPLACE_ALL),
        Signature::func("regexp_instr", &[TEXT, TEXT], I4, &INSTR[0]),
        Signature::func("regexp_instr", &[TEXT, TEXT, I4], I4, &INSTR[1]),
        Signature::func("regexp_instr", &[TEXT, TEXT, I4, I4], I4, &INSTR[2]),
        Signature::func("regexp_instr", &[TEXT, TEXT, I4, I4, I4], I4, &INSTR[3]),
        Signature::func("regexp_instr", &[TEXT, TEXT, I4, I4, I4, TEXT], I4, &INSTR[4]),
        Signature::func("regexp_instr", &[TEXT, TEXT, I4, I4, I4, TEXT, I4], I4, &INSTR[5]),
        Signature::func("regexp_substr", &[TEXT, TEXT], TEXT, &SUBSTR[0]),
        Signature::func("regexp_substr", &[TEXT, TEXT, I4], TEXT, &SUBSTR[1]),
        Signature::func("regexp_substr", &[TEXT, TEXT, I4, I4], TEXT, &SUBSTR[2]),
        Signature::func("regexp_substr", &[TEXT, TEXT, I4, I4, TEXT], TEXT, &SUBSTR[3]),
        Signature::func("regexp_substr", &[TEXT, TEXT, I4, I4, TEXT, I4], TEXT, &SUBSTR[4]),
    ]
}

/// The value of an integer parameter that must be at least 1.
fn positive(call: &Call<'_>, arg: usize, row: usize, name: &str) -> Result<usize> {
    let value = call.column::<I32>(arg)?.value(call.row(arg, row));
    match usize::try_from(value) {
        Ok(value) if value > 0 => Ok(value),
        _ => Err(invalid(format!("invalid value for parameter \"{name}\": {value}"))),
    }
}

/// The byte of the character position in argument `arg`; `None` behind the end.
fn start_at(call: &Call<'_>, arg: usize, row: usize, text: &str) -> Result<Option<usize>> {
    Ok(byte_of(text, positive(call, arg, row, "start")?))
}

/// The byte of a character position from 1; `None` behind the end.
fn byte_of(text: &str, position: usize) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(position - 1)
}

static COUNT2: FuncDef = FuncDef::failing("regexp_count", SqlForm::Call("regexp_count"), |c| count(c, None));
static COUNT3: FuncDef = FuncDef::failing("regexp_count_from", SqlForm::Call("regexp_count"), |c| count(c, None));
static COUNT4: FuncDef = FuncDef::failing("regexp_count_flags", SqlForm::Call("regexp_count"), |c| count(c, Some(3)));

fn count(call: &Call<'_>, options: Option<usize>) -> Result<ArrayRef> {
    let rows = Rows::new(call, options)?;
    call.build::<I32>(|row| {
        let Some((text, regex, global)) = rows.at(row)? else { return Ok(None) };
        let from = if call.args.len() > 2 { start_at(call, 2, row, text)? } else { Some(0) };
        if global {
            return Err(not_global("regexp_count"));
        }
        let mut matches = Matches::new(&regex, text, from);
        let mut count = 0;
        while matches.next()?.is_some() {
            count += 1;
        }
        Ok(Some(count))
    })
}

static REPLACE: FuncDef = FuncDef::failing("regexp_replace", SqlForm::Call("regexp_replace"), |c| replace(c, None));
static REPLACE_FLAGS: FuncDef =
    FuncDef::failing("regexp_replace_flags", SqlForm::Call("regexp_replace"), |c| replace(c, Some(3)));
static REPLACE_FROM: FuncDef =
    FuncDef::failing("regexp_replace_from", SqlForm::Call("regexp_replace"), |c| replace(c, None));
static REPLACE_NTH: FuncDef =
    FuncDef::failing("regexp_replace_nth", SqlForm::Call("regexp_replace"), |c| replace(c, None));
static REPLACE_ALL: FuncDef =
    FuncDef::failing("regexp_replace_all", SqlForm::Call("regexp_replace"), |c| replace(c, Some(5)));

fn replace(call: &Call<'_>, options: Option<usize>) -> Result<ArrayRef> {
    let rows = Rows::new(call, options)?;
    let replacements = call.column::<Text>(2)?;
    let positions = options != Some(3) && call.args.len() > 3;
    call.build::<Text>(|row| {
        let (text, regex, global) = match rows.at(row) {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(None),
            Err(e) if options == Some(3) => return Err(misplaced_start(call, row).unwrap_or(e)),
            Err(e) => return Err(e),
        };
        let from = if positions { start_at(call, 3, row, text)? } else { Some(0) };
        // Which match is replaced; none stands for all.
        let nth = if call.args.len() > 4 {
            match call.column::<I32>(4)?.value(call.row(4, row)) {
                n if n < 0 => return Err(invalid(format!("invalid value for parameter \"n\": {n}"))),
                0 => None,
                n => Some(n as usize),
            }
        } else if global {
            None
        } else {
            Some(1)
        };
        replace_one(text, &regex, replacements.value(call.row(2, row)), from, nth).map(Some)
    })
}

/// Options that begin with a digit were meant as the start parameter.
fn misplaced_start(call: &Call<'_>, row: usize) -> Option<Error> {
    let column = call.column::<Text>(3).ok()?;
    let options = column.value(call.row(3, row));
    let first = options.chars().next().filter(char::is_ascii_digit)?;
    Some(invalid(format!("invalid regular expression option: \"{first}\"")).with_hint(
        "If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.",
    ))
}

fn replace_one(
    text: &str,
    regex: &Regex,
    replacement: &str,
    mut from: Option<usize>,
    nth: Option<usize>,
) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut seen = 0;
    while let Some(start) = from {
        let Some(groups) = regex.find_groups(text, start)? else { break };
        let Some(span) = groups[0].clone() else { break };
        seen += 1;
        from = next_search(text, &span);
        if nth.is_some_and(|nth| seen != nth) {
            continue;
        }
        out.push_str(&text[copied..span.start]);
        push_replacement(text, replacement, &groups, &mut out);
        copied = span.end;
        if nth.is_some() {
            break;
        }
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

/// `\1` to `\9` are groups, `\&` the match, `\\` a backslash; any other backslash is itself.
fn push_replacement(text: &str, replacement: &str, groups: &[Option<Range<usize>>], out: &mut String) {
    let mut rest = replacement;
    while let Some((literal, tail)) = rest.split_once('\\') {
        out.push_str(literal);
        let group = match tail.chars().next() {
            Some(digit @ '1'..='9') => Some(digit as usize - '0' as usize),
            Some('&') => Some(0),
            Some('\\') => {
                out.push('\\');
                rest = &tail[1..];
                continue;
            }
            _ => None,
        };
        rest = match group {
            Some(group) => {
                if let Some(Some(span)) = groups.get(group) {
                    out.push_str(&text[span.clone()]);
                }
                &tail[1..]
            }
            None => {
                out.push('\\');
                tail
            }
        };
    }
    out.push_str(rest);
}

static INSTR: [FuncDef; 6] = [
    FuncDef::failing("regexp_instr", SqlForm::Call("regexp_instr"), instr),
    FuncDef::failing("regexp_instr_start", SqlForm::Call("regexp_instr"), instr),
    FuncDef::failing("regexp_instr_n", SqlForm::Call("regexp_instr"), instr),
    FuncDef::failing("regexp_instr_end", SqlForm::Call("regexp_instr"), instr),
    FuncDef::failing("regexp_instr_flags", SqlForm::Call("regexp_instr"), instr),
    FuncDef::failing("regexp_instr_group", SqlForm::Call("regexp_instr"), instr),
];
static SUBSTR: [FuncDef; 5] = [
    FuncDef::failing("regexp_substr", SqlForm::Call("regexp_substr"), substr),
    FuncDef::failing("regexp_substr_start", SqlForm::Call("regexp_substr"), substr),
    FuncDef::failing("regexp_substr_n", SqlForm::Call("regexp_substr"), substr),
    FuncDef::failing("regexp_substr_flags", SqlForm::Call("regexp_substr"), substr),
    FuncDef::failing("regexp_substr_group", SqlForm::Call("regexp_substr"), substr),
];

/// Which group of which match is asked for, by the arguments that are there.
struct Place {
    start: usize,
    nth: usize,
    group: usize,
}

/// An optional integer argument.
fn optional(call: &Call<'_>, arg: usize, row: usize) -> Result<Option<i32>> {
    if arg >= call.args.len() {
        return Ok(None);
    }
    Ok(Some(call.column::<I32>(arg)?.value(call.row(arg, row))))
}

impl Place {
    fn of(call: &Call<'_>, row: usize, group_arg: usize) -> Result<Self> {
        let start = if call.args.len() > 2 { positive(call, 2, row, "start")? } else { 1 };
        let nth = if call.args.len() > 3 { positive(call, 3, row, "n")? } else { 1 };
        let group = optional(call, group_arg, row)?.unwrap_or(0);
        let group =
            usize::try_from(group).map_err(|_| invalid(format!("invalid value for parameter \"subexpr\": {group}")))?;
        Ok(Self { start, nth, group })
    }

    fn find(&self, regex: &Regex, text: &str) -> Result<Option<Range<usize>>> {
        let mut from = byte_of(text, self.start);
        let mut seen = 0;
        while let Some(start) = from {
            let Some(groups) = regex.find_groups(text, start)? else { break };
            seen += 1;
            if seen == self.nth {
                return Ok(groups.get(self.group).cloned().flatten());
            }
            from = groups[0].as_ref().and_then(|span| next_search(text, span));
        }
        Ok(None)
    }
}

fn instr(call: &Call<'_>) -> Result<ArrayRef> {
    let rows = Rows::new(call, (call.args.len() > 5).then_some(5))?;
    call.build::<I32>(|row| {
        let Some((text, regex, global)) = rows.at(row)? else { return Ok(None) };
        let place = Place::of(call, row, 6)?;
        let end = match optional(call, 4, row)?.unwrap_or(0) {
            0 => false,
            1 => true,
            other => return Err(invalid(format!("invalid value for parameter \"endoption\": {other}"))),
        };
        if global {
            return Err(not_global("regexp_instr"));
        }
        let found = place.find(&regex, text)?;
        Ok(Some(found.map_or(0, |span| chars(&text[..if end { span.end } else { span.start }]) + 1)))
    })
}

fn substr(call: &Call<'_>) -> Result<ArrayRef> {
    let rows = Rows::new(call, (call.args.len() > 4).then_some(4))?;
    call.build::<Text>(|row| {
        let Some((text, regex, global)) = rows.at(row)? else { return Ok(None) };
        let place = Place::of(call, row, 5)?;
        if global {
            return Err(not_global("regexp_substr"));
        }
        Ok(place.find(&regex, text)?.map(|span| text[span].to_string()))
    })
}
