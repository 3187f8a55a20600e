//! `LIKE` and `ILIKE`, after `like_match.c`: an escape at the very end of the pattern is an error only for a text that the
//! match carries that far, so the matcher itself must find it.

use super::{TEXT, pad};
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Bool, Bytes, Call, Text};
use crate::pgsem::registry::{Build, Signature};
use crate::pgtype::{PgType, oid};
use arrow::array::ArrayRef;

pub fn signatures() -> Vec<Signature> {
    const BOOL: u32 = oid::BOOL;
    let padded = |name: &'static str, build: Build| Signature::build(name, &[oid::BPCHAR, TEXT], BOOL, build);
    vec![
        Signature::func("~~", &[TEXT, TEXT], BOOL, &LIKE),
        Signature::func("!~~", &[TEXT, TEXT], BOOL, &NOT_LIKE),
        Signature::func("~~*", &[TEXT, TEXT], BOOL, &ILIKE),
        Signature::func("!~~*", &[TEXT, TEXT], BOOL, &NOT_ILIKE),
        Signature::func("~~", &[oid::NAME, TEXT], BOOL, &LIKE),
        Signature::func("!~~", &[oid::NAME, TEXT], BOOL, &NOT_LIKE),
        Signature::func("~~*", &[oid::NAME, TEXT], BOOL, &ILIKE),
        Signature::func("!~~*", &[oid::NAME, TEXT], BOOL, &NOT_ILIKE),
        padded("~~", |_, args| on_padded(&LIKE, args)),
        padded("!~~", |_, args| on_padded(&NOT_LIKE, args)),
        padded("~~*", |_, args| on_padded(&ILIKE, args)),
        padded("!~~*", |_, args| on_padded(&NOT_ILIKE, args)),
        Signature::func("~~", &[oid::BYTEA, oid::BYTEA], BOOL, &BYTEA_LIKE),
        Signature::func("!~~", &[oid::BYTEA, oid::BYTEA], BOOL, &BYTEA_NOT_LIKE),
        Signature::func("like", &[TEXT, TEXT], BOOL, &LIKE),
        Signature::func("notlike", &[TEXT, TEXT], BOOL, &NOT_LIKE),
        Signature::func("like_escape", &[TEXT, TEXT], TEXT, &LIKE_ESCAPE),
    ]
}

/// `char(n)` on the left is matched with its blanks.
fn on_padded(def: &'static FuncDef, args: Vec<Typed>) -> Result<Typed> {
    let args = args.into_iter().map(pad::padded).collect::<Result<Vec<_>>>()?;
    Ok(def.apply(args, PgType::BOOL))
}

static LIKE: FuncDef = FuncDef::failing("textlike", SqlForm::Infix("LIKE"), |c| like(c, false, false));
static NOT_LIKE: FuncDef = FuncDef::failing("textnlike", SqlForm::Infix("NOT LIKE"), |c| like(c, false, true));
static ILIKE: FuncDef = FuncDef::failing("texticlike", SqlForm::Infix("ILIKE"), |c| like(c, true, false));
static NOT_ILIKE: FuncDef = FuncDef::failing("texticnlike", SqlForm::Infix("NOT ILIKE"), |c| like(c, true, true));
static BYTEA_LIKE: FuncDef = FuncDef::failing("bytealike", SqlForm::Infix("LIKE"), |c| {
    c.map2::<Bytes, Bytes, Bool>(|s, p| matches(s, p, |_| 1))
});
static BYTEA_NOT_LIKE: FuncDef = FuncDef::failing("byteanlike", SqlForm::Infix("NOT LIKE"), |c| {
    c.map2::<Bytes, Bytes, Bool>(|s, p| Ok(!matches(s, p, |_| 1)?))
});
static LIKE_ESCAPE: FuncDef =
    FuncDef::failing("like_escape", SqlForm::Call("like_escape"), |c| c.map2::<Text, Text, Text>(like_escape));

fn like(call: &Call<'_>, fold: bool, negate: bool) -> Result<ArrayRef> {
    if call.scalars[1] && !call.is_null(1, 0) {
        let column = call.column::<Text>(1)?;
        let pattern = column.value(0);
        let pattern = if fold { pattern.to_ascii_lowercase() } else { pattern.to_string() };
        let simple = Simple::of(&pattern);
        return call.build_from_first(|s| {
            let folded;
            let s = if fold {
                folded = s.to_ascii_lowercase();
                &folded
            } else {
                s
            };
            let found = match &simple {
                Some(simple) => simple.matches(s),
                None => matches(s.as_bytes(), pattern.as_bytes(), char_width)?,
            };
            Ok(found != negate)
        });
    }
    call.map2::<Text, Text, Bool>(|s, p| {
        let found = if fold {
            matches(s.to_ascii_lowercase().as_bytes(), p.to_ascii_lowercase().as_bytes(), char_width)
        } else {
            matches(s.as_bytes(), p.as_bytes(), char_width)
        }?;
        Ok(found != negate)
    })
}

