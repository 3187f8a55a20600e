//! Putting values of any type together as text, and text into arrays and back.

use arrow::array::builder::{ListBuilder, StringViewBuilder};
use arrow::array::{Array, ArrayRef};
use std::sync::Arc;

use super::TEXT;
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::cast;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::io;
use crate::pgsem::kernel::{Call, I32, Text};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

pub fn signatures() -> Vec<Signature> {
    const TEXTS: u32 = 1009;
    vec![
        Signature::func("||", &[TEXT, TEXT], TEXT, &TEXTCAT),
        Signature::build("||", &[oid::ANYNONARRAY, TEXT], TEXT, any_and_text),
        Signature::build("||", &[TEXT, oid::ANYNONARRAY], TEXT, any_and_text),
        Signature::build("concat", &[oid::ANY], TEXT, |ctx, args| Ok(io::output_call(&CONCAT, ctx, args))).variadic(),
        Signature::build("concat_ws", &[TEXT, oid::ANY], TEXT, |ctx, args| Ok(io::output_call(&CONCAT_WS, ctx, args)))
            .variadic(),
        Signature::build("array_to_string", &[oid::ANYARRAY, TEXT], TEXT, |ctx, args| {
            Ok(io::output_call(&ARRAY_TO_STRING, ctx, args))
        }),
        Signature::build("array_to_string", &[oid::ANYARRAY, TEXT, TEXT], TEXT, |ctx, args| {
            Ok(io::output_call(&ARRAY_TO_STRING_NULL, ctx, args))
        }),
        Signature::func("string_to_array", &[TEXT, TEXT], TEXTS, &STRING_TO_ARRAY),
        Signature::func("string_to_array", &[TEXT, TEXT, TEXT], TEXTS, &STRING_TO_ARRAY_NULL),
        Signature::func("string_to_table_list", &[TEXT, TEXT], TEXTS, &STRING_TO_TABLE),
        Signature::func("string_to_table_list", &[TEXT, TEXT, TEXT], TEXTS, &STRING_TO_TABLE_NULL),
        Signature::func("num_nulls", &[oid::ANY], oid::INT4, &NUM_NULLS).variadic(),
        Signature::func("num_nonnulls", &[oid::ANY], oid::INT4, &NUM_NONNULLS).variadic(),
    ]
}

static TEXTCAT: FuncDef =
    FuncDef::new("textcat", SqlForm::Infix("||"), |c| c.map2::<Text, Text, Text>(|a, b| Ok([a, b].concat())));
static CONCAT: FuncDef =
    FuncDef::new("concat", SqlForm::Call("concat"), |c| join(c, 0, |_| Some(String::new()))).not_strict();
static CONCAT_WS: FuncDef = FuncDef::new("concat_ws", SqlForm::Call("concat_ws"), |c| {
    let separator = c.column::<Text>(0)?;
    join(c, 1, |row| c.get::<Text>(&separator, 0, row).map(str::to_string))
})
.not_strict();
static ARRAY_TO_STRING: FuncDef = FuncDef::new("array_to_string", SqlForm::Call("array_to_string"), array_to_string);
static ARRAY_TO_STRING_NULL: FuncDef =
    FuncDef::new("array_to_string_null", SqlForm::Call("array_to_string"), array_to_string).not_strict();
static STRING_TO_ARRAY: FuncDef =
    FuncDef::new("string_to_array", SqlForm::Call("string_to_array"), string_to_array).not_strict();
static STRING_TO_ARRAY_NULL: FuncDef =
    FuncDef::new("string_to_array_null", SqlForm::Call("string_to_array"), string_to_array).not_strict();
static STRING_TO_TABLE: FuncDef = FuncDef::new("string_to_table", SqlForm::Local, string_to_array).not_strict();
static STRING_TO_TABLE_NULL: FuncDef =
    FuncDef::new("string_to_table_null", SqlForm::Local, string_to_array).not_strict();
static NUM_NULLS: FuncDef = FuncDef::new("num_nulls", SqlForm::Call("num_nulls"), |c| {
    c.build::<I32>(|row| Ok(Some((0..c.args.len()).filter(|&arg| c.is_null(arg, row)).count() as i32)))
})
.not_strict();
static NUM_NONNULLS: FuncDef = FuncDef::new("num_nonnulls", SqlForm::Call("num_nonnulls"), |c| {
    c.build::<I32>(|row| Ok(Some((0..c.args.len()).filter(|&arg| !c.is_null(arg, row)).count() as i32)))
})
.not_strict();

/// The operator is the cast to text and then `||`, unlike `concat`, which takes the output function (`true`, but `t`).
fn any_and_text(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let args = args.into_iter().map(|a| cast::to_text(ctx, a)).collect::<Result<Vec<_>>>()?;
    Ok(TEXTCAT.apply(args, PgType::TEXT))
}

/// The arguments from `first` on that are not NULL, with the row's separator between them.
fn join(call: &Call<'_>, first: usize, separator: impl Fn(usize) -> Option<String>) -> Result<ArrayRef> {
    let writers = io::argument_writers(call, first)?;
    call.build::<Text>(|row| {
        let Some(separator) = separator(row) else { return Ok(None) };
        let mut out = String::new();
        let mut started = false;
        for (writer, arg) in writers.iter().zip(first..) {
            if call.is_null(arg, row) {
                continue;
            }
            if started {
                out.push_str(&separator);
            }
            started = true;
            writer(call.row(arg, row), &mut out);
        }
        Ok(Some(out))
    })
}

fn array_to_string(call: &Call<'_>) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let element = call.func.arg_types[0].element().unwrap_or(PgType::TEXT);
    let values = list.values();
    let writer = io::formatter(values.as_ref(), element, io::zone_of(&call.func.detail))?;
    let separators = call.column::<Text>(1)?;
    let nulls = if call.args.len() > 2 { Some(call.column::<Text>(2)?) } else { None };
    call.build::<Text>(|row| {
        let Some(separator) = call.get::<Text>(&separators, 1, row) else { return Ok(None) };
        if call.is_null(0, row) {
            return Ok(None);
        }
        let null = nulls.as_ref().and_then(|column| call.get::<Text>(column, 2, row));
        let mut out = String::new();
        let mut started = false;
        for at in io::span(list, call.row(0, row)) {
            let is_null = values.is_null(at);
            if is_null && null.is_none() {
                continue;
            }
            if started {
                out.push_str(separator);
            }
            started = true;
            if is_null { out.push_str(null.unwrap_or("")) } else { writer(at, &mut out) }
        }
        Ok(Some(out))
    })
}

fn string_to_array(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, separators) = (call.column::<Text>(0)?, call.column::<Text>(1)?);
    let nulls = if call.args.len() > 2 { Some(call.column::<Text>(2)?) } else { None };
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for row in 0..call.rows {
        let Some(text) = call.get::<Text>(&texts, 0, row) else {
            builder.append_null();
            continue;
        };
        let null = nulls.as_ref().and_then(|column| call.get::<Text>(column, 2, row));
        let mut push = |part: &str| builder.values().append_option((Some(part) != null).then_some(part));
        match call.get::<Text>(&separators, 1, row) {
            _ if text.is_empty() => {}
            None => text.chars().for_each(|c| push(c.encode_utf8(&mut [0; 4]))),
            Some("") => push(text),
            Some(separator) => text.split(separator).for_each(push),
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}
