//! Functions about the session and the system catalogs, and names of catalog objects as values.
//!
//! Clients such as psql ask for definitions and comments of objects Narrows does not have: those answers are NULL.

use arrow::array::ArrayRef;
use datafusion_common::ScalarValue;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::super::Binder;
use super::super::relation::SYSTEM_SCHEMA;
use super::function::{holds_aggregate, holds_window};
use super::literal::{boolean, text};
use super::types::pg_type;
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Call, I32, I64, Text};
use crate::pgsem::resolve::Choice;
use crate::pgtype::{PgType, oid, type_info};

/// What `server_version` says: clients choose their catalog queries by it.
const SERVER_VERSION: &str = "15.8";
const SERVER_VERSION_NUM: &str = "150008";

fn name(value: &str) -> Typed {
    Typed::literal(ScalarValue::Utf8View(Some(value.to_string())), PgType::NAME)
}

fn null_text() -> Typed {
    Typed::null(PgType::TEXT)
}

impl Binder<'_> {
    /// `current_user` and its kin, which need no parentheses.
    pub(super) fn session_value(&mut self, function: &str) -> Result<Option<Typed>> {
        Ok(Some(match function {
            "current_user" | "session_user" | "user" | "current_role" => name(&self.ctx.principal),
            "current_catalog" => name(&self.ctx.database),
            "current_schema" => self.current_schema(),
            _ => return Ok(None),
        }))
    }

    fn visible_schemas(&self) -> Vec<&str> {
        let exists = |s: &&String| self.catalog.schemas.contains_key(*s);
        self.ctx.search_path.iter().filter(exists).map(String::as_str).collect()
    }

    fn current_schema(&self) -> Typed {
        self.visible_schemas().first().map_or_else(|| Typed::null(PgType::NAME), |s| name(s))
    }

    /// Functions whose arguments have types Narrows does not know.
    pub(super) fn unlisted_function(&mut self, function: &str, args: &[Typed]) -> Result<Option<Typed>> {
        Ok(match (function, args.len()) {
            ("pg_get_expr", 2 | 3) | ("shobj_description", 2) => Some(null_text()),
            ("pg_statistics_obj_is_visible", 1) => Some(boolean(true)),
            ("pg_relation_is_publishable", 1) => Some(boolean(false)),
            ("getdatabaseencoding", 0) => Some(name("UTF8")),
            ("pg_tablespace_location", 1) => Some(text("")),
            _ => None,
        })
    }

    /// A call whose answer binding knows.
    pub(super) fn system_function(&mut self, choice: &Choice, args: &[Typed]) -> Result<Option<Typed>> {
        let function = choice.name;
        Ok(Some(match function {
            "pg_typeof" => pg_typeof(args),
            "version" => {
                let version = env!("CARGO_PKG_VERSION");
                text(&format!("PostgreSQL {SERVER_VERSION} (Narrows {version})"))
            }
            "current_database" => name(&self.ctx.database),
            "current_user" | "session_user" => name(&self.ctx.principal),
            "current_schema" => self.current_schema(),
            "current_schemas" => self.current_schemas(args)?,
            "current_setting" => self.current_setting(args)?,
            "pg_client_encoding" => name("UTF8"),
            "pg_encoding_to_char" => name("UTF8"),
            "pg_char_to_encoding" => encoding(args)?,
            "pg_is_in_recovery" | "pg_is_other_temp_schema" => boolean(false),
            "pg_my_temp_schema" => Typed::literal(ScalarValue::Int64(Some(0)), PgType::OID),
            "obj_description"
            | "col_description"
            | "pg_get_constraintdef"
            | "pg_get_indexdef"
            | "pg_get_userbyid"
            | "pg_table_is_visible"
            | "pg_table_size"
            | "pg_relation_size"
            | "pg_total_relation_size" => {
                let args = self.coerce_arguments(choice, args.to_vec())?;
                return self.catalog_function(function, args);
            }
            f if f.starts_with("has_") && f.ends_with("_privilege") || f == "pg_has_role" => boolean(true),
            f if f.starts_with("pg_") && f.ends_with("_is_visible") => boolean(true),
            "pg_get_viewdef"
            | "pg_get_ruledef"
            | "pg_get_triggerdef"
            | "pg_get_partkeydef"
            | "pg_get_partition_constraintdef"
            | "pg_get_functiondef"
            | "pg_get_function_arguments"
            | "pg_get_function_result"
            | "pg_get_function_identity_arguments"
            | "pg_get_function_sqlbody"
            | "pg_get_serial_sequence"
            | "pg_get_statisticsobjdef"
            | "pg_get_statisticsobjdef_columns" => null_text(),
            "pg_database_size" => Typed::null(PgType::INT8),
            "format_type" => {
                let args = self.coerce_arguments(choice, args.to_vec())?;
                super::fold::fold(FORMAT_TYPE.apply(args, PgType::TEXT))
            }
            "to_regclass" | "to_regtype" | "to_regnamespace" => {
                let Some(ScalarValue::Utf8View(Some(literal))) = args.first().and_then(Typed::as_literal) else {
                    return Err(Error::unsupported(format!("{function} of an expression")));
                };
                self.object_literal(literal, choice.ret).unwrap_or_else(|_| Typed::null(choice.ret))
            }
            _ => return Ok(None),
        }))
    }

    fn current_schemas(&mut self, args: &[Typed]) -> Result<Typed> {
        let implicit = match args.first().and_then(Typed::as_literal) {
            Some(ScalarValue::Boolean(Some(implicit))) => *implicit,
            _ => return Err(Error::unsupported("current_schemas of an expression")),
        };
        let mut names: Vec<Typed> = self.visible_schemas().into_iter().map(name).collect();
        if implicit {
            names.insert(0, name(SYSTEM_SCHEMA));
        }
        Ok(super::fold::fold(crate::pgsem::array::array_construct(PgType::NAME, names)?))
    }

    fn current_setting(&mut self, args: &[Typed]) -> Result<Typed> {
        let Some(ScalarValue::Utf8View(Some(setting))) = args.first().and_then(Typed::as_literal) else {
            return Err(Error::unsupported("current_setting of an expression"));
        };
        let known = match setting.to_lowercase().as_str() {
            "server_version" => SERVER_VERSION.to_string(),
            "server_version_num" => SERVER_VERSION_NUM.to_string(),
            "server_encoding" | "client_encoding" => "UTF8".to_string(),
            "standard_conforming_strings" | "integer_datetimes" | "transaction_read_only" => "on".to_string(),
            "search_path" => self.ctx.search_path.join(", "),
            "max_index_keys" => "32".to_string(),
            _ => return Err(Error::unsupported(format!("current_setting('{setting}')"))),
        };
        Ok(text(&known))
    }

    /// `'name'::regclass`, `::regtype`, `::regnamespace`: the OID of what is called so.
    pub(super) fn object_literal(&mut self, literal: &str, ty: PgType) -> Result<Typed> {
        let found = match literal.trim().parse::<u32>() {
            Ok(number) => number,
            Err(_) => match ty.oid {
                oid::REGCLASS => self.relation_oid(literal)?,
                oid::REGTYPE => type_oid(literal)?,
                oid::REGNAMESPACE => self.schema_oid(literal)?,
                oid::REGPROC => function_oid(literal)?,
                _ => return Err(Error::unsupported(format!("a name as {ty}"))),
            },
        };
        Ok(Typed::literal(ScalarValue::Int64(Some(i64::from(found))), ty))
    }

    /// What an object is called, by its OID.
    pub(super) fn object_name(&mut self, object: Typed) -> Result<Typed> {
        let ty = object.ty;
        let named = match ty.oid {
            oid::REGTYPE => Some(REGTYPE_OUT.apply(vec![object], PgType::TEXT)),
            oid::REGPROC => Some(REGPROC_OUT.apply(vec![object], PgType::TEXT)),
            _ => self.name_of_object(object),
        };
        named.map(super::fold::fold).ok_or_else(|| Error::unsupported(format!("a cast from {ty} to text")))
    }

    /// As a client sees it: only the binder knows what an OID's object is called, so its name leaves as text.
    pub(in crate::bind) fn shown(&mut self, value: Typed) -> Result<Typed> {
        match value.ty.oid {
            oid::REGCLASS | oid::REGNAMESPACE | oid::REGPROC => self.object_name(value),
            _ => Ok(value),
        }
    }

    fn schema_oid(&self, literal: &str) -> Result<u32> {
        let parts = identifiers(literal)?;
        let missing = || Error::new(state::INVALID_SCHEMA_NAME, format!("schema \"{literal}\" does not exist"));
        let [schema] = parts.as_slice() else {
            return Err(Error::new(state::INVALID_NAME, "invalid name syntax"));
        };
        self.catalog.schema_oids.get(schema).copied().ok_or_else(missing)
    }

    fn relation_oid(&self, literal: &str) -> Result<u32> {
        let missing = || Error::new(state::UNDEFINED_TABLE, format!("relation \"{literal}\" does not exist"));
        let parts = identifiers(literal)?;
        let (schema, table) = match parts.as_slice() {
            [table] => (None, table),
            [schema, table] => (Some(schema), table),
            _ => return Err(missing()),
        };
        let index = |schema: &str| {
            let tables = self.catalog.schemas.get(schema)?.values();
            let mut keys = tables.flat_map(|t| t.indexes());
            keys.find(|(key, _)| key.name == *table).map(|(_, oid)| oid)
        };
        let at = |schema: &str| self.catalog.table(schema, table).map(|t| t.oid).or_else(|| index(schema));
        match schema {
            Some(schema) => at(schema),
            None => at(SYSTEM_SCHEMA).or_else(|| self.ctx.search_path.iter().find_map(|s| at(s))),
        }
        .ok_or_else(missing)
    }
}

