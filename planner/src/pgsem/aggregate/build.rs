//! How each aggregate call becomes DataFusion aggregates.

use arrow::datatypes::DataType;
use datafusion_expr::utils::COUNT_STAR_EXPANSION;
use datafusion_functions_aggregate::count::count_udaf;
use datafusion_functions_aggregate::sum::sum_udaf;

use super::sum::{Float4Sum, Float8Sum, IntervalAvg, IntervalSum, NumericSum};
use super::udaf::{AggregateDef, AggregateSql, leaf};
use super::variance::FloatAvg;
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::key::key;
use crate::pgsem::numeric::carrier::{self, Fixed};
use crate::pgsem::numeric::{casts, functions};
use crate::pgsem::registry::AggregateCall;
use crate::pgtype::{PgType, oid};

/// Digits that a sum may have beyond its values': enough for ten billion rows. DataFusion's `sum` widens by as many.
const SUM_DIGITS: u32 = 10;

static NUMERIC_SUM: AggregateDef = AggregateDef::new::<NumericSum>("numeric_sum", AggregateSql::Call("sum"));
static FLOAT4_SUM: AggregateDef = AggregateDef::new::<Float4Sum>("float4_sum", AggregateSql::Call("sum"));
static FLOAT8_SUM: AggregateDef = AggregateDef::new::<Float8Sum>("float8_sum", AggregateSql::Call("sum"));
static INTERVAL_SUM: AggregateDef = AggregateDef::new::<IntervalSum>("interval_sum", AggregateSql::Call("sum"));
static INTERVAL_AVG: AggregateDef = AggregateDef::new::<IntervalAvg>("interval_avg", AggregateSql::Call("avg"));
static FLOAT_AVG: AggregateDef = AggregateDef::new::<FloatAvg>("float_avg", AggregateSql::Call("avg"));

static INT_AS_INT8: FuncDef =
    FuncDef::new("int_as_int8", SqlForm::Transparent, |c| Ok(arrow::compute::cast(&c.args[0], &DataType::Int64)?));
static INT8_AS_NUMERIC: FuncDef = FuncDef::new("int8_as_numeric", SqlForm::Transparent, casts::FROM_INT.kernel);

pub fn count_star(_: &QueryContext, mut call: AggregateCall) -> Result<Typed> {
    call.args = vec![Typed::literal(COUNT_STAR_EXPANSION, PgType::INT8)];
    Ok(Typed::new(leaf(count_udaf(), call), PgType::INT8))
}

pub fn count(_: &QueryContext, mut call: AggregateCall) -> Result<Typed> {
    if call.distinct {
        call.args = call.args.into_iter().map(key).collect::<Result<_>>()?;
    }
    Ok(Typed::new(leaf(count_udaf(), call), PgType::INT8))
}

/// `sum(smallint)` and `sum(integer)` are bigint.
pub fn sum_int(_: &QueryContext, mut call: AggregateCall) -> Result<Typed> {
    call.args = vec![INT_AS_INT8.apply(call.args, PgType::INT8)];
    Ok(Typed::new(leaf(sum_udaf(), call), PgType::INT8))
}

/// `sum(bigint)` is numeric.
pub fn sum_int8(context: &QueryContext, mut call: AggregateCall) -> Result<Typed> {
    call.args = vec![INT8_AS_NUMERIC.call(call.args, PgType::NUMERIC, DataType::Decimal128(19, 0), "")];
    sum_numeric(context, call)
}

pub fn sum_numeric(_: &QueryContext, mut call: AggregateCall) -> Result<Typed> {
    let arg = call.args.remove(0);
    let fixed = Fixed::of(&arg.repr).map(|f| Fixed { precision: f.precision + SUM_DIGITS, ..f });
    let Some((fixed, repr)) = fixed.and_then(|f| Some((f, f.repr()?))) else {
        call.args = vec![arg];
        return Ok(NUMERIC_SUM.call(call, PgType::NUMERIC, DataType::BinaryView));
    };
    // DataFusion's sum keeps the native width: an argument whose sum needs more is widened before.
    let narrow = matches!(arg.repr, DataType::Decimal128(..)) && matches!(repr, DataType::Decimal256(..));
    let arg = if narrow {
        let precision = Fixed { precision: fixed.precision - SUM_DIGITS, ..fixed };
        carrier::to_wide(arg, precision)
    } else {
        arg
    };
    call.args = vec![arg];
    Ok(Typed::with_repr(leaf(sum_udaf(), call), PgType::NUMERIC, repr))
}

pub fn sum_float4(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    Ok(FLOAT4_SUM.call(call, PgType::FLOAT4, DataType::Float32))
}

pub fn sum_float8(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    Ok(FLOAT8_SUM.call(call, PgType::FLOAT8, DataType::Float64))
}

pub fn sum_interval(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    Ok(INTERVAL_SUM.call(call, PgType::INTERVAL, PgType::INTERVAL.repr()))
}

pub fn avg_interval(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    Ok(INTERVAL_AVG.call(call, PgType::INTERVAL, PgType::INTERVAL.repr()))
}

pub fn avg_float(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    Ok(FLOAT_AVG.call(call, PgType::FLOAT8, DataType::Float64))
}

/// The sum divided by the count.
pub fn avg_exact(context: &QueryContext, call: AggregateCall) -> Result<Typed> {
    let counted = count(context, call.clone())?;
    let sum = match call.args[0].ty.oid {
        oid::NUMERIC => sum_numeric(context, call)?,
        oid::INT8 => sum_int8(context, call)?,
        _ => casts::from_int(context, sum_int(context, call)?, PgType::NUMERIC)?,
    };
    Ok(functions::divide(vec![sum, casts::from_int(context, counted, PgType::NUMERIC)?]))
}
