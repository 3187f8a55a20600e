//! One SELECT under construction, and how plan nodes are merged into it.
//!
//! A node joins the block while SQL's clause order allows ([`Stage`]); otherwise the block so far becomes a derived table.
//! Tables and derived tables are `t0`, `t1` …, result columns `c0`, `c1` …

mod join;
mod leaf;
mod select;

use std::cell::Cell;

use datafusion_common::{Column, DFSchemaRef};
use datafusion_expr::expr::Sort as SortExpr;
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{
    Aggregate, Distinct, Expr, FetchType, Limit, LogicalPlan, Projection, SkipType, Sort, Union, Window,
};

use super::expr::{ExprWriter, Scopes, has_subquery};
use super::{Dialect, Refusal, Sql, Written};
use crate::catalog::Source;
use crate::pgtype::PgType;
use crate::plan::SingleTable;

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

    /// Whether a condition may be asked of the rows before they are grouped: it reads nothing but what they are grouped by, and so
    /// says the same of a group and of each of its rows. Not every engine finds the columns of a computed key in HAVING.
    fn is_of_rows(&self, condition: &Expr) -> bool {
        let Some(keys) = self.group.as_ref() else { return true };
        let columns = condition.column_refs();
        let is_key = |column: &&Column| {
            let found = self.schema.maybe_index_of_column(column).and_then(|i| self.columns.get(i));
            found.is_some_and(|sql| keys.contains(&sql.text))
        };
        !columns.is_empty() && columns.iter().all(is_key) && !has_subquery(condition)
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
            let written = |e| Ok((writer.write(e, Some(PgType::BOOL))?.text, block.is_of_rows(e)));
            parts.map(written).collect::<Written<Vec<_>>>()?
        };
        for (condition, of_rows) in written {
            if of_rows { block.conditions.push(condition) } else { block.having.push(condition) }
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
}
