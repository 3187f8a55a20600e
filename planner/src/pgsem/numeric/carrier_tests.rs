//! Numeric expressions over columns of either carrier.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Decimal256Array};
use arrow::datatypes::{DataType, i256};
use datafusion_common::ScalarValue;
use datafusion_expr::{Expr, Operator};

use super::carrier::{Fixed, literal, to_dynamic, unify_repr};
use super::column::NumericBuilder;
use super::parse_numeric;
use crate::pgsem::compare::compare;
use crate::pgsem::func::Typed;
use crate::pgsem::key::{key, key_is_identity};
use crate::pgsem::testing::{call, cast, column, evaluate, show, texts};
use crate::pgtype::PgType;

fn decimals(units: &[Option<i128>], precision: u8, scale: i8) -> ArrayRef {
    let array = Decimal128Array::from(units.to_vec());
    Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
}

fn dynamics(values: &[&str]) -> ArrayRef {
    let mut builder = NumericBuilder::new(values.len(), &DataType::BinaryView);
    for value in values {
        builder.append((*value != "NULL").then(|| parse_numeric(value).unwrap()).as_ref()).unwrap();
    }
    builder.finish()
}

fn number(text: &str) -> Typed {
    literal(&parse_numeric(text).unwrap(), PgType::NUMERIC)
}

#[test]
fn literals_are_fixed_where_a_decimal_holds_them() {
    assert_eq!(number("1.10").repr, DataType::Decimal128(3, 2));
    assert_eq!(number("0.001").repr, DataType::Decimal128(3, 3));
    assert_eq!(number("0").repr, DataType::Decimal128(1, 0));
    assert_eq!(number(&"9".repeat(39)).repr, DataType::Decimal256(39, 0));
    assert_eq!(number(&"9".repeat(76)).repr, DataType::Decimal256(76, 0));
    assert_eq!(number(&"9".repeat(77)).repr, DataType::BinaryView);
    assert_eq!(number("NaN").repr, DataType::BinaryView);
    let five = cast(Typed::literal(5i32.into(), PgType::INT4), PgType::NUMERIC).unwrap();
    assert_eq!(five.as_literal(), Some(&ScalarValue::Decimal128(Some(5), 1, 0)));
}

/// `extendedprice * (1 - discount) * (1 + tax)`
#[test]
fn tpch_arithmetic_stays_fixed() {
    let columns = [
        ("p", decimals(&[Some(999_999_999_999_999), Some(100), None, Some(-12_345)], 15, 2)),
        ("d", decimals(&[Some(4), Some(10), Some(1), Some(0)], 15, 2)),
        ("t", decimals(&[Some(2), Some(8), Some(1), Some(-999_999_999_999_999)], 15, 2)),
    ];
    let col = |i: usize| column(columns[i].0, &columns[i].1, PgType::numeric(15, 2));
    let one = || cast(Typed::literal(1i32.into(), PgType::INT4), PgType::NUMERIC).unwrap();
    let discounted = call("*", vec![col(0), call("-", vec![one(), col(1)]).unwrap()]).unwrap();
    assert_eq!(discounted.repr, DataType::Decimal128(31, 4));
    assert_eq!(texts(&discounted, &columns).unwrap(), ["9599999999999.9904", "0.9000", "NULL", "-123.4500"]);
    let taxed = call("*", vec![discounted, call("+", vec![one(), col(2)]).unwrap()]).unwrap();
    assert_eq!(taxed.repr, DataType::Decimal256(47, 6));
    assert_eq!(
        texts(&taxed, &columns).unwrap(),
        ["9791999999999.990208", "0.972000", "NULL", "1234499999999875.315500"]
    );
}