impl Call<'_> {
    /// A strict predicate of the first argument; the others are constants already looked at.
    fn build_from_first(&self, f: impl Fn(&str) -> Result<bool>) -> Result<ArrayRef> {
        let column = self.column::<Text>(0)?;
        self.build::<Bool>(|row| self.get::<Text>(&column, 0, row).map(&f).transpose())
    }
}

/// Patterns whose only wildcards are `%` at an end: plain searches.
enum Simple<'a> {
    Equal(&'a str),
    Prefix(&'a str),
    Suffix(&'a str),
    Contains(&'a str),
}

impl<'a> Simple<'a> {
    fn of(pattern: &'a str) -> Option<Self> {
        let tail = pattern.trim_start_matches('%');
        let inner = tail.trim_end_matches('%');
        if inner.contains(['%', '_', '\\']) {
            return None;
        }
        Some(match (tail.len() < pattern.len(), inner.len() < tail.len()) {
            (false, false) => Self::Equal(inner),
            (false, true) => Self::Prefix(inner),
            (true, false) if inner.is_empty() => Self::Contains(inner),
            (true, false) => Self::Suffix(inner),
            (true, true) => Self::Contains(inner),
        })
    }

    fn matches(&self, s: &str) -> bool {
        match self {
            Self::Equal(p) => s == *p,
            Self::Prefix(p) => s.starts_with(p),
            Self::Suffix(p) => s.ends_with(p),
            Self::Contains(p) => s.contains(p),
        }
    }
}

enum Outcome {
    Yes,
    No,
    /// The text ended first: starting later cannot help.
    Abort,
}

/// Bytes of the UTF-8 character that starts with this byte.
fn char_width(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

fn matches(text: &[u8], pattern: &[u8], width: fn(u8) -> usize) -> Result<bool> {
    Ok(matches!(step(text, pattern, width)?, Outcome::Yes))
}

fn step(mut t: &[u8], mut p: &[u8], width: fn(u8) -> usize) -> Result<Outcome> {
    let dangling = || Error::new(state::INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character");
    while let (Some(&c), Some(&wanted)) = (t.first(), p.first()) {
        match wanted {
            b'\\' => {
                p = &p[1..];
                if *p.first().ok_or_else(dangling)? != c {
                    return Ok(Outcome::No);
                }
            }
            b'%' => return rest_anywhere(t, &p[1..], width, dangling),
            b'_' => {
                t = &t[width(c).min(t.len())..];
                p = &p[1..];
                continue;
            }
            literal if literal != c => return Ok(Outcome::No),
            _ => {}
        }
        t = &t[1..];
        p = &p[1..];
    }
    if !t.is_empty() {
        return Ok(Outcome::No);
    }
    Ok(if p.iter().all(|&c| c == b'%') { Outcome::Yes } else { Outcome::Abort })
}

/// After a `%`: the rest of the pattern must match from some place of the text on.
fn rest_anywhere(mut t: &[u8], mut p: &[u8], width: fn(u8) -> usize, dangling: fn() -> Error) -> Result<Outcome> {
    loop {
        match p.first() {
            Some(b'%') => p = &p[1..],
            Some(b'_') => match t.first() {
                None => return Ok(Outcome::Abort),
                Some(&c) => {
                    t = &t[width(c).min(t.len())..];
                    p = &p[1..];
                }
            },
            Some(_) => break,
            None => return Ok(Outcome::Yes),
        }
    }
    let first = match p[0] {
        b'\\' => *p.get(1).ok_or_else(dangling)?,
        c => c,
    };
    while let Some(&c) = t.first() {
        if c == first {
            match step(t, p, width)? {
                Outcome::No => {}
                decided => return Ok(decided),
            }
        }
        t = &t[width(c).min(t.len())..];
    }
    Ok(Outcome::Abort)
}

/// The pattern with `\` for its own escape character: `LIKE … ESCAPE`.
pub fn like_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut characters = escape.chars();
    let escape = characters.next();
    if characters.next().is_some() {
        return Err(Error::new(state::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
            .with_hint("Escape string must be empty or one character."));
    }
    if escape == Some('\\') {
        return Ok(pattern.to_string());
    }
    let mut out = String::with_capacity(pattern.len());
    let mut escaped = false;
    for c in pattern.chars() {
        if Some(c) == escape && !escaped {
            out.push('\\');
            escaped = true;
            continue;
        }
        if c == '\\' && !escaped {
            out.push('\\');
        }
        out.push(c);
        escaped = false;
    }
    Ok(out)
}
