//! SQL text to syntax trees, with PostgreSQL's errors and positions.

use std::ops::Range;

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::{Error, Result, state};

/// Depth of parentheses and subqueries the parser follows.
const MAX_NESTING: usize = 600;
/// Operators in one chain (`a + b + …`): the parser makes a tree as deep as the chain is long.
const MAX_CHAIN: usize = 5000;

/// One statement of a string that may hold several.
#[derive(Clone, Debug)]
pub struct ParsedStatement {
    pub statement: ast::Statement,
    /// Its bytes in the string, without the semicolon.
    pub range: Range<usize>,
    /// Source and text of its `narrows.query('source', $$…$$)` calls, to be described before binding.
    pub passthrough: Vec<(String, String)>,
}

/// Parses a string of statements separated by semicolons; empty statements are left out.
pub fn parse(sql: &str) -> Result<Vec<ParsedStatement>> {
    let dialect = PostgreSqlDialect {};
    let mut tokens = tokens(sql)?;
    let places = places(sql, &tokens);
    let calls = passthrough_calls(&tokens);
    spell_out_table(&mut tokens);
    super::respell::respell(&mut tokens)?;
    let mut parser = Parser::new(&dialect).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens);
    let mut statements = Vec::new();
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let first = parser.peek_token();
        if first.token == Token::EOF {
            return Ok(statements);
        }
        let mut statement = parser.parse_statement().map_err(|e| parser_error(sql, e))?;
        super::distinct_from::release_operands(&mut statement);
        let next = parser.peek_token();
        if !matches!(next.token, Token::SemiColon | Token::EOF) {
            return Err(near(&next.token.to_string()).or_position(char_position(sql, next.span.start)));
        }
        let from = first.span.start;
        let to = if next.token == Token::EOF { END } else { next.span.start };
        let mut inside = places.iter().filter(|p| from <= p.start && p.start < to).map(|p| &p.bytes);
        let start = inside.next().map_or(0, |bytes| bytes.start);
        let end = places.iter().rev().find(|p| p.start < to).map_or(sql.len(), |p| p.bytes.end);
        let passthrough =
            calls.iter().filter(|(at, _)| from <= *at && *at < to).map(|(_, call)| call.clone()).collect();
        statements.push(ParsedStatement { statement, range: start..end, passthrough });
    }
}

/// Parses an expression that stands alone.
pub(super) fn parse_expression(text: &str) -> Result<ast::Expr> {
    let mut tokens = tokens(text)?;
    super::respell::respell(&mut tokens)?;
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens);
    let mut expr = parser.parse_expr().map_err(|e| parser_error(text, e))?;
    super::distinct_from::release_operands(&mut expr);
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(expr),
        token => Err(near(&token.to_string()).or_position(char_position(text, next.span.start))),
    }
}

fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>> {
    let mut tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().map_err(|e| {
        Error::new(state::SYNTAX_ERROR, syntax_message(&e.message)).or_position(char_position(sql, e.location))
    })?;
    check_chains(&tokens)?;
    rewrite_unparsed(sql, &mut tokens)?;
    Ok(tokens)
}

/// After every place.
const END: Location = Location { line: u64::MAX, column: u64::MAX };

/// Where a token stands.
struct Place {
    start: Location,
    bytes: Range<usize>,
}

/// The places of all tokens that are no white space.
fn places(sql: &str, tokens: &[TokenWithSpan]) -> Vec<Place> {
    let mut chars = sql.char_indices();
    let mut at = Location { line: 1, column: 1 };
    let mut byte_at = |goal: Location| {
        while at < goal {
            match chars.next() {
                Some((_, '\n')) => at = Location { line: at.line + 1, column: 1 },
                Some(_) => at.column += 1,
                None => break,
            }
        }
        chars.offset()
    };
    let mut places = Vec::with_capacity(tokens.len());
    for token in tokens {
        let (start, end) = (byte_at(token.span.start), byte_at(token.span.end));
        if !matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            places.push(Place { start: token.span.start, bytes: start..end });
        }
    }
    places
}