#[test]
fn fixed_and_dynamic_agree() {
    let a = decimals(&[Some(725), Some(-725), Some(0), Some(9999), None, Some(-1)], 4, 2);
    let b = decimals(&[Some(3), Some(-3), Some(7), Some(-99_999), Some(5), Some(1)], 5, 3);
    let wide: ArrayRef = Arc::new(
        Decimal256Array::from_iter([1i128, -2, 3, -4, 5, 6].map(|v| Some(i256::from_i128(v * 10i128.pow(30)))))
            .with_precision_and_scale(60, 5)
            .unwrap(),
    );
    let columns = [("a", a), ("b", b), ("w", wide)];
    let col = |i: usize| column(columns[i].0, &columns[i].1, PgType::NUMERIC);
    for (l, r) in [(0, 1), (1, 0), (0, 2), (2, 1), (2, 2)] {
        for op in ["+", "-", "*", "%", "gcd", "div"] {
            let fixed = call(op, vec![col(l), col(r)]).unwrap();
            assert!(Fixed::of(&fixed.repr).is_some() || (l, r) == (2, 2), "{op}");
            let dynamic = call(op, vec![to_dynamic(col(l)), to_dynamic(col(r))]).unwrap();
            assert_eq!(dynamic.repr, DataType::BinaryView);
            let shown = |e| texts(e, &columns).map_err(|e| e.message().to_string());
            assert_eq!(shown(&fixed), shown(&dynamic), "{op} {l} {r}");
        }
    }
    for op in ["-", "abs", "sign", "round", "trunc", "ceil", "floor"] {
        let fixed = call(op, vec![col(0)]).unwrap();
        assert!(Fixed::of(&fixed.repr).is_some());
        let dynamic = call(op, vec![to_dynamic(col(0))]).unwrap();
        assert_eq!(texts(&fixed, &columns).unwrap(), texts(&dynamic, &columns).unwrap(), "{op}");
    }
    for (op, places) in [("round", 1), ("round", 4), ("trunc", 1), ("round", -1)] {
        let places = || Typed::literal(places.into(), PgType::INT4);
        let fixed = call(op, vec![col(0), places()]).unwrap();
        let dynamic = call(op, vec![to_dynamic(col(0)), places()]).unwrap();
        assert_eq!(texts(&fixed, &columns).unwrap(), texts(&dynamic, &columns).unwrap(), "{op}");
    }
}

#[test]
fn typmods_of_columns() {
    let columns = [("a", decimals(&[Some(12_345), Some(-12_345), Some(99_995), None], 5, 3))];
    let a = || column("a", &columns[0].1, PgType::numeric(5, 3));
    let rounded = cast(a(), PgType::numeric(5, 2)).unwrap();
    assert_eq!(texts(&rounded, &columns).unwrap(), ["12.35", "-12.35", "100.00", "NULL"]);
    let widened = cast(a(), PgType::numeric(38, 10)).unwrap();
    assert_eq!(texts(&widened, &columns).unwrap()[1], "-12.3450000000");
    let narrow = cast(a(), PgType::numeric(4, 2)).unwrap();
    assert_eq!(texts(&narrow, &columns).unwrap_err().message(), "numeric field overflow");
    let nan = cast(number("NaN"), PgType::numeric(5, 2)).unwrap();
    assert_eq!(texts(&nan, &[]).unwrap(), ["NaN"]);
    assert_eq!(show(cast(number("1234.5"), PgType::numeric(5, 2))), "!numeric field overflow");
}

