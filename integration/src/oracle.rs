//! Whether two answers are the same: rows as a multiset (or in order), text exactly, floats to a relative error of 1e-9.

use crate::gateway::Answer;

pub type Row = Vec<Option<String>>;

/// What an answer is worth.
#[derive(Debug)]
pub enum Verdict {
    Right,
    /// An honest 0A000, with what it says.
    Refused(String),
    Wrong(String),
}

/// The same rows, or the same SQLSTATE.
pub fn judge(expected: &Answer, answer: &Answer, ordered: bool, floats: &[bool]) -> Verdict {
    match (expected, answer) {
        (_, Answer::Error { sqlstate, message }) if sqlstate == "0A000" => Verdict::Refused(message.clone()),
        (Answer::Error { sqlstate: expected, .. }, Answer::Error { sqlstate, .. }) if expected == sqlstate => {
            Verdict::Right
        }
        (Answer::Rows(expected), Answer::Rows(rows)) => {
            difference(expected, rows, ordered, floats).map_or(Verdict::Right, Verdict::Wrong)
        }
        (expected, answer) => Verdict::Wrong(format!("{answer:?} instead of {expected:?}")),
    }
}

/// `None` if the answers agree, otherwise the first difference in words. `floats`: which columns hold binary floating point.
pub fn difference(expected: &[Row], actual: &[Row], ordered: bool, floats: &[bool]) -> Option<String> {
    if expected.len() != actual.len() {
        return Some(format!("{} rows instead of {}{}", actual.len(), expected.len(), first_extra(expected, actual)));
    }
    let (mut expected, mut actual) = (expected.to_vec(), actual.to_vec());
    if !ordered {
        expected.sort();
        actual.sort();
    }
    expected.iter().zip(&actual).enumerate().find_map(|(i, (e, a))| {
        let same = e.len() == a.len()
            && e.iter().zip(a).enumerate().all(|(column, (e, a))| {
                e == a || floats.get(column).copied().unwrap_or(false) && close(e.as_deref(), a.as_deref())
            });
        (!same).then(|| format!("row {}: {} instead of {}", i + 1, show(a), show(e)))
    })
}

fn close(expected: Option<&str>, actual: Option<&str>) -> bool {
    let (Some(e), Some(a)) = (expected.and_then(|v| v.parse::<f64>().ok()), actual.and_then(|v| v.parse::<f64>().ok()))
    else {
        return false;
    };
    (e - a).abs() <= 1e-9 * e.abs().max(a.abs())
}

fn show(row: &Row) -> String {
    let values: Vec<&str> = row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect();
    format!("({})", values.join(" | "))
}

fn first_extra(expected: &[Row], actual: &[Row]) -> String {
    let missing = expected.iter().find(|r| !actual.contains(r)).map(|r| format!(", missing {}", show(r)));
    let extra = actual.iter().find(|r| !expected.contains(r)).map(|r| format!(", unexpected {}", show(r)));
    format!("{}{}", missing.unwrap_or_default(), extra.unwrap_or_default())
}
