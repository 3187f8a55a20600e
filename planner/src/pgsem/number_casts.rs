//! Casts among boolean, the integers, the floats and the object identifiers (those with numeric: `numeric::casts`).

use arrow::array::ArrayRef;
use arrow::datatypes::{ArrowPrimitiveType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use datafusion_common::ScalarValue;
use num_traits::AsPrimitive;

use super::errors::{float_overflow, float_underflow, out_of_range};
use super::float::canonical;
use super::func::{FuncDef, SqlForm, Typed};
use super::integer;
use super::kernel::{Bool, Call, I32};
use super::primitive::unary;
use super::registry::{CastContext, CastDef, Signature, registry};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgtype::{PgType, oid};

fn widen<A: ArrowPrimitiveType, O: ArrowPrimitiveType>(call: &Call<'_>) -> Result<ArrayRef>
where
    A::Native: AsPrimitive<O::Native>,
    O::Native: 'static + Copy,
{
    unary::<A, O>(call, |v| Ok(v.as_()))
}

fn narrow<A: ArrowPrimitiveType, O: ArrowPrimitiveType>(call: &Call<'_>, ty: &str) -> Result<ArrayRef>
where
    O::Native: TryFrom<A::Native>,
{
    unary::<A, O>(call, |v| v.try_into().map_err(|_| out_of_range(ty)))
}

/// Rounded half to even; NaN and what the type does not hold are out of range.
fn to_integer<A: ArrowPrimitiveType, O: ArrowPrimitiveType>(call: &Call<'_>, ty: &str) -> Result<ArrayRef>
where
    A::Native: Into<f64>,
    O::Native: TryFrom<i64>,
{
    unary::<A, O>(call, |v| {
        let exact: f64 = v.into();
        let rounded = exact.round_ties_even();
        // The largest double below 2^63 converts exactly.
        let whole =
            (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded).then_some(rounded as i64);
        whole.and_then(|w| O::Native::try_from(w).ok()).ok_or_else(|| out_of_range(ty))
    })
}

fn to_float4(value: f64) -> Result<f32> {
    let result = value as f32;
    if result.is_infinite() && !value.is_infinite() {
        return Err(float_overflow());
    }
    if result == 0.0 && value != 0.0 {
        return Err(float_underflow());
    }
    Ok(canonical(result))
}

macro_rules! casts {
    ($($def:ident $name:literal $new:ident $kernel:expr;)*) => {
        $(pub(super) static $def: FuncDef = FuncDef::$new($name, SqlForm::Cast, $kernel);)*
    };
}

casts! {
    INT2_INT4 "int2_int4" new widen::<Int16Type, Int32Type>;
    INT2_INT8 "int2_int8" new widen::<Int16Type, Int64Type>;
    INT4_INT8 "int4_int8" new widen::<Int32Type, Int64Type>;
    INT2_FLOAT4 "int2_float4" new widen::<Int16Type, Float32Type>;
    INT4_FLOAT4 "int4_float4" new widen::<Int32Type, Float32Type>;
    INT8_FLOAT4 "int8_float4" new widen::<Int64Type, Float32Type>;
    INT2_FLOAT8 "int2_float8" new widen::<Int16Type, Float64Type>;
    INT4_FLOAT8 "int4_float8" new widen::<Int32Type, Float64Type>;
    INT8_FLOAT8 "int8_float8" new widen::<Int64Type, Float64Type>;
    FLOAT4_FLOAT8 "float4_float8" new |c| unary::<Float32Type, Float64Type>(c, |v| Ok(canonical(f64::from(v))));
    INT4_INT2 "int4_int2" failing |c| narrow::<Int32Type, Int16Type>(c, "smallint");
    INT8_INT2 "int8_int2" failing |c| narrow::<Int64Type, Int16Type>(c, "smallint");
    INT8_INT4 "int8_int4" failing |c| narrow::<Int64Type, Int32Type>(c, "integer");
    FLOAT8_FLOAT4 "float8_float4" failing |c| unary::<Float64Type, Float32Type>(c, to_float4);
    FLOAT4_INT2 "float4_int2" failing |c| to_integer::<Float32Type, Int16Type>(c, "smallint");
    FLOAT4_INT4 "float4_int4" failing |c| to_integer::<Float32Type, Int32Type>(c, "integer");
    FLOAT4_INT8 "float4_int8" failing |c| to_integer::<Float32Type, Int64Type>(c, "bigint");
    FLOAT8_INT2 "float8_int2" failing |c| to_integer::<Float64Type, Int16Type>(c, "smallint");
    FLOAT8_INT4 "float8_int4" failing |c| to_integer::<Float64Type, Int32Type>(c, "integer");
    FLOAT8_INT8 "float8_int8" failing |c| to_integer::<Float64Type, Int64Type>(c, "bigint");
    BOOL_INT4 "bool_int4" new |c| c.map1::<Bool, I32>(|b| Ok(i32::from(b)));
    INT4_BOOL "int4_bool" new |c| c.map1::<I32, Bool>(|v| Ok(v != 0));
    // Object identifiers are unsigned 32-bit numbers, carried as Int64; int4 shares their bits.
    INT2_OID "int2_oid" new |c| unary::<Int16Type, Int64Type>(c, |v| Ok(i64::from(i32::from(v) as u32)));
    INT4_OID "int4_oid" new |c| unary::<Int32Type, Int64Type>(c, |v| Ok(i64::from(v as u32)));
    INT8_OID "int8_oid" failing |c| unary::<Int64Type, Int64Type>(c, |v| {
        u32::try_from(v).map(i64::from).map_err(|_| out_of_range("OID"))
    });
    OID_INT4 "oid_int4" new |c| unary::<Int64Type, Int32Type>(c, |v| Ok(v as u32 as i32));
}

fn function(from: u32, to: u32) -> Option<&'static FuncDef> {
    use oid::{BOOL, FLOAT4, FLOAT8, INT2, INT4, INT8};
    Some(match (from, to) {
        (INT2, INT4) => &INT2_INT4,
        (INT2, INT8) => &INT2_INT8,
        (INT4, INT8) => &INT4_INT8,
        (INT2, FLOAT4) => &INT2_FLOAT4,
        (INT4, FLOAT4) => &INT4_FLOAT4,
        (INT8, FLOAT4) => &INT8_FLOAT4,
        (INT2, FLOAT8) => &INT2_FLOAT8,
        (INT4, FLOAT8) => &INT4_FLOAT8,
        (INT8, FLOAT8) => &INT8_FLOAT8,
        (FLOAT4, FLOAT8) => &FLOAT4_FLOAT8,
        (INT4, INT2) => &INT4_INT2,
        (INT8, INT2) => &INT8_INT2,
        (INT8, INT4) => &INT8_INT4,
        (FLOAT8, FLOAT4) => &FLOAT8_FLOAT4,
        (FLOAT4, INT2) => &FLOAT4_INT2,
        (FLOAT4, INT4) => &FLOAT4_INT4,
        (FLOAT4, INT8) => &FLOAT4_INT8,
        (FLOAT8, INT2) => &FLOAT8_INT2,
        (FLOAT8, INT4) => &FLOAT8_INT4,
        (FLOAT8, INT8) => &FLOAT8_INT8,
        (BOOL, INT4) => &BOOL_INT4,
        (INT4, BOOL) => &INT4_BOOL,
        (INT2, to) if is_oid_like(to) => &INT2_OID,
        (INT4, to) if is_oid_like(to) => &INT4_OID,
        (INT8, to) if is_oid_like(to) => &INT8_OID,
        (from, INT4) if is_oid_like(from) => &OID_INT4,
        _ => return None,
    })
}

const OID_LIKE: [u32; 5] = [oid::OID, oid::REGCLASS, oid::REGNAMESPACE, oid::REGPROC, oid::REGTYPE];

fn is_oid_like(ty: u32) -> bool {
    OID_LIKE.contains(&ty)
}

fn cast(_: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    if let Some(constant) = constant(&arg, to) {
        return Ok(constant);
    }
    match function(arg.ty.oid, to.oid) {
        Some(def) => Ok(def.apply(vec![arg], to)),
        // The same Int64 under another type.
        None => Ok(Typed { ty: to, ..arg }),
    }
}

/// Casts of constants that cannot fail, so that comparisons see a constant.
fn constant(arg: &Typed, to: PgType) -> Option<Typed> {
    if arg.as_literal()?.is_null() {
        return Some(Typed::null(to));
    }
    if to.is_integer() {
        return integer::literal(integer::literal_i64(arg)?, to);
    }
    let value = match arg.as_literal()? {
        ScalarValue::Float32(Some(v)) => f64::from(*v),
        _ => integer::literal_i64(arg)? as f64,
    };
    (to.oid == oid::FLOAT8).then(|| Typed::literal(canonical(value).into(), to))
}

/// The casts that can be called by the type's name (`int4(2.5)`).
fn functions() -> Vec<Signature> {
    use oid::{BOOL, FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC, OID};
    macro_rules! called {
        ($($name:literal $to:ident: $($from:ident)+;)*) => {
            vec![$($(Signature::build($name, &[$from], $to, |context, args| called(context, args, PgType::of($to)))),+),*]
        };
    }
    called! {
        "bool" BOOL: INT4;
        "float4" FLOAT4: NUMERIC INT8 INT2 INT4 FLOAT8;
        "float8" FLOAT8: NUMERIC INT8 INT2 INT4 FLOAT4;
        "int2" INT2: NUMERIC INT8 INT4 FLOAT4 FLOAT8;
        "int4" INT4: BOOL NUMERIC INT8 INT2 FLOAT4 FLOAT8;
        "int8" INT8: NUMERIC INT2 INT4 OID FLOAT4 FLOAT8;
        "numeric" NUMERIC: INT8 INT2 INT4 FLOAT4 FLOAT8;
        "oid" OID: INT8;
    }
}

fn called(context: &QueryContext, mut args: Vec<Typed>, to: PgType) -> Result<Typed> {
    let arg = args.remove(0);
    match registry().casts.get(&(arg.ty.oid, to.oid)) {
        Some(cast) => (cast.build)(context, arg, to),
        None => Err(Error::internal(format!("no cast from {} to {to}", arg.ty))),
    }
}

pub fn area() -> (Vec<Signature>, Vec<CastDef>) {
    use CastContext::{Assignment, Explicit, Implicit};
    use oid::{BOOL, FLOAT4, FLOAT8, INT2, INT4, INT8};
    let mut pairs = vec![
        (INT2, INT4, Implicit),
        (INT2, INT8, Implicit),
        (INT4, INT8, Implicit),
        (INT2, FLOAT4, Implicit),
        (INT4, FLOAT4, Implicit),
        (INT8, FLOAT4, Implicit),
        (INT2, FLOAT8, Implicit),
        (INT4, FLOAT8, Implicit),
        (INT8, FLOAT8, Implicit),
        (FLOAT4, FLOAT8, Implicit),
        (INT4, INT2, Assignment),
        (INT8, INT2, Assignment),
        (INT8, INT4, Assignment),
        (FLOAT8, FLOAT4, Assignment),
        (FLOAT4, INT2, Assignment),
        (FLOAT4, INT4, Assignment),
        (FLOAT4, INT8, Assignment),
        (FLOAT8, INT2, Assignment),
        (FLOAT8, INT4, Assignment),
        (FLOAT8, INT8, Assignment),
        (BOOL, INT4, Explicit),
        (INT4, BOOL, Explicit),
    ];
    for ty in OID_LIKE {
        pairs.extend([INT2, INT4, INT8].map(|int| (int, ty, Implicit)));
        pairs.extend([INT4, INT8].map(|int| (ty, int, Assignment)));
        if ty != oid::OID {
            pairs.extend([(oid::OID, ty, Implicit), (ty, oid::OID, Implicit)]);
        }
    }
    (functions(), pairs.into_iter().map(|(from, to, context)| CastDef { from, to, context, build: cast }).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_are_postgres() {
        crate::pgsem::answers::check(include_str!("testdata/number.tsv"));
    }
}
