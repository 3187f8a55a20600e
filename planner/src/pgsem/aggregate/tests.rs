//! Aggregates as DataFusion runs them, against PostgreSQL 15's answers: in one go, grouped, merged from partial states, and as a
//! window frame.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, StringViewArray};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, SchemaRef};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::{Accumulator, EmitTo, Expr};
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::create_physical_expr;

use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgsem::func::Typed;
use crate::pgsem::numeric::column::NumericBuilder;
use crate::pgsem::numeric::parse_numeric;
use crate::pgsem::registry::{AggregateCall, registry};
use crate::pgsem::testing::{column, evaluate, text};
use crate::pgtype::{PgType, oid};

/// A way to run an accumulator over the rows of a batch.
type Run = fn(&AggregateFunctionExpr, &[ArrayRef]) -> Result<ScalarValue>;

fn at_once(aggregate: &AggregateFunctionExpr, args: &[ArrayRef]) -> Result<ScalarValue> {
    let mut accumulator = aggregate.create_accumulator()?;
    accumulator.update_batch(args)?;
    Ok(accumulator.evaluate()?)
}

fn slices(args: &[ArrayRef], from: usize, length: usize) -> Vec<ArrayRef> {
    args.iter().map(|a| a.slice(from, length)).collect()
}

fn merged(aggregate: &AggregateFunctionExpr, args: &[ArrayRef]) -> Result<ScalarValue> {
    let mut last = aggregate.create_accumulator()?;
    let half = args[0].len() / 2;
    for (from, length) in [(0, half), (half, 0), (half, args[0].len() - half)] {
        let mut partial = aggregate.create_accumulator()?;
        partial.update_batch(&slices(args, from, length))?;
        let state: Vec<ArrayRef> = partial.state()?.iter().map(ScalarValue::to_array).collect::<Result<_, _>>()?;
        last.merge_batch(&state)?;
    }
    Ok(last.evaluate()?)
}

/// Two groups of which the first gets nothing.
fn grouped(aggregate: &AggregateFunctionExpr, args: &[ArrayRef]) -> Result<ScalarValue> {
    if !aggregate.groups_accumulator_supported() {
        return at_once(aggregate, args);
    }
    let rows = args[0].len();
    let mut partial = aggregate.create_groups_accumulator()?;
    partial.update_batch(args, &vec![1; rows], None, 2)?;
    let state = partial.state(EmitTo::All)?;
    let mut last = aggregate.create_groups_accumulator()?;
    last.merge_batch(&state, &[0, 1], 2)?;
    let result = last.evaluate(EmitTo::All)?;
    Ok(ScalarValue::try_from_array(&result, 1)?)
}

/// A frame that has lost a first half it once had.
fn sliding(aggregate: &AggregateFunctionExpr, args: &[ArrayRef]) -> Result<ScalarValue> {
    if aggregate.is_distinct() {
        return at_once(aggregate, args);
    }
    let mut accumulator: Box<dyn Accumulator> = aggregate.create_sliding_accumulator()?;
    let half = args[0].len() / 2;
    accumulator.update_batch(&slices(args, 0, half))?;
    accumulator.evaluate()?;
    accumulator.update_batch(args)?;
    accumulator.retract_batch(&slices(args, 0, half))?;
    Ok(accumulator.evaluate()?)
}

/// Replaces the aggregate leaves by their values and evaluates what stands above them.
fn run(expr: &Typed, columns: &[(&str, ArrayRef)], run: Run) -> Result<String> {
    let fields: Vec<Field> = columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let lifted = expr.expr.clone().transform(|e| {
        let Expr::AggregateFunction(call) = &e else { return Ok(Transformed::no(e)) };
        let df_schema = DFSchema::try_from(schema.clone())?;
        let physical = |e: &Expr| create_physical_expr(e, &df_schema, &ExecutionProps::new(), &Default::default());
        let args = call.params.args.iter().map(physical).collect::<Result<Vec<_>, _>>()?;
        let arrays = call.params.args.iter().map(|arg| {
            let repr = physical(arg)?.data_type(&schema)?;
            evaluate(&Typed::with_repr(arg.clone(), PgType::TEXT, repr), columns)
        });
        let arrays: Vec<ArrayRef> = arrays.collect::<Result<_>>()?;
        let mut builder = AggregateExprBuilder::new(call.func.clone(), args).schema(schema.clone()).alias("a");
        if call.params.distinct {
            builder = builder.distinct();
        }
        Ok(Transformed::yes(Expr::Literal(run(&builder.build()?, &arrays)?, None)))
    });
    let value = evaluate(&Typed { expr: lifted?.data, ..expr.clone() }, &[])?;
    text(&value, expr.ty, 0)
}

