//! For tests: build calls by name and types and evaluate them as DataFusion does.

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use arrow::util::display::array_value_to_string;
use datafusion_common::DFSchema;
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::{ColumnarValue, Expr};
use datafusion_physical_expr::create_physical_expr;
use std::sync::Arc;

use super::func::Typed;
use super::number_io::{format_float4, format_float8};
use super::numeric::column::NumericColumn;
use super::registry::{Target, registry};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgtype::{PgType, oid};

/// Calls the signature that has exactly these argument types.
pub fn call(name: &str, args: Vec<Typed>) -> Result<Typed> {
    let types: Vec<u32> = args.iter().map(|a| a.ty.oid).collect();
    let all = registry().functions.get(name).map(Vec::as_slice).unwrap_or_default();
    let signature = all.iter().find(|s| s.args == types.as_slice());
    let signature = signature.ok_or_else(|| Error::unsupported(format!("{name}{types:?}")))?;
    match signature.target {
        Target::Func(def) => Ok(def.apply(args, PgType::of(signature.ret))),
        Target::Build(build) => build(&QueryContext::default(), args),
    }
}

pub fn cast(arg: Typed, to: PgType) -> Result<Typed> {
    let def = registry().casts.get(&(arg.ty.oid, to.oid));
    let def = def.ok_or_else(|| Error::unsupported(format!("cast {:?} to {to:?}", arg.ty)))?;
    (def.build)(&QueryContext::default(), arg, to)
}

/// A column reference that stands for the values of `columns` under its name.
pub fn column(name: &str, array: &ArrayRef, ty: PgType) -> Typed {
    Typed::with_repr(Expr::Column(datafusion_common::Column::from_name(name)), ty, array.data_type().clone())
}

/// Evaluates over a batch of named columns.
pub fn evaluate(expr: &Typed, columns: &[(&str, ArrayRef)]) -> Result<ArrayRef> {
    let fields: Vec<Field> = columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let rows = columns.first().map_or(1, |(_, a)| a.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let arrays = columns.iter().map(|(_, a)| a.clone()).collect();
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?;
    let df_schema = DFSchema::try_from(schema)?;
    let physical = create_physical_expr(&expr.expr, &df_schema, &ExecutionProps::new(), &Default::default())?;
    let array = match physical.evaluate(&batch)? {
        ColumnarValue::Array(array) => array,
        ColumnarValue::Scalar(value) => value.to_array_of_size(rows)?,
    };
    assert_eq!(array.data_type(), &expr.repr, "the carrier is the announced one");
    Ok(array)
}

/// A value as PostgreSQL prints it.
pub fn text(array: &ArrayRef, ty: PgType, row: usize) -> Result<String> {
    use arrow::array::AsArray;
    use arrow::datatypes::{Float32Type, Float64Type};
    if array.is_null(row) {
        return Ok("NULL".into());
    }
    Ok(match ty.oid {
        oid::NUMERIC => NumericColumn::new(array)?.value(row)?.to_string(),
        oid::FLOAT4 => format_float4(array.as_primitive::<Float32Type>().value(row)),
        oid::FLOAT8 => format_float8(array.as_primitive::<Float64Type>().value(row)),
        _ => array_value_to_string(array, row)?,
    })
}

/// All rows as text.
pub fn texts(expr: &Typed, columns: &[(&str, ArrayRef)]) -> Result<Vec<String>> {
    let array = evaluate(expr, columns)?;
    (0..array.len()).map(|row| text(&array, expr.ty, row)).collect()
}

/// A constant expression's value, or its error as `!message`.
pub fn show(expr: Result<Typed>) -> String {
    let value = expr.and_then(|e| texts(&e, &[]));
    value.map_or_else(|e| format!("!{}", e.message()), |mut v| v.remove(0))
}
