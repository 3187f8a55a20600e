//! Making documents of values: `to_json`, `json_build_object`, `json_build_array` and their `jsonb` twins.

use arrow::array::{Array, ArrayRef};

use super::write::{JsonWriter, Style, json_writer, key_text, printed};
use super::{JSON, JSONB, TEXTS, print};
use crate::error::{Error, Result, SqlState, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::io::{self, CellWriter};
use crate::pgsem::kernel::{Call, Text, Value};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

pub fn signatures() -> Vec<Signature> {
    const ANY: &[u32] = &[oid::ANY];
    vec![
        Signature::build("to_json", &[oid::ANYELEMENT], JSON, |ctx, args| {
            Ok(io::output_call_as(&TO_JSON, ctx, args, PgType::JSON))
        }),
        Signature::build("to_jsonb", &[oid::ANYELEMENT], JSONB, |ctx, args| {
            Ok(io::output_call_as(&TO_JSONB, ctx, args, PgType::JSONB))
        }),
        Signature::build("array_to_json", &[oid::ANYARRAY], JSON, |ctx, args| {
            Ok(io::output_call_as(&ARRAY_TO_JSON, ctx, args, PgType::JSON))
        }),
        Signature::build("json_build_array", ANY, JSON, |ctx, args| {
            Ok(io::output_call_as(&JSON_BUILD_ARRAY, ctx, args, PgType::JSON))
        })
        .variadic(),
        Signature::build("json_build_array", &[], JSON, |ctx, args| {
            Ok(io::output_call_as(&JSON_BUILD_ARRAY, ctx, args, PgType::JSON))
        }),
        Signature::build("jsonb_build_array", ANY, JSONB, |ctx, args| {
            Ok(io::output_call_as(&JSONB_BUILD_ARRAY, ctx, args, PgType::JSONB))
        })
        .variadic(),
        Signature::build("jsonb_build_array", &[], JSONB, |ctx, args| {
            Ok(io::output_call_as(&JSONB_BUILD_ARRAY, ctx, args, PgType::JSONB))
        }),
        Signature::build("json_build_object", ANY, JSON, |ctx, args| {
            Ok(io::output_call_as(&JSON_BUILD_OBJECT, ctx, args, PgType::JSON))
        })
        .variadic(),
        Signature::build("json_build_object", &[], JSON, |ctx, args| {
            Ok(io::output_call_as(&JSON_BUILD_OBJECT, ctx, args, PgType::JSON))
        }),
        Signature::build("jsonb_build_object", ANY, JSONB, |ctx, args| {
            Ok(io::output_call_as(&JSONB_BUILD_OBJECT, ctx, args, PgType::JSONB))
        })
        .variadic(),
        Signature::build("jsonb_build_object", &[], JSONB, |ctx, args| {
            Ok(io::output_call_as(&JSONB_BUILD_OBJECT, ctx, args, PgType::JSONB))
        }),
        Signature::func("json_object", &[TEXTS], JSON, &JSON_OBJECT),
        Signature::func("json_object", &[TEXTS, TEXTS], JSON, &JSON_OBJECT2),
        Signature::func("jsonb_object", &[TEXTS], JSONB, &JSONB_OBJECT),
        Signature::func("jsonb_object", &[TEXTS, TEXTS], JSONB, &JSONB_OBJECT2),
    ]
}

static TO_JSON: FuncDef = FuncDef::failing("to_json", SqlForm::Call("to_json"), |c| to_json(c, Style::Json));
static TO_JSONB: FuncDef = FuncDef::failing("to_jsonb", SqlForm::Call("to_jsonb"), |c| to_json(c, Style::Jsonb));
static ARRAY_TO_JSON: FuncDef =
    FuncDef::failing("array_to_json", SqlForm::Call("array_to_json"), |c| to_json(c, Style::Json));
static JSON_BUILD_ARRAY: FuncDef =
    FuncDef::failing("json_build_array", SqlForm::Call("json_build_array"), |c| build_array(c, Style::Json))
        .not_strict();
static JSONB_BUILD_ARRAY: FuncDef =
    FuncDef::failing("jsonb_build_array", SqlForm::Call("jsonb_build_array"), |c| build_array(c, Style::Jsonb))
        .not_strict();
static JSON_BUILD_OBJECT: FuncDef =
    FuncDef::failing("json_build_object", SqlForm::Call("json_build_object"), json_build_object).not_strict();
static JSONB_BUILD_OBJECT: FuncDef =
    FuncDef::failing("jsonb_build_object", SqlForm::Call("jsonb_build_object"), jsonb_build_object).not_strict();
static JSON_OBJECT: FuncDef =
    FuncDef::failing("json_object", SqlForm::Call("json_object"), |c| object_of_texts(c, Style::Json));
static JSON_OBJECT2: FuncDef =
    FuncDef::failing("json_object_two_arg", SqlForm::Call("json_object"), |c| object_of_texts(c, Style::Json));
static JSONB_OBJECT: FuncDef =
    FuncDef::failing("jsonb_object", SqlForm::Call("jsonb_object"), |c| object_of_texts(c, Style::Jsonb));
static JSONB_OBJECT2: FuncDef =
    FuncDef::failing("jsonb_object_two_arg", SqlForm::Call("jsonb_object"), |c| object_of_texts(c, Style::Jsonb));

fn invalid(message: impl Into<String>) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

fn writers<'a>(call: &'a Call<'_>, style: Style) -> Result<Vec<JsonWriter<'a>>> {
    let zone = io::zone_of(&call.func.detail);
    let types = &call.func.arg_types;
    call.args.iter().zip(types).map(|(arg, &ty)| json_writer(arg.as_ref(), ty, zone, style)).collect()
}

fn to_json(call: &Call<'_>, style: Style) -> Result<ArrayRef> {
    let writers = writers(call, style)?;
    call.build::<Text>(|row| {
        if call.is_null(0, row) {
            return Ok(None);
        }
        let mut out = String::new();
        writers[0](call.row(0, row), &mut out)?;
        Ok(Some(out))
    })
}

/// Argument `arg`, `null` if NULL.
fn push_value(call: &Call<'_>, writers: &[JsonWriter<'_>], arg: usize, row: usize, out: &mut String) -> Result<()> {
    if call.is_null(arg, row) {
        out.push_str("null");
        return Ok(());
    }
    writers[arg](call.row(arg, row), out)
}

