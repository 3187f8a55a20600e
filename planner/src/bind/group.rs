//! GROUP BY: expressions, ordinals and output names, and the grouping sets they make (`transformGroupClause`).

use datafusion_common::tree_node::TreeNode;
use datafusion_expr::Expr;
use sqlparser::ast;

use super::aggregate::has_aggregate;
use super::binder::{Binder, syntax};
use super::scope::{Scope, fold};
use super::target::Targets;
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;

/// PostgreSQL's limit.
const MAX_SETS: usize = 4096;
const MAX_CUBE: usize = 12;

/// What rows are grouped by: distinct expressions, and which of them each grouping set uses.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    pub items: Vec<Typed>,
    pub sets: Vec<Vec<usize>>,
}

impl Default for Grouping {
    /// All rows are one group.
    fn default() -> Self {
        Self { items: Vec::new(), sets: vec![Vec::new()] }
    }
}

impl Binder<'_> {
    /// `None`: there is no GROUP BY.
    pub(super) fn bind_group_by(
        &mut self,
        group_by: &ast::GroupByExpr,
        targets: &mut Targets,
        scope: &Scope<'_>,
    ) -> Result<Option<Grouping>> {
        let exprs = match group_by {
            ast::GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => exprs,
            _ => return Err(syntax("syntax error: this form of GROUP BY is not PostgreSQL's")),
        };
        if exprs.is_empty() {
            return Ok(None);
        }
        let mut items = Vec::new();
        // Several items of GROUP BY combine: each set of one with each set of the next.
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        for expr in exprs {
            let choices = self.bind_sets(expr, targets, scope, &mut items)?;
            if sets.len() * choices.len() > MAX_SETS {
                return Err(Error::new(
                    state::STATEMENT_TOO_COMPLEX,
                    format!("too many grouping sets present (maximum {MAX_SETS})"),
                ));
            }
            sets = sets.iter().flat_map(|set| choices.iter().map(|choice| joined(set, choice))).collect();
        }
        Ok(Some(Grouping { items, sets }))
    }

    /// The grouping sets one item stands for.
    fn bind_sets(
        &mut self,
        expr: &ast::Expr,
        targets: &mut Targets,
        scope: &Scope<'_>,
        items: &mut Vec<Typed>,
    ) -> Result<Vec<Vec<usize>>> {
        let mut groups = |lists: &[Vec<ast::Expr>], binder: &mut Self| {
            lists.iter().map(|list| binder.bind_group(list, targets, scope, items)).collect::<Result<Vec<_>>>()
        };
        match expr {
            ast::Expr::GroupingSets(lists) => {
                if let Some(nested) = lists.iter().flatten().find_map(nested_sets) {
                    return Err(Error::unsupported(format!("{nested} inside GROUPING SETS")));
                }
                groups(lists, self)
            }
            ast::Expr::Rollup(lists) => {
                let groups = groups(lists, self)?;
                let prefix = |n: usize| groups[..n].iter().fold(Vec::new(), |set, g| joined(&set, g));
                Ok((0..=groups.len()).rev().map(prefix).collect())
            }
            ast::Expr::Cube(lists) => {
                if lists.len() > MAX_CUBE {
                    return Err(Error::new(state::TOO_MANY_COLUMNS, format!("CUBE is limited to {MAX_CUBE} elements")));
                }
                let groups = groups(lists, self)?;
                let n = groups.len();
                let subset = |mask: usize| {
                    let chosen = (0..n).filter(|i| mask >> (n - 1 - i) & 1 == 1);
                    chosen.fold(Vec::new(), |set, i| joined(&set, &groups[i]))
                };
                Ok((0..1 << n).rev().map(subset).collect())
            }
            ast::Expr::Tuple(list) => Ok(vec![self.bind_group(list, targets, scope, items)?]),
            expr => Ok(vec![self.bind_group(std::slice::from_ref(expr), targets, scope, items)?]),
        }
    }

    fn bind_group(
        &mut self,
        exprs: &[ast::Expr],
        targets: &mut Targets,
        scope: &Scope<'_>,
        items: &mut Vec<Typed>,
    ) -> Result<Vec<usize>> {
        let mut set = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let typed = self.find_group_item(expr, targets, scope)?;
            check_item(&typed.expr)?;
            super::keys::check_equality(typed.ty)?;
            let index = match items.iter().position(|item| item.expr == typed.expr) {
                Some(index) => index,
                None => {
                    items.push(typed);
                    items.len() - 1
                }
            };
            if !set.contains(&index) {
                set.push(index);
            }
        }
        Ok(set)
    }
}

fn joined(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut all = a.to_vec();
    all.extend(b.iter().filter(|i| !a.contains(i)));
    all
}

/// ROLLUP and CUBE inside GROUPING SETS arrive as calls.
fn nested_sets(expr: &ast::Expr) -> Option<&'static str> {
    let ast::Expr::Function(function) = expr else { return None };
    let name = function.name.0.last()?.as_ident().map(fold)?;
    ["rollup", "cube"].into_iter().find(|n| *n == name)
}

/// What an ordinal or output name stands for may hold calls that cannot be grouped by.
fn check_item(expr: &Expr) -> Result<()> {
    if has_aggregate(expr) {
        return Err(Error::new(state::GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY"));
    }
    if expr.exists(|e| Ok(matches!(e, Expr::WindowFunction(_))))? {
        return Err(Error::new(state::WINDOWING_ERROR, "window functions are not allowed in GROUP BY"));
    }
    Ok(())
}
