//! Where a block begins: a table of the source, a statement of the client's own, or, at a site's compute, a relation.

use datafusion_expr::{Expr, TableScan};

use super::{Block, Emitter};
use crate::emit::expr::Scopes;
use crate::emit::template::{MARK, relation, relation_column};
use crate::emit::{Refusal, Sql, Written};
use crate::plan::SingleTable;
use crate::source::{CatalogTable, FragmentRelation, PassthroughQuery};

impl Emitter<'_> {
    pub fn scan(&self, scan: &TableScan) -> Written<Block> {
        if let Some(relation) = scan.source.downcast_ref::<FragmentRelation>() {
            return self.relation(scan, relation);
        }
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

    /// The result of another fragment. Which of its columns are read, and what they are called then, is known when the statement
    /// is finished.
    fn relation(&self, scan: &TableScan, read: &FragmentRelation) -> Written<Block> {
        if !self.source.id.is_compute() {
            return Err(Refusal::new("a relation"));
        }
        if scan.fetch.is_some() || !scan.filters.is_empty() {
            return Err(Refusal::new("a part of a relation"));
        }
        let alias = self.fresh();
        let all: Vec<usize> = (0..read.columns.len()).collect();
        let column =
            |i: &usize| Sql::simple(format!("{alias}.{}", relation_column(read.fragment, *i)), read.columns[*i]);
        let columns = scan.projection.as_ref().unwrap_or(&all).iter().map(column).collect();
        Ok(Block::over(format!("{} AS {alias}", relation(read.fragment)), columns, scan.projected_schema.clone()))
    }
}
