//! `min` and `max`: DataFusion's own where values are their own keys; over floats by way of integers that sort as floats do.
//!
//! Equal values that look different (`1.0` and `1.00`, `1 mon` and `30 days`) have an aggregate of ours: like PostgreSQL's it
//! keeps the last one it sees.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use datafusion_expr::AggregateUDF;

use super::payload;
use super::state::{Aggregate, Reader, State, put_bytes};
use super::udaf::{AggregateDef, AggregateSql, Instance, leaf};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::array_key::ElementKeys;
use crate::pgsem::float::canonical;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::primitive::unary;
use crate::pgsem::registry::AggregateCall;
use crate::pgtype::{PgType, oid};

/// Turns the bits of a float so that integers order as floats do, NaN last; and back.
fn turn32(bits: i32) -> i32 {
    bits ^ ((bits >> 31) & i32::MAX)
}

fn turn64(bits: i64) -> i64 {
    bits ^ ((bits >> 63) & i64::MAX)
}

static FLOAT4_SORTABLE: FuncDef = FuncDef::new("float4_sortable", SqlForm::Transparent, |c| {
    unary::<Float32Type, Int32Type>(c, |v| Ok(turn32(canonical(v).to_bits() as i32)))
});
static FLOAT4_RESTORED: FuncDef = FuncDef::new("float4_restored", SqlForm::Transparent, |c| {
    unary::<Int32Type, Float32Type>(c, |v| Ok(f32::from_bits(turn32(v) as u32)))
});
static FLOAT8_SORTABLE: FuncDef = FuncDef::new("float8_sortable", SqlForm::Transparent, |c| {
    unary::<Float64Type, Int64Type>(c, |v| Ok(turn64(canonical(v).to_bits() as i64)))
});
static FLOAT8_RESTORED: FuncDef = FuncDef::new("float8_restored", SqlForm::Transparent, |c| {
    unary::<Int64Type, Float64Type>(c, |v| Ok(f64::from_bits(turn64(v) as u64)))
});
/// To the sortable form and back, where the value itself is not.
fn detour(ty: PgType) -> Option<(&'static FuncDef, &'static FuncDef, DataType)> {
    match ty.oid {
        oid::FLOAT4 => Some((&FLOAT4_SORTABLE, &FLOAT4_RESTORED, DataType::Int32)),
        oid::FLOAT8 => Some((&FLOAT8_SORTABLE, &FLOAT8_RESTORED, DataType::Int64)),
        _ => None,
    }
}

/// The last of the largest (smallest) values, by comparison key.
#[derive(Debug)]
pub struct Extreme<const LARGEST: bool>;

#[derive(Debug, Default)]
pub struct Best<const LARGEST: bool>(Option<(Vec<u8>, Vec<u8>)>);

impl<const LARGEST: bool> Best<LARGEST> {
    fn beaten_by(&self, key: &[u8]) -> bool {
        self.0.as_ref().is_none_or(|(best, _)| if LARGEST { key >= best.as_slice() } else { key <= best.as_slice() })
    }
}

impl<const LARGEST: bool> State for Best<LARGEST> {
    type Input<'a> = (ElementKeys, &'a ArrayRef);

    fn open<'a>(args: &'a [ArrayRef], instance: &Instance) -> Result<Self::Input<'a>> {
        Ok((ElementKeys::new(instance.arg_types[0], &args[0])?, &args[0]))
    }

    fn update(&mut self, (keys, values): &Self::Input<'_>, row: usize) -> Result<()> {
        let key = keys.of(row);
        if self.beaten_by(key) {
            self.0 = Some((key.to_vec(), payload::encode(values, row)?));
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some((key, value)) = &self.0 {
            put_bytes(out, key);
            put_bytes(out, value);
        }
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        if other.is_empty() {
            return Ok(());
        }
        let (key, value) = (other.bytes()?, other.bytes()?);
        if self.beaten_by(key) {
            self.0 = Some((key.to_vec(), value.to_vec()));
        }
        Ok(())
    }
}

impl<const LARGEST: bool> Aggregate for Extreme<LARGEST> {
    type State = Best<LARGEST>;

    fn finish(states: &[Best<LARGEST>], instance: &Instance) -> Result<ArrayRef> {
        let values: Vec<Option<&[u8]>> = states.iter().map(|s| s.0.as_ref().map(|(_, v)| v.as_slice())).collect();
        payload::decode(&values, &instance.repr)
    }
}

static MIN: AggregateDef = AggregateDef::new::<Extreme<false>>("min_keyed", AggregateSql::Call("min"));
static MAX: AggregateDef = AggregateDef::new::<Extreme<true>>("max_keyed", AggregateSql::Call("max"));

fn extreme(udaf: Arc<AggregateUDF>, keyed: &'static AggregateDef, mut call: AggregateCall) -> Typed {
    let (ty, repr) = (call.args[0].ty, call.args[0].repr.clone());
    // DISTINCT changes nothing.
    call.distinct = false;
    let result = ty.without_typmod();
    if ty.oid == oid::INTERVAL || ty.oid == oid::NUMERIC && repr == DataType::BinaryView {
        return keyed.call(call, result, repr);
    }
    match detour(ty) {
        Some((sortable, restored, form)) => {
            call.args = vec![sortable.call(call.args, ty, form.clone(), "")];
            restored.call(vec![Typed::with_repr(leaf(udaf, call), ty, form)], result, repr, "")
        }
        None => Typed::with_repr(leaf(udaf, call), result, repr),
    }
}

pub fn min(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    Ok(extreme(datafusion_functions_aggregate::min_max::min_udaf(), &MIN, call))
}

pub fn max(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    Ok(extreme(datafusion_functions_aggregate::min_max::max_udaf(), &MAX, call))
}
