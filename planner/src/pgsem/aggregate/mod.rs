//! PostgreSQL's aggregates as DataFusion aggregates.
//!
//! Where DataFusion's own aggregate computes what PostgreSQL does (counts, sums of fixed carriers, minima over sortable forms),
//! it is used, with arguments that [`SqlForm::Transparent`](crate::pgsem::SqlForm) functions prepare. The others are
//! [`udaf::PgAggregate`]: a [`state::State`] per group, run grouped, alone, over distinct rows or over a moving frame.

mod accumulator;
mod bits;
mod build;
mod distinct;
mod extreme;
mod ordered;
mod payload;
mod regression;
mod sliding;
pub mod state;
mod sum;
#[cfg(test)]
mod tests;
pub mod udaf;
mod variance;

use arrow::datatypes::DataType;

use super::func::Typed;
use super::registry::{AggregateCall, AggregateSignature};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgtype::{PgType, oid};

use udaf::{AggregateDef, AggregateSql};

/// A call whose result has the ordinary carrier of that type.
fn plain(def: &'static AggregateDef, call: AggregateCall, ty: PgType) -> Result<Typed> {
    Ok(def.call(call, ty, ty.repr()))
}

/// The definition of one aggregate and the function that builds its calls.
macro_rules! aggregate {
    ($out:ident, $ty:ty, $unique:literal, $sql:literal, [$($args:expr),*] -> $ret:expr) => {{
        static DEF: AggregateDef = AggregateDef::new::<$ty>($unique, AggregateSql::Call($sql));
        fn build(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
            plain(&DEF, call, PgType::of($ret))
        }
        $($out.push(AggregateSignature::new($sql, $args, $ret, build));)*
    }};
}

/// `var_pop`, `var_samp`, `stddev_pop`, `stddev_samp` and their old names.
fn variances(out: &mut Vec<AggregateSignature>) {
    use oid::{FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC};
    use variance::{Exact, Float, StddevPop, StddevSamp, VarPop, VarSamp};
    macro_rules! both {
        ($kind:ident, $exact:literal, $float:literal, $sql:literal) => {
            aggregate!(out, Exact<$kind>, $exact, $sql, [&[NUMERIC], &[INT2], &[INT4], &[INT8]] -> NUMERIC);
            aggregate!(out, Float<$kind>, $float, $sql, [&[FLOAT4], &[FLOAT8]] -> FLOAT8);
        };
    }
    both!(VarPop, "numeric_var_pop", "float_var_pop", "var_pop");
    both!(VarSamp, "numeric_var_samp", "float_var_samp", "var_samp");
    both!(VarSamp, "numeric_variance", "float_variance", "variance");
    both!(StddevPop, "numeric_stddev_pop", "float_stddev_pop", "stddev_pop");
    both!(StddevSamp, "numeric_stddev_samp", "float_stddev_samp", "stddev_samp");
    both!(StddevSamp, "numeric_stddev", "float_stddev", "stddev");
}

fn regressions(out: &mut Vec<AggregateSignature>) {
    use oid::{FLOAT8, INT8};
    const PAIR: &[u32] = &[FLOAT8, FLOAT8];
    aggregate!(out, regression::Corr, "corr", "corr", [PAIR] -> FLOAT8);
    aggregate!(out, regression::CovarPop, "covar_pop", "covar_pop", [PAIR] -> FLOAT8);
    aggregate!(out, regression::CovarSamp, "covar_samp", "covar_samp", [PAIR] -> FLOAT8);
    aggregate!(out, regression::AvgX, "regr_avgx", "regr_avgx", [PAIR] -> FLOAT8);
    aggregate!(out, regression::AvgY, "regr_avgy", "regr_avgy", [PAIR] -> FLOAT8);
    aggregate!(out, regression::Count, "regr_count", "regr_count", [PAIR] -> INT8);
    aggregate!(out, regression::Intercept, "regr_intercept", "regr_intercept", [PAIR] -> FLOAT8);
    aggregate!(out, regression::R2, "regr_r2", "regr_r2", [PAIR] -> FLOAT8);
    aggregate!(out, regression::Slope, "regr_slope", "regr_slope", [PAIR] -> FLOAT8);
    aggregate!(out, regression::Sxx, "regr_sxx", "regr_sxx", [PAIR] -> FLOAT8);
    aggregate!(out, regression::Sxy, "regr_sxy", "regr_sxy", [PAIR] -> FLOAT8);
    aggregate!(out, regression::Syy, "regr_syy", "regr_syy", [PAIR] -> FLOAT8);
}

