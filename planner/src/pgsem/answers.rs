//! Tests against PostgreSQL's own answers: `testdata/*.tsv` hold an expression and what PostgreSQL 15 (collation C, UTF-8,
//! TimeZone UTC) shows for it: its text, `\N` for NULL, or `!` with SQLSTATE and message.
//!
//! The expressions are typed by hand, so that nothing but the registry, the casts and the kernels is tested here.

use sqlparser::ast::{
    self, BinaryOperator, Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::func::Typed;
use super::registry::Target;
use super::resolve::{self, FunctionChoice};
use super::{array, cast, evaluate, io};
use crate::context::QueryContext;
use crate::error::{Error, Result, state};
use crate::pgtype::{PgType, oid, type_by_name};
use datafusion_common::ScalarValue;

/// Fails with all lines of a file whose answer is another.
pub fn check(file: &str) {
    let mut wrong = Vec::new();
    for line in file.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (sql, expected) = line.split_once('\t').unwrap_or((line, ""));
        let actual = match answer(sql) {
            Ok(Some(text)) => escape(&text),
            Ok(None) => "\\N".to_string(),
            Err(e) => format!("!{} {}", e.sqlstate(), e.message()),
        };
        if actual != expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  got      {actual}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

/// As `COPY` writes it.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r").replace('\x0b', "\\v")
}

fn answer(sql: &str) -> Result<Option<String>> {
    let ctx = QueryContext::default();
    let typed = bind(&ctx, &parse(sql)?)?;
    let typed = if typed.ty == PgType::UNKNOWN { cast::cast(&ctx, typed, PgType::TEXT)? } else { typed };
    let array = evaluate::evaluate(&typed.expr, &[], 1)?;
    assert_eq!(array.data_type(), &typed.repr, "{sql}");
    if array.is_null(0) {
        return Ok(None);
    }
    let mut out = String::new();
    io::format(array.as_ref(), 0, typed.ty, ctx.time_zone, &mut out)?;
    Ok(Some(out))
}

fn parse(sql: &str) -> Result<Ast> {
    let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).and_then(|mut p| p.parse_expr());
    parsed.map_err(|e| Error::internal(e.to_string()))
}

fn unknown(text: &str) -> Typed {
    Typed::literal(ScalarValue::Utf8View(Some(text.to_string())), PgType::UNKNOWN)
}

fn bind(ctx: &QueryContext, ast: &Ast) -> Result<Typed> {
    match ast {
        Ast::Nested(inner) => bind(ctx, inner),
        Ast::Value(v) => Ok(match &v.value {
            ast::Value::SingleQuotedString(s) | ast::Value::EscapedStringLiteral(s) => unknown(s),
            ast::Value::Number(n, _) if n.contains(['.', 'e']) => cast::cast(ctx, unknown(n), PgType::NUMERIC)?,
            ast::Value::Number(n, _) => cast::cast(ctx, unknown(n), PgType::INT4)?,
            ast::Value::Boolean(b) => Typed::literal(ScalarValue::Boolean(Some(*b)), PgType::BOOL),
            _ => Typed::literal(ScalarValue::Utf8View(None), PgType::UNKNOWN),
        }),
        Ast::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Ast::Value(v) => {
                let text = format!("-{v}");
                cast::cast(ctx, unknown(&text), if text.contains('.') { PgType::NUMERIC } else { PgType::INT4 })
            }
            _ => Err(Error::internal("only literals have a sign")),
        },
        Ast::Cast { expr, data_type, .. } => {
            let value = bind(ctx, expr)?;
            let to = type_of(&data_type.to_string());
            let result = cast::cast(ctx, value, to.without_typmod())?;
            if to.typmod == -1 { Ok(result) } else { cast::cast(ctx, result, to) }
        }
        Ast::Array(a) => {
            let elements = a.elem.iter().map(|e| bind(ctx, e)).collect::<Result<Vec<_>>>()?;
            let types: Vec<u32> = elements.iter().map(|e| e.ty.oid).collect();
            let element = resolve::common::common_type(&types).map_err(|_| Error::internal("no common type"))?;
            let element = PgType::of(element);
            let elements = elements.into_iter().map(|e| cast::cast(ctx, e, element)).collect::<Result<Vec<_>>>()?;
            array::array_construct(element, elements)
        }
        Ast::CompoundFieldAccess { root, access_chain } => {
            let root = bind(ctx, root)?;
            let [ast::AccessExpr::Subscript(subscript)] = &access_chain[..] else {
                return Err(Error::internal("one subscript at a time"));
            };
            let int4 = |e: &Ast| cast::cast(ctx, bind(ctx, e)?, PgType::INT4);
            let bound = |e: &Option<Ast>, missing: i32| match e {
                Some(e) => int4(e),
                None => Ok(Typed::literal(ScalarValue::Int32(Some(missing)), PgType::INT4)),
            };
            match subscript {
                ast::Subscript::Index { index } => array::array_subscript(root, int4(index)?),
                ast::Subscript::Slice { lower_bound, upper_bound, .. } => {
                    array::array_slice(root, bound(lower_bound, 1)?, bound(upper_bound, i32::MAX)?)
                }
            }
        }
        Ast::BinaryOp { left, op, right } => {
            let args = vec![bind(ctx, left)?, bind(ctx, right)?];
            let op = match op {
                BinaryOperator::NotEq => "<>".to_string(),
                BinaryOperator::PGCustomBinaryOperator(parts) => parts.join("."),
                other => other.to_string(),
            };
            call(ctx, resolve::infix(&op, args[0].ty.oid, args[1].ty.oid)?, args)
        }
        Ast::Like { negated, expr, pattern, any: false, .. } => {
            let args = vec![bind(ctx, expr)?, bind(ctx, pattern)?];
            let op = if *negated { "!~~" } else { "~~" };
            call(ctx, resolve::infix(op, args[0].ty.oid, args[1].ty.oid)?, args)
        }
        Ast::ILike { expr, pattern, .. } => {
            let args = vec![bind(ctx, expr)?, bind(ctx, pattern)?];
            call(ctx, resolve::infix("~~*", args[0].ty.oid, args[1].ty.oid)?, args)
        }
        Ast::AnyOp { left, compare_op, right, .. } => quantified(ctx, left, &compare_op.to_string(), right, false),
        Ast::AllOp { left, compare_op, right } => quantified(ctx, left, &compare_op.to_string(), right, true),
        Ast::Substring { expr, substring_from, substring_for, shorthand, .. } => {
            let args = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
            let args = args.into_iter().flatten().map(|e| bind(ctx, e)).collect::<Result<Vec<_>>>()?;
            function(ctx, if *shorthand { "substr" } else { "substring" }, args)
        }
        Ast::Function(f) => {
            let FunctionArguments::List(list) = &f.args else { return Err(Error::internal("no arguments")) };
            let args = list.args.iter().map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => bind(ctx, e),
                _ => Err(Error::internal("only plain arguments")),
            });
            let args = args.collect::<Result<Vec<_>>>()?;
            function(ctx, &f.name.to_string().replace('"', ""), args)
        }
        other => Err(Error::internal(format!("the tests do not bind {other}"))),
    }
}

