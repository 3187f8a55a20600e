//! Functions over bytea, and its way to and from text.

use super::codec::Encoding;
use super::errors::out_of_range;
use super::func::{FuncDef, SqlForm};
use super::kernel::{Bytes, I32, I64, Text};
use super::registry::{CastDef, Signature};
use super::text::SUBSTRING_ERROR;
use super::text::slice::window;
use crate::error::{Error, Result, state};
use crate::pgtype::oid;

pub fn signatures() -> (Vec<Signature>, Vec<CastDef>) {
    const BYTEA: u32 = oid::BYTEA;
    const I4: u32 = oid::INT4;
    const I8: u32 = oid::INT8;
    let signatures = vec![
        Signature::func("length", &[BYTEA], I4, &LENGTH),
        Signature::func("octet_length", &[BYTEA], I4, &OCTET_LENGTH),
        Signature::func("bit_length", &[BYTEA], I4, &BIT_LENGTH),
        Signature::func("bit_count", &[BYTEA], I8, &BIT_COUNT),
        Signature::func("||", &[BYTEA, BYTEA], BYTEA, &CONCAT),
        Signature::func("substring", &[BYTEA, I4], BYTEA, &SUBSTRING_FROM),
        Signature::func("substring", &[BYTEA, I4, I4], BYTEA, &SUBSTRING),
        Signature::func("substr", &[BYTEA, I4], BYTEA, &SUBSTR_FROM),
        Signature::func("substr", &[BYTEA, I4, I4], BYTEA, &SUBSTR),
        Signature::func("overlay", &[BYTEA, BYTEA, I4], BYTEA, &OVERLAY),
        Signature::func("overlay", &[BYTEA, BYTEA, I4, I4], BYTEA, &OVERLAY_FOR),
        Signature::func("position", &[BYTEA, BYTEA], I4, &POSITION),
        Signature::func("btrim", &[BYTEA, BYTEA], BYTEA, &BTRIM),
        Signature::func("ltrim", &[BYTEA, BYTEA], BYTEA, &LTRIM),
        Signature::func("rtrim", &[BYTEA, BYTEA], BYTEA, &RTRIM),
        Signature::func("get_byte", &[BYTEA, I4], I4, &GET_BYTE),
        Signature::func("set_byte", &[BYTEA, I4, I4], BYTEA, &SET_BYTE),
        Signature::func("get_bit", &[BYTEA, I8], I4, &GET_BIT),
        Signature::func("set_bit", &[BYTEA, I8, I4], BYTEA, &SET_BIT),
        Signature::func("encode", &[BYTEA, oid::TEXT], oid::TEXT, &ENCODE),
        Signature::func("decode", &[oid::TEXT, oid::TEXT], BYTEA, &DECODE),
        Signature::func("convert_from", &[BYTEA, oid::NAME], oid::TEXT, &CONVERT_FROM),
        Signature::func("convert_to", &[oid::TEXT, oid::NAME], BYTEA, &CONVERT_TO),
    ];
    (signatures, Vec::new())
}

static LENGTH: FuncDef =
    FuncDef::new("bytea_length", SqlForm::Call("length"), |c| c.map1::<Bytes, I32>(|b| Ok(b.len() as i32)));
static OCTET_LENGTH: FuncDef =
    FuncDef::new("bytea_octet_length", SqlForm::Call("octet_length"), |c| c.map1::<Bytes, I32>(|b| Ok(b.len() as i32)));
static BIT_LENGTH: FuncDef = FuncDef::failing("bytea_bit_length", SqlForm::Call("bit_length"), |c| {
    c.map1::<Bytes, I32>(|b| i32::try_from(b.len() as i64 * 8).map_err(|_| out_of_range("integer")))
});
static BIT_COUNT: FuncDef = FuncDef::new("bytea_bit_count", SqlForm::Call("bit_count"), |c| {
    c.map1::<Bytes, I64>(|b| Ok(b.iter().map(|byte| i64::from(byte.count_ones())).sum()))
});
static CONCAT: FuncDef =
    FuncDef::new("byteacat", SqlForm::Infix("||"), |c| c.map2::<Bytes, Bytes, Bytes>(|a, b| Ok([a, b].concat())));