/// What the parser does not know and other words say: `EXCLUDE NO OTHERS` is the default, `USING <` in ORDER BY is `ASC`. The
/// other forms of EXCLUDE are refused by name.
fn rewrite_unparsed(sql: &str, tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    let word = |token: &Token, word: &str| match token {
        Token::Word(w) => w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word),
        _ => false,
    };
    let mut i = 0;
    while i < tokens.len() {
        let next = |from: usize| (from + 1..tokens.len()).find(|j| !matches!(tokens[*j].token, Token::Whitespace(_)));
        let (Some(second), span) = (next(i), tokens[i].span) else { break };
        if word(&tokens[i].token, "using") && matches!(tokens[second].token, Token::Lt | Token::Gt) {
            let direction = if tokens[second].token == Token::Lt { "ASC" } else { "DESC" };
            tokens.splice(i..=second, [TokenWithSpan { token: Token::make_keyword(direction), span }]);
        } else if word(&tokens[i].token, "exclude")
            && let Some(third) = next(second)
        {
            let is = |first: &str, last: &str| word(&tokens[second].token, first) && word(&tokens[third].token, last);
            if is("no", "others") {
                tokens.drain(i..=third);
            } else if is("current", "row")
                || word(&tokens[second].token, "group")
                || word(&tokens[second].token, "ties")
            {
                let at = char_position(sql, span.start);
                return Err(Error::unsupported("EXCLUDE in a window frame").or_position(at));
            }
        }
        i += 1;
    }
    Ok(())
}

/// Writes the command `TABLE t` as `SELECT * FROM t`, which the parser reads without losing how `t` is quoted.
fn spell_out_table(tokens: &mut Vec<TokenWithSpan>) {
    let keyword = |token: &Token| match token {
        Token::Word(w) if w.quote_style.is_none() => w.keyword,
        _ => Keyword::NoKeyword,
    };
    let mut commands = Vec::new();
    let mut before: Option<&Token> = None;
    for (i, token) in tokens.iter().enumerate() {
        if matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        let begins_query = match before {
            None | Some(Token::SemiColon | Token::LParen | Token::RParen) => true,
            Some(word) => matches!(
                keyword(word),
                Keyword::ALL
                    | Keyword::ANALYZE
                    | Keyword::AS
                    | Keyword::DISTINCT
                    | Keyword::EXCEPT
                    | Keyword::EXPLAIN
                    | Keyword::FOR
                    | Keyword::INTERSECT
                    | Keyword::UNION
                    | Keyword::VERBOSE
            ),
        };
        if begins_query && keyword(&token.token) == Keyword::TABLE {
            let next = tokens[i + 1..].iter().find(|t| !matches!(t.token, Token::Whitespace(_)));
            if next.is_some_and(|t| matches!(t.token, Token::Word(_))) {
                commands.push(i);
            }
        }
        before = Some(&token.token);
    }
    for i in commands.into_iter().rev() {
        let span = tokens[i].span;
        let spelt = [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
        tokens.splice(i..=i, spelt.map(|token| TokenWithSpan { token, span }));
    }
}

/// Position in characters from 1 of a place the tokenizer names by line and column.
pub(super) fn char_position(sql: &str, at: Location) -> Option<u32> {
    if at.line == 0 {
        return None;
    }
    let before: usize = sql.split_inclusive('\n').take(at.line as usize - 1).map(|line| line.chars().count()).sum();
    u32::try_from(before + at.column as usize).ok()
}

fn near(found: &str) -> Error {
    match found {
        "EOF" => Error::new(state::SYNTAX_ERROR, "syntax error at end of input"),
        found => Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{found}\"")),
    }
}

fn syntax_message(message: &str) -> String {
    format!("syntax error: {}", message.trim())
}

fn parser_error(sql: &str, error: ParserError) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => return too_complex(),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (text, position) = match message.rsplit_once(" at Line: ") {
        Some((text, place)) => (text, location(place).and_then(|at| char_position(sql, at))),
        None => (message.as_str(), None),
    };
    let error = match text.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((expected, found)) => near(found).with_detail(format!("Expected {expected}.")),
        None => Error::new(state::SYNTAX_ERROR, syntax_message(text)),
    };
    error.or_position(position)
}

/// `3, Column: 14`
fn location(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}

pub(super) fn too_complex() -> Error {
    Error::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .with_hint("Simplify the statement: it is nested too deeply.")
}

/// Refuses a statement whose syntax tree could be too deep to walk or free: a chain of operators nests once per operator,
/// and the parser does not count those.
fn check_chains(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut open = vec![0usize];
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => open.push(0),
            Token::RParen | Token::RBracket if open.len() > 1 => {
                open.pop();
            }
            Token::Comma | Token::SemiColon => *open.last_mut().expect("never empty") = 0,
            Token::Whitespace(_) => {}
            _ => {
                let chain = open.last_mut().expect("never empty");
                *chain += 1;
                // An operand and an operator each are a token at least.
                if *chain > 2 * MAX_CHAIN {
                    return Err(too_complex());
                }
            }
        }
    }
    Ok(())
}