fn build_array(call: &Call<'_>, style: Style) -> Result<ArrayRef> {
    let writers = writers(call, style)?;
    call.build::<Text>(|row| {
        let mut out = String::from("[");
        for arg in 0..call.args.len() {
            if arg > 0 {
                out.push_str(", ");
            }
            push_value(call, &writers, arg, row, &mut out)?;
        }
        out.push(']');
        Ok(Some(out))
    })
}

/// Writers of the keys, at the even arguments; the odd ones are empty.
fn key_writers<'a>(call: &'a Call<'_>, function: &str) -> Result<Vec<CellWriter<'a>>> {
    if !call.args.len().is_multiple_of(2) {
        return Err(invalid("argument list must have even number of elements")
            .with_hint(format!("The arguments of {function}() must consist of alternating keys and values.")));
    }
    let zone = io::zone_of(&call.func.detail);
    let types = &call.func.arg_types;
    let keys = (0..call.args.len()).step_by(2);
    keys.map(|arg| key_text(call.args[arg].as_ref(), types[arg], zone)).collect()
}

fn json_build_object(call: &Call<'_>) -> Result<ArrayRef> {
    let keys = key_writers(call, "json_build_object")?;
    let writers = writers(call, Style::Json)?;
    call.build::<Text>(|row| {
        let mut out = String::from("{");
        for (i, key) in keys.iter().enumerate() {
            let arg = i * 2;
            if i > 0 {
                out.push_str(", ");
            }
            if call.is_null(arg, row) {
                return Err(
                    invalid(format!("argument {} cannot be null", arg + 1)).with_hint("Object keys should be text.")
                );
            }
            print::push_string(&printed(key, call.row(arg, row)), &mut out);
            out.push_str(" : ");
            push_value(call, &writers, arg + 1, row, &mut out)?;
        }
        out.push('}');
        Ok(Some(out))
    })
}

fn jsonb_build_object(call: &Call<'_>) -> Result<ArrayRef> {
    let keys = key_writers(call, "jsonb_build_object")?;
    let writers = writers(call, Style::Jsonb)?;
    call.build::<Text>(|row| {
        let mut members = Vec::with_capacity(keys.len());
        for (i, key) in keys.iter().enumerate() {
            let arg = i * 2;
            if call.is_null(arg, row) {
                return Err(invalid(format!("argument {}: key must not be null", arg + 1)));
            }
            let mut value = String::new();
            push_value(call, &writers, arg + 1, row, &mut value)?;
            members.push((printed(key, call.row(arg, row)), value));
        }
        Ok(Some(jsonb_object(members)))
    })
}

/// A canonical object: keys in order, the last of equal ones.
pub fn jsonb_object(mut members: Vec<(String, String)>) -> String {
    members.reverse();
    members.sort_by(|(a, _), (b, _)| print::key_order(a).cmp(&print::key_order(b)));
    // After the reversal the last of equal keys is their first.
    members.dedup_by(|(later, _), (earlier, _)| later == earlier);
    print::object(members.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

/// `json_object('{k, v}')`, `json_object('{k}', '{v}')`
fn object_of_texts(call: &Call<'_>, style: Style) -> Result<ArrayRef> {
    let lists = call.args.iter().map(|arg| io::list(arg.as_ref())).collect::<Result<Vec<_>>>()?;
    let columns = lists.iter().map(|list| Text::column(list.values().as_ref())).collect::<Result<Vec<_>>>()?;
    let item = |arg: usize, at: usize| columns[arg].is_valid(at).then(|| columns[arg].value(at));
    call.build::<Text>(|row| {
        if (0..lists.len()).any(|arg| call.is_null(arg, row)) {
            return Ok(None);
        }
        let spans: Vec<_> = (0..lists.len()).map(|arg| io::span(lists[arg], call.row(arg, row))).collect();
        let pairs: Vec<(Option<&str>, Option<&str>)> = if let [keys, values] = &spans[..] {
            if keys.len() != values.len() {
                return Err(Error::new(state::ARRAY_SUBSCRIPT_ERROR, "mismatched array dimensions"));
            }
            keys.clone().zip(values.clone()).map(|(k, v)| (item(0, k), item(1, v))).collect()
        } else {
            if spans[0].len() % 2 != 0 {
                return Err(Error::new(state::ARRAY_SUBSCRIPT_ERROR, "array must have even number of elements"));
            }
            spans[0].clone().step_by(2).map(|at| (item(0, at), item(0, at + 1))).collect()
        };
        let mut members = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key = key.ok_or_else(|| Error::new(SqlState::new("22004"), "null value not allowed for object key"))?;
            let value = value.map_or_else(
                || "null".to_string(),
                |value| {
                    let mut out = String::new();
                    print::push_string(value, &mut out);
                    out
                },
            );
            members.push((key.to_string(), value));
        }
        Ok(Some(match style {
            Style::Jsonb => jsonb_object(members),
            Style::Json => {
                let mut out = String::from("{");
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    print::push_string(key, &mut out);
                    out.push_str(" : ");
                    out.push_str(value);
                }
                out.push('}');
                out
            }
        }))
    })
}
