//! FROM: its items, the joins between them, and the names they bring (`parse_clause.c`).

use std::sync::Arc;

use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::{Expr, JoinType, LogicalPlan};
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::binder::{Binder, at, syntax};
use super::cte::rename;
use super::join::{Kind, join};
use super::node;
use super::scope::{Scope, ScopeColumn, ScopeRelation, fold};
use crate::error::{Error, Result, state};

/// A bound item of FROM: a plan and the names it brings. Every column is an `Expr::Column` of the plan.
#[derive(Debug)]
pub(super) struct FromItem {
    pub plan: LogicalPlan,
    pub names: Names,
}

/// What an item of FROM puts into scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub relations: Vec<ScopeRelation>,
    /// What unqualified names and `*` see.
    pub columns: Vec<ScopeColumn>,
    /// Names inside a join that has an alias: they are out of reach.
    hidden: Vec<String>,
}

impl FromItem {
    /// One relation under one name.
    pub fn relation(plan: LogicalPlan, name: String, columns: Vec<ScopeColumn>) -> Self {
        let relation = ScopeRelation { schema: None, name, columns: columns.clone(), table_oid: None, table: None };
        Self { plan, names: Names { relations: vec![relation], columns, hidden: Vec::new() } }
    }
}

impl Names {
    /// The names of two items, side by side.
    pub fn and(mut self, other: Names) -> Names {
        self.relations.extend(other.relations);
        self.columns.extend(other.columns);
        self.hidden.extend(other.hidden);
        self
    }

    pub fn scope<'p>(&self, parent: Option<&'p Scope<'p>>) -> Scope<'p> {
        self.clone().into_scope(&[], parent)
    }

    pub fn into_scope<'p>(self, windows: &'p [ast::NamedWindowDefinition], parent: Option<&'p Scope<'p>>) -> Scope<'p> {
        let Names { relations, columns, hidden } = self;
        Scope { relations, columns, hidden, windows, parent }
    }
}

impl Binder<'_> {
    /// All of FROM; `None` if there is none.
    pub(super) fn bind_from(
        &mut self,
        from: &[ast::TableWithJoins],
        outer: Option<&Scope<'_>>,
    ) -> Result<Option<FromItem>> {
        let mut all: Option<FromItem> = None;
        for table in from {
            all = Some(match all {
                None => self.bind_joins(table, outer, outer)?,
                Some(left) => {
                    let siblings = left.names.scope(outer);
                    let right = self.bind_joins(table, Some(&siblings), outer)?;
                    self.cross(left, right)?
                }
            });
        }
        Ok(all)
    }

    /// One item of the comma list. `lateral`: what LATERAL items and functions may mention; `outer`: what others may.
    fn bind_joins(
        &mut self,
        table: &ast::TableWithJoins,
        lateral: Option<&Scope<'_>>,
        outer: Option<&Scope<'_>>,
    ) -> Result<FromItem> {
        let mut left = self.bind_factor(&table.relation, lateral, outer)?;
        for step in &table.joins {
            let (kind, constraint) = join_kind(&step.join_operator)?;
            let siblings = left.names.scope(lateral);
            let right = self.bind_factor(&step.relation, Some(&siblings), outer)?;
            left = self.join(left, right, kind, constraint, outer)?;
        }
        Ok(left)
    }

    fn bind_factor(
        &mut self,
        factor: &ast::TableFactor,
        lateral: Option<&Scope<'_>>,
        outer: Option<&Scope<'_>>,
    ) -> Result<FromItem> {
        let position = self.position(factor.span());
        let bound = self.nested(|b| b.bind_factor_inner(factor, lateral, outer));
        at(bound, position)
    }

    fn bind_factor_inner(
        &mut self,
        factor: &ast::TableFactor,
        lateral: Option<&Scope<'_>>,
        outer: Option<&Scope<'_>>,
    ) -> Result<FromItem> {
        use ast::TableFactor as F;
        match factor {
            F::Table { sample: Some(_), .. } | F::Derived { sample: Some(_), .. } => {
                Err(Error::unsupported("TABLESAMPLE"))
            }
            F::Table { name, alias, args: None, with_ordinality: false, .. } => self.bind_table(name, alias.as_ref()),
            F::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                self.bind_table_function(name, &args.args, *with_ordinality, alias.as_ref(), lateral)
            }
            F::Function { name, args, with_ordinality, alias, .. } => {
                self.bind_table_function(name, args, *with_ordinality, alias.as_ref(), lateral)
            }
            F::UNNEST { alias, array_exprs, with_offset: false, with_ordinality, .. } => {
                self.bind_unnest(array_exprs, *with_ordinality, alias.as_ref(), lateral)
            }
            F::Derived { lateral: is_lateral, subquery, alias, .. } => {
                let Some(alias) = alias else {
                    return Err(syntax("subquery in FROM must have an alias")
                        .with_hint("For example, FROM (SELECT ...) [AS] foo."));
                };
                let siblings = lateral.iter().flat_map(|s| &s.relations).map(|r| r.name.clone());
                let apart = Scope { hidden: siblings.collect(), parent: outer, ..Scope::default() };
                let body = self.bind_query(subquery, if *is_lateral { lateral } else { Some(&apart) })?;
                let (plan, mut columns) = self.materialize(body)?;
                rename(&mut columns, alias, "table")?;
                Ok(FromItem::relation(plan, fold(&alias.name), columns))
            }
            F::NestedJoin { table_with_joins, alias } => {
                let mut item = self.bind_joins(table_with_joins, lateral, outer)?;
                if let Some(alias) = alias {
                    let Names { relations, mut columns, mut hidden } = item.names;
                    rename(&mut columns, alias, "table")?;
                    hidden.extend(relations.into_iter().map(|r| r.name));
                    item = FromItem::relation(item.plan, fold(&alias.name), columns);
                    item.names.hidden = hidden;
                }
                Ok(item)
            }
            _ => Err(Error::unsupported("this kind of FROM item")),
        }
    }

    /// A comma between two items.
    fn cross(&mut self, left: FromItem, right: FromItem) -> Result<FromItem> {
        check_aliases(&left.names, &right.names)?;
        let plan = apply(left.plan, right.plan, JoinType::Inner, None)?;
        Ok(FromItem { plan, names: left.names.and(right.names) })
    }
}