fn aggregate(name: &str, args: Vec<Typed>, distinct: bool) -> Result<Typed> {
    let types: Vec<u32> = args.iter().map(|a| a.ty.oid).collect();
    let fits = |s: &[u32]| {
        s.len() == types.len() && s.iter().zip(&types).all(|(s, t)| s == t || [oid::ANY, oid::ANYELEMENT].contains(s))
    };
    let signature = registry().aggregates.get(name).and_then(|all| all.iter().find(|s| fits(s.args)));
    let signature = signature.ok_or_else(|| Error::unsupported(format!("{name}{types:?}")))?;
    let within_group = signature.within_group;
    let call = AggregateCall { args, distinct, filter: None, order_by: Vec::new(), within_group };
    (signature.build)(&QueryContext::default(), call)
}

/// The same answer in every way to run it.
fn check(name: &str, args: &[Typed], columns: &[(&str, ArrayRef)], distinct: bool, expected: &str) {
    let expr = aggregate(name, args.to_vec(), distinct).unwrap();
    for (how, way) in [("at once", at_once as Run), ("merged", merged), ("grouped", grouped), ("sliding", sliding)] {
        let shown = run(&expr, columns, way).unwrap_or_else(|e| format!("!{}", e.message()));
        assert_eq!(shown, expected, "{name} over {:?}, {how}", args.iter().map(|a| a.ty).collect::<Vec<_>>());
    }
}

fn dynamic(values: &[&str]) -> ArrayRef {
    let mut builder = NumericBuilder::new(values.len(), &DataType::BinaryView);
    for value in values {
        builder.append((*value != "NULL").then(|| parse_numeric(value).unwrap()).as_ref()).unwrap();
    }
    builder.finish()
}