static SUBSTRING_FROM: FuncDef = FuncDef::new("bytea_substring_from", SqlForm::Call("substring"), |c| {
    c.map2::<Bytes, I32, Bytes>(|b, from| substring(b, from, None))
});
static SUBSTRING: FuncDef = FuncDef::failing("bytea_substring", SqlForm::Call("substring"), |c| {
    c.map3::<Bytes, I32, I32, Bytes>(|b, from, len| substring(b, from, Some(len)))
});
static SUBSTR_FROM: FuncDef = FuncDef::new("bytea_substr_from", SqlForm::Call("substr"), |c| {
    c.map2::<Bytes, I32, Bytes>(|b, from| substring(b, from, None))
});
static SUBSTR: FuncDef = FuncDef::failing("bytea_substr", SqlForm::Call("substr"), |c| {
    c.map3::<Bytes, I32, I32, Bytes>(|b, from, len| substring(b, from, Some(len)))
});
static OVERLAY: FuncDef = FuncDef::failing("bytea_overlay_no_len", SqlForm::Special("overlay"), |c| {
    c.map3::<Bytes, Bytes, I32, Bytes>(|b, by, from| overlay(b, by, from, by.len() as i32))
});
static OVERLAY_FOR: FuncDef = FuncDef::failing("bytea_overlay", SqlForm::Special("overlay"), |c| {
    c.map4::<Bytes, Bytes, I32, I32, Bytes>(overlay)
});
static POSITION: FuncDef = FuncDef::new("bytea_position", SqlForm::Special("position"), |c| {
    c.map2::<Bytes, Bytes, I32>(|b, part| {
        if part.is_empty() {
            return Ok(1);
        }
        Ok(b.windows(part.len()).position(|w| w == part).map_or(0, |at| at as i32 + 1))
    })
});
static BTRIM: FuncDef = FuncDef::new("bytea_btrim", SqlForm::Call("btrim"), |c| {
    c.map2::<Bytes, Bytes, Bytes>(|b, set| Ok(trim_end(trim_start(b, set), set).to_vec()))
});
static LTRIM: FuncDef = FuncDef::new("bytea_ltrim", SqlForm::Call("ltrim"), |c| {
    c.map2::<Bytes, Bytes, Bytes>(|b, set| Ok(trim_start(b, set).to_vec()))
});
static RTRIM: FuncDef = FuncDef::new("bytea_rtrim", SqlForm::Call("rtrim"), |c| {
    c.map2::<Bytes, Bytes, Bytes>(|b, set| Ok(trim_end(b, set).to_vec()))
});
static GET_BYTE: FuncDef = FuncDef::failing("get_byte", SqlForm::Call("get_byte"), |c| {
    c.map2::<Bytes, I32, I32>(|b, at| Ok(i32::from(b[index(i64::from(at), b.len() as i64)?])))
});
static SET_BYTE: FuncDef = FuncDef::failing("set_byte", SqlForm::Call("set_byte"), |c| {
    c.map3::<Bytes, I32, I32, Bytes>(|b, at, value| {
        let mut out = b.to_vec();
        out[index(i64::from(at), b.len() as i64)?] = value as u8;
        Ok(out)
    })
});
static GET_BIT: FuncDef = FuncDef::failing("bytea_get_bit", SqlForm::Call("get_bit"), |c| {
    c.map2::<Bytes, I64, I32>(|b, at| {
        let bit = index(at, b.len() as i64 * 8)?;
        Ok(i32::from(b[bit / 8] >> (bit % 8) & 1))
    })
});
static SET_BIT: FuncDef = FuncDef::failing("bytea_set_bit", SqlForm::Call("set_bit"), |c| {
    c.map3::<Bytes, I64, I32, Bytes>(|b, at, value| {
        let bit = index(at, b.len() as i64 * 8)?;
        if value != 0 && value != 1 {
            return Err(Error::new(state::INVALID_PARAMETER_VALUE, "new bit must be 0 or 1"));
        }
        let mut out = b.to_vec();
        out[bit / 8] = out[bit / 8] & !(1 << (bit % 8)) | (value as u8) << (bit % 8);
        Ok(out)
    })
});
static ENCODE: FuncDef = FuncDef::failing("encode", SqlForm::Call("encode"), |c| {
    c.map2::<Bytes, Text, Text>(|b, name| Ok(Encoding::named(name)?.encode(b)))
});
static DECODE: FuncDef = FuncDef::failing("decode", SqlForm::Call("decode"), |c| {
    c.map2::<Text, Text, Bytes>(|s, name| Encoding::named(name)?.decode(s))
});
static CONVERT_FROM: FuncDef = FuncDef::failing("convert_from", SqlForm::Call("convert_from"), |c| {
    c.map2::<Bytes, Text, Text>(|b, encoding| {
        require_utf8(encoding)?;
        from_utf8(b)
    })
});
static CONVERT_TO: FuncDef = FuncDef::failing("convert_to", SqlForm::Call("convert_to"), |c| {
    c.map2::<Text, Text, Bytes>(|s, encoding| {
        require_utf8(encoding)?;
        Ok(s.as_bytes().to_vec())
    })
});

