//! `corr`, `covar_*` and `regr_*`: statistics of pairs (Y, X).

use std::fmt::Debug;

use arrow::array::ArrayRef;

use super::state::{Aggregate, Reader, State, build, put_f64};
use super::udaf::Instance;
use super::variance::doubles;
use crate::error::Result;
use crate::pgsem::errors::float_overflow;
use crate::pgsem::float::{add, canonical};
use crate::pgsem::kernel::{F64, I64};

/// Count, sums, and sums of squared and mixed differences from the means.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs {
    n: f64,
    x: f64,
    xx: f64,
    y: f64,
    yy: f64,
    xy: f64,
}

impl Pairs {
    fn add(&mut self, y: f64, x: f64) -> Result<()> {
        let before = *self;
        self.n += 1.0;
        self.x += x;
        self.y += y;
        if before.n > 0.0 {
            let (dx, dy) = (x * self.n - self.x, y * self.n - self.y);
            let scale = 1.0 / (self.n * before.n);
            self.xx += dx * dx * scale;
            self.yy += dy * dy * scale;
            self.xy += dx * dy * scale;
            let infinite_x = before.x.is_infinite() || x.is_infinite();
            let infinite_y = before.y.is_infinite() || y.is_infinite();
            if (self.x.is_infinite() || self.xx.is_infinite()) && !infinite_x
                || (self.y.is_infinite() || self.yy.is_infinite()) && !infinite_y
                || self.xy.is_infinite() && !infinite_x && !infinite_y
            {
                return Err(float_overflow());
            }
            for sum in [&mut self.xx, &mut self.yy, &mut self.xy] {
                if sum.is_infinite() {
                    *sum = f64::NAN;
                }
            }
        } else {
            if !x.is_finite() {
                self.xx = f64::NAN;
                self.xy = f64::NAN;
            }
            if !y.is_finite() {
                self.yy = f64::NAN;
                self.xy = f64::NAN;
            }
        }
        Ok(())
    }

    fn combine(a: Self, b: Self) -> Result<Self> {
        if a.n == 0.0 {
            return Ok(b);
        }
        if b.n == 0.0 {
            return Ok(a);
        }
        let n = a.n + b.n;
        let (dx, dy) = (a.x / a.n - b.x / b.n, a.y / a.n - b.y / b.n);
        let spread = |a1: f64, b1: f64, d: f64| -> Result<f64> {
            let sum = a1 + b1 + a.n * b.n * d / n;
            if sum.is_infinite() && !a1.is_infinite() && !b1.is_infinite() { Err(float_overflow()) } else { Ok(sum) }
        };
        Ok(Self {
            n,
            x: add(a.x, b.x)?,
            xx: spread(a.xx, b.xx, dx * dx)?,
            y: add(a.y, b.y)?,
            yy: spread(a.yy, b.yy, dy * dy)?,
            xy: spread(a.xy, b.xy, dx * dy)?,
        })
    }
}

impl State for Pairs {
    type Input<'a> = (Vec<f64>, Vec<f64>);

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        Ok((doubles(&args[0]), doubles(&args[1])))
    }

    fn update(&mut self, (y, x): &Self::Input<'_>, row: usize) -> Result<()> {
        self.add(y[row], x[row])
    }

    fn write(&self, out: &mut Vec<u8>) {
        [self.n, self.x, self.xx, self.y, self.yy, self.xy].into_iter().for_each(|v| put_f64(out, v));
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        let mut next = || other.f64();
        let other = Self { n: next()?, x: next()?, xx: next()?, y: next()?, yy: next()?, xy: next()? };
        *self = Self::combine(*self, other)?;
        Ok(())
    }
}

/// `regr_count`
#[derive(Debug)]
pub struct Count;

impl Aggregate for Count {
    type State = Pairs;

    fn finish(states: &[Pairs], instance: &Instance) -> Result<ArrayRef> {
        build::<_, I64>(states, instance, |s| Ok(Some(s.n as i64)))
    }
}

macro_rules! statistics {
    ($($name:ident |$s:ident| $defined:expr => $value:expr;)*) => {$(
        #[derive(Debug)]
        pub struct $name;
        impl Aggregate for $name {
            type State = Pairs;

            fn finish(states: &[Pairs], instance: &Instance) -> Result<ArrayRef> {
                build::<_, F64>(states, instance, |$s| Ok(($s.n >= 1.0 && $defined).then(|| canonical($value))))
            }
        }
    )*};
}

statistics! {
    AvgX |s| true => s.x / s.n;
    AvgY |s| true => s.y / s.n;
    Sxx |s| true => s.xx;
    Syy |s| true => s.yy;
    Sxy |s| true => s.xy;
    CovarPop |s| true => s.xy / s.n;
    CovarSamp |s| s.n >= 2.0 => s.xy / (s.n - 1.0);
    Corr |s| s.xx != 0.0 && s.yy != 0.0 => s.xy / (s.xx * s.yy).sqrt();
    R2 |s| s.xx != 0.0 => if s.yy == 0.0 { 1.0 } else { (s.xy * s.xy) / (s.xx * s.yy) };
    Slope |s| s.xx != 0.0 => s.xy / s.xx;
    Intercept |s| s.xx != 0.0 => (s.y - s.x * s.xy / s.xx) / s.n;
}
