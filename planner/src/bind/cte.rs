//! WITH: each query is bound once, where it is defined; a reference gives its columns new names.
//!
//! A reference stands for the query's text, as if it were written there. That is PostgreSQL's answer as long as two
//! references cannot differ, so a volatile query may be referenced only once.

use std::sync::Arc;

use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::logical_plan::RecursiveQuery;
use datafusion_expr::{Expr, LogicalPlan};
use sqlparser::ast;

use super::binder::Binder;
use super::keys;
use super::node::{self, project};
use super::query::Body;
use super::scope::{Scope, ScopeColumn, fold};
use crate::error::{Error, Result, state};
use crate::pgsem::key::to_dynamic;
use crate::pgtype::PgType;
use crate::source::WorkTable;

/// A WITH query in reach.
#[derive(Clone, Debug)]
pub(super) struct Cte {
    pub name: String,
    plan: LogicalPlan,
    columns: Vec<ScopeColumn>,
    references: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stable,
    Volatile,
    /// The rows of the previous round, inside the recursive term.
    Work,
    /// Not to be referenced here.
    NonRecursiveTerm,
}

impl Binder<'_> {
    pub(super) fn bind_with(&mut self, with: &ast::With, outer: Option<&Scope<'_>>) -> Result<()> {
        for (i, cte) in with.cte_tables.iter().enumerate() {
            let name = fold(&cte.alias.name);
            if with.cte_tables[..i].iter().any(|c| fold(&c.alias.name) == name) {
                return Err(Error::new(
                    state::DUPLICATE_ALIAS,
                    format!("WITH query name \"{name}\" specified more than once"),
                )
                .or_position(self.position(cte.alias.name.span)));
            }
            let recursive = match recursive_terms(&cte.query) {
                Some(terms) if with.recursive => self.bind_recursive(&name, &cte.alias, terms, outer)?,
                _ => None,
            };
            let (plan, mut columns) = match recursive {
                Some(bound) => bound,
                None => {
                    let body = self.bind_query(&cte.query, outer)?;
                    self.materialize(body)?
                }
            };
            rename(&mut columns, &cte.alias, "WITH query")?;
            let kind = if node::is_volatile(&plan)? { Kind::Volatile } else { Kind::Stable };
            self.ctes.push(Cte { name, plan, columns, references: 0, kind });
        }
        Ok(())
    }

    /// The WITH query of that name, if one is in reach.
    pub(super) fn reference_cte(&mut self, name: &str) -> Result<Option<(LogicalPlan, Vec<ScopeColumn>)>> {
        let Some(index) = self.ctes.iter().rposition(|c| c.name == name) else { return Ok(None) };
        let cte = &mut self.ctes[index];
        cte.references += 1;
        match cte.kind {
            Kind::Volatile if cte.references > 1 => {
                return Err(Error::unsupported(format!("a second reference to volatile WITH query \"{name}\"")));
            }
            Kind::Work if cte.references > 1 => {
                return Err(recursion(name, "must not appear more than once"));
            }
            Kind::NonRecursiveTerm => return Err(recursion(name, "must not appear within its non-recursive term")),
            _ => {}
        }
        let (plan, columns) = (cte.plan.clone(), cte.columns.clone());
        self.renamed(plan, columns).map(Some)
    }

    /// The same columns under new names, so that two references never meet under one name.
    pub(super) fn renamed(
        &mut self,
        plan: LogicalPlan,
        mut columns: Vec<ScopeColumn>,
    ) -> Result<(LogicalPlan, Vec<ScopeColumn>)> {
        let mut exprs = Vec::with_capacity(columns.len());
        for column in &mut columns {
            let name = self.fresh_column();
            exprs.push(node::named(column.typed.expr.clone(), &name));
            column.typed.expr = Expr::Column(name);
        }
        Ok((project(plan, exprs)?, columns))
    }

    /// `WITH RECURSIVE name AS (left UNION [ALL] right)`; `None` if `right` does not reference `name`.
    fn bind_recursive(
        &mut self,
        name: &str,
        alias: &ast::TableAlias,
        terms: Terms<'_>,
        outer: Option<&Scope<'_>>,
    ) -> Result<Option<(LogicalPlan, Vec<ScopeColumn>)>> {
        // What may be the name but is not a reference (a string, say) only takes the slower way.
        if !terms.right.to_string().to_lowercase().contains(&name.to_lowercase()) {
            return Ok(None);
        }
        let reach = self.ctes.len();
        if let Some(with) = &terms.query.with {
            self.bind_with(with, outer)?;
        }
        let own = self.ctes.len();
        self.ctes.push(Cte {
            name: name.to_string(),
            plan: node::one_row(),
            columns: Vec::new(),
            references: 0,
            kind: Kind::NonRecursiveTerm,
        });
        let body = self.bind_set_expr(terms.left, outer)?;
        let (start, columns) = self.start_rows(body)?;

        let work = self.fresh("w");
        let source = Arc::new(WorkTable::new(&work, start.schema().as_arrow()));
        let scan = node::scan(&work, source)?;
        let mut seen = columns.clone();
        rename(&mut seen, alias, "WITH query")?;
        for (column, from) in seen.iter_mut().zip(scan.schema().columns()) {
            column.typed.expr = Expr::Column(from);
        }
        self.ctes[own] =
            Cte { name: name.to_string(), plan: scan.clone(), columns: seen, references: 0, kind: Kind::Work };
        let body = self.bind_set_expr(terms.right, outer)?;
        let references = self.ctes[own].references;
        self.ctes.truncate(reach);
        if references == 0 {
            return Ok(None);
        }
        refuse_clauses(terms.query)?;
        let exprs = body.columns.iter().map(|c| &c.typed.expr);
        check_recursion(&body.plan, exprs, &scan, name)?;
        let body = self.fit_to_start(name, body, &columns)?;
        let (next, _) = self.materialize(body)?;
        if !terms.all {
            for column in &columns {
                keys::check_equality(column.typed.ty)?;
                if !keys::is_identity(&column.typed) {
                    return Err(Error::unsupported(format!("a recursive UNION over type {}", column.typed.ty)));
                }
            }
        }
        let query = RecursiveQuery::try_new(work, Arc::new(start), Arc::new(next), !terms.all)?;
        Ok(Some((LogicalPlan::RecursiveQuery(query), columns)))
    }

    /// The non-recursive term. Its numeric columns take the carrier that fits what any round may add.
    fn start_rows(&mut self, body: Body) -> Result<(LogicalPlan, Vec<ScopeColumn>)> {
        let Body { plan, columns } = body;
        let mut wide = Vec::with_capacity(columns.len());
        for mut column in columns {
            let typed = self.settle(column.typed)?;
            column.typed = if typed.ty == PgType::NUMERIC { to_dynamic(typed) } else { typed };
            (column.table_oid, column.column_number) = (0, 0);
            wide.push(column);
        }
        let (plan, columns) = self.materialize(Body { plan, columns: wide })?;
        self.renamed(plan, columns)
    }

    /// The recursive term must have exactly the types of the non-recursive one.
    fn fit_to_start(&mut self, name: &str, body: Body, start: &[ScopeColumn]) -> Result<Body> {
        if body.columns.len() != start.len() {
            return Err(super::binder::syntax("each UNION query must have the same number of columns"));
        }
        let mut columns = Vec::with_capacity(start.len());
        for (i, (mut column, first)) in body.columns.into_iter().zip(start).enumerate() {
            let mut common = self.unify(vec![first.typed.clone(), column.typed], "UNION")?;
            if common[0].ty != first.typed.ty || common[0].repr != first.typed.repr {
                return Err(Error::new(
                    state::DATATYPE_MISMATCH,
                    format!(
                        "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                        i + 1,
                        first.typed.ty,
                        common[0].ty
                    ),
                )
                .with_hint("Cast the output of the non-recursive term to the correct type."));
            }
            column.typed = common.swap_remove(1);
            columns.push(column);
        }
        Ok(Body { plan: body.plan, columns })
    }
}

