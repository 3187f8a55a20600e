//! Spellings of PostgreSQL that the parser does not know, as ones it knows, before it reads the tokens.
//!
//! What it would reject as an error of syntax although PostgreSQL has it, and Narrows does not, is refused here by name.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Error, Result};

/// Stands before the first bound of `BETWEEN SYMMETRIC`. PostgreSQL has had no such operator since version 14.
pub(super) const SYMMETRIC: Token = Token::DoubleExclamationMark;

/// What becomes of the tokens at one place: how many are replaced, and by what.
struct Change {
    at: usize,
    through: usize,
    by: Vec<Token>,
}

/// Words the parser keeps for other databases' syntax; to PostgreSQL they are names like any other.
const NAMES: &[Keyword] = &[
    Keyword::ANTI,
    Keyword::ASOF,
    Keyword::CONNECT,
    Keyword::DISTRIBUTE,
    Keyword::DIV,
    Keyword::FORMAT,
    Keyword::MATCH_CONDITION,
    Keyword::MATCH_RECOGNIZE,
    Keyword::MINUS,
    Keyword::OPEN,
    Keyword::OUTPUT,
    Keyword::PIVOT,
    Keyword::PREWHERE,
    Keyword::QUALIFY,
    Keyword::REGEXP,
    Keyword::RLIKE,
    Keyword::SAMPLE,
    Keyword::SEMI,
    Keyword::SETTINGS,
    Keyword::SORT,
    Keyword::STRUCT,
    Keyword::TOP,
    Keyword::UNPIVOT,
    Keyword::XOR,
];

pub(super) fn respell(tokens: &mut Vec<TokenWithSpan>) -> Result<()> {
    for token in tokens.iter_mut() {
        if let Token::Word(word) = &mut token.token
            && NAMES.contains(&word.keyword)
        {
            word.keyword = Keyword::NoKeyword;
        }
    }
    let words: Vec<usize> = (0..tokens.len()).filter(|&i| !matches!(tokens[i].token, Token::Whitespace(_))).collect();
    let mut changes = Vec::new();
    let mut i = 0;
    while i < words.len() {
        let ahead = |n: usize| words.get(i + n).map(|&at| &tokens[at].token);
        let before = i.checked_sub(1).map(|b| &tokens[words[b]].token);
        let (taken, by) = match spelling(before, ahead)? {
            Some(change) => change,
            None => {
                i += 1;
                continue;
            }
        };
        changes.push(Change { at: words[i], through: words[i + taken - 1], by });
        i += taken;
    }
    for change in changes.into_iter().rev() {
        let span = tokens[change.at].span;
        let by = change.by.into_iter().map(|token| TokenWithSpan { token, span });
        tokens.splice(change.at..=change.through, by);
    }
    Ok(())
}

/// A new spelling for the tokens ahead: how many it stands for, and itself.
fn spelling<'t>(
    before: Option<&'t Token>,
    ahead: impl Fn(usize) -> Option<&'t Token>,
) -> Result<Option<(usize, Vec<Token>)>> {
    let is = |n: usize, word: &str| ahead(n).is_some_and(|t| is_word(t, word));
    let keyword = Token::make_keyword;
    if ahead(0) == Some(&Token::Assignment) {
        return Ok(Some((1, vec![Token::RArrow])));
    }
    let Some(Token::Word(word)) = ahead(0) else { return Ok(None) };
    if word.quote_style.is_some() || before == Some(&Token::Period) {
        return Ok(None);
    }
    Ok(match word.value.to_ascii_lowercase().as_str() {
        // `x ISNULL`; a column label needs AS.
        "isnull" if !before.is_some_and(|t| is_word(t, "as")) => Some((1, vec![keyword("IS"), keyword("NULL")])),
        "between" if is(1, "symmetric") => Some((2, vec![keyword("BETWEEN"), SYMMETRIC])),
        "between" if is(1, "asymmetric") => Some((2, vec![keyword("BETWEEN")])),
        // `trim(trailing from x)`
        "leading" | "trailing" | "both" if is(1, "from") && before == Some(&Token::LParen) => {
            let side = Token::make_keyword(&word.value);
            Some((1, vec![side, Token::SingleQuotedString(" ".into())]))
        }
        "not" if (is(1, "like") || is(1, "ilike")) && is(2, "all") => {
            let plain = is(1, "like");
            let operator =
                if plain { Token::ExclamationMarkDoubleTilde } else { Token::ExclamationMarkDoubleTildeAsterisk };
            Some((2, vec![operator]))
        }
        "like" if is(1, "all") => Some((1, vec![Token::DoubleTilde])),
        "ilike" if is(1, "all") => Some((1, vec![Token::DoubleTildeAsterisk])),
        "variadic" if matches!(before, Some(Token::LParen | Token::Comma)) && starts_value(ahead(1)) => {
            return Err(Error::unsupported("VARIADIC in a function call"));
        }
        _ => None,
    })
}

fn is_word(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
}

/// Whether a value begins here, so that the word before it is no column.
fn starts_value(token: Option<&Token>) -> bool {
    match token {
        Some(Token::Word(w)) => {
            !matches!(w.keyword, Keyword::AS | Keyword::FROM | Keyword::AND | Keyword::OR | Keyword::IS)
        }
        Some(Token::SingleQuotedString(_) | Token::Placeholder(_) | Token::Number(..)) => true,
        _ => false,
    }
}
