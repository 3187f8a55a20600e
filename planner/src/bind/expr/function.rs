//! Function calls (`transformFuncCall`, `ParseFuncOrColumn`).

use datafusion_common::tree_node::TreeNode;
use datafusion_expr::Expr;
use datafusion_expr::expr::Unnest;
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments};

use super::super::scope::fold as fold_name;
use super::super::{Binder, Clause, Scope};
use crate::error::{Error, Result, state};
use crate::pgsem::builtin::Kind;
use crate::pgsem::registry::{CastContext, Target, registry};
use crate::pgsem::resolve::{self, Choice, FunctionChoice};
use crate::pgsem::{Typed, array};
use crate::pgtype::PgType;

/// A call as it is written.
#[derive(Default)]
pub(super) struct Written<'a> {
    pub name: String,
    pub args: Vec<&'a ast::Expr>,
    /// Names of the last arguments.
    pub names: Vec<String>,
    pub star: bool,
    pub distinct: bool,
    pub order_by: &'a [ast::OrderByExpr],
    pub within_group: &'a [ast::OrderByExpr],
    pub filter: Option<&'a ast::Expr>,
    pub over: Option<&'a ast::WindowType>,
}

fn syntax(message: impl Into<String>) -> Error {
    Error::new(state::SYNTAX_ERROR, message)
}

fn wrong_object(message: String) -> Error {
    Error::new(state::WRONG_OBJECT_TYPE, message)
}

