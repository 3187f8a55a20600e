//! `information_schema._pg_expandarray`: an array's elements with their numbers, as PostgreSQL's information schema and its JDBC
//! driver read the column lists of keys. Its rows are the only composite values there are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, StructArray};
use arrow::datatypes::{DataType, Field, Fields};

use super::list::{element_of, list_of, rebuild, visible};
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::io;
use crate::pgsem::kernel::Call;
use crate::pgtype::PgType;

/// The rows `(x, n)` of an array, as a list; and the type of `x`.
pub fn expand_array(array: Typed) -> Result<Typed> {
    let row = DataType::Struct(fields(element_of(&array.repr)));
    Ok(EXPAND.call(vec![array], PgType::RECORD, list_of(row), ""))
}

fn fields(element: DataType) -> Fields {
    Fields::from(vec![Field::new("x", element, true), Field::new("n", DataType::Int32, true)])
}

/// A field of such a row. The number is an integer; arrays it numbers have elements of that carrier's plain type.
pub fn field(row: Typed, name: &str) -> Result<Typed> {
    let missing = || Error::new(state::UNDEFINED_COLUMN, format!("column \"{name}\" not found in data type record"));
    let DataType::Struct(fields) = &row.repr else { return Err(missing()) };
    let (_, field) = fields.find(name).ok_or_else(missing)?;
    let repr = field.data_type().clone();
    let ty = match &repr {
        DataType::Int16 => PgType::INT2,
        DataType::Int32 => PgType::INT4,
        DataType::Int64 => PgType::INT8,
        DataType::Utf8View => PgType::TEXT,
        other => return Err(Error::unsupported(format!("a field carried as {other}"))),
    };
    Ok(FIELD.call(vec![row], ty, repr, name))
}

static EXPAND: FuncDef = FuncDef::new("pg_expandarray", SqlForm::Local, |call| {
    let list = io::list(call.args[0].as_ref())?;
    let (offsets, values) = visible(list)?;
    let numbers = offsets.windows(2).flat_map(|ends| 1..=ends[1] - ends[0]);
    let numbers: ArrayRef = Arc::new(numbers.collect::<Int32Array>());
    let fields = fields(values.data_type().clone());
    rebuild(list, offsets, Arc::new(StructArray::try_new(fields, vec![values, numbers], None)?))
});

static FIELD: FuncDef = FuncDef::new("field", SqlForm::Local, |call: &Call<'_>| {
    let rows = call.args[0].as_any().downcast_ref::<StructArray>();
    let rows = rows.ok_or_else(|| Error::internal("a field of something that is no row"))?;
    let column = rows.column_by_name(&call.func.detail);
    let column = column.ok_or_else(|| Error::internal("a row without that field"))?;
    if rows.null_count() == 0 {
        return Ok(column.clone());
    }
    // What stands under a NULL row is not its value.
    Ok(arrow::compute::nullif(column, &arrow::compute::is_null(rows)?)?)
});