fn refuse_clauses(query: &ast::Query) -> Result<()> {
    let what = match query {
        _ if query.order_by.is_some() => "ORDER BY",
        _ if query.limit_clause.is_some() || query.fetch.is_some() => "LIMIT",
        _ => return Ok(()),
    };
    Err(Error::new(state::FEATURE_NOT_SUPPORTED, format!("{what} in a recursive query is not implemented")))
}

/// Gives columns the names of an alias' column list.
pub(super) fn rename(columns: &mut [ScopeColumn], alias: &ast::TableAlias, what: &str) -> Result<()> {
    if alias.columns.len() > columns.len() {
        return Err(Error::new(
            state::INVALID_COLUMN_REFERENCE,
            format!(
                "{what} \"{}\" has {} columns available but {} columns specified",
                fold(&alias.name),
                columns.len(),
                alias.columns.len()
            ),
        ));
    }
    for (column, new) in columns.iter_mut().zip(&alias.columns) {
        if new.data_type.is_some() {
            return Err(Error::unsupported("a column definition list"));
        }
        column.name = fold(&new.name);
    }
    Ok(())
}

/// The two terms of a query that may be recursive.
#[derive(Clone, Copy)]
struct Terms<'q> {
    query: &'q ast::Query,
    left: &'q ast::SetExpr,
    right: &'q ast::SetExpr,
    all: bool,
}

