//! Lengths, positions and code points: text is measured in characters, `octet_length` in bytes.

use super::{TEXT, pad};
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Bool, I32, I64, Text};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

pub fn signatures() -> Vec<Signature> {
    const I4: u32 = oid::INT4;
    vec![
        Signature::func("length", &[TEXT], I4, &LENGTH),
        Signature::func("length", &[oid::BPCHAR], I4, &LENGTH),
        Signature::func("char_length", &[TEXT], I4, &CHAR_LENGTH),
        Signature::func("char_length", &[oid::BPCHAR], I4, &CHAR_LENGTH),
        Signature::func("character_length", &[TEXT], I4, &CHAR_LENGTH),
        Signature::func("character_length", &[oid::BPCHAR], I4, &CHAR_LENGTH),
        Signature::func("octet_length", &[TEXT], I4, &OCTET_LENGTH),
        Signature::build("octet_length", &[oid::BPCHAR], I4, |_, args| {
            let padded = args.into_iter().map(pad::padded).collect::<Result<Vec<Typed>>>()?;
            Ok(OCTET_LENGTH.apply(padded, PgType::INT4))
        }),
        Signature::func("bit_length", &[TEXT], I4, &BIT_LENGTH),
        Signature::func("strpos", &[TEXT, TEXT], I4, &STRPOS),
        // The order in which `position(b in a)` is parsed: (a, b).
        Signature::func("position", &[TEXT, TEXT], I4, &POSITION),
        Signature::func("starts_with", &[TEXT, TEXT], oid::BOOL, &STARTS_WITH),
        Signature::func("^@", &[TEXT, TEXT], oid::BOOL, &STARTS_WITH_OP),
        Signature::func("ascii", &[TEXT], I4, &ASCII),
        Signature::func("chr", &[I4], TEXT, &CHR),
        Signature::func("to_hex", &[I4], TEXT, &TO_HEX32),
        Signature::func("to_hex", &[oid::INT8], TEXT, &TO_HEX64),
    ]
}

/// Number of characters, which fits: a value is at most 1 GB.
pub fn chars(s: &str) -> i32 {
    if s.is_ascii() { s.len() as i32 } else { s.chars().count() as i32 }
}

/// Character position of `needle`, from 1; 0 if it is not there.
pub fn position(haystack: &str, needle: &str) -> i32 {
    haystack.find(needle).map_or(0, |at| chars(&haystack[..at]) + 1)
}

static LENGTH: FuncDef =
    FuncDef::new("text_length", SqlForm::Call("length"), |c| c.map1::<Text, I32>(|s| Ok(chars(s))));
static CHAR_LENGTH: FuncDef =
    FuncDef::new("char_length", SqlForm::Call("char_length"), |c| c.map1::<Text, I32>(|s| Ok(chars(s))));
static OCTET_LENGTH: FuncDef =
    FuncDef::new("text_octet_length", SqlForm::Call("octet_length"), |c| c.map1::<Text, I32>(|s| Ok(s.len() as i32)));
static BIT_LENGTH: FuncDef = FuncDef::failing("text_bit_length", SqlForm::Call("bit_length"), |c| {
    c.map1::<Text, I32>(|s| {
        i32::try_from(s.len() as i64 * 8)
            .map_err(|_| Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))
    })
});
static STRPOS: FuncDef =
    FuncDef::new("strpos", SqlForm::Call("strpos"), |c| c.map2::<Text, Text, I32>(|a, b| Ok(position(a, b))));
static POSITION: FuncDef = FuncDef::new("text_position", SqlForm::Special("position"), |c| {
    c.map2::<Text, Text, I32>(|a, b| Ok(position(a, b)))
});
static STARTS_WITH: FuncDef = FuncDef::new("starts_with", SqlForm::Call("starts_with"), |c| {
    c.map2::<Text, Text, Bool>(|a, b| Ok(a.starts_with(b)))
});
static STARTS_WITH_OP: FuncDef =
    FuncDef::new("text_starts_with", SqlForm::Infix("^@"), |c| c.map2::<Text, Text, Bool>(|a, b| Ok(a.starts_with(b))));
static ASCII: FuncDef = FuncDef::new("ascii", SqlForm::Call("ascii"), |c| {
    c.map1::<Text, I32>(|s| Ok(s.chars().next().map_or(0, |c| c as i32)))
});
static CHR: FuncDef = FuncDef::failing("chr", SqlForm::Call("chr"), |c| c.map1::<I32, Text>(chr));
static TO_HEX32: FuncDef =
    FuncDef::new("to_hex32", SqlForm::Call("to_hex"), |c| c.map1::<I32, Text>(|i| Ok(format!("{i:x}"))));
static TO_HEX64: FuncDef =
    FuncDef::new("to_hex64", SqlForm::Call("to_hex"), |c| c.map1::<I64, Text>(|i| Ok(format!("{i:x}"))));

fn chr(code: i32) -> Result<String> {
    let limit = |message: String| Err(Error::new(state::PROGRAM_LIMIT_EXCEEDED, message));
    match code {
        i32::MIN..0 => Err(Error::new(state::INVALID_PARAMETER_VALUE, "character number must be positive")),
        0 => limit("null character not permitted".into()),
        1..=0x10ffff => match char::from_u32(code as u32) {
            Some(c) => Ok(c.to_string()),
            None => limit(format!("requested character not valid for encoding: {code}")),
        },
        _ => limit(format!("requested character too large for encoding: {code}")),
    }
}
