//! Sums that DataFusion's own `sum` does not compute as PostgreSQL does: dynamic numerics, floats, intervals.

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{Float32Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType};

use super::state::{Aggregate, Reader, State, build, put_f64, put_i64, put_int};
use super::udaf::Instance;
use crate::error::{Error, Result, state};
use crate::pgsem::float::{add, div};
use crate::pgsem::kernel::{F32, F64, Interval};
use crate::pgsem::numeric::column::NumericColumn;
use crate::pgsem::numeric::{Finite, Num, Numeric};

/// Counts of values that are not finite.
#[derive(Debug, Default)]
pub struct Specials {
    pub nan: i64,
    pub infinity: i64,
    pub negative_infinity: i64,
}

impl Specials {
    /// Counts a value, or gives it back if it is finite.
    pub fn take(&mut self, value: Numeric) -> Option<Finite> {
        match value {
            Numeric::NaN => self.nan += 1,
            Numeric::Infinity => self.infinity += 1,
            Numeric::NegativeInfinity => self.negative_infinity += 1,
            Numeric::Finite(v) => return Some(v),
        }
        None
    }

    pub fn count(&self) -> i64 {
        self.nan + self.infinity + self.negative_infinity
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        [self.nan, self.infinity, self.negative_infinity].into_iter().for_each(|n| put_i64(out, n));
    }

    pub fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        self.nan += other.i64()?;
        self.infinity += other.i64()?;
        self.negative_infinity += other.i64()?;
        Ok(())
    }
}

pub fn put_finite(out: &mut Vec<u8>, value: &Finite) {
    put_i64(out, i64::from(value.scale));
    put_int(out, &value.unscaled);
}

pub fn read_finite(reader: &mut Reader<'_>) -> Result<Finite> {
    let scale = reader.i64()? as i32;
    Ok(Finite { unscaled: reader.int()?, scale })
}

/// `sum(numeric)`: exact, with the largest display scale of its values.
#[derive(Debug)]
pub struct NumericSum;

#[derive(Debug)]
pub struct NumericTotal {
    finite: i64,
    total: Finite,
    specials: Specials,
}

impl Default for NumericTotal {
    fn default() -> Self {
        Self { finite: 0, total: Finite::ZERO, specials: Specials::default() }
    }
}

impl State for NumericTotal {
    type Input<'a> = NumericColumn<'a>;

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        NumericColumn::new(&args[0])
    }

    fn update(&mut self, input: &Self::Input<'_>, row: usize) -> Result<()> {
        if let Some(value) = self.specials.take(input.value(row)?) {
            self.total = self.total.add(&value);
            self.finite += 1;
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_i64(out, self.finite);
        put_finite(out, &self.total);
        self.specials.write(out);
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        self.finite += other.i64()?;
        self.total = self.total.add(&read_finite(other)?);
        self.specials.merge(other)
    }
}

impl Aggregate for NumericSum {
    type State = NumericTotal;

    fn finish(states: &[NumericTotal], instance: &Instance) -> Result<ArrayRef> {
        build::<_, Num>(states, instance, |s| {
            let special = &s.specials;
            Ok(Some(match (special.nan, special.infinity, special.negative_infinity) {
                (0, 0, 0) if s.finite == 0 => return Ok(None),
                (0, 0, 0) => s.total.clone().finish()?,
                (0, _, 0) => Numeric::Infinity,
                (0, 0, _) => Numeric::NegativeInfinity,
                _ => Numeric::NaN,
            }))
        })
    }
}

/// `sum(real)`, in single precision as PostgreSQL adds it.
#[derive(Debug)]
pub struct Float4Sum;

#[derive(Debug, Default)]
pub struct Float4Total(Option<f32>);

impl Float4Total {
    fn add(&mut self, value: f32) -> Result<()> {
        self.0 = Some(match self.0 {
            Some(total) => add(total, value)?,
            None => value,
        });
        Ok(())
    }
}

impl State for Float4Total {
    type Input<'a> = &'a PrimitiveArray<Float32Type>;

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        Ok(args[0].as_primitive())
    }

    fn update(&mut self, input: &Self::Input<'_>, row: usize) -> Result<()> {
        self.add(input.value(row))
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(total) = self.0 {
            put_f64(out, f64::from(total));
        }
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        if other.is_empty() { Ok(()) } else { self.add(other.f64()? as f32) }
    }
}

impl Aggregate for Float4Sum {
    type State = Float4Total;

    fn finish(states: &[Float4Total], instance: &Instance) -> Result<ArrayRef> {
        build::<_, F32>(states, instance, |s| Ok(s.0))
    }
}

