//! PostgreSQL's own answers to the cases that the whole gateway is tested with: its value, its error, or an honest 0A000.

use std::path::Path;

use planner::context::TimeZone;
use serde_json::Value;

use crate::local::{Local, Row};

/// Share of cases that may be refused.
const HONEST: f64 = 0.15;

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration/cases").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::String(s) => format!("'{}'", s.replace('\'', "''")),
        Value::Array(items) => {
            let items: Vec<String> =
                items.iter().map(|i| if i.is_null() { "NULL".into() } else { i.to_string() }).collect();
            format!("'{{{}}}'", items.join(","))
        }
        Value::Object(bytes) => format!("'\\x{}'", bytes["bytes_hex"].as_str().unwrap()),
        other => format!("'{other}'"),
    }
}

fn with_tables() -> Local {
    let mut local = Local::new();
    for (name, table) in read("tables.json").as_object().unwrap() {
        let columns = table["columns"].as_array().unwrap();
        let types: Vec<&str> =
            columns.iter().map(|c| c["postgres"].as_str().unwrap().trim_end_matches(" primary key")).collect();
        let names: Vec<&str> = columns.iter().map(|c| c["name"].as_str().unwrap()).collect();
        let row = |row: &Value| {
            let cells = row.as_array().unwrap().iter().zip(&types).map(|(v, ty)| format!("{}::{ty}", literal(v)));
            format!("({})", cells.collect::<Vec<_>>().join(", "))
        };
        let rows: Vec<String> = table["rows"].as_array().unwrap().iter().map(row).collect();
        let query = format!("SELECT * FROM (VALUES {}) v({})", rows.join(", "), names.join(", "));
        local.create(name, &query).unwrap_or_else(|e| panic!("{name}: {e:?}"));
    }
    local
}

/// Rows as a multiset or in order; floats to a relative error of 1e-9.
fn difference(expected: &[Row], actual: &[Row], ordered: bool, floats: &[bool]) -> Option<String> {
    let (mut expected, mut actual) = (expected.to_vec(), actual.to_vec());
    if !ordered {
        expected.sort();
        actual.sort();
    }
    let close = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
            _ => false,
        },
        _ => false,
    };
    let same = |e: &Row, a: &Row| {
        e.len() == a.len() && e.iter().zip(a).zip(floats).all(|((e, a), float)| e == a || *float && close(e, a))
    };
    let all = expected.len() == actual.len() && expected.iter().zip(&actual).all(|(e, a)| same(e, a));
    (!all).then(|| format!("{actual:?}\n    instead of {expected:?}"))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// `None`: right; `Some(Ok)`: refused; `Some(Err)`: wrong.
fn judge(local: &Local, case: &Value) -> Option<Result<String, String>> {
    let sqlstate = case["sqlstate"].as_str();
    match (local.ask(case["sql"].as_str().unwrap()), sqlstate) {
        (Err(e), expected) if e.sqlstate().as_str() == "0A000" && expected != Some("0A000") => {
            Some(Ok(e.message().to_string()))
        }
        (Err(e), Some(expected)) if e.sqlstate().as_str() == expected => {
            let message = case["message"].as_str().unwrap_or_default();
            (e.message() != message).then(|| Err(format!("{} instead of {message}", e.message())))
        }
        (Err(e), expected) => Some(Err(format!("{e:?} instead of {}", expected.unwrap_or("rows")))),
        (Ok(answer), Some(expected)) => Some(Err(format!("{:?} instead of error {expected}", answer.rows))),
        (Ok(answer), None) => {
            let types: Vec<&str> = answer.columns.iter().map(|c| c.ty.info().name).collect();
            if types != strings(&case["types"]) {
                return Some(Err(format!("types {types:?} instead of {}", case["types"])));
            }
            let names: Vec<&str> = answer.columns.iter().map(|c| c.name.as_str()).collect();
            if names != strings(&case["names"]) {
                return Some(Err(format!("names {names:?} instead of {}", case["names"])));
            }
            let floats: Vec<bool> = types.iter().map(|t| t.starts_with("float")).collect();
            let expected: Vec<Row> = serde_json::from_value(case["rows"].clone()).unwrap();
            difference(&expected, &answer.rows, case["ordered"].as_bool().unwrap(), &floats).map(Err)
        }
    }
}

#[test]
fn cases_are_answered_as_postgresql_does() {
    let mut local = with_tables();
    let (mut refused, mut wrong) = (Vec::new(), Vec::new());
    let cases = read("postgres-answers.json");
    let cases = cases.as_array().unwrap();
    // Who runs a recursive query brings the operator for its working table.
    for case in cases.iter().filter(|c| !c["sql"].as_str().unwrap().contains("RECURSIVE")) {
        let zone = case["set"].as_str().and_then(|s| s.split('\'').nth(1)).unwrap_or("UTC");
        local.ctx.time_zone = TimeZone::Named(zone.parse().unwrap());
        let line = |what: String| format!("{} {}\n    {what}", case["id"], case["sql"].as_str().unwrap());
        match judge(&local, case) {
            None => {}
            Some(Ok(why)) => refused.push(line(why)),
            Some(Err(how)) => wrong.push(line(how)),
        }
    }
    println!("{} of {} refused:\n{}", refused.len(), cases.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(refused.len() as f64 <= HONEST * cases.len() as f64, "{} refused", refused.len());
}