fn substring(b: &[u8], from: i32, length: Option<i32>) -> Result<Vec<u8>> {
    let (skip, take) = window(from, length)?;
    let rest = &b[skip.min(b.len())..];
    Ok(rest[..take.unwrap_or(rest.len()).min(rest.len())].to_vec())
}

fn overlay(b: &[u8], by: &[u8], from: i32, length: i32) -> Result<Vec<u8>> {
    if from <= 0 {
        return Err(Error::new(SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let resume = from.checked_add(length).ok_or_else(|| out_of_range("integer"))?;
    Ok([substring(b, 1, Some(from - 1))?, by.to_vec(), substring(b, resume, None)?].concat())
}

fn trim_start<'a>(mut b: &'a [u8], set: &[u8]) -> &'a [u8] {
    while let [first, tail @ ..] = b
        && set.contains(first)
    {
        b = tail;
    }
    b
}

fn trim_end<'a>(mut b: &'a [u8], set: &[u8]) -> &'a [u8] {
    while let [head @ .., last] = b
        && set.contains(last)
    {
        b = head;
    }
    b
}

fn index(at: i64, len: i64) -> Result<usize> {
    if at < 0 || at >= len {
        return Err(Error::new(state::ARRAY_SUBSCRIPT_ERROR, format!("index {at} out of valid range, 0..{}", len - 1)));
    }
    Ok(at as usize)
}

fn require_utf8(encoding: &str) -> Result<()> {
    match encoding.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(Error::unsupported(format!("encoding \"{encoding}\""))),
    }
}

/// Bytes as text of the server encoding, UTF-8 without zero bytes.
fn from_utf8(b: &[u8]) -> Result<String> {
    let wrong = |at: usize, len: usize| {
        let bytes: Vec<String> = b[at..(at + len).min(b.len())].iter().map(|byte| format!("0x{byte:02x}")).collect();
        Error::new(
            state::CHARACTER_NOT_IN_REPERTOIRE,
            format!("invalid byte sequence for encoding \"UTF8\": {}", bytes.join(" ")),
        )
    };
    let text = std::str::from_utf8(b).map_err(|e| wrong(e.valid_up_to(), e.error_len().unwrap_or(b.len())))?;
    match text.find('\0') {
        Some(at) => Err(wrong(at, 1)),
        None => Ok(text.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_are_postgres() {
        crate::pgsem::answers::check(include_str!("testdata/bytea.tsv"));
    }
}