fn recursive_terms(query: &ast::Query) -> Option<Terms<'_>> {
    match query.body.as_ref() {
        ast::SetExpr::SetOperation { op: ast::SetOperator::Union, set_quantifier, left, right } => {
            Some(Terms { query, left, right, all: matches!(set_quantifier, ast::SetQuantifier::All) })
        }
        _ => None,
    }
}

fn recursion(name: &str, what: &str) -> Error {
    Error::new(state::INVALID_RECURSION, format!("recursive reference to query \"{name}\" {what}"))
}

/// The previous round's rows may be read only where each of them counts by itself. `outputs` stand above the term.
fn check_recursion<'e>(
    term: &LogicalPlan,
    outputs: impl Iterator<Item = &'e Expr>,
    work: &LogicalPlan,
    name: &str,
) -> Result<()> {
    use datafusion_common::JoinType;
    let reads = |plan: &LogicalPlan| -> Result<bool> { node::contains(plan, work) };
    let nested = |expr: &Expr| -> Result<()> {
        for subquery in node::subqueries(expr) {
            if reads(&subquery.subquery)? {
                return Err(recursion(name, "must not appear within a subquery"));
            }
        }
        Ok(())
    };
    for expr in outputs {
        nested(expr)?;
    }
    term.apply(|plan| {
        plan.apply_expressions(|expr| {
            nested(expr)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    let mut plan = term;
    loop {
        let inputs = plan.inputs();
        let mut reading = Vec::new();
        for (i, input) in inputs.iter().enumerate() {
            if reads(input)? {
                reading.push(i);
            }
        }
        let [side] = reading.as_slice() else {
            return match plan {
                _ if plan == work => Ok(()),
                _ if reading.is_empty() => {
                    Err(Error::new(state::INVALID_RECURSION, format!("query \"{name}\" does not recurse")))
                }
                _ => Err(recursion(name, "must not appear more than once")),
            };
        };
        match plan {
            LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => {
                return Err(Error::new(
                    state::INVALID_RECURSION,
                    "aggregate functions are not allowed in a recursive query's recursive term",
                ));
            }
            LogicalPlan::Join(join) => match (join.join_type, side) {
                (JoinType::Inner, _) | (JoinType::Left, 0) | (JoinType::Right, 1) => {}
                (JoinType::Left | JoinType::Right | JoinType::Full, _) => {
                    return Err(recursion(name, "must not appear within an outer join"));
                }
                (JoinType::LeftAnti | JoinType::RightAnti, _) => {
                    return Err(recursion(name, "must not appear within EXCEPT"));
                }
                _ => return Err(recursion(name, "must not appear within INTERSECT")),
            },
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Unnest(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_) => {}
            other => {
                return Err(Error::unsupported(format!("{} over a recursive reference", other.display())));
            }
        }
        plan = inputs[*side];
    }
}