fn function(ctx: &QueryContext, name: &str, args: Vec<Typed>) -> Result<Typed> {
    let types: Vec<u32> = args.iter().map(|a| a.ty.oid).collect();
    match resolve::function(name, &types, &[])? {
        FunctionChoice::Call(choice) => call(ctx, choice, args),
        FunctionChoice::Cast(ty) => cast::cast(ctx, args.into_iter().next().unwrap_or_else(|| unknown("")), ty),
    }
}

fn quantified(ctx: &QueryContext, left: &Ast, op: &str, right: &Ast, all: bool) -> Result<Typed> {
    let (left, right) = (bind(ctx, left)?, bind(ctx, right)?);
    let right = if right.ty == PgType::UNKNOWN {
        let array = left.ty.array_of().ok_or_else(|| Error::internal("no array type"))?;
        cast::cast(ctx, right, array)?
    } else {
        right
    };
    let element = right.ty.element().ok_or_else(|| Error::internal("no array"))?;
    let op = match op {
        "LIKE" => "~~",
        "!=" => "<>",
        other => other,
    };
    let left = if left.ty == PgType::UNKNOWN { cast::cast(ctx, left, element)? } else { left };
    array::quantified(ctx, op, all, left, right)
}

fn call(ctx: &QueryContext, choice: resolve::Choice, args: Vec<Typed>) -> Result<Typed> {
    let signature = choice.scalar().ok_or_else(|| Error::unsupported(choice.described()))?;
    let mut args = args;
    let left_out = choice.args.len() - args.len();
    for default in choice.candidate.defaults.iter().rev().take(left_out).rev() {
        args.push(bind(ctx, &parse(default)?)?);
    }
    let args = args.into_iter().zip(&choice.args).map(|(arg, &ty)| match ty.oid {
        oid::ANY if arg.ty == PgType::UNKNOWN => cast::cast(ctx, arg, PgType::TEXT),
        oid::ANY => Ok(arg),
        _ => cast::cast(ctx, arg, ty),
    });
    let args = args.collect::<Result<Vec<_>>>()?;
    match signature.target {
        Target::Func(def) => Ok(def.apply(args, choice.ret)),
        Target::Build(build) => build(ctx, args),
    }
}

/// `VARCHAR(3)`, `numeric(10,2)[]`, `"char"`
fn type_of(written: &str) -> PgType {
    let lower = written.to_lowercase();
    let (lower, is_array) = match lower.strip_suffix("[]") {
        Some(element) => (element.to_string(), true),
        None => (lower, false),
    };
    let (name, modifiers) = match lower.split_once('(') {
        Some((name, modifiers)) => (name.trim().to_string(), modifiers.trim_end_matches(')').to_string()),
        None => (lower, String::new()),
    };
    let numbers: Vec<i32> = modifiers.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let info = type_by_name(&name).unwrap_or_else(|| panic!("no type {written}"));
    let ty = match (info.oid, &numbers[..]) {
        (oid::NUMERIC, [p, s]) => PgType::numeric(*p as u32, *s),
        (oid::NUMERIC, [p]) => PgType::numeric(*p as u32, 0),
        (oid::BPCHAR, []) if name == "char" => PgType::char(1),
        (oid::BPCHAR | oid::VARCHAR, [n]) => PgType { oid: info.oid, typmod: n + 4 },
        (oid, _) => PgType::of(oid),
    };
    if is_array { ty.array_of().unwrap_or_else(|| panic!("no array of {ty}")) } else { ty }
}

#[test]
fn a_wrong_answer_fails() {
    let failed = std::panic::catch_unwind(|| check("upper('a')\tB"));
    assert!(failed.is_err());
    assert_eq!(answer("upper(NULL::text)").ok(), Some(None));
    assert_eq!(answer("chr(0)").err().map(|e| e.sqlstate()), Some(state::PROGRAM_LIMIT_EXCEEDED));
}
