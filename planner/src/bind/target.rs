//! The select list, and how ORDER BY, GROUP BY and DISTINCT ON find their way into it (`findTargetlistEntrySQL92`).

use datafusion_expr::Expr;
use sqlparser::ast;
use sqlparser::ast::Spanned;

use super::Clause;
use super::binder::{Binder, at, syntax};
use super::names::output_name;
use super::order::ordinal;
use super::scope::{Scope, ScopeColumn, fold, outer_reference};
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;

/// Output columns, and behind them those that are only sorted or made distinct by.
#[derive(Debug)]
pub(super) struct Targets {
    pub columns: Vec<ScopeColumn>,
    /// How many the client sees.
    pub visible: usize,
}

impl Targets {
    fn find_or_add(&mut self, typed: Typed) -> usize {
        if let Some(index) = self.columns.iter().position(|c| c.typed.expr == typed.expr && c.typed.ty == typed.ty) {
            return index;
        }
        self.columns.push(ScopeColumn::computed("?column?", typed));
        self.columns.len() - 1
    }

    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        self.columns.iter_mut().map(|c| &mut c.typed.expr)
    }

    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.columns.iter().map(|c| &c.typed.expr)
    }
}

impl Binder<'_> {
    pub(super) fn bind_targets(&mut self, select: &ast::Select, scope: &Scope<'_>) -> Result<Targets> {
        let mut columns = Vec::with_capacity(select.projection.len());
        for item in &select.projection {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    columns.push(self.bind_target(expr, output_name(expr), scope)?);
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    columns.push(self.bind_target(expr, fold(alias), scope)?);
                }
                ast::SelectItem::Wildcard(options) => {
                    plain_wildcard(options)?;
                    if scope.relations.is_empty() {
                        return Err(syntax("SELECT * with no tables specified is not valid")
                            .or_position(self.position(item.span())));
                    }
                    columns.extend(scope.columns.iter().cloned());
                }
                ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    plain_wildcard(options)?;
                    let parts = name.0.iter().filter_map(|p| p.as_ident().cloned()).collect::<Vec<_>>();
                    let (relation, level) = at(scope.relation(&parts), self.position(item.span()))?;
                    columns.extend(relation.columns.iter().map(|c| match level {
                        0 => c.clone(),
                        _ => ScopeColumn { typed: outer_reference(c.typed.clone()), ..c.clone() },
                    }));
                }
                ast::SelectItem::QualifiedWildcard(..) => {
                    return Err(Error::unsupported("the fields of a composite value"));
                }
                ast::SelectItem::ExprWithAliases { .. } => {
                    return Err(syntax("syntax error: a column has one alias"));
                }
            }
        }
        Ok(Targets { visible: columns.len(), columns })
    }

    fn bind_target(&mut self, expr: &ast::Expr, name: String, scope: &Scope<'_>) -> Result<ScopeColumn> {
        let typed = self.bind_expr(expr, scope, Clause::Select)?;
        // A plain column keeps its origin, for the client's row description.
        let origin = scope.relations.iter().flat_map(|r| &r.columns).find(|c| c.typed.expr == typed.expr);
        Ok(match origin {
            Some(c) => ScopeColumn { name, typed, table_oid: c.table_oid, column_number: c.column_number },
            None => ScopeColumn::computed(name, typed),
        })
    }

    /// The target that an item of ORDER BY or DISTINCT ON means; an expression that is not in the select list is added behind
    /// it.
    pub(super) fn find_target(
        &mut self,
        expr: &ast::Expr,
        targets: &mut Targets,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<usize> {
        Ok(match self.find(expr, targets, scope, clause)? {
            Found::Target(index) => index,
            Found::Expression(typed) => targets.find_or_add(typed),
        })
    }

    /// What an item of GROUP BY means.
    pub(super) fn find_group_item(
        &mut self,
        expr: &ast::Expr,
        targets: &mut Targets,
        scope: &Scope<'_>,
    ) -> Result<Typed> {
        Ok(match self.find(expr, targets, scope, Clause::GroupBy)? {
            Found::Target(index) => targets.columns[index].typed.clone(),
            Found::Expression(typed) => typed,
        })
    }

    fn find(&mut self, expr: &ast::Expr, targets: &mut Targets, scope: &Scope<'_>, clause: Clause) -> Result<Found> {
        let position = self.position(expr.span());
        match at(target_index(expr, targets, scope, clause), position)? {
            Some(index) => {
                let column = &mut targets.columns[index];
                column.typed = self.settle(column.typed.clone())?;
                Ok(Found::Target(index))
            }
            None => {
                let typed = self.bind_expr(expr, scope, clause)?;
                self.settle(typed).map(Found::Expression)
            }
        }
    }
}

enum Found {
    Target(usize),
    Expression(Typed),
}

/// The target an ordinal or output name means.
fn target_index(expr: &ast::Expr, targets: &Targets, scope: &Scope<'_>, clause: Clause) -> Result<Option<usize>> {
    if let Some(index) = ordinal(expr, targets.visible, clause)? {
        return Ok(Some(index));
    }
    let ast::Expr::Identifier(ident) = expr else { return Ok(None) };
    let name = fold(ident);
    // GROUP BY prefers a column of FROM, the others the output name.
    if clause == Clause::GroupBy && scope.local_column(&name)?.is_some() {
        return Ok(None);
    }
    output_name_index(&targets.columns[..targets.visible], &name, clause)
}

fn output_name_index(columns: &[ScopeColumn], name: &str, clause: Clause) -> Result<Option<usize>> {
    let mut found: Option<usize> = None;
    for (i, column) in columns.iter().enumerate().filter(|(_, c)| c.name == name) {
        match found {
            Some(first) if columns[first].typed.expr != column.typed.expr => {
                return Err(Error::new(state::AMBIGUOUS_COLUMN, format!("{} \"{name}\" is ambiguous", clause.name())));
            }
            Some(_) => {}
            None => found = Some(i),
        }
    }
    Ok(found)
}

fn plain_wildcard(options: &ast::WildcardAdditionalOptions) -> Result<()> {
    let ast::WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike: None,
        opt_exclude: None,
        opt_except: None,
        opt_replace: None,
        opt_rename: None,
        opt_alias: None,
    } = options
    else {
        return Err(syntax("syntax error: this form of * is not PostgreSQL's"));
    };
    Ok(())
}