fn identifiers(literal: &str) -> Result<Vec<String>> {
    let invalid = || Error::new(state::INVALID_NAME, format!("invalid name syntax: \"{literal}\""));
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(literal).map_err(|_| invalid())?;
    let parsed = parser.parse_object_name(false).map_err(|_| invalid())?;
    Ok(parsed.0.iter().filter_map(|p| p.as_ident()).map(super::super::scope::fold).collect())
}

fn type_oid(literal: &str) -> Result<u32> {
    let unknown = || Error::new(state::UNDEFINED_OBJECT, format!("type \"{literal}\" does not exist"));
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(literal).map_err(|_| unknown())?;
    Ok(pg_type(&parser.parse_data_type().map_err(|_| unknown())?)?.oid)
}

/// The functions whose names clients compare with columns of `pg_type`.
const TYPE_FUNCTIONS: &[(&str, u32)] =
    &[("array_in", 750), ("array_out", 751), ("array_recv", 2400), ("array_send", 2401), ("record_in", 2290)];

fn function_oid(literal: &str) -> Result<u32> {
    let parts = identifiers(literal)?;
    let name = match parts.as_slice() {
        [name] => name,
        [schema, name] if schema == SYSTEM_SCHEMA => name,
        _ => return Err(Error::unsupported(format!("function \"{literal}\" as a regproc"))),
    };
    let found = TYPE_FUNCTIONS.iter().find(|(known, _)| known == name).map(|(_, oid)| *oid);
    found.ok_or_else(|| Error::unsupported(format!("function \"{literal}\" as a regproc")))
}

