//! The name PostgreSQL gives an output column that has no alias (`FigureColname` in `parse_target.c`).

use sqlparser::ast::{self, DataType, Expr};

use super::scope::fold;

/// Name of a column nobody named.
const ANONYMOUS: &str = "?column?";

/// How strongly a name is meant: a cast's type name gives way to the name of what is cast.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Weak,
    Strong,
}

pub(super) fn output_name(expr: &Expr) -> String {
    figure(expr).map_or_else(|| ANONYMOUS.to_string(), |(name, _)| name)
}

fn figure(expr: &Expr) -> Option<(String, Strength)> {
    let strong = |name: &str| Some((name.to_string(), Strength::Strong));
    match expr {
        Expr::Identifier(ident) if ident.quote_style.is_none() && is_value_function(&ident.value) => {
            strong(&ident.value.to_lowercase())
        }
        Expr::Identifier(ident) => Some((fold(ident), Strength::Strong)),
        Expr::CompoundIdentifier(parts) => parts.last().map(|p| (fold(p), Strength::Strong)),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                ast::AccessExpr::Dot(Expr::Identifier(ident)) => Some((fold(ident), Strength::Strong)),
                _ => None,
            });
            field.or_else(|| figure(root))
        }
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure(inner),
        Expr::Function(function) => {
            let name = function.name.0.last().and_then(|p| p.as_ident()).map(fold)?;
            Some((name, Strength::Strong))
        }
        Expr::Cast { expr, data_type, .. } => cast_name(figure(expr), type_name(data_type)),
        Expr::TypedString(typed) => Some((type_name(&typed.data_type), Strength::Weak)),
        Expr::Interval(_) => Some(("interval".into(), Strength::Weak)),
        Expr::Value(value) => match value.value {
            ast::Value::Boolean(_) => Some(("bool".into(), Strength::Weak)),
            _ => None,
        },
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(figure) {
            Some((name, Strength::Strong)) => Some((name, Strength::Strong)),
            _ => Some(("case".into(), Strength::Weak)),
        },
        Expr::Subquery(query) => subquery_name(query).map(|name| (name, Strength::Strong)),
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { shorthand, .. } => strong(if *shorthand { "substr" } else { "substring" }),
        Expr::BinaryOp { op: ast::BinaryOperator::Overlaps, .. } => strong("overlaps"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(ast::TrimWhereField::Leading) => "ltrim",
            Some(ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::IsNormalized { negated: false, .. } => strong("is_normalized"),
        _ => None,
    }
}

fn cast_name(inner: Option<(String, Strength)>, ty: String) -> Option<(String, Strength)> {
    match inner {
        Some((name, Strength::Strong)) => Some((name, Strength::Strong)),
        _ => Some((ty, Strength::Weak)),
    }
}

/// A scalar subquery is called as its only column.
fn subquery_name(query: &ast::Query) -> Option<String> {
    let mut body = query.body.as_ref();
    loop {
        match body {
            ast::SetExpr::Query(inner) => body = inner.body.as_ref(),
            ast::SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            ast::SetExpr::Values(_) => return Some("column1".into()),
            ast::SetExpr::Select(select) => {
                return match select.projection.first()? {
                    ast::SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
                    ast::SelectItem::UnnamedExpr(expr) => Some(output_name(expr)),
                    _ => None,
                };
            }
            _ => return None,
        }
    }
}

fn is_value_function(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "localtime",
        "localtimestamp",
        "session_user",
        "user",
    ];
    NAMES.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// `pg_type.typname` of a type as it is written.
