//! Loops over primitive columns: strict, checked, without a builder per row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::try_binary;
use arrow::error::ArrowError;

use super::kernel::Call;
use crate::error::{Error, Result};

fn column<T: ArrowPrimitiveType>(array: &dyn Array) -> Result<&PrimitiveArray<T>> {
    array
        .as_primitive_opt()
        .ok_or_else(|| Error::internal(format!("a kernel expected {} and got {}", T::DATA_TYPE, array.data_type())))
}

fn finish<O: ArrowPrimitiveType>(call: &Call<'_>, array: PrimitiveArray<O>) -> ArrayRef {
    Arc::new(array.with_data_type(call.func.repr.clone()))
}

/// `f` over the values of one argument.
pub fn unary<A: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    call: &Call<'_>,
    f: impl Fn(A::Native) -> Result<O::Native>,
) -> Result<ArrayRef> {
    let result: PrimitiveArray<O> = column::<A>(&call.args[0])?.try_unary(f)?;
    Ok(finish(call, result))
}

/// `f` over the values of two arguments.
pub fn zip<A: ArrowPrimitiveType, B: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    call: &Call<'_>,
    f: impl Fn(A::Native, B::Native) -> Result<O::Native>,
) -> Result<ArrayRef> {
    let (a, b) = (column::<A>(&call.args[0])?, column::<B>(&call.args[1])?);
    let result: PrimitiveArray<O> = match (call.scalars[0], call.scalars[1]) {
        (true, false) if a.is_null(0) => PrimitiveArray::new_null(call.rows),
        (false, true) if b.is_null(0) => PrimitiveArray::new_null(call.rows),
        (true, false) => {
            let x = a.value(0);
            b.try_unary(|y| f(x, y))?
        }
        (false, true) => {
            let y = b.value(0);
            a.try_unary(|x| f(x, y))?
        }
        _ => try_binary(a, b, |x, y| f(x, y).map_err(|e| ArrowError::ExternalError(Box::new(e))))?,
    };
    Ok(finish(call, result))
}
