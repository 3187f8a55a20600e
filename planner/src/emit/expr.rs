//! Expressions. Every operand is either a plain reference or wrapped in parentheses, so precedence never matters.

use datafusion_common::tree_node::TreeNode;
use datafusion_common::{Column, DFSchema, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, Alias, BinaryExpr, Case, InList, Placeholder, Sort, WindowFunction};
use datafusion_expr::{Expr, Operator, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition};

use super::literal::type_of_carrier;
use super::template::parameter;
use super::{AggregateSql, Comparison, Dialect, Refusal, Sql, Written};
use crate::catalog::Source;
use crate::emit::block::Emitter;
use crate::pgsem::{PgFunc, SqlForm, io};
use crate::pgtype::PgType;

/// Columns an expression may refer to: one entry per block it stands in, innermost last.
#[derive(Clone, Debug, Default)]
pub struct Scopes<'a>(pub Vec<(&'a DFSchema, &'a [Sql])>);

impl<'a> Scopes<'a> {
    pub fn with(&self, schema: &'a DFSchema, columns: &'a [Sql]) -> Scopes<'a> {
        let mut scopes = self.0.clone();
        scopes.push((schema, columns));
        Scopes(scopes)
    }

    fn find(&self, column: &Column) -> Written {
        for (schema, columns) in self.0.iter().rev() {
            if let Some(i) = schema.maybe_index_of_column(column) {
                return Ok(columns[i].clone());
            }
        }
        Err(Refusal::new(format!("{column} is not there")))
    }
}

/// Writes expressions for one engine over the columns in scope.
pub struct ExprWriter<'a> {
    pub emitter: &'a Emitter<'a>,
    pub scopes: Scopes<'a>,
}

