//! The workspace keeps its shape: crates depend on each other in one direction only.

use std::path::Path;

/// Each crate with those above it.
const ORDER: [&str; 5] = ["cost-model", "planner", "connectors", "gateway", "integration"];

#[test]
fn crates_depend_only_on_those_above_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (i, crate_name) in ORDER.iter().enumerate() {
        let manifest = std::fs::read_to_string(root.join(crate_name).join("Cargo.toml")).unwrap();
        for below in &ORDER[i..] {
            let depends =
                manifest.lines().any(|l| l.starts_with(&format!("{below}.")) || l.starts_with(&format!("{below} ")));
            assert!(!depends, "{crate_name} must not depend on {below}");
        }
    }
}

#[test]
fn there_is_one_arrow_and_one_datafusion() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    for name in ["arrow-array", "datafusion", "sqlparser", "parquet", "rustls", "pgwire"] {
        assert_eq!(lock.matches(&format!("name = \"{name}\"\n")).count(), 1, "{name}");
    }
}