/// Joins two plans. A right side that mentions columns of the left one is lateral: it is evaluated for each row of the left.
pub(super) fn apply(
    left: LogicalPlan,
    right: LogicalPlan,
    join_type: JoinType,
    condition: Option<Expr>,
) -> Result<LogicalPlan> {
    let outer = node::outer_columns(&right)?;
    let lateral = outer.iter().any(|c| left.schema().has_column(c));
    if !lateral {
        return join(left, right, join_type, condition);
    }
    if !matches!(join_type, JoinType::Inner | JoinType::Left) {
        return Err(Error::new(state::INVALID_COLUMN_REFERENCE, "invalid reference to FROM-clause entry")
            .with_detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference."));
    }
    let outer_ref_columns = right.all_out_ref_exprs();
    let right =
        LogicalPlan::Subquery(Subquery { subquery: Arc::new(right), outer_ref_columns, spans: Default::default() });
    join(left, right, join_type, condition)
}

/// 42712: two items of FROM under one name.
pub(super) fn check_aliases(left: &Names, right: &Names) -> Result<()> {
    let same = |l: &ScopeRelation, r: &ScopeRelation| {
        l.name == r.name && (l.schema == r.schema || l.schema.is_none() || r.schema.is_none())
    };
    match right.relations.iter().find(|r| left.relations.iter().any(|l| same(l, r))) {
        Some(double) => {
            Err(Error::new(state::DUPLICATE_ALIAS, format!("table name \"{}\" specified more than once", double.name)))
        }
        None => Ok(()),
    }
}

fn join_kind(operator: &ast::JoinOperator) -> Result<(Kind, &ast::JoinConstraint)> {
    use ast::JoinOperator as O;
    Ok(match operator {
        O::Join(c) | O::Inner(c) => (Kind::Inner, c),
        O::CrossJoin(c) => (Kind::Cross, c),
        O::Left(c) | O::LeftOuter(c) => (Kind::Left, c),
        O::Right(c) | O::RightOuter(c) => (Kind::Right, c),
        O::FullOuter(c) => (Kind::Full, c),
        _ => return Err(Error::unsupported("this kind of join")),
    })
}
