//! SQL text to syntax trees, with PostgreSQL's errors.

use std::ops::Range;

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};

use crate::error::{Error, Result, state};

/// One statement of a string that may hold several.
#[derive(Clone, Debug)]
pub struct ParsedStatement {
    pub statement: ast::Statement,
    /// Its bytes in the string, without the semicolon.
    pub range: Range<usize>,
}

/// Parses a string of statements separated by semicolons; empty statements are left out.
pub fn parse(sql: &str) -> Result<Vec<ParsedStatement>> {
    let statements = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(sql)
        .and_then(|mut p| p.parse_statements())
        .map_err(|e| match e {
            ParserError::RecursionLimitExceeded => {
                Error::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
            }
            ParserError::TokenizerError(m) | ParserError::ParserError(m) => Error::new(state::SYNTAX_ERROR, m),
        })?;
    Ok(statements.into_iter().map(|statement| ParsedStatement { statement, range: 0..sql.len() }).collect())
}
