//! The rules of the configuration, with the names of tables and columns as their sources have them.
//!
//! A rule must not fail to protect because of how it is written: names match whatever their case, and a rule that names a column
//! which is not there is taken to mean all columns.

use cost_model::{SiteId, SourceId};
use planner::catalog::{SourceSchema, SourceTable};
use planner::residency::{Leave, Rule, Rules};

use super::names::Found;
use crate::config::{LeaveName, LeaveWord, ResidencyConfig};

/// The rules, and what is wrong with their names.
pub fn rules(written: &[ResidencyConfig], found: &Found) -> (Rules, Vec<String>) {
    let (mut rules, mut problems) = (Rules::new(), Vec::new());
    for config in written {
        let source = SourceId::new(&config.source);
        let known = found.schemas.get(&source);
        let of_source = rules.entry(source).or_default();
        let (schema, table) = match (config.table.split_once('.'), known) {
            (Some(parts), _) => parts,
            (None, known) => (known.map_or("", |s| s.default_schema.as_str()), config.table.as_str()),
        };
        let leave = leave(&config.leave);
        let tables = known.map(|s| tables(s, schema, table)).unwrap_or_default();
        if tables.is_empty() {
            if known.is_some() {
                problems.push(format!("[[residency]]: source \"{}\" has no table \"{}\"", config.source, config.table));
            }
            // It still keeps statements of the client's own from the source.
            let (schema, table) = (schema.to_string(), table.to_string());
            of_source.push(Rule { schema, table, columns: config.columns.clone(), leave });
            continue;
        }
        for table in tables {
            let columns = config.columns.as_ref().and_then(|wanted| {
                let names: Vec<_> = wanted.iter().map(|name| column(table, name)).collect();
                for (name, _) in wanted.iter().zip(&names).filter(|(_, found)| found.is_none()) {
                    problems.push(format!(
                        "[[residency]]: table \"{}\" of source \"{}\" has no column \"{name}\"; all its columns are protected",
                        config.table, config.source
                    ));
                }
                names.into_iter().collect()
            });
            let (schema, table) = (table.remote_schema.clone(), table.remote_name.clone());
            of_source.push(Rule { schema, table, columns, leave: leave.clone() });
        }
    }
    (rules, problems)
}

fn tables<'s>(known: &'s SourceSchema, schema: &str, table: &str) -> Vec<&'s SourceTable> {
    let is_it =
        |t: &&SourceTable| t.remote_schema.eq_ignore_ascii_case(schema) && t.remote_name.eq_ignore_ascii_case(table);
    known.tables.iter().filter(is_it).collect()
}

/// The column's name at the source. A column that is left out here cannot be read at all.
fn column(table: &SourceTable, name: &str) -> Option<String> {
    let is_it = |other: &str| other.eq_ignore_ascii_case(name);
    let shown = table.columns.iter().find(|c| is_it(&c.remote_name) || is_it(&c.name)).map(|c| &c.remote_name);
    shown.or_else(|| table.skipped.iter().map(|(column, _)| column).find(|c| is_it(c))).cloned()
}

fn leave(written: &LeaveName) -> Leave {
    match written {
        LeaveName::Word(LeaveWord::Never) => Leave::Never,
        LeaveName::Word(LeaveWord::Aggregates) => Leave::Aggregates,
        LeaveName::Sites(sites) => Leave::Sites(sites.iter().map(SiteId::new).collect()),
    }
}
