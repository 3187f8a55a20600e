//! One SELECT under construction, and how plan nodes are merged into it.
//!
//! A node joins the block while SQL's clause order allows ([`Stage`]); otherwise the block so far becomes a derived table.
//! Tables and derived tables are `t0`, `t1` …, result columns `c0`, `c1` …

use std::cell::Cell;

use datafusion_common::{DFSchemaRef, JoinType, NullEquality};
use datafusion_expr::expr::Sort as SortExpr;
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{
    Aggregate, Distinct, Expr, FetchType, Join, Limit, LogicalPlan, Projection, SkipType, Sort, TableScan, Union,
    Window,
};

use super::expr::{ExprWriter, Scopes};
use super::template::{self, CONDITIONS, MARK};
use super::{Comparison, Dialect, Refusal, Sql, Written, keys};
use crate::catalog::Source;
use crate::pgtype::PgType;
use crate::plan::SingleTable;
use crate::source::{CatalogTable, PassthroughQuery};

/// How far a block has got in SQL's order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    From,
    Grouped,
    Windowed,
    Ordered,
    Limited,
}

#[derive(Clone, Debug)]
pub struct Block {
    from: String,
    /// `from` is a join, not one table or derived table.
    joined: bool,
    /// One per column of `schema`.
    pub columns: Vec<Sql>,
    conditions: Vec<String>,
    group: Option<Vec<String>>,
    having: Vec<String>,
    order: Vec<String>,
    fetch: Option<usize>,
    skip: usize,
    pub stage: Stage,
    pub schema: DFSchemaRef,
    /// Set while the block reads one table with nothing but conditions and columns.
    pub single_table: Option<SingleTable>,
}

impl Block {
    fn over(from: String, columns: Vec<Sql>, schema: DFSchemaRef) -> Self {
        Self {
            from,
            joined: false,
            columns,
            conditions: Vec::new(),
            group: None,
            having: Vec::new(),
            order: Vec::new(),
            fetch: None,
            skip: 0,
            stage: Stage::From,
            schema,
            single_table: None,
        }
    }

    /// The same rows under other qualifiers.
    pub fn with_schema(self, schema: DFSchemaRef) -> Self {
        Self { schema, ..self }
    }
}

/// Writes plans for one source.
pub struct Emitter<'a> {
    pub dialect: &'a dyn Dialect,
    pub source: &'a Source,
    /// Types of `$1`, `$2`, …
    pub parameters: &'a [PgType],
    next: Cell<usize>,
}

impl<'a> Emitter<'a> {
    pub fn new(dialect: &'a dyn Dialect, source: &'a Source, parameters: &'a [PgType]) -> Self {
        Self { dialect, source, parameters, next: Cell::new(0) }
    }

    fn fresh(&self) -> String {
        let n = self.next.get();
        self.next.set(n + 1);
        format!("t{n}")
    }

    fn writer<'s>(&'s self, scopes: Scopes<'s>) -> ExprWriter<'s> {
        ExprWriter { emitter: self, scopes }
    }

    /// A plan as a parenthesised subquery, and the type of its first column.
    pub fn subquery(&self, plan: &LogicalPlan, outer: &Scopes<'_>) -> Written {
        let block = Block { single_table: None, ..self.block(plan, outer)? };
        let ty = block.columns.first().map_or(PgType::UNKNOWN, |c| c.ty);
        Ok(Sql::new(format!("({})", self.select(&block, None)?), ty))
    }

