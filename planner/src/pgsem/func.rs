//! A PostgreSQL function inside a DataFusion expression.
//!
//! DataFusion sees a [`PgFunc`] as one more scalar function; the emitter downcasts to it and reads from [`FuncDef::sql`] how an
//! engine writes the same thing. One `PgFunc` is one *instance*: argument and result types are fixed, so nothing is coerced
//! behind the binder's back, and its name contains all that distinguishes it from its siblings (DataFusion tells expressions
//! apart by name).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::datatypes::DataType;
use datafusion_common::{Result as DfResult, ScalarValue};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::error::Result;
use crate::pgtype::PgType;

use super::kernel::Call;
use super::lookup::Lookup;

/// An expression with the PostgreSQL type it has and the Arrow type that carries it.
#[derive(Clone, Debug, PartialEq)]
pub struct Typed {
    pub expr: Expr,
    pub ty: PgType,
    /// For numeric: `Decimal128/256(p, s)` if every value provably has display scale `s`, else `BinaryView`.
    pub repr: DataType,
}

impl Typed {
    pub fn new(expr: Expr, ty: PgType) -> Self {
        Self { expr, ty, repr: ty.repr() }
    }

    pub fn with_repr(expr: Expr, ty: PgType, repr: DataType) -> Self {
        Self { expr, ty, repr }
    }

    pub fn literal(value: ScalarValue, ty: PgType) -> Self {
        let repr = value.data_type();
        Self { expr: Expr::Literal(value, None), ty, repr }
    }

    /// A NULL of that type.
    pub fn null(ty: PgType) -> Self {
        let repr = ty.repr();
        Self { expr: Expr::Literal(ScalarValue::try_from(&repr).unwrap_or(ScalarValue::Null), None), ty, repr }
    }

    pub fn as_literal(&self) -> Option<&ScalarValue> {
        match &self.expr {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        }
    }

    /// An untyped string literal (or NULL) whose type the context decides.
    pub fn is_unknown_literal(&self) -> bool {
        self.ty == PgType::UNKNOWN && self.as_literal().is_some()
    }
}

/// Who computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// DataFusion's own operator or function is exactly PostgreSQL's.
    Exact,
    /// Ours.
    Replaced,
}

