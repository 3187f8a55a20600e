//! Ordered-set aggregates: `percentile_cont`, `percentile_disc`, `mode`.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Float64Type;

use super::payload;
use super::state::{Aggregate, Reader, State, build, put_bytes, put_f64};
use super::udaf::Instance;
use crate::error::{Error, Result, state};
use crate::pgsem::array_key::ElementKeys;
use crate::pgsem::float::canonical;
use crate::pgsem::kernel::F64;
use crate::pgsem::number_io::format_float8;

fn check(fraction: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&fraction) {
        return Ok(fraction);
    }
    let message = format!("percentile value {} is not between 0 and 1", format_float8(fraction));
    Err(Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, message))
}

/// `percentile_cont(fraction) WITHIN GROUP (ORDER BY double precision)`
#[derive(Debug)]
pub struct PercentileCont;

#[derive(Debug, Default)]
pub struct Doubles {
    fraction: f64,
    values: Vec<f64>,
}

impl State for Doubles {
    type Input<'a> = (&'a [f64], &'a [f64]);

    const BYTES_PER_ROW: usize = 8;

    fn open<'a>(args: &'a [ArrayRef], _: &Instance) -> Result<Self::Input<'a>> {
        Ok((args[0].as_primitive::<Float64Type>().values(), args[1].as_primitive::<Float64Type>().values()))
    }

    fn update(&mut self, (fractions, values): &Self::Input<'_>, row: usize) -> Result<()> {
        self.fraction = fractions[row];
        self.values.push(values[row]);
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        if !self.values.is_empty() {
            put_f64(out, self.fraction);
            self.values.iter().for_each(|v| put_f64(out, *v));
        }
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        if !other.is_empty() {
            self.fraction = other.f64()?;
        }
        while !other.is_empty() {
            self.values.push(other.f64()?);
        }
        Ok(())
    }
}

/// PostgreSQL's order of floats: NaN is the largest.
fn float_order(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl Aggregate for PercentileCont {
    type State = Doubles;

    fn finish(states: &[Doubles], instance: &Instance) -> Result<ArrayRef> {
        build::<_, F64>(states, instance, |s| {
            if s.values.is_empty() {
                return Ok(None);
            }
            let fraction = check(s.fraction)?;
            let mut values = s.values.clone();
            values.sort_by(float_order);
            if instance.descending {
                values.reverse();
            }
            let at = fraction * (values.len() - 1) as f64;
            let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
            let result = if at.floor() == at.ceil() { low } else { low + (at - at.floor()) * (high - low) };
            Ok(Some(canonical(result)))
        })
    }
}

/// `percentile_disc(fraction) WITHIN GROUP (ORDER BY any)`
#[derive(Debug)]
pub struct PercentileDisc;

/// `mode() WITHIN GROUP (ORDER BY any)`
#[derive(Debug)]
pub struct Mode;

/// The values with their comparison keys.
#[derive(Debug, Default)]
pub struct Keyed {
    fraction: f64,
    values: Vec<(Vec<u8>, Vec<u8>)>,
}

impl State for Keyed {
    type Input<'a> = (Option<&'a [f64]>, ElementKeys, &'a ArrayRef);

    const BYTES_PER_ROW: usize = 80;

    fn open<'a>(args: &'a [ArrayRef], instance: &Instance) -> Result<Self::Input<'a>> {
        // The sorted argument is the last one, a fraction stands before it.
        let last = args.len() - 1;
        let fractions = (last > 0).then(|| args[0].as_primitive::<Float64Type>().values().as_ref());
        Ok((fractions, ElementKeys::new(instance.arg_types[last], &args[last])?, &args[last]))
    }

    fn update(&mut self, (fractions, keys, values): &Self::Input<'_>, row: usize) -> Result<()> {
        if let Some(fractions) = fractions {
            self.fraction = fractions[row];
        }
        self.values.push((keys.of(row).to_vec(), payload::encode(values, row)?));
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_f64(out, self.fraction);
        for (key, value) in &self.values {
            put_bytes(out, key);
            put_bytes(out, value);
        }
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        let fraction = other.f64()?;
        if !other.is_empty() {
            self.fraction = fraction;
        }
        while !other.is_empty() {
            let key = other.bytes()?.to_vec();
            self.values.push((key, other.bytes()?.to_vec()));
        }
        Ok(())
    }
}

impl Keyed {
    fn sorted(&self, descending: bool) -> Vec<&(Vec<u8>, Vec<u8>)> {
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_by(|a, b| if descending { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) });
        values
    }
}

fn chosen(
    states: &[Keyed],
    instance: &Instance,
    choose: impl for<'s> Fn(&'s Keyed) -> Result<Option<&'s [u8]>>,
) -> Result<ArrayRef> {
    let values: Vec<Option<&[u8]>> = states.iter().map(choose).collect::<Result<_>>()?;
    payload::decode(&values, &instance.repr)
}

impl Aggregate for PercentileDisc {
    type State = Keyed;

    fn finish(states: &[Keyed], instance: &Instance) -> Result<ArrayRef> {
        chosen(states, instance, |s| {
            if s.values.is_empty() {
                return Ok(None);
            }
            let row = (check(s.fraction)? * s.values.len() as f64).ceil().max(1.0) as usize;
            Ok(s.sorted(instance.descending).get(row - 1).map(|(_, value)| value.as_slice()))
        })
    }
}

impl Aggregate for Mode {
    type State = Keyed;

    fn finish(states: &[Keyed], instance: &Instance) -> Result<ArrayRef> {
        chosen(states, instance, |s| {
            let sorted = s.sorted(instance.descending);
            let mut best: Option<&[&(Vec<u8>, Vec<u8>)]> = None;
            for run in sorted.chunk_by(|a, b| a.0 == b.0) {
                if best.is_none_or(|b| run.len() > b.len()) {
                    best = Some(run);
                }
            }
            Ok(best.map(|run| run[0].1.as_slice()))
        })
    }
}
