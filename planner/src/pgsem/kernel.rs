//! From a Rust closure over values to a function over Arrow arrays.
//!
//! [`Value`] ties a Rust view of a value to its Arrow column; [`Call::map1`] … [`Call::map4`] run a strict closure row by row
//! (NULL in, NULL out) and stop at its first error. Constant arguments are arrays of one row.
//!
//! ```ignore
//! fn int4_neg(call: &Call<'_>) -> Result<ArrayRef> {
//!     call.map1::<I32, I32>(|a| a.checked_neg().ok_or_else(|| out_of_range("integer")))
//! }
//! ```

use std::sync::Arc;

use arrow::array::builder::{BinaryViewBuilder, BooleanBuilder, PrimitiveBuilder, StringViewBuilder};
use arrow::array::{Array, ArrayRef, BinaryViewArray, BooleanArray, PrimitiveArray, StringViewArray};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};

use super::func::PgFunc;
use crate::error::{Error, Result};

/// One evaluation of a function over a batch.
#[derive(Debug)]
pub struct Call<'a> {
    pub args: &'a [ArrayRef],
    /// `scalars[i]`: argument `i` is constant, its array has one row.
    pub scalars: &'a [bool],
    pub rows: usize,
    pub func: &'a PgFunc,
}

/// A Rust view of a PostgreSQL value and its Arrow column.
pub trait Value {
    /// What a closure gets.
    type Ref<'a>;
    /// What a closure gives back.
    type Owned;
    type Column<'a>;
    type Builder;

    fn column(array: &dyn Array) -> Result<Self::Column<'_>>;
    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Self::Ref<'a>;
    /// `repr` is the result's Arrow type.
    fn builder(rows: usize, repr: &DataType) -> Self::Builder;
    fn append(builder: &mut Self::Builder, value: Option<Self::Owned>) -> Result<()>;
    fn finish(builder: Self::Builder) -> ArrayRef;
}

fn downcast<T: 'static>(array: &dyn Array) -> Result<&T> {
    array.as_any().downcast_ref::<T>().ok_or_else(|| {
        Error::internal(format!("a kernel expected {} and got {}", std::any::type_name::<T>(), array.data_type()))
    })
}

macro_rules! primitive_value {
    ($($(#[$doc:meta])* $name:ident = $arrow:ty, $native:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Value for $name {
            type Ref<'a> = $native;
            type Owned = $native;
            type Column<'a> = &'a PrimitiveArray<$arrow>;
            type Builder = PrimitiveBuilder<$arrow>;

            fn column(array: &dyn Array) -> Result<Self::Column<'_>> {
                downcast(array)
            }
            fn get<'a>(column: &Self::Column<'a>, row: usize) -> Self::Ref<'a> {
                column.value(row)
            }
            fn builder(rows: usize, repr: &DataType) -> Self::Builder {
                let builder = PrimitiveBuilder::<$arrow>::with_capacity(rows);
                // Same physical type, e.g. a time zone on the timestamp.
                if PrimitiveArray::<$arrow>::is_compatible(repr) { builder.with_data_type(repr.clone()) } else { builder }
            }
            fn append(builder: &mut Self::Builder, value: Option<$native>) -> Result<()> {
                builder.append_option(value);
                Ok(())
            }
            fn finish(mut builder: Self::Builder) -> ArrayRef {
                Arc::new(builder.finish())
            }
        }
    )*};
}

primitive_value! {
    I16 = Int16Type, i16;
    I32 = Int32Type, i32;
    I64 = Int64Type, i64;
    F32 = Float32Type, f32;
    F64 = Float64Type, f64;
    /// Days since 1970-01-01; `i32::MIN`/`MAX` are -infinity/infinity.
    Date = Date32Type, i32;
    /// Microseconds since midnight, 0 to 86 400 000 000.
    Time = Time64MicrosecondType, i64;
    /// Microseconds since 1970-01-01 (of UTC for timestamptz); `i64::MIN`/`MAX` are -infinity/infinity.
    Timestamp = TimestampMicrosecondType, i64;
    /// Months, days, nanoseconds (always whole microseconds).
    Interval = IntervalMonthDayNanoType, IntervalMonthDayNano;
}

#[derive(Debug)]
pub struct Bool;

impl Value for Bool {
    type Ref<'a> = bool;
    type Owned = bool;
    type Column<'a> = &'a BooleanArray;
    type Builder = BooleanBuilder;