fn type_name(ty: &DataType) -> String {
    use ast::TimezoneInfo::{None as NoZone, Tz, WithTimeZone, WithoutTimeZone};
    let name = match ty {
        DataType::Character(_) | DataType::Char(_) => "bpchar",
        DataType::CharacterVarying(_) | DataType::CharVarying(_) | DataType::Varchar(_) | DataType::Nvarchar(_) => {
            "varchar"
        }
        DataType::Uuid => "uuid",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Int2(_) | DataType::SmallInt(_) => "int2",
        DataType::Int(_) | DataType::Int4(_) | DataType::Integer(_) => "int4",
        DataType::Int8(_) | DataType::BigInt(_) => "int8",
        DataType::Float4 | DataType::Real => "float4",
        DataType::Float(ast::ExactNumberInfo::Precision(p)) if *p <= 24 => "float4",
        DataType::Float(_) | DataType::Float8 | DataType::Double(_) | DataType::DoublePrecision => "float8",
        DataType::Bool | DataType::Boolean => "bool",
        DataType::Date => "date",
        DataType::Time(_, NoZone | WithoutTimeZone) => "time",
        DataType::Time(_, Tz | WithTimeZone) => "timetz",
        DataType::Timestamp(_, NoZone | WithoutTimeZone) => "timestamp",
        DataType::Timestamp(_, Tz | WithTimeZone) => "timestamptz",
        DataType::Interval { .. } => "interval",
        DataType::JSON => "json",
        DataType::JSONB => "jsonb",
        DataType::Regclass => "regclass",
        DataType::Text => "text",
        DataType::Bytea => "bytea",
        DataType::Bit(_) => "bit",
        DataType::BitVarying(_) | DataType::VarBit(_) => "varbit",
        DataType::Custom(name, _) => {
            return name.0.last().and_then(|p| p.as_ident()).map_or_else(|| ty.to_string(), fold);
        }
        DataType::Array(
            ast::ArrayElemTypeDef::SquareBracket(element, _)
            | ast::ArrayElemTypeDef::AngleBracket(element)
            | ast::ArrayElemTypeDef::Parenthesis(element),
        ) => return type_name(element),
        other => return other.to_string().to_lowercase(),
    };
    name.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of PostgreSQL 15.
    #[test]
    fn columns_are_named_as_postgresql_names_them() {
        let cases = [
            ("1", "?column?"),
            ("'a'", "?column?"),
            ("-1", "?column?"),
            ("a + 1", "?column?"),
            ("a", "a"),
            ("t.A", "a"),
            ("\"A\"", "A"),
            ("Count(*)", "count"),
            ("pg_catalog.lower('X')", "lower"),
            ("1::int", "int4"),
            ("a::text", "a"),
            ("(a)::text", "a"),
            ("(a + 1)::varchar(3)", "varchar"),
            ("cast(1 as double precision)", "float8"),
            ("'{1}'::int[]", "int4"),
            ("date '2020-01-01'", "date"),
            ("interval '1 day'", "interval"),
            ("true", "bool"),
            ("not true", "?column?"),
            ("case when a then b end", "case"),
            ("case when a then b else c end", "c"),
            ("case when a then b else 1::int end", "case"),
            ("coalesce(a, b)", "coalesce"),
            ("nullif(a, b)", "nullif"),
            ("exists (select 1)", "exists"),
            ("(select x from t)", "x"),
            ("(select max(x) as m from t)", "m"),
            ("array[1]", "array"),
            ("extract(year from d)", "extract"),
            ("trim(leading 'x' from a)", "ltrim"),
            ("trim(a)", "btrim"),
            ("position('a' in b)", "position"),
            ("substring(a from 1 for 2)", "substring"),
            ("substr(a, 1, 2)", "substr"),
            ("(a, b) overlaps (c, d)", "overlaps"),
            ("current_date", "current_date"),
            ("CURRENT_TIMESTAMP", "current_timestamp"),
            ("a at time zone 'UTC'", "timezone"),
            ("a is null", "?column?"),
            ("row_number() over ()", "row_number"),
            ("a collate \"C\"", "a"),
        ];
        for (sql, name) in cases {
            let statements = super::super::parse(&format!("select {sql}")).unwrap();
            let ast::Statement::Query(query) = &statements[0].statement else { panic!("{sql}") };
            let ast::SetExpr::Select(select) = query.body.as_ref() else { panic!("{sql}") };
            let ast::SelectItem::UnnamedExpr(expr) = &select.projection[0] else { panic!("{sql}") };
            assert_eq!(output_name(expr), name, "{sql}");
        }
    }
}
