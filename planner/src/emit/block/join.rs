//! Joins: SQL's own words for those that return both sides, EXISTS and IN for those that keep one.

use datafusion_common::{JoinType, NullEquality};
use datafusion_expr::Join;
use datafusion_expr::utils::split_conjunction;

use super::{Block, Emitter, Stage};
use crate::emit::expr::Scopes;
use crate::emit::{Comparison, Refusal, Sql, Written};
use crate::pgtype::PgType;

impl Emitter<'_> {
    pub fn join(&self, left: Block, right: Block, j: &Join, outer: &Scopes<'_>) -> Written<Block> {
        self.dialect.join(j.join_type)?;
        let (mut left, mut right) = (self.up_to(left, Stage::From)?, self.up_to(right, Stage::From)?);
        // The side that may be filled with NULLs must stand alone: its conditions and computed columns come before the join.
        let movable = |b: &Block| b.conditions.is_empty() && b.columns.iter().all(|c| c.simple) && !b.from.is_empty();
        let kind = j.join_type;
        if (matches!(kind, JoinType::Right | JoinType::Full) && !movable(&left)) || left.from.is_empty() {
            left = self.wrap(left)?;
        }
        if (matches!(kind, JoinType::Left | JoinType::Full) && !movable(&right)) || right.from.is_empty() {
            right = self.wrap(right)?;
        }
        let mut on = Vec::new();
        let mut membership = None;
        {
            let scopes = outer.with(&left.schema, &left.columns);
            let scopes = scopes.with(&right.schema, &right.columns);
            let writer = self.writer(scopes);
            let equal = match j.null_equality {
                NullEquality::NullEqualsNothing => Comparison::Eq,
                NullEquality::NullEqualsNull => Comparison::NotDistinct,
            };
            for (l, r) in &j.on {
                if j.null_aware {
                    membership = Some((writer.write(l, None)?, writer.write(r, None)?));
                } else {
                    on.push(writer.comparison(equal, l, r)?.text);
                }
            }
            for condition in j.filter.iter().flat_map(split_conjunction) {
                on.push(writer.write(condition, Some(PgType::BOOL))?.text);
            }
        }
        match kind {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                let right_from = if right.joined { format!("({})", right.from) } else { right.from };
                let left_from = left.from;
                let from = match (kind, on.is_empty()) {
                    (JoinType::Inner, true) => format!("{left_from} CROSS JOIN {right_from}"),
                    (_, empty) => {
                        let word = match kind {
                            JoinType::Inner => "INNER",
                            JoinType::Left => "LEFT",
                            JoinType::Right => "RIGHT",
                            _ => "FULL",
                        };
                        let on = if empty { "1 = 1".to_string() } else { on.join(" AND ") };
                        format!("{left_from} {word} JOIN {right_from} ON {on}")
                    }
                };
                let columns = left.columns.into_iter().chain(right.columns).collect();
                let mut block = Block::over(from, columns, j.schema.clone());
                block.joined = true;
                block.conditions = left.conditions;
                block.conditions.extend(right.conditions);
                Ok(block)
            }
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                self.membership(left, right, j, on, membership)
            }
            JoinType::RightSemi | JoinType::RightAnti => self.membership(right, left, j, on, membership),
            other => Err(Refusal::new(format!("a {other} join"))),
        }
    }

    /// Semi, anti and mark joins: a condition on the side that is kept.
    fn membership(
        &self,
        mut keep: Block,
        probe: Block,
        j: &Join,
        on: Vec<String>,
        pair: Option<(Sql, Sql)>,
    ) -> Written<Block> {
        let conditions: Vec<String> = probe.conditions.into_iter().chain(on).collect();
        let clause = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let anti = matches!(j.join_type, JoinType::LeftAnti | JoinType::RightAnti);
        let not = if anti { "NOT " } else { "" };
        let test = match pair {
            Some((kept, probed)) => {
                if kept.ty.oid != probed.ty.oid || kept.ty.is_string() && !self.source.c_collation {
                    return Err(Refusal::new("NOT IN over text or different types"));
                }
                format!("({} {not}IN (SELECT {} FROM {}{clause}))", kept.text, probed.text, probe.from)
            }
            None => format!("({not}EXISTS (SELECT 1 FROM {}{clause}))", probe.from),
        };
        if j.join_type == JoinType::LeftMark {
            keep.columns.push(Sql::new(test, PgType::BOOL));
        } else {
            keep.conditions.push(test);
        }
        keep.single_table = None;
        Ok(keep.with_schema(j.schema.clone()))
    }
}
