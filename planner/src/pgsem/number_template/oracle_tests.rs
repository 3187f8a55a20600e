//! PostgreSQL 15's own answers (`oracle.tsv`: type or `to_number`, value, template, `[result]` or `!SQLSTATE message`).

use super::read::read;
use super::write::write;
use super::{Template, number};
use crate::error::{Error, Result};
use crate::pgsem::number_io::{parse_float4, parse_float8, parse_int4, parse_int8};
use crate::pgsem::numeric::parse_numeric;

fn answer(what: &str, value: &str, template: &str) -> Result<String> {
    let t = Template::parse(template)?;
    let prepared = match what {
        "to_number" => return read(&t, value).map(|n| n.to_string()),
        "numeric" => number::numeric(&t, &parse_numeric(value)?),
        "int4" => number::int4(&t, parse_int4(value)?),
        "int8" => number::int8(&t, parse_int8(value)?),
        "float4" => {
            number::float(&t, f64::from(parse_float4(value)?), 6, |v, n| f64::from(v as f32 * 10f64.powi(n) as f32))
        }
        "float8" => number::float(&t, parse_float8(value)?, 15, |v, n| v * 10f64.powi(n)),
        other => Err(Error::internal(format!("no type {other}"))),
    };
    write(&t, &prepared?)
}

#[test]
fn every_answer_is_postgres() {
    let mut wrong = Vec::new();
    for line in include_str!("oracle.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [what, value, template, expected] = fields[..] else { panic!("bad line {line}") };
        let actual = answer(what, value, template);
        let actual = actual.map_or_else(|e| format!("!{} {}", e.sqlstate(), e.message()), |text| format!("[{text}]"));
        if actual != expected {
            wrong.push(format!("{what} {value} {template:?}: {actual} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong[..wrong.len().min(60)].join("\n"));
}
