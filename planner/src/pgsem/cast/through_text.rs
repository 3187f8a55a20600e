//! Casts through the text form (`CoerceViaIO`): every type to and from the string types.

use arrow::array::ArrayRef;
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;

use super::super::func::{FuncDef, SqlForm, Typed};
use super::super::io;
use super::super::kernel::{Bool, Call, Text};
use super::super::registry::{BuildCast, CastContext, CastDef};
use super::super::text::pad;
use super::strings::relabel;
use super::{cast, no_cast};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgtype::{PgType, all_types, oid};

const STRINGS: [u32; 4] = [oid::TEXT, oid::VARCHAR, oid::BPCHAR, oid::NAME];

pub fn casts() -> Vec<CastDef> {
    let mut all = Vec::new();
    let others = all_types().map(|t| t.oid).filter(|oid| has_text_form(PgType::of(*oid)) && !STRINGS.contains(oid));
    for other in others {
        for string in STRINGS {
            all.push(CastDef { from: other, to: string, context: CastContext::Assignment, build: out_to_string });
            all.push(CastDef { from: string, to: other, context: CastContext::Explicit, build: from_string });
        }
    }
    let entry = |from: u32, to: u32, context, build: BuildCast| CastDef { from, to, context, build };
    all.push(entry(oid::JSON, oid::JSONB, CastContext::Assignment, from_string));
    all.push(entry(oid::JSONB, oid::JSON, CastContext::Assignment, |_, value, to| Ok(relabel(value, to))));
    all
}

/// Types whose text form depends on nothing but the value; names of objects (`regclass`) need the catalog.
fn has_text_form(ty: PgType) -> bool {
    let refused = [oid::REGPROC, oid::REGCLASS, oid::REGTYPE, oid::REGNAMESPACE, oid::RECORD, oid::TIMETZ, oid::BIT];
    match ty.element() {
        Some(element) => has_text_form(element),
        None => !refused.contains(&ty.oid) && !matches!(ty.info().category, 'P' | 'X'),
    }
}

static OUT: FuncDef = FuncDef::new("text_out", SqlForm::Cast, |c| {
    let writers = io::argument_writers(c, 0)?;
    c.build::<Text>(|row| {
        if c.is_null(0, row) {
            return Ok(None);
        }
        let mut out = String::new();
        writers[0](c.row(0, row), &mut out);
        Ok(Some(out))
    })
});
static BOOL_OUT: FuncDef = FuncDef::new("booltext", SqlForm::Cast, |c| {
    c.map1::<Bool, Text>(|b| Ok(if b { "true" } else { "false" }.to_string()))
});
/// The prefix length always shows.
static INET_OUT: FuncDef = FuncDef::new("network_show", SqlForm::Cast, |c| {
    c.map1::<Text, Text>(|s| {
        Ok(match (s.contains('/'), s.contains(':')) {
            (true, _) => s.to_string(),
            (false, true) => format!("{s}/128"),
            (false, false) => format!("{s}/32"),
        })
    })
});
static IN: FuncDef = FuncDef::failing("text_in", SqlForm::Cast, read);

fn read(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.column::<Text>(0)?;
    let mut parser = io::parser(call.func.ty, &io::context_of(&call.func.detail))?;
    for row in 0..call.rows {
        parser.append(call.get::<Text>(&texts, 0, row))?;
    }
    Ok(parser.finish())
}

/// A value as text, as a written cast has it.
pub fn to_text(ctx: &QueryContext, value: Typed) -> Result<Typed> {
    if value.ty.oid == oid::TEXT {
        return Ok(value);
    }
    cast(ctx, value, PgType::TEXT)
}

fn out_to_string(ctx: &QueryContext, value: Typed, to: PgType) -> Result<Typed> {
    let text = match (value.ty.oid, to.oid) {
        (oid::BOOL, oid::TEXT | oid::VARCHAR | oid::BPCHAR) => BOOL_OUT.apply(vec![value], PgType::TEXT),
        (oid::INET, oid::TEXT | oid::VARCHAR | oid::BPCHAR) => INET_OUT.apply(vec![value], PgType::TEXT),
        (oid::UUID | oid::JSON | oid::JSONB, _) => relabel(value, PgType::TEXT),
        _ => io::output_call(&OUT, ctx, vec![value]),
    };
    if to.oid == oid::TEXT { Ok(text) } else { cast(ctx, text, to) }
}

fn from_string(ctx: &QueryContext, value: Typed, to: PgType) -> Result<Typed> {
    if !has_text_form(to) {
        return Err(no_cast(value.ty, to));
    }
    // The input function sees the blanks of char(n).
    let value = if value.ty.length_typmod().is_some() { pad::padded(value)? } else { value };
    Ok(io::input_call(&IN, ctx, vec![value], to))
}

/// An untyped literal, or NULL of any type, as a literal of the type.
pub fn literal(ctx: &QueryContext, value: &Typed, to: PgType) -> Result<Option<Typed>> {
    let Some(scalar) = value.as_literal() else { return Ok(None) };
    if scalar.is_null() {
        return Ok(Some(Typed::null(to)));
    }
    if value.ty != PgType::UNKNOWN || !has_text_form(to) {
        return Ok(None);
    }
    let ScalarValue::Utf8View(Some(text)) = scalar else { return Ok(None) };
    let parsed = io::parse(text, to, ctx)?;
    Ok(Some(Typed { expr: Expr::Literal(parsed, None), ty: to, repr: to.repr() }))
}