    fn column(array: &dyn Array) -> Result<Self::Column<'_>> {
        downcast(array)
    }
    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Self::Ref<'a> {
        column.value(row)
    }
    fn builder(rows: usize, _repr: &DataType) -> Self::Builder {
        BooleanBuilder::with_capacity(rows)
    }
    fn append(builder: &mut Self::Builder, value: Option<bool>) -> Result<()> {
        builder.append_option(value);
        Ok(())
    }
    fn finish(mut builder: Self::Builder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// text, varchar, name, json, uuid …; bpchar without its trailing blanks.
#[derive(Debug)]
pub struct Text;

impl Value for Text {
    type Ref<'a> = &'a str;
    type Owned = String;
    type Column<'a> = &'a StringViewArray;
    type Builder = StringViewBuilder;

    fn column(array: &dyn Array) -> Result<Self::Column<'_>> {
        downcast(array)
    }
    fn get<'a>(column: &Self::Column<'a>, row: usize) -> &'a str {
        column.value(row)
    }
    fn builder(rows: usize, _repr: &DataType) -> Self::Builder {
        StringViewBuilder::with_capacity(rows)
    }
    fn append(builder: &mut Self::Builder, value: Option<String>) -> Result<()> {
        builder.append_option(value);
        Ok(())
    }
    fn finish(mut builder: Self::Builder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// bytea.
#[derive(Debug)]
pub struct Bytes;

impl Value for Bytes {
    type Ref<'a> = &'a [u8];
    type Owned = Vec<u8>;
    type Column<'a> = &'a BinaryViewArray;
    type Builder = BinaryViewBuilder;

    fn column(array: &dyn Array) -> Result<Self::Column<'_>> {
        downcast(array)
    }
    fn get<'a>(column: &Self::Column<'a>, row: usize) -> &'a [u8] {
        column.value(row)
    }
    fn builder(rows: usize, _repr: &DataType) -> Self::Builder {
        BinaryViewBuilder::with_capacity(rows)
    }
    fn append(builder: &mut Self::Builder, value: Option<Vec<u8>>) -> Result<()> {
        builder.append_option(value);
        Ok(())
    }
    fn finish(mut builder: Self::Builder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

impl Call<'_> {
    /// The row of argument `arg` that belongs to result row `row`.
    pub fn row(&self, arg: usize, row: usize) -> usize {
        if self.scalars[arg] { 0 } else { row }
    }

    pub fn is_null(&self, arg: usize, row: usize) -> bool {
        self.args[arg].is_null(self.row(arg, row))
    }

    /// Argument `arg` as a column, for kernels that are not strict.
    pub fn column<A: Value>(&self, arg: usize) -> Result<A::Column<'_>> {
        A::column(self.args[arg].as_ref())
    }

    /// Value of argument `arg` in result row `row`, `None` if NULL.
    pub fn get<'c, A: Value>(&self, column: &A::Column<'c>, arg: usize, row: usize) -> Option<A::Ref<'c>> {
        if self.is_null(arg, row) { None } else { Some(A::get(column, self.row(arg, row))) }
    }

    /// Builds the result row by row.
    pub fn build<R: Value>(&self, mut f: impl FnMut(usize) -> Result<Option<R::Owned>>) -> Result<ArrayRef> {
        let mut builder = R::builder(self.rows, &self.func.repr);
        for row in 0..self.rows {
            R::append(&mut builder, f(row)?)?;
        }
        Ok(R::finish(builder))
    }

    pub fn map1<A: Value, R: Value>(&self, f: impl for<'a> Fn(A::Ref<'a>) -> Result<R::Owned>) -> Result<ArrayRef> {
        let a = self.column::<A>(0)?;
        self.build::<R>(|i| match self.get::<A>(&a, 0, i) {
            Some(a) => f(a).map(Some),
            None => Ok(None),
        })
    }

    pub fn map2<A: Value, B: Value, R: Value>(
        &self,
        f: impl for<'a> Fn(A::Ref<'a>, B::Ref<'a>) -> Result<R::Owned>,
    ) -> Result<ArrayRef> {
        let (a, b) = (self.column::<A>(0)?, self.column::<B>(1)?);
        self.build::<R>(|i| match (self.get::<A>(&a, 0, i), self.get::<B>(&b, 1, i)) {
            (Some(a), Some(b)) => f(a, b).map(Some),
            _ => Ok(None),
        })
    }

    pub fn map3<A: Value, B: Value, C: Value, R: Value>(
        &self,
        f: impl for<'a> Fn(A::Ref<'a>, B::Ref<'a>, C::Ref<'a>) -> Result<R::Owned>,
    ) -> Result<ArrayRef> {
        let (a, b, c) = (self.column::<A>(0)?, self.column::<B>(1)?, self.column::<C>(2)?);
        self.build::<R>(|i| match (self.get::<A>(&a, 0, i), self.get::<B>(&b, 1, i), self.get::<C>(&c, 2, i)) {
            (Some(a), Some(b), Some(c)) => f(a, b, c).map(Some),
            _ => Ok(None),
        })
    }

    pub fn map4<A: Value, B: Value, C: Value, D: Value, R: Value>(
        &self,
        f: impl for<'a> Fn(A::Ref<'a>, B::Ref<'a>, C::Ref<'a>, D::Ref<'a>) -> Result<R::Owned>,
    ) -> Result<ArrayRef> {
        let (a, b) = (self.column::<A>(0)?, self.column::<B>(1)?);
        let (c, d) = (self.column::<C>(2)?, self.column::<D>(3)?);
        self.build::<R>(|i| {
            match (self.get::<A>(&a, 0, i), self.get::<B>(&b, 1, i), self.get::<C>(&c, 2, i), self.get::<D>(&d, 3, i)) {
                (Some(a), Some(b), Some(c), Some(d)) => f(a, b, c, d).map(Some),
                _ => Ok(None),
            }
        })
    }
}