fn one(array: ArrayRef, ty: PgType) -> (Typed, [(&'static str, ArrayRef); 1]) {
    (column("x", &array, ty), [("x", array)])
}

fn check_all(array: ArrayRef, ty: PgType, cases: &[(&str, &str)]) {
    let (x, columns) = one(array, ty);
    for (name, expected) in cases {
        match name.strip_suffix(" distinct") {
            Some(name) => check(name, std::slice::from_ref(&x), &columns, true, expected),
            None => check(name, std::slice::from_ref(&x), &columns, false, expected),
        }
    }
}

#[test]
fn over_integers() {
    let values = vec![Some(7), None, Some(-3), Some(7), Some(2_147_483_647), Some(12)];
    check_all(
        Arc::new(Int32Array::from(values)),
        PgType::INT4,
        &[
            ("count", "5"),
            ("count distinct", "4"),
            ("sum", "2147483670"),
            ("sum distinct", "2147483663"),
            ("avg", "429496734.00000000"),
            ("avg distinct", "536870915.75000000"),
            ("min", "-3"),
            ("max", "2147483647"),
            ("bit_and", "4"),
            ("bit_or", "-1"),
            ("bit_xor", "-2147483634"),
            ("var_pop", "737869758309817416"),
            ("var_samp", "922337197887271770"),
            ("stddev", "960383880"),
            ("stddev distinct", "1073741821"),
        ],
    );
    let values = vec![Some(7), None, Some(-3), Some(7), Some(i64::MAX), Some(i64::MAX)];
    check_all(
        Arc::new(Int64Array::from(values)),
        PgType::INT8,
        &[
            ("sum", "18446744073709551625"),
            ("avg", "3689348814741910325"),
            ("min", "-3"),
            ("max", "9223372036854775807"),
            ("bit_and", "5"),
            ("var_pop", "20416942015256307787142123083351394896"),
            ("stddev", "5051848920847731045"),
        ],
    );
}

#[test]
fn over_dynamic_numerics() {
    check_all(
        dynamic(&["7.5", "NULL", "-3.25", "7.50", "1e30", "12"]),
        PgType::NUMERIC,
        &[
            ("count distinct", "4"),
            ("sum", "1000000000000000000000000000023.75"),
            ("sum distinct", "1000000000000000000000000000016.25"),
            ("avg", "200000000000000000000000000004.75"),
            ("min", "-3.25"),
            ("max", "1000000000000000000000000000000"),
            ("var_pop", "159999999999999999999999999998100000000000000000000000000030.8500"),
            ("var_samp", "199999999999999999999999999997625000000000000000000000000038.5625"),
            ("stddev", "447213595499957939281834733743.5999"),
            ("stddev_pop distinct", "433012701892219323381861585374.1226"),
        ],
    );
    let nan = [("sum", "NaN"), ("avg", "NaN"), ("min", "-3.25"), ("max", "NaN"), ("var_pop", "NaN")];
    check_all(dynamic(&["7.5", "NaN", "-3.25"]), PgType::NUMERIC, &nan);
    let infinite = [("sum", "Infinity"), ("avg", "Infinity"), ("max", "Infinity"), ("var_pop", "NaN")];
    check_all(dynamic(&["Infinity", "7.5", "-3.25", "Infinity"]), PgType::NUMERIC, &infinite);
    let both = [("sum", "NaN"), ("min", "-Infinity"), ("stddev", "NaN"), ("count", "4")];
    check_all(dynamic(&["Infinity", "-Infinity", "Infinity", "-Infinity"]), PgType::NUMERIC, &both);
    // Of equal values the last one, with the display scale it has.
    check_all(dynamic(&["1.0", "1", "1.00"]), PgType::NUMERIC, &[("min", "1.00"), ("max", "1.00")]);
}

#[test]
fn over_fixed_numerics() {
    let column = |precision, scale| -> ArrayRef {
        let units = [Some(750), None, Some(-325), Some(750), Some(i128::from(i64::MAX)), Some(1200)];
        let array = arrow::array::Decimal128Array::from_iter(units);
        Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
    };
    // A sum within 38 digits, one beyond: the widths differ, the answers do not.
    for precision in [20, 38] {
        check_all(
            column(precision, 2),
            PgType::numeric(u32::from(precision), 2),
            &[
                ("count distinct", "4"),
                ("sum", "92233720368547781.82"),
                ("sum distinct", "92233720368547774.32"),
                ("avg", "18446744073709556.36"),
                ("min", "-3.25"),
                ("max", "92233720368547758.07"),
            ],
        );
    }
    let wide = column(38, 2);
    let wide = arrow::compute::cast(&wide, &DataType::Decimal256(76, 2)).unwrap();
    check_all(wide, PgType::NUMERIC, &[("sum", "92233720368547781.82"), ("max", "92233720368547758.07")]);
}

#[test]
fn over_floats() {
    let values = vec![Some(0.1), None, Some(0.2), Some(0.3), Some(-0.0), Some(0.0), Some(1e10), Some(0.1)];
    let doubles: ArrayRef = Arc::new(Float64Array::from(values));
    check_all(
        doubles.clone(),
        PgType::FLOAT8,
        &[("count distinct", "5"), ("sum distinct", "10000000000.6"), ("max", "10000000000"), ("min", "-0")],
    );
    let (x, columns) = one(doubles.clone(), PgType::FLOAT8);
    for (name, expected) in [
        ("sum", "10000000000.7"),
        ("avg", "1428571428.6714287"),
        ("var_pop", "1.2244897958897959e+19"),
        ("var_samp", "1.4285714285380952e+19"),
        ("stddev", "3779644730.0481763"),
    ] {
        let expr = aggregate(name, vec![x.clone()], false).unwrap();
        assert_eq!(run(&expr, &columns, at_once).unwrap(), expected, "{name}");
    }
    let singles = arrow::compute::cast(&doubles, &DataType::Float32).unwrap();
    let (x, columns) = one(singles, PgType::FLOAT4);
    for (name, expected) in
        [("sum", "1e+10"), ("avg", "1428571428.6714287"), ("max", "1e+10"), ("var_pop", "1.2244897958897959e+19")]
    {
        let expr = aggregate(name, vec![x.clone()], false).unwrap();
        assert_eq!(run(&expr, &columns, at_once).unwrap(), expected, "{name}");
    }
    let nan: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, -f64::NAN, 1.0, f64::NEG_INFINITY]));
    let cases = [("max", "NaN"), ("min", "-Infinity"), ("sum", "NaN"), ("count distinct", "3"), ("var_pop", "NaN")];
    check_all(nan, PgType::FLOAT8, &cases);
    let huge: ArrayRef = Arc::new(Float64Array::from(vec![1e308; 4]));
    let overflow = "!value out of range: overflow";
    check_all(huge, PgType::FLOAT8, &[("sum", overflow), ("avg", overflow), ("max", "1e+308")]);
}

#[test]
fn over_pairs() {
    let y: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.5), Some(2.5), Some(3.0), Some(4.25), None, Some(9.0)]));
    let x: ArrayRef = Arc::new(Float64Array::from(vec![Some(2.0), Some(3.0), Some(5.5), Some(7.0), Some(3.0), None]));
    let columns = [("y", y), ("x", x)];
    let args = vec![column("y", &columns[0].1, PgType::FLOAT8), column("x", &columns[1].1, PgType::FLOAT8)];
    for (name, expected) in [
        ("corr", "0.9601593625498009"),
        ("covar_pop", "1.8828125"),
        ("covar_samp", "2.5104166666666665"),
        ("regr_avgx", "4.375"),
        ("regr_avgy", "2.8125"),
        ("regr_count", "4"),
        ("regr_intercept", "0.7121513944223108"),
        ("regr_r2", "0.9219060014920399"),
        ("regr_slope", "0.4800796812749004"),
        ("regr_sxx", "15.6875"),
        ("regr_sxy", "7.53125"),
        ("regr_syy", "3.9218749999999996"),
    ] {
        let expr = aggregate(name, args.clone(), false).unwrap();
        assert_eq!(run(&expr, &columns, at_once).unwrap(), expected, "{name}");
        let merged: f64 = run(&expr, &columns, merged).unwrap().parse().unwrap();
        assert!((merged - expected.parse::<f64>().unwrap()).abs() < 1e-12, "{name}");
    }
}