/// `sum(double precision)`
#[derive(Debug)]
pub struct Float8Sum;

#[derive(Debug, Default)]
pub struct Float8Total(Option<f64>);

impl Float8Total {
    fn add(&mut self, value: f64) -> Result<()> {
        self.0 = Some(match self.0 {
            Some(total) => add(total, value)?,
            None => value,
        });
        Ok(())
    }
}

impl State for Float8Total {
    type Input<'a> = &'a PrimitiveArray<Float64Type>;

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        Ok(args[0].as_primitive())
    }

    fn update(&mut self, input: &Self::Input<'_>, row: usize) -> Result<()> {
        self.add(input.value(row))
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(total) = self.0 {
            put_f64(out, total);
        }
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        if other.is_empty() { Ok(()) } else { self.add(other.f64()?) }
    }
}

impl Aggregate for Float8Sum {
    type State = Float8Total;

    fn finish(states: &[Float8Total], instance: &Instance) -> Result<ArrayRef> {
        build::<_, F64>(states, instance, |s| Ok(s.0))
    }
}

/// `sum(interval)`
#[derive(Debug)]
pub struct IntervalSum;

/// `avg(interval)`
#[derive(Debug)]
pub struct IntervalAvg;

#[derive(Debug, Default)]
pub struct IntervalTotal {
    count: i64,
    months: i32,
    days: i32,
    micros: i64,
}

fn interval_out_of_range() -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

impl IntervalTotal {
    fn add(&mut self, months: i32, days: i32, micros: i64, count: i64) -> Result<()> {
        self.months = self.months.checked_add(months).ok_or_else(interval_out_of_range)?;
        self.days = self.days.checked_add(days).ok_or_else(interval_out_of_range)?;
        self.micros = self.micros.checked_add(micros).ok_or_else(interval_out_of_range)?;
        self.count += count;
        Ok(())
    }

    fn interval(months: i32, days: i32, micros: i64) -> Result<IntervalMonthDayNano> {
        let nanos = micros.checked_mul(1000).ok_or_else(interval_out_of_range)?;
        Ok(IntervalMonthDayNano::new(months, days, nanos))
    }

    /// Each field divided, its remainder carried into the next smaller one.
    fn mean(&self) -> Result<IntervalMonthDayNano> {
        let round = |seconds: f64| (seconds * 1e6).round_ties_even() / 1e6;
        let n: f64 = self.count as f64;
        let months = div(f64::from(self.months), n)?;
        let days = div(f64::from(self.days), n)?;
        let (whole_months, whole_days) = (months as i32, days as i32);
        let month_rest = round((months - f64::from(whole_months)) * 30.0);
        let month_rest_days = month_rest as i32;
        let mut seconds = round((days - f64::from(whole_days) + month_rest - f64::from(month_rest_days)) * 86_400.0);
        let mut result_days = whole_days;
        if seconds.abs() >= 86_400.0 {
            let carried = (seconds / 86_400.0) as i32;
            result_days += carried;
            seconds -= f64::from(carried) * 86_400.0;
        }
        result_days += month_rest_days;
        let micros = (self.micros as f64 / n + seconds * 1e6).round_ties_even() as i64;
        Self::interval(whole_months, result_days, micros)
    }
}

impl State for IntervalTotal {
    type Input<'a> = &'a PrimitiveArray<IntervalMonthDayNanoType>;

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        Ok(args[0].as_primitive())
    }

    fn update(&mut self, input: &Self::Input<'_>, row: usize) -> Result<()> {
        let value = input.value(row);
        self.add(value.months, value.days, value.nanoseconds / 1000, 1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        [self.count, self.months.into(), self.days.into(), self.micros].into_iter().for_each(|v| put_i64(out, v));
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        let count = other.i64()?;
        let (months, days, micros) = (other.i64()? as i32, other.i64()? as i32, other.i64()?);
        self.add(months, days, micros, count)
    }
}

impl Aggregate for IntervalSum {
    type State = IntervalTotal;

    fn finish(states: &[IntervalTotal], instance: &Instance) -> Result<ArrayRef> {
        build::<_, Interval>(states, instance, |s| {
            (s.count > 0).then(|| IntervalTotal::interval(s.months, s.days, s.micros)).transpose()
        })
    }
}

impl Aggregate for IntervalAvg {
    type State = IntervalTotal;

    fn finish(states: &[IntervalTotal], instance: &Instance) -> Result<ArrayRef> {
        build::<_, Interval>(states, instance, |s| (s.count > 0).then(|| s.mean()).transpose())
    }
}