fn bitwise(out: &mut Vec<AggregateSignature>) {
    use bits::{And, Bits, Or, Xor};
    use oid::{BOOL, INT2, INT4, INT8};
    aggregate!(out, Bits<And>, "bool_and", "bool_and", [&[BOOL]] -> BOOL);
    aggregate!(out, Bits<And>, "every", "every", [&[BOOL]] -> BOOL);
    aggregate!(out, Bits<Or>, "bool_or", "bool_or", [&[BOOL]] -> BOOL);
    aggregate!(out, Bits<And>, "int2_bit_and", "bit_and", [&[INT2]] -> INT2);
    aggregate!(out, Bits<And>, "int4_bit_and", "bit_and", [&[INT4]] -> INT4);
    aggregate!(out, Bits<And>, "int8_bit_and", "bit_and", [&[INT8]] -> INT8);
    aggregate!(out, Bits<Or>, "int2_bit_or", "bit_or", [&[INT2]] -> INT2);
    aggregate!(out, Bits<Or>, "int4_bit_or", "bit_or", [&[INT4]] -> INT4);
    aggregate!(out, Bits<Or>, "int8_bit_or", "bit_or", [&[INT8]] -> INT8);
    aggregate!(out, Bits<Xor>, "int2_bit_xor", "bit_xor", [&[INT2]] -> INT2);
    aggregate!(out, Bits<Xor>, "int4_bit_xor", "bit_xor", [&[INT4]] -> INT4);
    aggregate!(out, Bits<Xor>, "int8_bit_xor", "bit_xor", [&[INT8]] -> INT8);
}

static PERCENTILE_CONT: AggregateDef =
    AggregateDef::new::<ordered::PercentileCont>("percentile_cont", AggregateSql::WithinGroup("percentile_cont"));
static PERCENTILE_DISC: AggregateDef =
    AggregateDef::new::<ordered::PercentileDisc>("percentile_disc", AggregateSql::WithinGroup("percentile_disc"));
static MODE: AggregateDef = AggregateDef::new::<ordered::Mode>("mode", AggregateSql::WithinGroup("mode"));

fn percentile_cont(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    plain(&PERCENTILE_CONT, call, PgType::FLOAT8)
}

/// The result is one of the sorted values.
fn of_sorted(def: &'static AggregateDef, call: AggregateCall) -> Result<Typed> {
    let (ty, repr) = call.args.last().map_or((PgType::TEXT, DataType::Utf8View), |a| (a.ty, a.repr.clone()));
    super::array_key::check_element(ty)?;
    Ok(def.call(call, ty.without_typmod(), repr))
}

fn percentile_disc(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    of_sorted(&PERCENTILE_DISC, call)
}

fn mode(_: &QueryContext, call: AggregateCall) -> Result<Typed> {
    of_sorted(&MODE, call)
}

pub fn signatures() -> Vec<AggregateSignature> {
    use oid::*;
    let new = AggregateSignature::new;
    let mut out = vec![
        new("count", &[], INT8, build::count_star),
        new("count", &[ANY], INT8, build::count),
        new("sum", &[INT2], INT8, build::sum_int),
        new("sum", &[INT4], INT8, build::sum_int),
        new("sum", &[INT8], NUMERIC, build::sum_int8),
        new("sum", &[NUMERIC], NUMERIC, build::sum_numeric),
        new("sum", &[FLOAT4], FLOAT4, build::sum_float4),
        new("sum", &[FLOAT8], FLOAT8, build::sum_float8),
        new("sum", &[INTERVAL], INTERVAL, build::sum_interval),
        new("avg", &[INT2], NUMERIC, build::avg_exact),
        new("avg", &[INT4], NUMERIC, build::avg_exact),
        new("avg", &[INT8], NUMERIC, build::avg_exact),
        new("avg", &[NUMERIC], NUMERIC, build::avg_exact),
        new("avg", &[FLOAT4], FLOAT8, build::avg_float),
        new("avg", &[FLOAT8], FLOAT8, build::avg_float),
        new("avg", &[INTERVAL], INTERVAL, build::avg_interval),
        new("percentile_cont", &[FLOAT8, FLOAT8], FLOAT8, percentile_cont).within_group(),
        new("percentile_disc", &[FLOAT8, ANYELEMENT], ANYELEMENT, percentile_disc).within_group(),
        new("mode", &[ANYELEMENT], ANYELEMENT, mode).within_group(),
    ];
    const ORDERED: &[&[u32]] = &[
        &[INT2],
        &[INT4],
        &[INT8],
        &[OID],
        &[FLOAT4],
        &[FLOAT8],
        &[NUMERIC],
        &[TEXT],
        &[BPCHAR],
        &[DATE],
        &[TIME],
        &[TIMESTAMP],
        &[TIMESTAMPTZ],
        &[INTERVAL],
    ];
    for args in ORDERED {
        out.push(new("min", args, args[0], extreme::min));
        out.push(new("max", args, args[0], extreme::max));
    }
    variances(&mut out);
    regressions(&mut out);
    bitwise(&mut out);
    out
}