impl Binder<'_> {
    pub(super) fn function(&mut self, f: &ast::Function, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        if let Some(rows) = self.expand_array(f, scope, clause)? {
            return Ok(rows);
        }
        let (name, keyword) = self.function_name(&f.name)?;
        match &f.args {
            FunctionArguments::Subquery(query) if keyword && name == "array" => {
                return self.array_subquery(query, scope);
            }
            FunctionArguments::Subquery(_) => return Err(syntax("syntax error at or near \"SELECT\"")),
            FunctionArguments::None => {
                return self
                    .value_function(&name, None)?
                    .ok_or_else(|| syntax(format!("syntax error at or near \"{name}\"")));
            }
            FunctionArguments::List(_) => {}
        }
        let call = written(f, name)?;
        if keyword && let Some(typed) = self.keyword_function(&call, scope, clause)? {
            return Ok(typed);
        }
        self.call_written(call, scope, clause)
    }

    /// `information_schema._pg_expandarray(array)`: rows of an element and its number.
    fn expand_array(&mut self, f: &ast::Function, scope: &Scope<'_>, clause: Clause) -> Result<Option<Typed>> {
        let parts: Vec<String> = f.name.0.iter().filter_map(|p| p.as_ident()).map(fold_name).collect();
        if parts != ["information_schema", "_pg_expandarray"] || !clause.allows_set_returning() {
            return Ok(None);
        }
        let call = written(f, "_pg_expandarray".to_string())?;
        plain_only(&call)?;
        let [array] = call.args[..] else { return Ok(None) };
        let array = self.expr(array, scope, clause)?;
        if !array.ty.is_array() {
            return Ok(None);
        }
        let list = array::expand_array(array)?;
        let repr = array::element_of(&list.repr);
        Ok(Some(Typed::with_repr(Expr::Unnest(Unnest::new(list.expr)), PgType::RECORD, repr)))
    }

    /// The name without `pg_catalog`, and whether it may be a keyword.
    fn function_name(&self, name: &ast::ObjectName) -> Result<(String, bool)> {
        let parts: Vec<&ast::Ident> = name.0.iter().filter_map(|p| p.as_ident()).collect();
        match parts[..] {
            [ident] => Ok((fold_name(ident), ident.quote_style.is_none())),
            [schema, ident] if fold_name(schema) == "pg_catalog" => Ok((fold_name(ident), false)),
            [schema, ident] => {
                let schema = fold_name(schema);
                if self.catalog.schemas.contains_key(&schema) || schema == "information_schema" {
                    let message = format!("function {schema}.{} does not exist", fold_name(ident));
                    return Err(Error::new(state::UNDEFINED_FUNCTION, message));
                }
                Err(Error::new(state::INVALID_SCHEMA_NAME, format!("schema \"{schema}\" does not exist")))
            }
            _ => Err(syntax(format!("improper qualified name (too many dotted names): {name}"))),
        }
    }

    /// Constructs that only look like functions.
    fn keyword_function(&mut self, call: &Written<'_>, scope: &Scope<'_>, clause: Clause) -> Result<Option<Typed>> {
        let args = || call.args.iter().copied();
        Ok(Some(match (call.name.as_str(), call.args.len()) {
            ("coalesce", 1..) => {
                let args = self.exprs(args(), scope, clause)?;
                self.coalesce(args)?
            }
            (name @ ("greatest" | "least"), 1..) => {
                let args = self.exprs(args(), scope, clause)?;
                self.extreme(args, name == "greatest")?
            }
            ("nullif", 2) => {
                let l = self.expr(call.args[0], scope, clause)?;
                let r = self.expr(call.args[1], scope, clause)?;
                self.nullif(l, r)?
            }
            ("coalesce" | "greatest" | "least" | "nullif", _) => return Err(syntax("syntax error at or near \")\"")),
            ("row", _) => return Err(Error::unsupported("a row as a value")),
            ("grouping", 1..) => self.grouping(&call.args, scope, clause)?,
            (name @ ("current_timestamp" | "localtimestamp" | "localtime" | "current_time"), 1) => {
                let precision = match call.args[0] {
                    ast::Expr::Value(v) => match &v.value {
                        ast::Value::Number(n, _) => n.parse().ok(),
                        _ => None,
                    },
                    _ => None,
                };
                let Some(precision) = precision else { return Err(syntax("syntax error at or near \"(\"")) };
                return self.value_function(name, Some(precision));
            }
            _ => return Ok(None),
        }))
    }

    fn call_written(&mut self, call: Written<'_>, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        let mut args = self.exprs(call.args.iter().copied(), scope, clause)?;
        if let Some(typed) = self.unlisted_function(&call.name, &args)? {
            return Ok(typed);
        }
        let sorted = self.exprs(call.within_group.iter().map(|o| &o.expr), scope, clause)?;
        args.extend(sorted);
        let types: Vec<u32> = args.iter().map(|a| a.ty.oid).collect();
        let choice = match resolve::function(&call.name, &types, &call.names)? {
            FunctionChoice::Call(choice) => choice,
            FunctionChoice::Cast(ty) => {
                plain_only(&call)?;
                return match args.pop() {
                    Some(arg) => self.coerce(arg, ty, CastContext::Explicit),
                    None => Err(Error::internal("a cast of nothing")),
                };
            }
        };
        match choice.candidate.kind {
            Kind::Aggregate | Kind::OrderedSet => self.aggregate_call(&call, &choice, args, scope, clause),
            Kind::Window => self.window_function(&call, &choice, args, scope, clause),
            Kind::SetReturning => {
                plain_only(&call)?;
                self.set_returning(&choice, args, clause)
            }
            Kind::Function | Kind::Operator => {
                plain_only(&call)?;
                let args = self.complete(&choice, args, &call.names)?;
                if let Some(typed) = self.system_function(&choice, &args)? {
                    return Ok(typed);
                }
                if let ([arg], None) = (&args[..], choice.scalar())
                    && choice.ret.info().name == choice.name
                {
                    // `float8(integer)`: the function behind a cast.
                    let arg = self.coerce(arg.clone(), choice.args[0], CastContext::Implicit)?;
                    return self.coerce(arg, choice.ret, CastContext::Explicit);
                }
                self.call(&choice, args)
            }
        }
    }

    /// A call by name, for constructs with a syntax of their own.
    pub(super) fn function_call(&mut self, name: &str, args: Vec<Typed>) -> Result<Typed> {
        let types: Vec<u32> = args.iter().map(|a| a.ty.oid).collect();
        match resolve::function(name, &types, &[])? {
            FunctionChoice::Call(choice) => {
                let args = self.complete(&choice, args, &[])?;
                self.call(&choice, args)
            }
            FunctionChoice::Cast(ty) => match args.into_iter().next() {
                Some(arg) => self.coerce(arg, ty, CastContext::Explicit),
                None => Err(Error::internal("a cast of nothing")),
            },
        }
    }

    /// The arguments in the function's order, with defaults where the call leaves some out.
    fn complete(&mut self, choice: &Choice, args: Vec<Typed>, names: &[String]) -> Result<Vec<Typed>> {
        let c = choice.candidate;
        if c.variadic || (names.is_empty() && args.len() == c.args.len()) {
            return Ok(args);
        }
        let unnamed = args.len() - names.len();
        let first_default = c.args.len() - c.defaults.len();
        let mut all = Vec::with_capacity(c.args.len());
        for (i, ty) in choice.args.iter().enumerate() {
            let given = if i < unnamed {
                Some(i)
            } else {
                names.iter().position(|n| c.names.get(i).is_some_and(|m| m == n)).map(|n| unnamed + n)
            };
            all.push(match given {
                Some(at) => args[at].clone(),
                None => default_value(c.defaults.get(i.wrapping_sub(first_default)).copied(), *ty, self)?,
            });
        }
        Ok(all)
    }

    /// A set is unnested from an array that holds it: `name_list` is the function that gives the array.
    fn set_returning(&mut self, choice: &Choice, args: Vec<Typed>, clause: Clause) -> Result<Typed> {
        if !clause.allows_set_returning() {
            let message = format!("set-returning functions are not allowed in {}", clause.name());
            return Err(Error::new(state::FEATURE_NOT_SUPPORTED, message));
        }
        let args = self.coerce_arguments(choice, args)?;
        let list = if choice.name == "unnest" {
            args.into_iter().next()
        } else {
            let name = format!("{}_list", choice.name);
            let fits = |s: &&crate::pgsem::registry::Signature| {
                let same = |(a, b): (&u32, &PgType)| *a == b.oid || resolve::coerce::is_polymorphic(*a);
                s.args.len() == choice.args.len() && s.args.iter().zip(&choice.args).all(same)
            };
            match registry().functions.get(name.as_str()).and_then(|all| all.iter().find(fits)) {
                Some(signature) => Some(match signature.target {
                    Target::Func(def) => def.apply(args, PgType::of(signature.ret)),
                    Target::Build(build) => build(self.ctx, args)?,
                }),
                None => None,
            }
        };
        let Some(list) = list else { return Err(Error::unsupported(choice.described())) };
        let arrow::datatypes::DataType::List(field) = &list.repr else {
            return Err(Error::unsupported(choice.described()));
        };
        // A set of arrays is a list of lists, for which PostgreSQL has no type.
        let element = list.ty.element().unwrap_or(choice.ret);
        let repr = field.data_type().clone();
        Ok(Typed::with_repr(Expr::Unnest(Unnest::new(list.expr)), element, repr))
    }
}