#[test]
fn over_intervals() {
    let interval = |months, days, micros: i64| Some(IntervalMonthDayNano::new(months, days, micros * 1000));
    let values = vec![
        interval(1, 0, 0),
        interval(0, 30, 0),
        interval(0, -1, 7_384_500_000),
        interval(0, 0, 2_592_000_000_000),
        None,
    ];
    let array: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(values));
    let (x, columns) = one(array, PgType::INTERVAL);
    let micros = |name: &str, distinct| {
        let expr = aggregate(name, vec![x.clone()], distinct).unwrap();
        run(&expr, &columns, merged).unwrap()
    };
    assert_eq!(micros("count", true), "2");
    assert_eq!(micros("sum", false), "1 mons 29 days 722 hours 3 mins 4.500000000 secs");
    assert_eq!(micros("avg", false), "14 days 198 hours 30 mins 46.125000000 secs");
    assert_eq!(micros("max", false), "720 hours");
    assert_eq!(micros("min", false), "-1 days 2 hours 3 mins 4.500000000 secs");
    assert_eq!(micros("sum", true), "1 mons -1 days 2 hours 3 mins 4.500000000 secs");
}

#[test]
fn ordered_sets() {
    let x: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(0.1),
        None,
        Some(0.2),
        Some(0.3),
        Some(0.0),
        Some(0.0),
        Some(1e10),
        Some(0.1),
    ]));
    let s: ArrayRef =
        Arc::new(StringViewArray::from(vec![Some("b"), Some("a"), None, Some("ab"), Some("b"), None, None, None]));
    let columns = [("x", x), ("s", s)];
    let fraction = |f: f64| Typed::literal(f.into(), PgType::FLOAT8);
    let x = || column("x", &columns[0].1, PgType::FLOAT8);
    let s = || column("s", &columns[1].1, PgType::TEXT);
    let sorted = |name: &str, args: Vec<Typed>, ascending| {
        let all = registry().aggregates.get(name).unwrap();
        let order_by = vec![datafusion_expr::SortExpr::new(args.last().unwrap().expr.clone(), ascending, !ascending)];
        let call = AggregateCall { args, distinct: false, filter: None, order_by, within_group: true };
        let expr = (all[0].build)(&QueryContext::default(), call).unwrap();
        let answers = [at_once as Run, merged, grouped]
            .map(|way| run(&expr, &columns, way).unwrap_or_else(|e| format!("!{}", e.message())));
        assert!(answers.iter().all(|a| *a == answers[0]), "{name}: {answers:?}");
        answers[0].clone()
    };
    assert_eq!(sorted("percentile_cont", vec![fraction(0.3), x()], true), "0.07999999999999999");
    assert_eq!(sorted("percentile_cont", vec![fraction(0.3), x()], false), "0.22000000000000003");
    assert_eq!(sorted("percentile_disc", vec![fraction(0.3), x()], true), "0.1");
    assert_eq!(sorted("percentile_disc", vec![fraction(0.5), s()], true), "ab");
    assert_eq!(sorted("percentile_disc", vec![fraction(0.5), s()], false), "b");
    assert_eq!(sorted("percentile_disc", vec![fraction(0.0), s()], true), "a");
    assert_eq!(sorted("mode", vec![x()], true), "0");
    assert_eq!(sorted("mode", vec![s()], true), "b");
    let invalid = "!percentile value 1.5 is not between 0 and 1";
    assert_eq!(sorted("percentile_cont", vec![fraction(1.5), x()], true), invalid);
}

#[test]
fn over_nothing() {
    let none: ArrayRef = Arc::new(Int32Array::from(vec![None::<i32>, None]));
    let cases = [
        ("count", "0"),
        ("sum", "NULL"),
        ("avg", "NULL"),
        ("max", "NULL"),
        ("bit_or", "NULL"),
        ("stddev", "NULL"),
        ("sum distinct", "NULL"),
    ];
    check_all(none, PgType::INT4, &cases);
    check_all(dynamic(&["NULL", "NULL"]), PgType::NUMERIC, &[("sum", "NULL"), ("avg", "NULL"), ("var_pop", "NULL")]);
    check_all(
        Arc::new(Int32Array::from(vec![5])),
        PgType::INT4,
        &[("var_samp", "NULL"), ("var_pop", "0"), ("stddev_pop", "0")],
    );
}