#[test]
fn comparisons_across_carriers() {
    let columns = [
        ("a", decimals(&[Some(150), Some(-150), None, Some(151)], 15, 2)),
        ("d", dynamics(&["1.5", "NaN", "1.500", "Infinity"])),
    ];
    let a = || column("a", &columns[0].1, PgType::numeric(15, 2));
    let d = || column("d", &columns[1].1, PgType::NUMERIC);
    let run = |op, l, r| texts(&compare(op, l, r).unwrap(), &columns).unwrap().join(" ");
    assert_eq!(run(Operator::Eq, a(), number("1.5")), "true false NULL false");
    assert_eq!(run(Operator::Eq, number("1.500"), a()), "true false NULL false");
    assert_eq!(run(Operator::Gt, a(), number("1.505")), "false false NULL true");
    assert_eq!(run(Operator::Lt, a(), number("1e20")), "true true NULL true");
    assert_eq!(run(Operator::Eq, a(), d()), "true false NULL false");
    assert_eq!(run(Operator::GtEq, d(), number("1.5")), "true true true true");
    assert_eq!(run(Operator::Eq, d(), number("nan")), "false true false false");
    assert_eq!(run(Operator::Eq, a(), Typed::null(PgType::NUMERIC)), "NULL NULL NULL NULL");
    // A constant of fewer digits takes the column's carrier; the column stays bare.
    let equal = compare(Operator::Eq, a(), number("1.5")).unwrap().expr;
    let Expr::BinaryExpr(equal) = equal else { panic!() };
    assert!(matches!(*equal.left, Expr::Column(_)));
    assert_eq!(*equal.right, Expr::Literal(ScalarValue::Decimal128(Some(150), 15, 2), None));
}

#[test]
fn keys_forget_the_display_scale() {
    let columns = [("d", dynamics(&["1.5", "1.500", "NULL", "0", "0.00"]))];
    let d = column("d", &columns[0].1, PgType::NUMERIC);
    assert!(!key_is_identity(&d));
    let keys = evaluate(&key(d).unwrap(), &columns).unwrap();
    let keys = arrow::array::AsArray::as_binary_view(&keys);
    assert_eq!(keys.value(0), keys.value(1));
    assert_eq!(keys.value(3), keys.value(4));
    assert_ne!(keys.value(0), keys.value(3));
}

#[test]
fn branches_keep_their_display_scales() {
    let same = unify_repr(vec![number("1.5"), Typed::null(PgType::NUMERIC), number("100.5")]);
    assert!(same.iter().all(|b| b.repr == DataType::Decimal128(4, 1)));
    let mixed = unify_repr(vec![number("1.5"), number("2")]);
    assert!(mixed.iter().all(|b| b.repr == DataType::BinaryView));
    assert_eq!(show(Ok(mixed[1].clone())), "2");
}

#[test]
fn a_number_too_large_for_a_double_is_named() {
    let message = show(cast(number("1e400"), PgType::FLOAT8));
    assert!(message.starts_with("!\"1000") && message.ends_with("is out of range for type double precision"));
}

#[test]
fn casts_of_numbers() {
    let int = |v: i64| Typed::literal(v.into(), PgType::INT8);
    let float = |v: f64| Typed::literal(v.into(), PgType::FLOAT8);
    for (expr, expected) in [
        (cast(number("2.5"), PgType::INT4), "3"),
        (cast(number("-2.5"), PgType::INT8), "-3"),
        (cast(float(2.5), PgType::INT4), "2"),
        (cast(float(3.5), PgType::INT2), "4"),
        (cast(float(1e10), PgType::INT4), "!integer out of range"),
        (cast(float(f64::NAN), PgType::INT8), "!bigint out of range"),
        (cast(float(-9_223_372_036_854_775_808.0), PgType::INT8), "-9223372036854775808"),
        (cast(float(9_223_372_036_854_775_808.0), PgType::INT8), "!bigint out of range"),
        (cast(float(1e300), PgType::FLOAT4), "!value out of range: overflow"),
        (cast(float(1e-300), PgType::FLOAT4), "!value out of range: underflow"),
        (cast(int(40_000), PgType::INT2), "!smallint out of range"),
        (cast(int(-1), PgType::OID), "!OID out of range"),
        (cast(Typed::literal((-1i32).into(), PgType::INT4), PgType::OID), "4294967295"),
        (cast(number("NaN"), PgType::INT4), "!cannot convert NaN to integer"),
        (cast(float(1.0 / 3.0), PgType::NUMERIC), "0.333333333333333"),
        (cast(float(1e15), PgType::numeric(20, 2)), "1000000000000000.00"),
        (cast(Typed::literal(true.into(), PgType::BOOL), PgType::INT4), "1"),
    ] {
        assert_eq!(show(expr), expected);
    }
}