/// A default of `pg_proc` as a value.
fn default_value(text: Option<&str>, ty: PgType, binder: &mut Binder<'_>) -> Result<Typed> {
    let text = text.ok_or_else(|| Error::internal("an argument without a default"))?;
    let quoted = text.strip_prefix('\'').and_then(|t| t.split('\'').next());
    let literal = match quoted.unwrap_or(text) {
        null if quoted.is_none() && null.eq_ignore_ascii_case("null") => super::literal::unknown_null(),
        value => super::literal::unknown(value),
    };
    binder.coerce(literal, ty, CastContext::Explicit)
}

fn written(f: &ast::Function, name: String) -> Result<Written<'_>> {
    let FunctionArguments::List(list) = &f.args else { return Ok(Written { name, ..Written::default() }) };
    if !matches!(f.parameters, FunctionArguments::None) || f.uses_odbc_syntax {
        return Err(syntax("syntax error at or near \"(\""));
    }
    if f.null_treatment.is_some() {
        return Err(syntax("syntax error at or near \"NULLS\""));
    }
    let mut call = Written {
        name,
        distinct: list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct),
        within_group: &f.within_group,
        filter: f.filter.as_deref(),
        over: f.over.as_ref(),
        ..Written::default()
    };
    for arg in &list.args {
        let (name, value) = match arg {
            FunctionArg::Unnamed(value) => (None, value),
            FunctionArg::Named { name, arg, operator } => {
                named_operator(operator)?;
                (Some(fold_name(name)), arg)
            }
            FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), arg, operator } => {
                named_operator(operator)?;
                (Some(fold_name(name)), arg)
            }
            FunctionArg::ExprNamed { operator, .. } => {
                return Err(syntax(format!("syntax error at or near \"{operator}\"")));
            }
        };
        match value {
            FunctionArgExpr::Expr(e) => call.args.push(e),
            FunctionArgExpr::Wildcard if list.args.len() == 1 => call.star = true,
            FunctionArgExpr::QualifiedWildcard(_) => return Err(Error::unsupported("a whole row as an argument")),
            _ => return Err(syntax("syntax error at or near \"*\"")),
        }
        match name {
            Some(name) if call.names.contains(&name) => {
                return Err(syntax(format!("argument name \"{name}\" used more than once")));
            }
            Some(name) => call.names.push(name),
            None if !call.names.is_empty() => {
                return Err(syntax("positional argument cannot follow named argument"));
            }
            None => {}
        }
    }
    for c in &list.clauses {
        match c {
            FunctionArgumentClause::OrderBy(items) => call.order_by = items,
            other => return Err(syntax(format!("syntax error at or near \"{other}\""))),
        }
    }
    Ok(call)
}

fn named_operator(operator: &ast::FunctionArgOperator) -> Result<()> {
    match operator {
        ast::FunctionArgOperator::RightArrow | ast::FunctionArgOperator::Assignment => Ok(()),
        other => Err(syntax(format!("syntax error at or near \"{other}\""))),
    }
}

/// An ordinary function takes none of the clauses of aggregates.
fn plain_only(call: &Written<'_>) -> Result<()> {
    let name = &call.name;
    let clauses = [
        (call.star, "*"),
        (call.distinct, "DISTINCT"),
        (!call.within_group.is_empty(), "WITHIN GROUP"),
        (!call.order_by.is_empty(), "ORDER BY"),
        (call.filter.is_some(), "FILTER"),
    ];
    for (given, clause) in clauses {
        if given {
            return Err(wrong_object(match clause {
                "*" => format!("{name}(*) specified, but {name} is not an aggregate function"),
                _ => format!("{clause} specified, but {name} is not an aggregate function"),
            }));
        }
    }
    if call.over.is_some() {
        let message = format!("OVER specified, but {name} is not a window function nor an aggregate function");
        return Err(wrong_object(message));
    }
    Ok(())
}

pub(super) fn holds_aggregate(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::AggregateFunction(_)))).unwrap_or(false)
}

pub(super) fn holds_window(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::WindowFunction(_)))).unwrap_or(false)
}