    /// A whole plan, all of it at this source.
    pub fn block(&self, plan: &LogicalPlan, outer: &Scopes<'_>) -> Written<Block> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => {
                Ok(self.block(&alias.input, outer)?.with_schema(plan.schema().clone()))
            }
            LogicalPlan::Projection(p) => self.project(self.block(&p.input, outer)?, p, outer),
            LogicalPlan::Filter(f) => self.filter(self.block(&f.input, outer)?, &[&f.predicate], outer),
            LogicalPlan::Aggregate(a) => self.aggregate(self.block(&a.input, outer)?, a, outer),
            LogicalPlan::Window(w) => self.window(self.block(&w.input, outer)?, w, outer),
            LogicalPlan::Sort(s) => self.sort(self.block(&s.input, outer)?, s, outer),
            LogicalPlan::Limit(l) => self.limit(self.block(&l.input, outer)?, l),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(self.block(input, outer)?),
            LogicalPlan::Union(u) => {
                let inputs = u.inputs.iter().map(|i| self.block(i, outer)).collect::<Written<_>>()?;
                self.union(inputs, u)
            }
            LogicalPlan::Join(j) => self.join(self.block(&j.left, outer)?, self.block(&j.right, outer)?, j, outer),
            LogicalPlan::EmptyRelation(e) if e.produce_one_row && e.schema.fields().is_empty() => {
                Ok(Block::over(String::new(), Vec::new(), e.schema.clone()))
            }
            other => Err(Refusal::new(other.display().to_string())),
        }
    }

    pub fn scan(&self, scan: &TableScan) -> Written<Block> {
        let source = scan.source.downcast_ref::<CatalogTable>().ok_or_else(|| Refusal::new("not a remote table"))?;
        if source.placement.source != self.source.id {
            return Err(Refusal::new("a table of another source"));
        }
        let alias = self.fresh();
        let all: Vec<usize> = (0..source.table.columns.len()).collect();
        let columns = scan
            .projection
            .as_ref()
            .unwrap_or(&all)
            .iter()
            .map(|i| {
                let column = &source.table.columns[*i];
                let text = format!("{alias}.{}", self.dialect.identifier(&column.remote_name)?);
                self.dialect.column(self.source, text, column)
            })
            .collect::<Written<_>>()?;
        let placement = &source.placement;
        let name = self.dialect.table_name(&placement.remote_schema, &placement.remote_name)?;
        let mut block = Block::over(format!("{name} AS {alias}"), columns, scan.projected_schema.clone());
        block.single_table = Some(SingleTable {
            remote_schema: placement.remote_schema.clone(),
            remote_name: placement.remote_name.clone(),
            alias,
            estimated_rows: source.table.rows,
        });
        let conditions: Vec<&Expr> = scan.filters.iter().collect();
        self.filter(block, &conditions, &Scopes::default())
    }

    /// A statement of the client's own as a derived table. In it nothing is escaped; around it nothing can be escaped from, since
    /// its last line ends before the parenthesis closes.
    pub fn passthrough(&self, scan: &TableScan, query: &PassthroughQuery) -> Written<Block> {
        if query.sql.chars().any(|c| c == MARK || c == '\0') {
            return Err(Refusal::new("a control character in the statement"));
        }
        let alias = self.fresh();
        let all: Vec<usize> = (0..query.columns.len()).collect();
        let renames = self.dialect.renames_derived_columns();
        let reference = |i: &usize| {
            let (name, ty) = &query.columns[*i];
            let name = if renames { format!("c{i}") } else { self.dialect.identifier(name)? };
            Ok(Sql::simple(format!("{alias}.{name}"), *ty))
        };
        let columns = scan.projection.as_ref().unwrap_or(&all).iter().map(reference).collect::<Written<_>>()?;
        let names: Vec<String> = all.iter().map(|i| format!("c{i}")).collect();
        let names = if renames { format!("({})", names.join(", ")) } else { String::new() };
        Ok(Block::over(format!("({}\n) AS {alias}{names}", query.sql), columns, scan.projected_schema.clone()))
    }

    pub fn project(&self, mut block: Block, p: &Projection, outer: &Scopes<'_>) -> Written<Block> {
        if p.expr.iter().any(|e| e.is_volatile()) {
            return Err(Refusal::new("a volatile expression"));
        }
        let columns = {
            let writer = self.writer(outer.with(&block.schema, &block.columns));
            p.expr.iter().map(|e| writer.output(e)).collect::<Written<Vec<_>>>()?
        };
        block.columns = columns;
        Ok(block.with_schema(p.schema.clone()))
    }

    /// Adds conditions, all of them or none.
    pub fn filter(&self, block: Block, conditions: &[&Expr], outer: &Scopes<'_>) -> Written<Block> {
        if conditions.is_empty() {
            return Ok(block);
        }
        let mut block = self.up_to(block, Stage::Grouped)?;
        let written = {
            let writer = self.writer(outer.with(&block.schema, &block.columns));
            let parts = conditions.iter().flat_map(|c| split_conjunction(c));
            parts.map(|e| Ok(writer.write(e, Some(PgType::BOOL))?.text)).collect::<Written<Vec<_>>>()?
        };
        if block.stage == Stage::From {
            block.conditions.extend(written)
        } else {
            block.having.extend(written)
        }
        Ok(block)
    }

    pub fn aggregate(&self, block: Block, a: &Aggregate, outer: &Scopes<'_>) -> Written<Block> {
        let mut block = self.up_to(block, Stage::From)?;
        if a.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return Err(Refusal::new("grouping sets"));
        }
        let (mut columns, aggregates) = {
            let writer = self.writer(outer.with(&block.schema, &block.columns));
            let keys = a.group_expr.iter().map(|e| self.dialect.group_key(self.source, writer.write(e, None)?));
            let keys = keys.collect::<Written<Vec<_>>>()?;
            (keys, a.aggr_expr.iter().map(|e| writer.write(e, None)).collect::<Written<Vec<_>>>()?)
        };
        if columns.iter().any(Sql::is_position) {
            return Err(Refusal::new("grouping by a constant"));
        }
        block.group = Some(columns.iter().map(|k| k.text.clone()).collect());
        columns.extend(aggregates);
        block.columns = columns;
        block.stage = Stage::Grouped;
        block.single_table = None;
        Ok(block.with_schema(a.schema.clone()))
    }

    pub fn window(&self, block: Block, w: &Window, outer: &Scopes<'_>) -> Written<Block> {
        let mut block = self.up_to(block, Stage::Windowed)?;
        if block.columns.iter().any(|c| c.text.contains(" OVER (")) {
            block = self.wrap(block)?;
        }
        let calls = {
            let writer = self.writer(outer.with(&block.schema, &block.columns));
            w.window_expr.iter().map(|e| writer.write(e, None)).collect::<Written<Vec<_>>>()?
        };
        block.columns.extend(calls);
        block.stage = Stage::Windowed;
        block.single_table = None;
        Ok(block.with_schema(w.schema.clone()))
    }

    pub fn sort(&self, block: Block, s: &Sort, outer: &Scopes<'_>) -> Written<Block> {
        let mut block = self.up_to(block, Stage::Windowed)?;
        let keys = {
            let writer = self.writer(outer.with(&block.schema, &block.columns));
            // Constants do not order anything.
            let keys = s.expr.iter().filter(|k| !matches!(k.expr, Expr::Literal(..)));
            let written = |k: &SortExpr| match writer.write(&k.expr, None)?.is_position() {
                true => Err(Refusal::new("ordering by a constant")),
                false => writer.sort(k),
            };
            keys.map(written).collect::<Written<Vec<_>>>()?
        };
        block.order = keys;
        block.stage = Stage::Ordered;
        block.single_table = None;
        if let Some(fetch) = s.fetch {
            block.fetch = Some(fetch);
            block.stage = Stage::Limited;
        }
        Ok(block)
    }

    pub fn limit(&self, mut block: Block, l: &Limit) -> Written<Block> {
        let refused = |_| Refusal::new("a LIMIT that is not a number");
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (l.get_skip_type().map_err(refused)?, l.get_fetch_type().map_err(refused)?)
        else {
            return Err(Refusal::new("a LIMIT that is not a number"));
        };
        let left = block.fetch.map(|inner| inner.saturating_sub(skip));
        block.fetch = match (left, fetch) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        block.skip += skip;
        block.stage = Stage::Limited;
        block.single_table = None;
        Ok(block)
    }

    pub fn distinct(&self, block: Block) -> Written<Block> {
        let mut block = self.up_to(block, Stage::From)?;
        let keys = block.columns.iter().cloned().map(|c| self.dialect.group_key(self.source, c));
        block.columns = keys.collect::<Written<_>>()?;
        if block.columns.is_empty() || block.columns.iter().any(Sql::is_position) {
            return Err(Refusal::new("DISTINCT over constants"));
        }
        block.group = Some(block.columns.iter().map(|c| c.text.clone()).collect());
        block.stage = Stage::Grouped;
        block.single_table = None;
        Ok(block)
    }

    pub fn union(&self, inputs: Vec<Block>, u: &Union) -> Written<Block> {
        let types: Vec<PgType> = inputs.first().map(|b| b.columns.iter().map(|c| c.ty).collect()).unwrap_or_default();
        let mut keys = vec![false; types.len()];
        let mut selects = Vec::new();
        for input in inputs {
            keys.iter_mut().zip(&input.columns).for_each(|(key, c)| *key |= c.key);
            if input.columns.iter().zip(&types).any(|(c, t)| c.ty.oid != t.oid) {
                return Err(Refusal::new("a UNION of different types"));
            }
            self.dialect.union_all(&input.columns)?;
            let input = if input.stage >= Stage::Ordered { self.wrap(input)? } else { input };
            let input = Block { single_table: None, ..input };
            selects.push(self.select(&input, None)?);
        }
        let alias = self.fresh();
        let columns = types.iter().enumerate().map(|(i, t)| Sql::simple(format!("{alias}.c{i}"), t.without_typmod()));
        let columns = columns.zip(keys).map(|(c, key)| Sql { key, ..c }).collect();
        Ok(Block::over(format!("({}) AS {alias}", selects.join(" UNION ALL ")), columns, u.schema.clone()))
    }

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

    fn up_to(&self, block: Block, stage: Stage) -> Written<Block> {
        if block.stage > stage { self.wrap(block) } else { Ok(block) }
    }

    /// The block so far as a derived table.
    fn wrap(&self, block: Block) -> Written<Block> {
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
