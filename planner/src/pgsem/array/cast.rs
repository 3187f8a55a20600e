//! Casting arrays element by element, to another type or carrier.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion_expr::Expr;

use super::list::{element_of, list_of, rebuild, visible};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::evaluate::{column, evaluate};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::io;
use crate::pgsem::kernel::Call;
use crate::pgsem::numeric::carrier::to_dynamic;
use crate::pgtype::{PgType, oid};

/// `CAST(array AS other[])`
pub fn elementwise(ctx: &QueryContext, array: Typed, to: PgType) -> Result<Typed> {
    let cast = element_cast(ctx, array.ty, &array.repr, to)?;
    if let Expr::Column(_) = cast.expr {
        return Ok(Typed { ty: to, ..array });
    }
    let detail = io::cast_detail(ctx, array.ty, to);
    Ok(ARRAY_CAST.call(vec![array], to, list_of(cast.repr), &detail))
}

/// What happens to one element, an expression over the column `element`.
fn element_cast(ctx: &QueryContext, from: PgType, repr: &DataType, to: PgType) -> Result<Typed> {
    let element = |ty: PgType| ty.element().unwrap_or(ty);
    let value = column("element", element(from), element_of(repr));
    crate::pgsem::cast::cast(ctx, value, element(to))
}

static ARRAY_CAST: FuncDef = FuncDef::failing("array_cast", SqlForm::Cast, |c| {
    let ctx = io::context_of(&c.func.detail);
    let cast = element_cast(&ctx, c.func.arg_types[0], &c.func.arg_reprs[0], c.func.ty)?;
    on_elements(c, &cast.expr)
});

/// Numeric elements in the dynamic carrier, so that arrays of different scales go together.
pub fn dynamic_elements(array: Typed) -> Typed {
    let numeric = array.ty.element().is_some_and(|e| e.oid == oid::NUMERIC);
    if !numeric || element_of(&array.repr) == DataType::BinaryView {
        return array;
    }
    let ty = array.ty;
    CARRY.call(vec![array], ty, list_of(DataType::BinaryView), "")
}

static CARRY: FuncDef = FuncDef::new("numeric_array_carry", SqlForm::Transparent, |c| {
    let value = column("element", PgType::NUMERIC, element_of(&c.func.arg_reprs[0]));
    on_elements(c, &to_dynamic(value).expr)
});

fn on_elements(call: &Call<'_>, expr: &Expr) -> Result<ArrayRef> {
    let list = io::list(call.args[0].as_ref())?;
    let (offsets, values) = visible(list)?;
    let rows = values.len();
    rebuild(list, offsets, evaluate(expr, &[("element", values)], rows)?)
}
