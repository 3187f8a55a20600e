//! VALUES.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion_common::{DFSchema, DFSchemaRef};
use datafusion_expr::{Expr, LogicalPlan, Union, Values};
use sqlparser::ast;

use super::Clause;
use super::binder::{Binder, syntax};
use super::node::{self, has_subquery, project};
use super::query::Body;
use super::scope::{Scope, ScopeColumn};
use crate::error::Result;
use crate::pgsem::Typed;

impl Binder<'_> {
    pub(super) fn bind_values(&mut self, values: &ast::Values, outer: Option<&Scope<'_>>) -> Result<Body> {
        let scope = Scope { parent: outer, ..Scope::default() };
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let mut columns: Vec<Vec<Typed>> = vec![Vec::with_capacity(values.rows.len()); width];
        for row in &values.rows {
            if row.content.len() != width {
                return Err(syntax("VALUES lists must all be the same length"));
            }
            for (column, expr) in columns.iter_mut().zip(&row.content) {
                column.push(self.bind_expr(expr, &scope, Clause::Values)?);
            }
        }
        let name = |i: usize| format!("column{}", i + 1);
        if values.rows.len() == 1 {
            // One row stays open: a set operation around it may still decide the type of an untyped literal.
            let columns = columns
                .into_iter()
                .flatten()
                .enumerate()
                .map(|(i, typed)| ScopeColumn::computed(name(i), typed))
                .collect();
            return Ok(Body { plan: node::one_row(), columns });
        }
        let mut unified = Vec::with_capacity(width);
        for column in columns {
            let column = self.unify(column, "VALUES")?;
            let column = column.into_iter().map(|t| self.settle(t)).collect::<Result<Vec<_>>>()?;
            unified.push(column);
        }
        let names: Vec<_> = (0..width).map(|_| self.fresh_column()).collect();
        let plan = self.rows(&unified, &names)?;
        let columns = unified
            .into_iter()
            .zip(names)
            .enumerate()
            .map(|(i, (column, column_name))| {
                let Typed { ty, repr, .. } = &column[0];
                let typed = Typed::with_repr(Expr::Column(column_name), *ty, repr.clone());
                ScopeColumn::computed(name(i), typed)
            })
            .collect();
        Ok(Body { plan, columns })
    }

    fn rows(&mut self, columns: &[Vec<Typed>], names: &[datafusion_common::Column]) -> Result<LogicalPlan> {
        let count = columns.first().map_or(0, Vec::len);
        let row = |i: usize| columns.iter().map(move |c| c[i].expr.clone());
        let plain = columns.iter().flatten().all(|t| !has_subquery(&t.expr) && !t.expr.contains_outer());
        if plain {
            let schema = schema(columns, names)?;
            let values = (0..count).map(|i| row(i).collect()).collect();
            return Ok(LogicalPlan::Values(Values { schema, values }));
        }
        // Subqueries are unnested from projections only: one for each row.
        let inputs = (0..count)
            .map(|i| project(node::one_row(), row(i).zip(names).map(|(e, n)| node::named(e, n)).collect()))
            .map(|plan| plan.map(Arc::new))
            .collect::<Result<Vec<_>>>()?;
        Ok(LogicalPlan::Union(Union::try_new(inputs)?))
    }
}

fn schema(columns: &[Vec<Typed>], names: &[datafusion_common::Column]) -> Result<DFSchemaRef> {
    let fields = columns.iter().zip(names).map(|(c, n)| Field::new(&n.name, c[0].repr.clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    Ok(Arc::new(DFSchema::try_from(schema)?))
}
