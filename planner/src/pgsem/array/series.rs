//! `generate_series` over numbers, as an array that the binder unnests.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::builder::{Int32Builder, ListBuilder};
use arrow::datatypes::DataType;

use super::list::list_of;
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::io;
use crate::pgsem::kernel::{Bool, Call, I32, I64, Value};
use crate::pgsem::numeric::carrier::to_dynamic;
use crate::pgsem::numeric::column::NumericBuilder;
use crate::pgsem::numeric::{Num, Numeric};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

/// A series is held in memory as a whole.
const MAX_VALUES: usize = 100_000_000;

pub fn signatures() -> Vec<Signature> {
    const NAME: &str = "generate_series_list";
    const I4: u32 = oid::INT4;
    const I8: u32 = oid::INT8;
    const N: u32 = oid::NUMERIC;
    vec![
        Signature::func(NAME, &[I4, I4], 1007, &INT4_SERIES),
        Signature::func(NAME, &[I4, I4, I4], 1007, &INT4_SERIES),
        Signature::func(NAME, &[I8, I8], 1016, &INT8_SERIES),
        Signature::func(NAME, &[I8, I8, I8], 1016, &INT8_SERIES),
        Signature::func("generate_subscripts_list", &[oid::ANYARRAY, I4], 1007, &SUBSCRIPTS),
        Signature::func("generate_subscripts_list", &[oid::ANYARRAY, I4, oid::BOOL], 1007, &SUBSCRIPTS),
        Signature::build(NAME, &[N, N], 1231, |_, args| Ok(numeric(args))),
        Signature::build(NAME, &[N, N, N], 1231, |_, args| Ok(numeric(args))),
    ]
}

static INT4_SERIES: FuncDef = FuncDef::failing("generate_series_int4", SqlForm::Local, |c| {
    integers::<I32, _>(c, i64::from, |b, v| b.values().append_value(v as i32))
});
static INT8_SERIES: FuncDef = FuncDef::failing("generate_series_int8", SqlForm::Local, |c| {
    integers::<I64, _>(c, |v| v, |b, v| b.values().append_value(v))
});
static NUMERIC_SERIES: FuncDef = FuncDef::failing("generate_series_numeric", SqlForm::Local, numerics);

static SUBSCRIPTS: FuncDef = FuncDef::new("generate_subscripts", SqlForm::Local, subscripts);

/// The indexes of an array's one dimension, in reverse if the third argument says so.
fn subscripts(call: &Call<'_>) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let dimensions = call.column::<I32>(1)?;
    let mut builder = ListBuilder::new(Int32Builder::new());
    for row in 0..call.rows {
        if (0..call.args.len()).any(|arg| call.is_null(arg, row)) {
            builder.append_null();
            continue;
        }
        let first = call.func.arg_types[0].lower_bound();
        let indexes = first..first + io::span(list, call.row(0, row)).len() as i32;
        if call.get::<I32>(&dimensions, 1, row) == Some(1) {
            if call.args.len() > 2 && call.column::<Bool>(2)?.value(call.row(2, row)) {
                builder.values().extend(indexes.rev().map(Some));
            } else {
                builder.values().extend(indexes.map(Some));
            }
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

fn numeric(args: Vec<Typed>) -> Typed {
    let args: Vec<Typed> = args.into_iter().map(to_dynamic).collect();
    let ty = PgType::of(1231);
    NUMERIC_SERIES.call(args, ty, list_of(DataType::BinaryView), "")
}

fn invalid(message: &str) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

fn check_size(values: usize) -> Result<()> {
    if values > MAX_VALUES {
        return Err(Error::unsupported(format!("generate_series of more than {MAX_VALUES} values")));
    }
    Ok(())
}

fn integers<V, B>(
    call: &Call<'_>,
    widen: impl Fn(V::Ref<'_>) -> i64,
    push: impl Fn(&mut ListBuilder<B>, i64),
) -> Result<ArrayRef>
where
    V: for<'a> Value<Builder = B>,
    B: arrow::array::builder::ArrayBuilder + Default,
{
    let columns = (0..call.args.len()).map(|arg| call.column::<V>(arg)).collect::<Result<Vec<_>>>()?;
    let mut builder = ListBuilder::new(B::default());
    let mut total = 0;
    for row in 0..call.rows {
        let get = |arg: usize| call.get::<V>(&columns[arg], arg, row).map(&widen);
        let step = if columns.len() > 2 { get(2) } else { Some(1) };
        let (Some(start), Some(stop), Some(step)) = (get(0), get(1), step) else {
            builder.append_null();
            continue;
        };
        if step == 0 {
            return Err(invalid("step size cannot equal zero"));
        }
        let mut value = Some(start);
        while let Some(v) = value.filter(|&v| if step > 0 { v <= stop } else { v >= stop }) {
            total += 1;
            check_size(total)?;
            push(&mut builder, v);
            value = v.checked_add(step);
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

/// PostgreSQL's complaint about a bound or step that is no number.
fn check_finite(name: &str, value: &Numeric) -> Result<()> {
    if value.is_nan() {
        return Err(invalid(&format!("{name} cannot be NaN")));
    }
    if value.is_infinite() {
        return Err(invalid(&format!("{name} cannot be infinity")));
    }
    Ok(())
}

fn numerics(call: &Call<'_>) -> Result<ArrayRef> {
    let columns = (0..call.args.len()).map(|arg| call.column::<Num>(arg)).collect::<Result<Vec<_>>>()?;
    let mut values = NumericBuilder::new(0, &DataType::BinaryView);
    let (mut offsets, mut valid, mut total) = (vec![0], Vec::new(), 0);
    for row in 0..call.rows {
        let get = |arg: usize| call.get::<Num>(&columns[arg], arg, row);
        let step = if columns.len() > 2 { get(2) } else { Some(Numeric::ONE) };
        if let (Some(start), Some(stop), Some(step)) = (get(0), get(1), step) {
            check_finite("start value", &start)?;
            check_finite("stop value", &stop)?;
            check_finite("step size", &step)?;
            if step == Numeric::ZERO {
                return Err(invalid("step size cannot equal zero"));
            }
            let up = step > Numeric::ZERO;
            let mut value = start;
            while if up { value <= stop } else { value >= stop } {
                total += 1;
                check_size(total)?;
                values.append(Some(&value))?;
                value = value.add(&step)?;
            }
            valid.push(true);
        } else {
            valid.push(false);
        }
        offsets.push(total as i32);
    }
    super::list::assemble(offsets, values.finish(), valid)
}
