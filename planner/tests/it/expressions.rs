//! Expressions, a line each, with what PostgreSQL 15 answers: `= value | value` (`NULL` for NULL) or `! sqlstate message`.

use crate::local::Local;

fn answer(local: &Local, sql: &str) -> String {
    match local.ask(sql) {
        Ok(answer) => {
            let rows = answer.rows.iter().map(|row| {
                let cells: Vec<&str> = row.iter().map(|c| c.as_deref().unwrap_or("NULL")).collect();
                format!("= {}", cells.join(" | "))
            });
            rows.collect::<Vec<_>>().join("\n")
        }
        Err(e) => format!("! {} {}", e.sqlstate(), e.message()),
    }
}

#[test]
fn expressions_have_postgresqls_values() {
    let mut local = Local::new();
    local
        .create("t", "SELECT * FROM (VALUES (1, 'a', 1.50, true), (0, 'b', NULL, false), (NULL, NULL, 2.25, NULL)) v(i, s, n, b)")
        .unwrap();
    let mut wrong = Vec::new();
    for block in include_str!("expressions.txt").split("\n\n").filter(|b| !b.starts_with('#')) {
        let (sql, expected) = block.trim().split_once('\n').unwrap_or((block.trim(), ""));
        let actual = answer(&local, sql);
        if actual != expected {
            wrong.push(format!("{sql}\n{actual}\ninstead of\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}
