//! `SIMILAR TO`: SQL's patterns as regular expressions (`similar_escape_internal`).

use super::Patterns;
use crate::error::{Error, Result, SqlState, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Call, Text};
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;
use arrow::array::ArrayRef;
use std::cell::RefCell;

const TEXT: u32 = oid::TEXT;
const INVALID_USE_OF_ESCAPE_CHARACTER: SqlState = SqlState::new("2200C");

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::func("similar_to_escape", &[TEXT], TEXT, &SIMILAR),
        Signature::func("similar_to_escape", &[TEXT, TEXT], TEXT, &SIMILAR_ESCAPE),
        Signature::func("similar_escape", &[TEXT, TEXT], TEXT, &SIMILAR_ESCAPE_OLD),
        Signature::func("substring", &[TEXT, TEXT, TEXT], TEXT, &SUBSTRING_SIMILAR),
    ]
}

static SIMILAR: FuncDef = FuncDef::failing("similar_to_escape1", SqlForm::Call("similar_to_escape"), |c| {
    c.map1::<Text, Text>(|pattern| to_regex(pattern, Some('\\')))
});
static SIMILAR_ESCAPE: FuncDef = FuncDef::failing("similar_to_escape", SqlForm::Call("similar_to_escape"), |c| {
    c.map2::<Text, Text, Text>(|pattern, escape| to_regex(pattern, escape_of(escape)?))
});
/// The old name takes a missing escape character for the default.
static SIMILAR_ESCAPE_OLD: FuncDef = FuncDef::failing("similar_escape", SqlForm::Call("similar_escape"), |c| {
    let (patterns, escapes) = (c.column::<Text>(0)?, c.column::<Text>(1)?);
    c.build::<Text>(|row| {
        let Some(pattern) = c.get::<Text>(&patterns, 0, row) else { return Ok(None) };
        let escape = c.get::<Text>(&escapes, 1, row).map_or(Ok(Some('\\')), escape_of)?;
        to_regex(pattern, escape).map(Some)
    })
})
.not_strict();
static SUBSTRING_SIMILAR: FuncDef = FuncDef::failing("substring_similar", SqlForm::Call("substring"), substring);

fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let patterns = RefCell::new(Patterns::default());
    let (texts, similars, escapes) = (call.column::<Text>(0)?, call.column::<Text>(1)?, call.column::<Text>(2)?);
    call.build::<Text>(|row| {
        let similar = call.get::<Text>(&similars, 1, row);
        let escape = call.get::<Text>(&escapes, 2, row);
        let (Some(text), Some(similar), Some(escape)) = (call.get::<Text>(&texts, 0, row), similar, escape) else {
            return Ok(None);
        };
        let regex = patterns.borrow_mut().get(&to_regex(similar, escape_of(escape)?)?, super::Flags::default())?;
        super::functions::first_group(&regex, text)
    })
}

fn escape_of(escape: &str) -> Result<Option<char>> {
    let mut characters = escape.chars();
    let first = characters.next();
    if characters.next().is_some() {
        return Err(Error::new(state::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
            .with_hint("Escape string must be empty or one character."));
    }
    Ok(first)
}

/// `^(?:…)$`; a pattern in three parts becomes `^(?:a){1,1}?(b){1,1}(?:c)$`, so that the middle is the group.
fn to_regex(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = String::from("^(?:");
    let (mut escaped, mut in_brackets, mut separators) = (false, false, 0);
    for c in pattern.chars() {
        if escaped {
            escaped = false;
            if c == '"' && !in_brackets {
                out.push_str(match separators {
                    0 => "){1,1}?(",
                    1 => "){1,1}(?:",
                    _ => {
                        return Err(Error::new(
                            INVALID_USE_OF_ESCAPE_CHARACTER,
                            "SQL regular expression may not contain more than two escape-double-quote separators",
                        ));
                    }
                });
                separators += 1;
            } else {
                out.push('\\');
                out.push(c);
            }
        } else if Some(c) == escape {
            escaped = true;
        } else if in_brackets {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            in_brackets = c != ']';
        } else {
            match c {
                '[' => {
                    out.push(c);
                    in_brackets = true;
                }
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                _ => out.push(c),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}
