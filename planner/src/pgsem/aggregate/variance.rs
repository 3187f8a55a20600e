//! `var_*` and `stddev_*`: exact over numbers, by Youngs and Cramer's update over floats, as in PostgreSQL.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use super::state::{Aggregate, Reader, State, build, put_f64, put_i64};
use super::sum::{Specials, put_finite, read_finite};
use super::udaf::Instance;
use crate::error::Result;
use crate::pgsem::errors::float_overflow;
use crate::pgsem::float::canonical;
use crate::pgsem::kernel::F64;
use crate::pgsem::numeric::column::NumericColumn;
use crate::pgsem::numeric::int::Int;
use crate::pgsem::numeric::{Finite, Num, Numeric};

/// Which of the four statistics.
pub trait Statistic: Debug + Send + Sync + 'static {
    const SAMPLE: bool;
    const ROOT: bool;
}

macro_rules! statistics {
    ($($name:ident $sample:literal $root:literal;)*) => {$(
        #[derive(Debug)]
        pub struct $name;
        impl Statistic for $name {
            const SAMPLE: bool = $sample;
            const ROOT: bool = $root;
        }
    )*};
}

statistics! {
    VarPop false false;
    VarSamp true false;
    StddevPop false true;
    StddevSamp true true;
}

/// Over numeric and the integers: a numeric.
#[derive(Debug)]
pub struct Exact<K>(std::marker::PhantomData<K>);

#[derive(Debug)]
pub struct Moments {
    count: i64,
    sum: Finite,
    squares: Finite,
    specials: Specials,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, sum: Finite::ZERO, squares: Finite::ZERO, specials: Specials::default() }
    }
}

impl State for Moments {
    type Input<'a> = NumericColumn<'a>;

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        NumericColumn::new(&args[0])
    }

    fn update(&mut self, input: &Self::Input<'_>, row: usize) -> Result<()> {
        if let Some(value) = self.specials.take(input.value(row)?) {
            self.count += 1;
            self.squares = self.squares.add(&value.mul(&value));
            self.sum = self.sum.add(&value);
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_i64(out, self.count);
        put_finite(out, &self.sum);
        put_finite(out, &self.squares);
        self.specials.write(out);
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        self.count += other.i64()?;
        self.sum = self.sum.add(&read_finite(other)?);
        self.squares = self.squares.add(&read_finite(other)?);
        self.specials.merge(other)
    }
}

impl Moments {
    fn statistic<K: Statistic>(&self) -> Result<Option<Numeric>> {
        let all = self.count + self.specials.count();
        if all == 0 || K::SAMPLE && all <= 1 {
            return Ok(None);
        }
        if self.specials.count() > 0 {
            return Ok(Some(Numeric::NaN));
        }
        let n = Finite::new(self.count, 0);
        let numerator = n.mul(&self.squares).sub(&self.sum.mul(&self.sum));
        if numerator.unscaled <= Int::ZERO {
            return Ok(Some(Numeric::ZERO));
        }
        let denominator = n.mul(&if K::SAMPLE { n.sub(&Finite::ONE) } else { n.clone() });
        let variance = Numeric::Finite(numerator).div(&Numeric::Finite(denominator))?;
        match variance {
            Numeric::Finite(v) if K::ROOT => {
                let scale = v.scale;
                v.sqrt_at(scale).finish().map(Some)
            }
            variance => Ok(Some(variance)),
        }
    }
}

impl<K: Statistic> Aggregate for Exact<K> {
    type State = Moments;

    fn finish(states: &[Moments], instance: &Instance) -> Result<ArrayRef> {
        build::<_, Num>(states, instance, Moments::statistic::<K>)
    }
}

/// Over floats: double precision.
#[derive(Debug)]
pub struct Float<K>(std::marker::PhantomData<K>);

/// `avg` over floats.
#[derive(Debug)]
pub struct FloatAvg;

/// Count, sum and sum of squared differences from the mean.
#[derive(Debug, Default)]
pub struct FloatMoments {
    count: f64,
    sum: f64,
    squares: f64,
}

/// The values of a float column in double precision.
pub fn doubles(array: &ArrayRef) -> Vec<f64> {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v)).collect(),
        _ => array.as_primitive::<Float64Type>().values().to_vec(),
    }
}

impl FloatMoments {
    fn add(&mut self, value: f64) -> Result<()> {
        let before = (self.count, self.sum);
        self.count += 1.0;
        self.sum += value;
        if before.0 > 0.0 {
            let difference = value * self.count - self.sum;
            self.squares += difference * difference / (self.count * before.0);
            if self.sum.is_infinite() || self.squares.is_infinite() {
                if !before.1.is_infinite() && !value.is_infinite() {
                    return Err(float_overflow());
                }
                self.squares = f64::NAN;
            }
        } else if !value.is_finite() {
            // The spread of a single value is zero, unless it is none.
            self.squares = f64::NAN;
        }
        Ok(())
    }
}

impl State for FloatMoments {
    type Input<'a> = Vec<f64>;

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        Ok(doubles(&args[0]))
    }

    fn update(&mut self, input: &Self::Input<'_>, row: usize) -> Result<()> {
        self.add(input[row])
    }

    fn write(&self, out: &mut Vec<u8>) {
        [self.count, self.sum, self.squares].into_iter().for_each(|v| put_f64(out, v));
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        let (count, sum, squares) = (other.f64()?, other.f64()?, other.f64()?);
        if count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            *self = Self { count, sum, squares };
            return Ok(());
        }
        let difference = self.sum / self.count - sum / count;
        let total = self.count + count;
        let merged = self.squares + squares + self.count * count * difference * difference / total;
        if merged.is_infinite() && !self.squares.is_infinite() && !squares.is_infinite() {
            return Err(float_overflow());
        }
        *self = Self { count: total, sum: crate::pgsem::float::add(self.sum, sum)?, squares: merged };
        Ok(())
    }
}

impl<K: Statistic> Aggregate for Float<K> {
    type State = FloatMoments;

    fn finish(states: &[FloatMoments], instance: &Instance) -> Result<ArrayRef> {
        build::<_, F64>(states, instance, |s| {
            if s.count == 0.0 || K::SAMPLE && s.count <= 1.0 {
                return Ok(None);
            }
            let variance = s.squares / if K::SAMPLE { s.count - 1.0 } else { s.count };
            Ok(Some(canonical(if K::ROOT { variance.sqrt() } else { variance })))
        })
    }
}

impl Aggregate for FloatAvg {
    type State = FloatMoments;

    fn finish(states: &[FloatMoments], instance: &Instance) -> Result<ArrayRef> {
        build::<_, F64>(states, instance, |s| Ok((s.count > 0.0).then(|| canonical(s.sum / s.count))))
    }
}
