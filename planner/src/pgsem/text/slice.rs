//! Parts of a text by character position: positions count from 1, may start before the text and end behind it.

use super::{TEXT, measure::chars};
use crate::error::{Error, Result, state};
use crate::pgsem::errors::out_of_range;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{I32, Text};
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

pub fn signatures() -> Vec<Signature> {
    const I4: u32 = oid::INT4;
    vec![
        Signature::func("substring", &[TEXT, I4], TEXT, &SUBSTRING_FROM),
        Signature::func("substring", &[TEXT, I4, I4], TEXT, &SUBSTRING),
        Signature::func("substr", &[TEXT, I4], TEXT, &SUBSTR_FROM),
        Signature::func("substr", &[TEXT, I4, I4], TEXT, &SUBSTR),
        Signature::func("left", &[TEXT, I4], TEXT, &LEFT),
        Signature::func("right", &[TEXT, I4], TEXT, &RIGHT),
        Signature::func("overlay", &[TEXT, TEXT, I4], TEXT, &OVERLAY),
        Signature::func("overlay", &[TEXT, TEXT, I4, I4], TEXT, &OVERLAY_FOR),
        Signature::func("split_part", &[TEXT, TEXT, I4], TEXT, &SPLIT_PART),
    ]
}

static SUBSTRING_FROM: FuncDef = FuncDef::new("text_substring_from", SqlForm::Call("substring"), |c| {
    c.map2::<Text, I32, Text>(|s, from| Ok(substring(s, from, None)?.to_string()))
});
static SUBSTRING: FuncDef = FuncDef::failing("text_substring", SqlForm::Call("substring"), |c| {
    c.map3::<Text, I32, I32, Text>(|s, from, len| Ok(substring(s, from, Some(len))?.to_string()))
});
static SUBSTR_FROM: FuncDef = FuncDef::new("text_substr_from", SqlForm::Call("substr"), |c| {
    c.map2::<Text, I32, Text>(|s, from| Ok(substring(s, from, None)?.to_string()))
});
static SUBSTR: FuncDef = FuncDef::failing("text_substr", SqlForm::Call("substr"), |c| {
    c.map3::<Text, I32, I32, Text>(|s, from, len| Ok(substring(s, from, Some(len))?.to_string()))
});
static LEFT: FuncDef = FuncDef::new("text_left", SqlForm::Call("left"), |c| {
    c.map2::<Text, I32, Text>(|s, n| Ok(split_at_chars(s, leading(s, n)).0.to_string()))
});
static RIGHT: FuncDef = FuncDef::new("text_right", SqlForm::Call("right"), |c| {
    c.map2::<Text, I32, Text>(|s, n| {
        // `right(s, n)` is what `left(s, -n)` leaves off; for the smallest integer PostgreSQL's negation overflows.
        let head = if n >= 0 { chars(s).saturating_sub(n) } else { n.wrapping_neg() };
        Ok(split_at_chars(s, head.max(0) as usize).1.to_string())
    })
});
static OVERLAY: FuncDef = FuncDef::failing("text_overlay_no_len", SqlForm::Special("overlay"), |c| {
    c.map3::<Text, Text, I32, Text>(|s, by, from| overlay(s, by, from, chars(by)))
});
static OVERLAY_FOR: FuncDef =
    FuncDef::failing("text_overlay", SqlForm::Special("overlay"), |c| c.map4::<Text, Text, I32, I32, Text>(overlay));
static SPLIT_PART: FuncDef = FuncDef::failing("split_part", SqlForm::Call("split_part"), |c| {
    c.map3::<Text, Text, I32, Text>(|s, separator, n| Ok(split_part(s, separator, n)?.to_string()))
});

/// `s` before and from its `n`-th character on (counted from 0), or all and nothing.
pub fn split_at_chars(s: &str, n: usize) -> (&str, &str) {
    if s.is_ascii() {
        return s.split_at(n.min(s.len()));
    }
    let at = s.char_indices().nth(n).map_or(s.len(), |(at, _)| at);
    s.split_at(at)
}

/// How many characters `left(s, n)` keeps.
fn leading(s: &str, n: i32) -> usize {
    if n >= 0 { n as usize } else { (i64::from(chars(s)) + i64::from(n)).max(0) as usize }
}

/// The part of `from` and `length` that lies at 1 or later: (characters to skip, characters to take if limited).
pub fn window(from: i32, length: Option<i32>) -> Result<(usize, Option<usize>)> {
    let skip = from.max(1) as usize - 1;
    let Some(length) = length else { return Ok((skip, None)) };
    if length < 0 {
        return Err(Error::new(super::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    // An end beyond the integers is the end of the text.
    match from.checked_add(length) {
        None => Ok((skip, None)),
        Some(end) => Ok((skip, Some((i64::from(end) - 1 - skip as i64).max(0) as usize))),
    }
}

pub fn substring(s: &str, from: i32, length: Option<i32>) -> Result<&str> {
    let (skip, take) = window(from, length)?;
    let rest = split_at_chars(s, skip).1;
    Ok(match take {
        Some(take) => split_at_chars(rest, take).0,
        None => rest,
    })
}

fn overlay(s: &str, by: &str, from: i32, length: i32) -> Result<String> {
    if from <= 0 {
        return Err(Error::new(super::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let resume = from.checked_add(length).ok_or_else(|| out_of_range("integer"))?;
    Ok([substring(s, 1, Some(from - 1))?, by, substring(s, resume, None)?].concat())
}

fn split_part<'a>(s: &'a str, separator: &str, n: i32) -> Result<&'a str> {
    if n == 0 {
        return Err(Error::new(state::INVALID_PARAMETER_VALUE, "field position must not be zero"));
    }
    if s.is_empty() {
        return Ok("");
    }
    if separator.is_empty() {
        return Ok(if n == 1 || n == -1 { s } else { "" });
    }
    let index = n.unsigned_abs() as usize - 1;
    let part = if n > 0 {
        s.split(separator).nth(index)
    } else {
        // Separators are found from the left, also when fields are counted from the right ('aaa' by 'aa').
        let fields = s.split(separator).count();
        fields.checked_sub(index + 1).and_then(|at| s.split(separator).nth(at))
    };
    Ok(part.unwrap_or(""))
}
