//! Functions in FROM: set-returning ones, scalar ones (one row), `unnest` of several arrays, `narrows.query`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use cost_model::SourceId;
use datafusion_common::{Column, NullHandling};
use datafusion_expr::Expr;
use sqlparser::ast;

use super::Clause;
use super::binder::Binder;
use super::cte::rename;
use super::from::FromItem;
use super::node;
use super::ordinality;
use super::relation::identifiers;
use super::scope::{Scope, ScopeColumn, fold};
use super::set_returning::unnest;
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgtype::PgType;
use crate::source::PassthroughQuery;

impl Binder<'_> {
    pub(super) fn bind_table_function(
        &mut self,
        name: &ast::ObjectName,
        args: &[ast::FunctionArg],
        with_ordinality: bool,
        alias: Option<&ast::TableAlias>,
        lateral: Option<&Scope<'_>>,
    ) -> Result<FromItem> {
        let names = identifiers(name)?;
        if names.iter().map(String::as_str).eq(["narrows", "query"]) {
            return self.bind_passthrough(args, alias);
        }
        let call = call_of(name.clone(), args.to_vec());
        let shown = names.last().cloned().unwrap_or_default();
        self.bind_calls(&[call], &shown, with_ordinality, alias, lateral)
    }

    /// `unnest(a, b, …)`: the arrays advance together.
    pub(super) fn bind_unnest(
        &mut self,
        arrays: &[ast::Expr],
        with_ordinality: bool,
        alias: Option<&ast::TableAlias>,
        lateral: Option<&Scope<'_>>,
    ) -> Result<FromItem> {
        let name = ast::ObjectName(vec![ast::ObjectNamePart::Identifier(ast::Ident::new("unnest"))]);
        let calls: Vec<_> = arrays
            .iter()
            .map(|a| call_of(name.clone(), vec![ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(a.clone()))]))
            .collect();
        self.bind_calls(&calls, "unnest", with_ordinality, alias, lateral)
    }

    fn bind_calls(
        &mut self,
        calls: &[ast::Expr],
        function: &str,
        with_ordinality: bool,
        alias: Option<&ast::TableAlias>,
        lateral: Option<&Scope<'_>>,
    ) -> Result<FromItem> {
        let scope = Scope { parent: lateral, ..Scope::default() };
        let mut lists: Vec<(Expr, Column)> = Vec::new();
        let mut arrays = Vec::new();
        let mut values: Vec<(Expr, Column)> = Vec::new();
        let mut columns = Vec::with_capacity(calls.len() + 1);
        for call in calls {
            let typed = self.bind_expr(call, &scope, Clause::FromFunction)?;
            let typed = self.settle(typed)?;
            if typed.ty == PgType::RECORD {
                return Err(Error::unsupported(format!("function {function} in FROM")));
            }
            let name = self.fresh_column();
            match typed.expr {
                Expr::Unnest(list) => {
                    let repr = DataType::List(Field::new_list_field(typed.repr.clone(), true).into());
                    let array = typed.ty.array_of().unwrap_or(typed.ty);
                    arrays.push(Typed::with_repr(list.expr.as_ref().clone(), array, repr));
                    lists.push((*list.expr, name.clone()));
                }
                value => values.push((value, name.clone())),
            }
            let typed = Typed::with_repr(Expr::Column(name), typed.ty, typed.repr);
            // One function without a column list: its column is called as the item.
            let shown = match alias {
                Some(alias) if calls.len() == 1 => fold(&alias.name),
                _ => function.to_string(),
            };
            columns.push(ScopeColumn::computed(shown, typed));
        }
        if with_ordinality {
            let name = self.fresh_column();
            match lists.is_empty() {
                true => values.push((datafusion_expr::lit(1i64), name.clone())),
                false => lists.push((ordinality::numbers(arrays), name.clone())),
            }
            columns.push(ScopeColumn::computed("ordinality", Typed::new(Expr::Column(name), PgType::INT8)));
        }
        let mut plan = node::one_row();
        if !lists.is_empty() {
            plan = unnest(plan, lists, NullHandling::Drop)?;
        }
        if !values.is_empty() {
            let mut exprs = node::all_columns(&plan);
            exprs.extend(values.iter().map(|(e, name)| node::named(e.clone(), name)));
            plan = node::project(plan, exprs)?;
        }
        let shown = match alias {
            Some(alias) => {
                rename(&mut columns, alias, "table")?;
                fold(&alias.name)
            }
            None => function.to_string(),
        };
        Ok(FromItem::relation(plan, shown, columns))
    }

    /// `narrows.query('source', $$…$$)`, described by its source before binding.
    fn bind_passthrough(&mut self, args: &[ast::FunctionArg], alias: Option<&ast::TableAlias>) -> Result<FromItem> {
        let Some((source, sql)) = passthrough_args(args) else {
            return Err(Error::new(state::INVALID_PARAMETER_VALUE, "narrows.query takes two string constants")
                .with_hint("Write narrows.query('source', $$SELECT …$$)."));
        };
        let id = SourceId::new(&source);
        if self.catalog.source(&id).is_none() {
            return Err(Error::new(state::UNDEFINED_OBJECT, format!("source \"{source}\" does not exist")));
        }
        let key = (id.clone(), sql.clone());
        let Some(described) = self.passthrough.calls.get(&key) else {
            return Err(Error::internal("a pass-through statement was not described before binding"));
        };
        let leaf = Arc::new(PassthroughQuery::new(id, sql, described.clone()));
        let relation = self.fresh("r");
        let plan = node::scan(&relation, leaf)?;
        let mut columns: Vec<_> = described
            .iter()
            .zip(plan.schema().columns())
            .map(|((name, ty), column)| ScopeColumn::computed(name, Typed::new(Expr::Column(column), *ty)))
            .collect();
        let shown = match alias {
            Some(alias) => {
                rename(&mut columns, alias, "table")?;
                fold(&alias.name)
            }
            None => "query".to_string(),
        };
        Ok(FromItem::relation(plan, shown, columns))
    }
}

fn call_of(name: ast::ObjectName, args: Vec<ast::FunctionArg>) -> ast::Expr {
    ast::Expr::Function(ast::Function {
        name,
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Source and statement of a pass-through call whose arguments are two string constants.
pub(super) fn passthrough_args(args: &[ast::FunctionArg]) -> Option<(String, String)> {
    let text = |arg: &ast::FunctionArg| match arg {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Value(v))) => v.value.clone().into_string(),
        _ => None,
    };
    match args {
        [source, sql] => Some((text(source)?, text(sql)?)),
        _ => None,
    }
}