/// How SQL text writes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlForm {
    /// `(a + b)`
    Infix(&'static str),
    /// `(- a)`
    Prefix(&'static str),
    /// `name(a, b)`
    Call(&'static str),
    /// `CAST(a AS result type)`
    Cast,
    /// An engine needs not see it: the first argument is written as it is (comparison keys, rescaling).
    Transparent,
    /// Needs its own code in the emitter, under this name (`extract`, `at time zone`).
    Special(&'static str),
    /// Only the gateway computes it (time zones, session settings).
    Local,
}

/// What all instances of one function share. Lives in a `static`.
pub struct FuncDef {
    /// Unique over the whole registry, PostgreSQL's `proname` where that is unique (`int4pl`, `date_trunc_timestamp`).
    pub name: &'static str,
    pub sql: SqlForm,
    pub volatility: Volatility,
    /// NULL in, NULL out: the kernel adapters rely on nothing else; the optimiser uses it.
    pub strict: bool,
    /// May raise an error for some input. What may fail must not be evaluated before its guard (`x <> 0 AND 1 / x > 1`).
    pub can_fail: bool,
    pub kernel: fn(&Call<'_>) -> Result<ArrayRef>,
}

impl FuncDef {
    /// A strict, immutable function that cannot fail.
    pub const fn new(name: &'static str, sql: SqlForm, kernel: fn(&Call<'_>) -> Result<ArrayRef>) -> Self {
        Self { name, sql, volatility: Volatility::Immutable, strict: true, can_fail: false, kernel }
    }

    /// The same, but some inputs raise an error.
    pub const fn failing(name: &'static str, sql: SqlForm, kernel: fn(&Call<'_>) -> Result<ArrayRef>) -> Self {
        Self { can_fail: true, ..Self::new(name, sql, kernel) }
    }

    /// NULL arguments reach the kernel.
    pub const fn not_strict(self) -> Self {
        Self { strict: false, ..self }
    }

    pub const fn volatile(self) -> Self {
        Self { volatility: Volatility::Volatile, ..self }
    }

    /// An instance applied to its arguments. `detail` must hold what distinguishes this instance beyond the argument and
    /// result carriers (a typmod, a time zone); pass `""` if nothing does.
    pub fn call(&'static self, args: Vec<Typed>, ty: PgType, repr: DataType, detail: &str) -> Typed {
        let func = PgFunc::new(
            self,
            args.iter().map(|a| a.ty).collect(),
            args.iter().map(|a| a.repr.clone()).collect(),
            ty,
            repr.clone(),
            detail,
        );
        let expr = Expr::ScalarFunction(ScalarFunction::new_udf(
            Arc::new(ScalarUDF::new_from_impl(func)),
            args.into_iter().map(|a| a.expr).collect(),
        ));
        Typed { expr, ty, repr }
    }

    /// An instance that answers from a part of the catalog.
    pub fn look_up(&'static self, args: Vec<Typed>, ty: PgType, lookup: Lookup) -> Typed {
        let arg_types = args.iter().map(|a| a.ty).collect();
        let arg_reprs = args.iter().map(|a| a.repr.clone()).collect();
        let mut func = PgFunc::new(self, arg_types, arg_reprs, ty, ty.repr(), lookup.name());
        func.lookup = Some(Arc::new(lookup));
        let args = args.into_iter().map(|a| a.expr).collect();
        let udf = Arc::new(ScalarUDF::new_from_impl(func));
        Typed::new(Expr::ScalarFunction(ScalarFunction::new_udf(udf, args)), ty)
    }

    /// An instance whose result has the type's ordinary carrier.
    pub fn apply(&'static self, args: Vec<Typed>, ty: PgType) -> Typed {
        self.call(args, ty, ty.repr(), "")
    }
}

impl fmt::Debug for FuncDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One instance of a function, as DataFusion sees it.
#[derive(Clone, Debug)]
pub struct PgFunc {
    pub def: &'static FuncDef,
    pub arg_types: Vec<PgType>,
    pub arg_reprs: Vec<DataType>,
    pub ty: PgType,
    pub repr: DataType,
    pub detail: String,
    /// What it knows of the catalog; `detail` names it.
    pub lookup: Option<Arc<Lookup>>,
    name: String,
    signature: Signature,
}

impl PgFunc {
    fn new(
        def: &'static FuncDef,
        arg_types: Vec<PgType>,
        arg_reprs: Vec<DataType>,
        ty: PgType,
        repr: DataType,
        detail: &str,
    ) -> Self {
        let mut name = def.name.to_string();
        if matches!(repr, DataType::Decimal128(..) | DataType::Decimal256(..)) {
            name.push_str(&format!("[{repr}]"));
        }
        if !detail.is_empty() {
            name.push_str(&format!("[{detail}]"));
        }
        let signature = Signature::new(TypeSignature::UserDefined, def.volatility);
        Self { def, arg_types, arg_reprs, ty, repr, detail: detail.to_string(), lookup: None, name, signature }
    }

    /// The instance behind a DataFusion function, if it is one of ours.
    pub fn of(udf: &ScalarUDF) -> Option<&PgFunc> {
        udf.inner().as_ref().downcast_ref::<PgFunc>()
    }
}

impl PartialEq for PgFunc {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.ty == other.ty
            && self.repr == other.repr
            && self.arg_types == other.arg_types
            && self.arg_reprs == other.arg_reprs
    }
}

impl Eq for PgFunc {}

impl Hash for PgFunc {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.arg_types.hash(state);
    }
}

impl ScalarUDFImpl for PgFunc {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The binder has already chosen: nothing is coerced here.
    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(self.repr.clone())
    }

    fn is_strict(&self) -> bool {
        self.def.strict
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)))
            && self.def.volatility != Volatility::Volatile;
        let rows = if constant { 1 } else { args.number_rows };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(args.args.len());
        let mut scalars = Vec::with_capacity(args.args.len());
        for arg in args.args {
            match arg {
                ColumnarValue::Array(array) => {
                    arrays.push(array);
                    scalars.push(false);
                }
                ColumnarValue::Scalar(value) => {
                    arrays.push(value.to_array_of_size(1)?);
                    scalars.push(true);
                }
            }
        }
        // The optimiser asks what an expression is over columns of NULLs that have no type.
        for (array, repr) in arrays.iter_mut().zip(&self.arg_reprs) {
            if *array.data_type() == DataType::Null && *repr != DataType::Null {
                *array = new_null_array(repr, array.len());
            }
        }
        let result = (self.def.kernel)(&Call { args: &arrays, scalars: &scalars, rows, func: self })?;
        debug_assert_eq!(result.len(), rows, "{}", self.name);
        debug_assert_eq!(result.data_type(), &self.repr, "{}", self.name);
        if constant {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
        } else {
            Ok(ColumnarValue::Array(result))
        }
    }
}
