//! A block as text: the finished SELECT, a derived table, and the room for a list of keys.

use super::{Block, Emitter, Stage};
use crate::emit::template::{self, CONDITIONS};
use crate::emit::{Sql, Written, keys};
use crate::pgtype::PgType;

impl Emitter<'_> {
    /// The block with room for a list of keys that filters its rows by one of its columns, and that column's text. `None`: not
    /// before it counts, groups or cuts off its rows.
    pub fn key_filter(&self, block: &Block, column: usize, number: usize) -> Option<(Block, String)> {
        let key = block.columns.get(column).filter(|c| c.simple && !c.key && keys::takes(self.dialect, c.ty))?;
        let before_groups = block.group.as_ref().is_none_or(|group| group.contains(&key.text));
        if !before_groups || block.stage > Stage::Grouped {
            return None;
        }
        let mut filtered = block.clone();
        filtered.conditions.push(template::key_filter(number));
        Some((filtered, key.text.clone()))
    }

    pub(super) fn up_to(&self, block: Block, stage: Stage) -> Written<Block> {
        if block.stage > stage { self.wrap(block) } else { Ok(block) }
    }

    /// The block so far as a derived table.
    pub(super) fn wrap(&self, block: Block) -> Written<Block> {
        let alias = self.fresh();
        let columns = block.columns.iter().enumerate();
        let columns = columns.map(|(i, c)| Sql { key: c.key, ..Sql::simple(format!("{alias}.c{i}"), c.ty) }).collect();
        let inner = Block { single_table: None, ..block };
        let select = self.select(&inner, None)?;
        Ok(Block::over(format!("({select}) AS {alias}"), columns, inner.schema))
    }

    /// The finished SELECT. `outputs`: the columns wanted, by position, each with the type it is decoded as; `None`: all, as they
    /// are.
    pub fn select(&self, block: &Block, outputs: Option<&[(usize, PgType)]>) -> Written<String> {
        let mut items = Vec::new();
        match outputs {
            Some(outputs) => {
                for (n, (i, ty)) in outputs.iter().enumerate() {
                    items.push(format!("{} AS c{n}", self.dialect.output(block.columns[*i].clone(), *ty)?));
                }
            }
            None => items.extend(block.columns.iter().enumerate().map(|(i, c)| format!("{} AS c{i}", c.text))),
        }
        if items.is_empty() {
            items.push("1 AS c0".to_string());
        }
        // One row for the whole table, also when none of its aggregates is wanted: HAVING keeps SQL from reading it as a scan.
        let whole_table_aggregate =
            block.group.as_ref().is_some_and(Vec::is_empty) && !items.iter().any(|item| item.contains('('));
        let mut sql = format!("SELECT {}", items.join(", "));
        let mut clause = |word: &str, parts: &[String], separator: &str| {
            if !parts.is_empty() {
                sql += &format!(" {word} {}", parts.join(separator));
            }
        };
        if !block.from.is_empty() {
            clause("FROM", std::slice::from_ref(&block.from), "");
        }
        if block.single_table.is_some() && self.dialect.takes_ranges() {
            let conditions = if block.conditions.is_empty() { "TRUE".into() } else { block.conditions.join(" AND ") };
            clause("WHERE", &[conditions + CONDITIONS], "");
        } else {
            clause("WHERE", &block.conditions, " AND ");
        }
        clause("GROUP BY", block.group.as_deref().unwrap_or_default(), ", ");
        if whole_table_aggregate && block.having.is_empty() {
            clause("HAVING", &["count(*) >= 0".to_string()], "");
        }
        clause("HAVING", &block.having, " AND ");
        clause("ORDER BY", &block.order, ", ");
        Ok(sql + &self.dialect.limit(block.fetch, block.skip))
    }
}
