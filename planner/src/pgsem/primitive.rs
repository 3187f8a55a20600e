//! Loops over primitive columns: strict, checked, without a builder per row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
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

/// Like [`zip`] for functions that tell overflow by a flag: the loop runs through, and only if some flag was set `error` is
/// looked for again, because a NULL slot may have set it.
pub fn zip_flagged<A: ArrowPrimitiveType, B: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    call: &Call<'_>,
    f: impl Fn(A::Native, B::Native) -> (O::Native, bool),
    error: impl Fn() -> Error,
) -> Result<ArrayRef> {
    let (a, b) = (column::<A>(&call.args[0])?, column::<B>(&call.args[1])?);
    let mut overflow = false;
    let mut flagged = |(value, flag)| {
        overflow |= flag;
        value
    };
    let values: Vec<O::Native> = match (call.scalars[0], call.scalars[1]) {
        (true, false) => {
            let x = a.value(0);
            b.values().iter().map(|y| flagged(f(x, *y))).collect()
        }
        (false, true) => {
            let y = b.value(0);
            a.values().iter().map(|x| flagged(f(*x, y))).collect()
        }
        _ => a.values().iter().zip(b.values()).map(|(x, y)| flagged(f(*x, *y))).collect(),
    };
    if overflow {
        return zip::<A, B, O>(call, |x, y| match f(x, y) {
            (value, false) => Ok(value),
            _ => Err(error()),
        });
    }
    let nulls = match (call.scalars[0], call.scalars[1]) {
        (true, false) if a.is_null(0) => Some(NullBuffer::new_null(call.rows)),
        (false, true) if b.is_null(0) => Some(NullBuffer::new_null(call.rows)),
        (true, false) => b.nulls().cloned(),
        (false, true) => a.nulls().cloned(),
        _ => NullBuffer::union(a.nulls(), b.nulls()),
    };
    Ok(finish(call, PrimitiveArray::<O>::new(values.into(), nulls)))
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