/// The number of an encoding: there is only one.
fn encoding(args: &[Typed]) -> Result<Typed> {
    const UTF8: i32 = 6;
    let Some(ScalarValue::Utf8View(Some(called))) = args.first().and_then(Typed::as_literal) else {
        return Err(Error::unsupported("pg_char_to_encoding of an expression"));
    };
    let known = matches!(called.to_lowercase().replace(['-', '_'], "").as_str(), "utf8" | "unicode");
    Ok(Typed::literal(ScalarValue::Int32(Some(if known { UTF8 } else { -1 })), PgType::INT4))
}

/// The argument's type. An aggregate inside still makes the query one over groups, so it stays.
fn pg_typeof(args: &[Typed]) -> Typed {
    let ty = args.first().map_or(PgType::UNKNOWN, |a| a.ty);
    let answer = PgType::of(oid::REGTYPE);
    match args.first() {
        Some(arg) if holds_aggregate(&arg.expr) || holds_window(&arg.expr) => {
            PG_TYPEOF.call(vec![arg.clone()], answer, answer.repr(), &ty.oid.to_string())
        }
        _ => Typed::literal(ScalarValue::Int64(Some(i64::from(ty.oid))), answer),
    }
}

static PG_TYPEOF: FuncDef = FuncDef::new("pg_typeof", SqlForm::Local, |call: &Call<'_>| {
    let ty: i64 = call.func.detail.parse().unwrap_or_default();
    call.build::<I64>(|_| Ok(Some(ty)))
})
.not_strict();

/// A number that is no type's is printed as it is.
static REGTYPE_OUT: FuncDef = FuncDef::new("regtypeout", SqlForm::Local, |call: &Call<'_>| {
    call.map1::<I64, Text>(|ty| {
        Ok(match u32::try_from(ty).ok().and_then(type_info) {
            Some(info) => info.sql_name.to_string(),
            None if ty == 0 => "-".to_string(),
            None => ty.to_string(),
        })
    })
});

/// Functions are known by their numbers only.
static REGPROC_OUT: FuncDef = FuncDef::new("regprocout", SqlForm::Local, |call: &Call<'_>| {
    call.map1::<I64, Text>(|function| {
        let known = TYPE_FUNCTIONS.iter().find(|(_, oid)| i64::from(*oid) == function).map(|(name, _)| *name);
        Ok(match known {
            Some(name) => name.to_string(),
            None if function == 0 => "-".to_string(),
            None => function.to_string(),
        })
    })
});

static FORMAT_TYPE: FuncDef = FuncDef::new("format_type", SqlForm::Local, format_type).not_strict();

fn format_type(call: &Call<'_>) -> Result<ArrayRef> {
    let (types, modifiers) = (call.column::<I64>(0)?, call.column::<I32>(1)?);
    call.build::<Text>(|row| {
        let Some(ty) = call.get::<I64>(&types, 0, row) else { return Ok(None) };
        let known = u32::try_from(ty).ok().and_then(type_info);
        let typmod = call.get::<I32>(&modifiers, 1, row).unwrap_or(-1);
        Ok(Some(match known {
            Some(info) => PgType { oid: info.oid, typmod }.sql_name(),
            None if ty == 0 => "-".to_string(),
            None => "???".to_string(),
        }))
    })
}