/// The calls of `narrows.query` with two string constants, and where they begin.
fn passthrough_calls(tokens: &[TokenWithSpan]) -> Vec<(Location, (String, String))> {
    let tokens: Vec<_> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let name = |token: &Token, name: &str| match token {
        Token::Word(w) if w.quote_style.is_none() => w.value.eq_ignore_ascii_case(name),
        Token::Word(w) => w.value == name,
        _ => false,
    };
    let mut calls = Vec::new();
    for window in tokens.windows(8) {
        let [schema, dot, function, open, source, comma, text, close] = window else { continue };
        let shape = name(&schema.token, "narrows")
            && dot.token == Token::Period
            && name(&function.token, "query")
            && open.token == Token::LParen
            && comma.token == Token::Comma
            && close.token == Token::RParen;
        if shape && let (Some(source), Some(text)) = (string(&source.token), string(&text.token)) {
            calls.push((schema.span.start, (source, text)));
        }
    }
    calls
}

fn string(token: &Token) -> Option<String> {
    match token {
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => Some(text.clone()),
        Token::DollarQuotedString(quoted) => Some(quoted.value.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_know_their_text() {
        let sql = "select 'é;' ;; select 2 -- end\n; ";
        let statements = parse(sql).unwrap();
        let texts: Vec<_> = statements.iter().map(|s| &sql[s.range.clone()]).collect();
        assert_eq!(texts, ["select 'é;'", "select 2"]);
    }

    #[test]
    fn table_is_short_for_select() {
        let statements = parse("table \"T\" order by 1; (table a union all table b.c)").unwrap();
        let texts: Vec<_> = statements.iter().map(|s| s.statement.to_string()).collect();
        assert_eq!(texts, ["SELECT * FROM \"T\" ORDER BY 1", "(SELECT * FROM a UNION ALL SELECT * FROM b.c)"]);
    }

    #[test]
    fn what_the_parser_does_not_know_is_written_otherwise() {
        let text = |sql: &str| parse(sql).map(|s| s[0].statement.to_string());
        assert_eq!(text("select 1 order by a using >, b using <").unwrap(), "SELECT 1 ORDER BY a DESC, b ASC");
        let frame = "select sum(a) over (order by b rows unbounded preceding exclude no others)";
        assert!(!text(frame).unwrap().to_lowercase().contains("exclude"));
        let e = text("select sum(a) over (order by b rows unbounded preceding exclude ties)").unwrap_err();
        assert_eq!(e.sqlstate(), state::FEATURE_NOT_SUPPORTED);
        assert!(text("select exclude, x from t join u using (a)").is_ok());
    }

    #[test]
    fn passthrough_calls_are_found_in_their_statement() {
        let sql = "select 1; select * from Narrows.query('pg', $$select 'a'$$) q, narrows . query('my', 'x''y')";
        let statements = parse(sql).unwrap();
        assert!(statements[0].passthrough.is_empty());
        let call = |source: &str, text: &str| (source.to_string(), text.to_string());
        assert_eq!(statements[1].passthrough, [call("pg", "select 'a'"), call("my", "x'y")]);
    }

    #[test]
    fn syntax_errors_have_a_position() {
        let e = parse("select 1\nfrom t limit +").unwrap_err();
        assert_eq!(e.sqlstate(), state::SYNTAX_ERROR);
        assert_eq!(e.message(), "syntax error at end of input");
        let e = parse("select 1,\n ) from t").unwrap_err();
        assert_eq!(e.message(), "syntax error at or near \")\"");
        assert_eq!(e.position(), Some(12));
        let e = parse("select (1").unwrap_err();
        assert_eq!(e.message(), "syntax error at end of input");
        let e = parse("select 1 select 2").unwrap_err();
        assert_eq!(e.sqlstate(), state::SYNTAX_ERROR);
        let e = parse("select 'abc").unwrap_err();
        assert_eq!(e.sqlstate(), state::SYNTAX_ERROR);
    }

    #[test]
    fn deep_statements_are_refused_and_not_a_crash() {
        let deep = format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(parse(&deep).unwrap_err().sqlstate(), state::STATEMENT_TOO_COMPLEX);
        let long = format!("select 1{}", "+1".repeat(1_000_000));
        assert_eq!(parse(&long).unwrap_err().sqlstate(), state::STATEMENT_TOO_COMPLEX);
        let wide = format!("select 1 where 1 in ({}1)", "1,".repeat(100_000));
        assert!(parse(&wide).is_ok());
        assert!(parse(&format!("select {}1{}", "(".repeat(300), ")".repeat(300))).is_ok());
    }
}