impl ExprWriter<'_> {
    fn dialect(&self) -> &dyn Dialect {
        self.emitter.dialect
    }

    fn source(&self) -> &Source {
        self.emitter.source
    }

    /// `expected`: the type a literal takes here, if the context knows it.
    pub fn write(&self, expr: &Expr, expected: Option<PgType>) -> Written {
        let bool = |text: String| Ok(Sql::new(text, PgType::BOOL));
        match expr {
            Expr::Alias(Alias { expr, .. }) => self.write(expr, expected),
            Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => {
                let found = self.scopes.find(column)?;
                match found.ty {
                    PgType::UNKNOWN => Err(Refusal::new(format!("computing with column {column}"))),
                    _ => Ok(found),
                }
            }
            Expr::Literal(value, _) => self.literal(value, expected),
            Expr::Placeholder(p) => self.placeholder(p, expected),
            Expr::BinaryExpr(b) => self.binary(b),
            Expr::Not(e) => bool(format!("(NOT {})", self.operand(e)?)),
            Expr::IsNull(e) => bool(self.null_test(e, false)?),
            Expr::IsNotNull(e) => bool(self.null_test(e, true)?),
            Expr::IsTrue(e) => bool(format!("({} IS TRUE)", self.operand(e)?)),
            Expr::IsFalse(e) => bool(format!("({} IS FALSE)", self.operand(e)?)),
            Expr::IsUnknown(e) => bool(format!("({} IS UNKNOWN)", self.operand(e)?)),
            Expr::IsNotTrue(e) => bool(format!("({} IS NOT TRUE)", self.operand(e)?)),
            Expr::IsNotFalse(e) => bool(format!("({} IS NOT FALSE)", self.operand(e)?)),
            Expr::IsNotUnknown(e) => bool(format!("({} IS NOT UNKNOWN)", self.operand(e)?)),
            Expr::Between(b) => {
                let low = self.comparison(Comparison::GtEq, &b.expr, &b.low)?;
                let high = self.comparison(Comparison::LtEq, &b.expr, &b.high)?;
                let not = if b.negated { "NOT " } else { "" };
                bool(format!("({not}({} AND {}))", low.text, high.text))
            }
            Expr::InList(list) => self.in_list(list),
            Expr::Case(case) => self.case(case, expected),
            Expr::ScalarFunction(f) => self.scalar_function(f, expected),
            Expr::AggregateFunction(f) => self.aggregate(f),
            Expr::WindowFunction(w) => self.window(w),
            Expr::ScalarSubquery(s) => self.emitter.subquery(&s.subquery, &self.scopes),
            Expr::Exists(e) => {
                let subquery = self.emitter.subquery(&e.subquery.subquery, &self.scopes)?.text;
                bool(format!("({}EXISTS {subquery})", if e.negated { "NOT " } else { "" }))
            }
            other => Err(Refusal::new(format!("the expression {}", other.variant_name()))),
        }
    }

    /// An output column: a bare column may be of a type the engine does not compute with.
    pub fn output(&self, expr: &Expr) -> Written {
        match expr {
            Expr::Alias(Alias { expr, .. }) => self.output(expr),
            Expr::Column(column) => self.scopes.find(column),
            expr => self.write(expr, None),
        }
    }

    fn null_test(&self, expr: &Expr, negated: bool) -> Written<String> {
        let value = self.write(expr, Some(PgType::BOOL).filter(|_| is_boolean(expr)))?;
        Ok(self.dialect().null_test(&value, negated))
    }

    fn operand(&self, expr: &Expr) -> Written<String> {
        Ok(self.write(expr, Some(PgType::BOOL).filter(|_| is_boolean(expr)))?.text)
    }

    fn literal(&self, value: &ScalarValue, expected: Option<PgType>) -> Written {
        let ty = expected
            .or_else(|| type_of_carrier(&value.data_type()))
            .ok_or_else(|| Refusal::new(format!("a literal carried as {}", value.data_type())))?;
        let text = if value.is_null() { self.dialect().null(ty)? } else { self.dialect().literal(value, ty)? };
        Ok(Sql::new(text, ty))
    }

    fn placeholder(&self, p: &Placeholder, expected: Option<PgType>) -> Written {
        let index = p.id.trim_start_matches('$').parse().map_err(|_| Refusal::new("a named parameter"))?;
        let ty = self.emitter.parameters.get(index - 1usize).copied().or(expected);
        let ty = ty.ok_or_else(|| Refusal::new("a parameter of unknown type"))?;
        Ok(Sql::new(parameter(index, ty.without_typmod()), ty))
    }

    fn binary(&self, b: &BinaryExpr) -> Written {
        let op = match b.op {
            Operator::And | Operator::Or => {
                let word = if b.op == Operator::And { "AND" } else { "OR" };
                let (l, r) = (self.operand(&b.left)?, self.operand(&b.right)?);
                return Ok(Sql::new(format!("({l} {word} {r})"), PgType::BOOL));
            }
            Operator::Eq => Comparison::Eq,
            Operator::NotEq => Comparison::NotEq,
            Operator::Lt => Comparison::Lt,
            Operator::LtEq => Comparison::LtEq,
            Operator::Gt => Comparison::Gt,
            Operator::GtEq => Comparison::GtEq,
            Operator::IsDistinctFrom => Comparison::Distinct,
            Operator::IsNotDistinctFrom => Comparison::NotDistinct,
            other => return Err(Refusal::new(format!("the operator {other}"))),
        };
        self.comparison(op, &b.left, &b.right)
    }

    /// Both sides are comparison keys of one type. The side that is no literal decides which.
    pub fn comparison(&self, op: Comparison, left: &Expr, right: &Expr) -> Written {
        let (left_sql, right_sql) = if is_value(left) {
            let r = self.write(right, None)?;
            (self.compared(left, right, r.ty)?, r)
        } else {
            let l = self.write(left, None)?;
            let r = if is_value(right) { self.compared(right, left, l.ty)? } else { self.write(right, Some(l.ty))? };
            (l, r)
        };
        self.dialect().comparison(self.source(), op, left_sql, right_sql)
    }

    /// A literal compared with `other`. Most keys are values of the type; the bytes of a numeric key are not.
    fn compared(&self, literal: &Expr, other: &Expr, ty: PgType) -> Written {
        if let Expr::ScalarFunction(f) = other
            && PgFunc::of(&f.func).is_some_and(|f| f.def.name == "numeric_key")
            && matches!(literal, Expr::Literal(..))
        {
            return Err(Refusal::new("a comparison key"));
        }
        self.write(literal, Some(ty))
    }

    fn in_list(&self, list: &InList) -> Written {
        let any: Written<Vec<String>> =
            list.list.iter().map(|item| Ok(self.comparison(Comparison::Eq, &list.expr, item)?.text)).collect();
        let any = any?;
        if any.is_empty() {
            return Err(Refusal::new("an empty IN list"));
        }
        let not = if list.negated { "NOT " } else { "" };
        Ok(Sql::new(format!("({not}({}))", any.join(" OR ")), PgType::BOOL))
    }

    fn case(&self, case: &Case, expected: Option<PgType>) -> Written {
        let results = || case.when_then_expr.iter().map(|(_, then)| then.as_ref()).chain(case.else_expr.as_deref());
        let ty = results()
            .filter(|e| !is_value(e))
            .find_map(|e| self.write(e, None).ok())
            .map(|s| s.ty)
            .or(expected)
            .or_else(|| results().find_map(|e| self.write(e, None).ok()).map(|s| s.ty));
        let ty = ty.ok_or_else(|| Refusal::new("a CASE of unknown type"))?;
        let mut text = "(CASE".to_string();
        for (when, then) in &case.when_then_expr {
            let when = match &case.expr {
                Some(operand) => self.comparison(Comparison::Eq, operand, when)?.text,
                None => self.operand(when)?,
            };
            text += &format!(" WHEN {when} THEN {}", self.write(then, Some(ty))?.text);
        }
        if let Some(e) = &case.else_expr {
            text += &format!(" ELSE {}", self.write(e, Some(ty))?.text);
        }
        Ok(Sql::new(text + " END)", ty))
    }

    fn scalar_function(&self, f: &datafusion_expr::expr::ScalarFunction, expected: Option<PgType>) -> Written {
        if let Some(func) = PgFunc::of(&f.func) {
            if func.def.volatility == datafusion_expr::Volatility::Volatile {
                return Err(Refusal::new(format!("the volatile function {}", func.def.name)));
            }
            if func.def.sql == SqlForm::Local || io::needs_session(func) {
                return Err(Refusal::new(format!("the function {}", func.def.name)));
            }
            let arg = |(i, e): (usize, &Expr)| self.write(e, func.arg_types.get(i).copied());
            let args: Written<Vec<Sql>> = f.args.iter().enumerate().map(arg).collect();
            return self.dialect().function(self.source(), func, args?);
        }
        match f.func.name() {
            "coalesce" => {
                let ty = f.args.iter().filter(|e| !is_value(e)).find_map(|e| self.write(e, None).ok()).map(|s| s.ty);
                let ty = ty.or(expected).ok_or_else(|| Refusal::new("a COALESCE of unknown type"))?;
                let args: Written<Vec<String>> = f.args.iter().map(|e| Ok(self.write(e, Some(ty))?.text)).collect();
                Ok(Sql::new(format!("coalesce({})", args?.join(", ")), ty))
            }
            name => Err(Refusal::new(format!("the function {name}"))),
        }
    }

    fn aggregate(&self, f: &AggregateFunction) -> Written {
        let p = &f.params;
        if p.null_treatment.is_some() {
            return Err(Refusal::new("IGNORE NULLS"));
        }
        let count_all = f.func.name() == "count"
            && !p.distinct
            && matches!(p.args.as_slice(), [Expr::Literal(v, _)] if !v.is_null());
        let args: Vec<Sql> =
            if count_all { Vec::new() } else { p.args.iter().map(|e| self.write(e, None)).collect::<Written<_>>()? };
        let ty = self.aggregate_type(f, &args)?;
        let filter = p.filter.as_ref().map(|e| self.write(e, Some(PgType::BOOL))).transpose()?;
        let order_by = p.order_by.iter().map(|s| self.sort(s)).collect::<Written<_>>()?;
        let name = f.func.name();
        let key = args.iter().any(|a| a.key) && (matches!(name, "min" | "max") || name.starts_with("first_"));
        let written = self
            .dialect()
            .aggregate(self.source(), AggregateSql { name, args, distinct: p.distinct, filter, order_by, ty })?;
        Ok(Sql { key, ..written })
    }

    /// The PostgreSQL type of an aggregate as the plan carries it.
    fn aggregate_type(&self, f: &AggregateFunction, args: &[Sql]) -> Written<PgType> {
        let name = f.func.name();
        if matches!(name, "min" | "max") || name.starts_with("first_") {
            return args.first().map(|a| a.ty).ok_or_else(|| Refusal::new("an aggregate without arguments"));
        }
        if name == "array_agg" {
            let element = args.first().map(|a| a.ty).ok_or_else(|| Refusal::new("array_agg without arguments"))?;
            return element.array_of().ok_or_else(|| Refusal::new("an array of that type"));
        }
        let carriers: Vec<_> = f.params.args.iter().map(|e| self.carrier(e)).collect::<Written<_>>()?;
        let ret = f.func.return_type(&carriers).map_err(|e| Refusal::new(e.to_string()))?;
        match ret {
            arrow::datatypes::DataType::BinaryView => Ok(PgType::NUMERIC),
            other => type_of_carrier(&other).ok_or_else(|| Refusal::new(format!("the aggregate {name}"))),
        }
    }

    fn carrier(&self, expr: &Expr) -> Written<arrow::datatypes::DataType> {
        use datafusion_expr::ExprSchemable;
        for (schema, _) in self.scopes.0.iter().rev() {
            if let Ok(ty) = expr.get_type(*schema) {
                return Ok(ty);
            }
        }
        Err(Refusal::new("an expression without a type"))
    }

    pub fn sort(&self, sort: &Sort) -> Written<String> {
        let value = self.write(&sort.expr, None)?;
        self.dialect().sort_key(self.source(), value, sort.asc, sort.nulls_first)
    }

    fn window(&self, w: &WindowFunction) -> Written {
        let p = &w.params;
        if p.null_treatment.is_some() || p.distinct {
            return Err(Refusal::new("a window function with IGNORE NULLS or DISTINCT"));
        }
        self.dialect().window(w.fun.name())?;
        let call = match &w.fun {
            WindowFunctionDefinition::AggregateUDF(f) => self.aggregate(&AggregateFunction::new_udf(
                f.clone(),
                p.args.clone(),
                false,
                p.filter.clone(),
                vec![],
                None,
            ))?,
            WindowFunctionDefinition::WindowUDF(f) => {
                // Offsets, positions and bucket counts are integers in PostgreSQL, wider in the plan.
                let counted = if f.name() == "ntile" { 0 } else { 1 };
                let args =
                    p.args.iter().enumerate().map(|(i, e)| self.write(e, (i == counted).then_some(PgType::INT4)));
                let args: Vec<Sql> = args.collect::<Written<_>>()?;
                let ty = match f.name() {
                    "row_number" | "rank" | "dense_rank" => PgType::INT8,
                    "ntile" => PgType::INT4,
                    "percent_rank" | "cume_dist" => PgType::FLOAT8,
                    _ => args.first().map(|a| a.ty).ok_or_else(|| Refusal::new(f.name()))?,
                };
                let args: Vec<String> = args.into_iter().map(|a| a.text).collect();
                Sql::new(format!("{}({})", f.name(), args.join(", ")), ty)
            }
        };
        let mut over = Vec::new();
        if !p.partition_by.is_empty() {
            let keys: Written<Vec<String>> = p
                .partition_by
                .iter()
                .map(|e| Ok(self.dialect().group_key(self.source(), self.write(e, None)?)?.text))
                .collect();
            over.push(format!("PARTITION BY {}", keys?.join(", ")));
        }
        if !p.order_by.is_empty() {
            let keys: Written<Vec<String>> = p.order_by.iter().map(|s| self.sort(s)).collect();
            over.push(format!("ORDER BY {}", keys?.join(", ")));
        }
        let takes_frame = !matches!(
            w.fun.name(),
            "row_number" | "rank" | "dense_rank" | "ntile" | "percent_rank" | "cume_dist" | "lag" | "lead"
        );
        if takes_frame {
            over.push(frame(&p.window_frame)?);
        }
        Ok(Sql::new(format!("{} OVER ({})", call.text, over.join(" ")), call.ty))
    }
}

