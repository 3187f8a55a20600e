//! The functions of the registry.

use arrow::array::ArrayRef;

use super::Template;
use super::number::{self, Prepared};
use super::read::read;
use super::write::write;
use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Call, F32, F64, I32, I64, Text, Value};
use crate::pgsem::numeric::Num;
use crate::pgsem::registry::{CastDef, Signature};
use crate::pgtype::oid::{FLOAT4, FLOAT8, INT4, INT8, NUMERIC, TEXT};

/// The template of a row; a constant one is parsed once.
struct Templates<'c> {
    call: &'c Call<'c>,
    column: <Text as Value>::Column<'c>,
    constant: Option<Template>,
}

impl<'c> Templates<'c> {
    fn new(call: &'c Call<'c>) -> Result<Self> {
        let column = call.column::<Text>(1)?;
        let constant =
            if call.scalars[1] && !call.is_null(1, 0) { Some(Template::parse(Text::get(&column, 0))?) } else { None };
        Ok(Self { call, column, constant })
    }

    fn with<R>(&self, row: usize, f: impl FnOnce(&Template) -> Result<R>) -> Result<Option<R>> {
        if let Some(template) = &self.constant {
            return f(template).map(Some);
        }
        match self.call.get::<Text>(&self.column, 1, row) {
            Some(text) => f(&Template::parse(text)?).map(Some),
            None => Ok(None),
        }
    }
}

fn to_char<A: Value>(
    call: &Call<'_>,
    prepare: impl for<'a> Fn(&Template, A::Ref<'a>) -> Result<Prepared>,
) -> Result<ArrayRef> {
    let values = call.column::<A>(0)?;
    let templates = Templates::new(call)?;
    call.build::<Text>(|row| match call.get::<A>(&values, 0, row) {
        Some(value) => templates.with(row, |t| write(t, &prepare(t, value)?)),
        None => Ok(None),
    })
}

fn to_number(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.column::<Text>(0)?;
    let templates = Templates::new(call)?;
    call.build::<Num>(|row| match call.get::<Text>(&texts, 0, row) {
        // An empty template reads nothing.
        Some(text) => {
            let value = templates.with(row, |t| if t.nodes.is_empty() { Ok(None) } else { read(t, text).map(Some) })?;
            Ok(value.flatten())
        }
        None => Ok(None),
    })
}

static NUMERIC_TO_CHAR: FuncDef =
    FuncDef::failing("numeric_to_char", SqlForm::Call("to_char"), |c| to_char::<Num>(c, |t, v| number::numeric(t, &v)));
static INT4_TO_CHAR: FuncDef =
    FuncDef::failing("int4_to_char", SqlForm::Call("to_char"), |c| to_char::<I32>(c, number::int4));
static INT8_TO_CHAR: FuncDef =
    FuncDef::failing("int8_to_char", SqlForm::Call("to_char"), |c| to_char::<I64>(c, number::int8));
static FLOAT4_TO_CHAR: FuncDef = FuncDef::failing("float4_to_char", SqlForm::Call("to_char"), |c| {
    let multiply = |v: f64, n| f64::from(v as f32 * 10f64.powi(n) as f32);
    to_char::<F32>(c, |t, v| number::float(t, f64::from(v), 6, multiply))
});
static FLOAT8_TO_CHAR: FuncDef = FuncDef::failing("float8_to_char", SqlForm::Call("to_char"), |c| {
    to_char::<F64>(c, |t, v| number::float(t, v, 15, |v, n| v * 10f64.powi(n)))
});
static TO_NUMBER: FuncDef = FuncDef::failing("numeric_to_number", SqlForm::Call("to_number"), to_number);

pub fn area() -> (Vec<Signature>, Vec<CastDef>) {
    let signatures = vec![
        Signature::func("to_char", &[FLOAT4, TEXT], TEXT, &FLOAT4_TO_CHAR),
        Signature::func("to_char", &[FLOAT8, TEXT], TEXT, &FLOAT8_TO_CHAR),
        Signature::func("to_char", &[INT4, TEXT], TEXT, &INT4_TO_CHAR),
        Signature::func("to_char", &[INT8, TEXT], TEXT, &INT8_TO_CHAR),
        Signature::func("to_char", &[NUMERIC, TEXT], TEXT, &NUMERIC_TO_CHAR),
        Signature::func("to_number", &[TEXT, TEXT], NUMERIC, &TO_NUMBER),
    ];
    (signatures, Vec::new())
}
