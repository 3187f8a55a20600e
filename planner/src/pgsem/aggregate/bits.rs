//! `bool_and`, `bool_or`, `bit_and`, `bit_or`, `bit_xor`.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int16Array, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type};

use super::state::{Aggregate, Reader, State, put_i64};
use super::udaf::Instance;
use crate::error::Result;

/// How two values become one.
pub trait Combine: Debug + Default + Send + Sync + 'static {
    fn combine(a: i64, b: i64) -> i64;
}

macro_rules! combines {
    ($($name:ident $op:tt;)*) => {$(
        #[derive(Debug, Default)]
        pub struct $name;
        impl Combine for $name {
            fn combine(a: i64, b: i64) -> i64 {
                a $op b
            }
        }
    )*};
}

combines! {
    And &;
    Or |;
    Xor ^;
}

/// Over an integer type or boolean, which counts as 0 and 1.
#[derive(Debug)]
pub struct Bits<C>(std::marker::PhantomData<C>);

#[derive(Debug, Default)]
pub struct Word<C>(Option<i64>, std::marker::PhantomData<C>);

impl<C: Combine> Word<C> {
    fn add(&mut self, value: i64) {
        self.0 = Some(self.0.map_or(value, |word| C::combine(word, value)));
    }
}

impl<C: Combine> State for Word<C> {
    type Input<'a> = Vec<i64>;

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        let array = &args[0];
        Ok(match array.data_type() {
            DataType::Boolean => array.as_boolean().values().iter().map(i64::from).collect(),
            DataType::Int16 => array.as_primitive::<Int16Type>().values().iter().map(|v| i64::from(*v)).collect(),
            DataType::Int32 => array.as_primitive::<Int32Type>().values().iter().map(|v| i64::from(*v)).collect(),
            _ => array.as_primitive::<Int64Type>().values().to_vec(),
        })
    }

    fn update(&mut self, input: &Self::Input<'_>, row: usize) -> Result<()> {
        self.add(input[row]);
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(word) = self.0 {
            put_i64(out, word);
        }
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        if !other.is_empty() {
            self.add(other.i64()?);
        }
        Ok(())
    }
}

impl<C: Combine> Aggregate for Bits<C> {
    type State = Word<C>;

    fn finish(states: &[Word<C>], instance: &Instance) -> Result<ArrayRef> {
        let words = states.iter().map(|s| s.0);
        Ok(match instance.repr {
            DataType::Boolean => Arc::new(words.map(|w| w.map(|v| v != 0)).collect::<BooleanArray>()),
            DataType::Int16 => Arc::new(words.map(|w| w.map(|v| v as i16)).collect::<Int16Array>()),
            DataType::Int32 => Arc::new(words.map(|w| w.map(|v| v as i32)).collect::<Int32Array>()),
            _ => Arc::new(words.collect::<Int64Array>()),
        })
    }
}
