//! PostgreSQL 15's own answers (`oracle.tsv`: operation, operands, result or `!SQLSTATE message`).

use super::int::Rounding;
use super::{Numeric, parse_numeric};
use crate::error::{Error, Result};
use crate::pgsem::errors::out_of_range;

fn evaluate(operation: &str, args: &[&str]) -> Result<String> {
    let n = |i: usize| parse_numeric(args[i]);
    let int = |i: usize| -> Result<i32> { args[i].parse().map_err(|_| Error::internal("bad test")) };
    let show = |v: Result<Numeric>| v.map(|v| v.to_string());
    match operation {
        "add" => show(n(0)?.add(&n(1)?)),
        "sub" => show(n(0)?.sub(&n(1)?)),
        "mul" => show(n(0)?.mul(&n(1)?)),
        "div" => show(n(0)?.div(&n(1)?)),
        "rem" => show(n(0)?.rem(&n(1)?)),
        "div_trunc" => show(n(0)?.div_trunc(&n(1)?)),
        "gcd" => show(n(0)?.gcd(&n(1)?)),
        "lcm" => show(n(0)?.lcm(&n(1)?)),
        "power" => show(n(0)?.power(&n(1)?)),
        "log" => show(n(1)?.log(&n(0)?)),
        "neg" => show(Ok(n(0)?.neg())),
        "abs" => show(Ok(n(0)?.abs())),
        "sign" => show(Ok(n(0)?.sign())),
        "round" => show(n(0)?.round(0, Rounding::HalfAway)),
        "round_n" => show(n(0)?.round(int(1)?, Rounding::HalfAway)),
        "trunc" => show(n(0)?.round(0, Rounding::Trunc)),
        "trunc_n" => show(n(0)?.round(int(1)?, Rounding::Trunc)),
        "ceil" => show(n(0)?.round(0, Rounding::Ceil)),
        "floor" => show(n(0)?.round(0, Rounding::Floor)),
        "sqrt" => show(n(0)?.sqrt()),
        "exp" => show(n(0)?.exp()),
        "ln" => show(n(0)?.ln()),
        "log10" => show(n(0)?.log(&Numeric::from(10i64))),
        "scale" => Ok(n(0)?.finite().map_or("NULL".into(), |v| v.scale.to_string())),
        "min_scale" => Ok(n(0)?.finite().map_or("NULL".into(), |v| v.min_scale().to_string())),
        "trim_scale" => show(n(0)?.trim_scale()),
        "int2" => n(0)?
            .to_i64("smallint")
            .and_then(|v| i16::try_from(v).map_err(|_| out_of_range("smallint")))
            .map(|v| v.to_string()),
        "int4" => n(0)?
            .to_i64("integer")
            .and_then(|v| i32::try_from(v).map_err(|_| out_of_range("integer")))
            .map(|v| v.to_string()),
        "int8" => n(0)?.to_i64("bigint").map(|v| v.to_string()),
        "float8" => n(0)?.to_f64().map(|v| format!("{v:e}")),
        "float4" => n(0)?.to_f32().map(|v| format!("{v:e}")),
        "width_bucket" => n(0)?.width_bucket(&n(1)?, &n(2)?, int(3)?).map(|v| v.to_string()),
        "from_f8" => show(Numeric::from_f64(args[0].parse().map_err(|_| Error::internal("bad test"))?)),
        "from_f4" => show(Numeric::from_f32(args[0].parse().map_err(|_| Error::internal("bad test"))?)),
        other => Err(Error::internal(format!("no operation {other}"))),
    }
}

#[test]
fn every_answer_is_postgres() {
    let mut wrong = Vec::new();
    for line in include_str!("oracle.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (operation, args, expected) = (fields[0], &fields[1..fields.len() - 1], fields[fields.len() - 1]);
        let mut expected = expected.to_string();
        if operation.starts_with("float") && !expected.starts_with('!') {
            // The text form of floats is tested elsewhere.
            let value: f64 = expected.parse().unwrap();
            expected = if operation == "float4" { format!("{:e}", value as f32) } else { format!("{value:e}") };
        }
        let actual = evaluate(operation, args).unwrap_or_else(|e| format!("!{} {}", e.sqlstate(), e.message()));
        if actual != expected {
            wrong.push(format!("{operation} {args:?}: {actual} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}
