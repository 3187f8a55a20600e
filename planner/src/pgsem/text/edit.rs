//! Functions that rewrite a text: case (ASCII only, as collation C has it), trimming, padding, replacing.

use super::TEXT;
use super::measure::chars;
use super::slice::split_at_chars;
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{I32, Text};
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

pub fn signatures() -> Vec<Signature> {
    const I4: u32 = oid::INT4;
    vec![
        Signature::func("upper", &[TEXT], TEXT, &UPPER),
        Signature::func("lower", &[TEXT], TEXT, &LOWER),
        Signature::func("initcap", &[TEXT], TEXT, &INITCAP),
        Signature::func("replace", &[TEXT, TEXT, TEXT], TEXT, &REPLACE),
        Signature::func("translate", &[TEXT, TEXT, TEXT], TEXT, &TRANSLATE),
        Signature::func("btrim", &[TEXT], TEXT, &BTRIM1),
        Signature::func("btrim", &[TEXT, TEXT], TEXT, &BTRIM),
        Signature::func("ltrim", &[TEXT], TEXT, &LTRIM1),
        Signature::func("ltrim", &[TEXT, TEXT], TEXT, &LTRIM),
        Signature::func("rtrim", &[TEXT], TEXT, &RTRIM1),
        Signature::func("rtrim", &[TEXT, TEXT], TEXT, &RTRIM),
        Signature::func("lpad", &[TEXT, I4], TEXT, &LPAD2),
        Signature::func("lpad", &[TEXT, I4, TEXT], TEXT, &LPAD),
        Signature::func("rpad", &[TEXT, I4], TEXT, &RPAD2),
        Signature::func("rpad", &[TEXT, I4, TEXT], TEXT, &RPAD),
        Signature::func("repeat", &[TEXT, I4], TEXT, &REPEAT),
        Signature::func("reverse", &[TEXT], TEXT, &REVERSE),
    ]
}

static UPPER: FuncDef =
    FuncDef::new("upper", SqlForm::Call("upper"), |c| c.map1::<Text, Text>(|s| Ok(s.to_ascii_uppercase())));
static LOWER: FuncDef =
    FuncDef::new("lower", SqlForm::Call("lower"), |c| c.map1::<Text, Text>(|s| Ok(s.to_ascii_lowercase())));
static INITCAP: FuncDef = FuncDef::new("initcap", SqlForm::Call("initcap"), |c| c.map1::<Text, Text>(initcap));
static REPLACE: FuncDef = FuncDef::new("replace", SqlForm::Call("replace"), |c| {
    c.map3::<Text, Text, Text, Text>(|s, from, to| {
        Ok(if from.is_empty() { s.to_string() } else { s.replace(from, to) })
    })
});
static TRANSLATE: FuncDef =
    FuncDef::new("translate", SqlForm::Call("translate"), |c| c.map3::<Text, Text, Text, Text>(translate));
static BTRIM1: FuncDef =
    FuncDef::new("btrim1", SqlForm::Call("btrim"), |c| c.map1::<Text, Text>(|s| Ok(s.trim_matches(' ').to_string())));
static BTRIM: FuncDef = FuncDef::new("btrim", SqlForm::Call("btrim"), |c| {
    c.map2::<Text, Text, Text>(|s, set| Ok(s.trim_matches(|c| set.contains(c)).to_string()))
});
static LTRIM1: FuncDef = FuncDef::new("ltrim1", SqlForm::Call("ltrim"), |c| {
    c.map1::<Text, Text>(|s| Ok(s.trim_start_matches(' ').to_string()))
});
static LTRIM: FuncDef = FuncDef::new("ltrim", SqlForm::Call("ltrim"), |c| {
    c.map2::<Text, Text, Text>(|s, set| Ok(s.trim_start_matches(|c| set.contains(c)).to_string()))
});
static RTRIM1: FuncDef = FuncDef::new("rtrim1", SqlForm::Call("rtrim"), |c| {
    c.map1::<Text, Text>(|s| Ok(s.trim_end_matches(' ').to_string()))
});
static RTRIM: FuncDef = FuncDef::new("rtrim", SqlForm::Call("rtrim"), |c| {
    c.map2::<Text, Text, Text>(|s, set| Ok(s.trim_end_matches(|c| set.contains(c)).to_string()))
});
static LPAD2: FuncDef = FuncDef::failing("lpad2", SqlForm::Call("lpad"), |c| {
    c.map2::<Text, I32, Text>(|s, n| Ok(padding(s, n, " ")?.swap()))
});
static LPAD: FuncDef = FuncDef::failing("lpad", SqlForm::Call("lpad"), |c| {
    c.map3::<Text, I32, Text, Text>(|s, n, fill| Ok(padding(s, n, fill)?.swap()))
});
static RPAD2: FuncDef = FuncDef::failing("rpad2", SqlForm::Call("rpad"), |c| {
    c.map2::<Text, I32, Text>(|s, n| Ok(padding(s, n, " ")?.keep()))
});
static RPAD: FuncDef = FuncDef::failing("rpad", SqlForm::Call("rpad"), |c| {
    c.map3::<Text, I32, Text, Text>(|s, n, fill| Ok(padding(s, n, fill)?.keep()))
});
static REPEAT: FuncDef = FuncDef::failing("repeat", SqlForm::Call("repeat"), |c| c.map2::<Text, I32, Text>(repeat));
static REVERSE: FuncDef =
    FuncDef::new("text_reverse", SqlForm::Call("reverse"), |c| c.map1::<Text, Text>(|s| Ok(s.chars().rev().collect())));

/// PostgreSQL's limit of one value.
const MAX_VALUE_BYTES: i64 = 0x3fff_ffff;

fn too_large() -> Error {
    Error::new(state::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
}

/// Words are runs of ASCII letters and digits.
fn initcap(s: &str) -> Result<String> {
    let mut inside = false;
    Ok(s.chars()
        .map(|c| {
            let c = if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
            inside = c.is_ascii_alphanumeric();
            c
        })
        .collect())
}

/// Characters of `from` become those at the same place in `to`, or vanish if `to` is shorter.
fn translate(s: &str, from: &str, to: &str) -> Result<String> {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match from.chars().position(|f| f == c) {
            Some(at) => out.extend(to.chars().nth(at)),
            None => out.push(c),
        }
    }
    Ok(out)
}

/// A text cut or to be filled up to a number of characters.
struct Padding<'a> {
    text: &'a str,
    fill: String,
}

impl Padding<'_> {
    fn keep(self) -> String {
        [self.text, &self.fill].concat()
    }
    fn swap(self) -> String {
        [&self.fill, self.text].concat()
    }
}

fn padding<'a>(text: &'a str, length: i32, fill: &str) -> Result<Padding<'a>> {
    let length = length.max(0);
    // PostgreSQL allocates for the widest character of UTF-8.
    if i64::from(length) * 4 + 4 > MAX_VALUE_BYTES {
        return Err(too_large());
    }
    let missing = length - chars(text);
    if missing <= 0 {
        return Ok(Padding { text: split_at_chars(text, length as usize).0, fill: String::new() });
    }
    Ok(Padding { text, fill: fill.chars().cycle().take(missing as usize).collect() })
}

fn repeat(s: &str, count: i32) -> Result<String> {
    let count = count.max(0) as usize;
    if s.len() as i64 * count as i64 + 4 > MAX_VALUE_BYTES {
        return Err(too_large());
    }
    Ok(s.repeat(count))
}