fn frame(frame: &WindowFrame) -> Written<String> {
    let units = match frame.units {
        WindowFrameUnits::Rows => "ROWS",
        WindowFrameUnits::Range => "RANGE",
        WindowFrameUnits::Groups => "GROUPS",
    };
    let bound = |b: &WindowFrameBound| -> Written<String> {
        let (value, word) = match b {
            WindowFrameBound::CurrentRow => return Ok("CURRENT ROW".into()),
            WindowFrameBound::Preceding(v) => (v, "PRECEDING"),
            WindowFrameBound::Following(v) => (v, "FOLLOWING"),
        };
        match value {
            v if v.is_null() => Ok(format!("UNBOUNDED {word}")),
            ScalarValue::UInt64(Some(n)) if frame.units != WindowFrameUnits::Range => Ok(format!("{n} {word}")),
            _ => Err(Refusal::new("a RANGE frame with an offset")),
        }
    };
    Ok(format!("{units} BETWEEN {} AND {}", bound(&frame.start_bound)?, bound(&frame.end_bound)?))
}

pub fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)))).unwrap_or(true)
}

/// A literal or parameter: its type comes from what it stands next to.
fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) | Expr::Placeholder(_) => true,
        Expr::Alias(a) => is_value(&a.expr),
        _ => false,
    }
}

fn is_boolean(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(_), _) | Expr::Placeholder(_))
}
