//! `~`, `regexp_replace`, `regexp_match`, `substring(text from pattern)` and their kin.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::builder::{ListBuilder, StringViewBuilder};

use super::dissect::Groups;
use super::{Flags, Patterns, Regex};
use crate::error::{Error, Result, state};
use crate::pgsem::array::list_of;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Bool, Call, Text};
use crate::pgsem::registry::{Build, Signature};
use crate::pgsem::text::pad;
use crate::pgtype::{PgType, oid};

const TEXT: u32 = oid::TEXT;
const TEXTS: u32 = 1009;

pub fn signatures() -> Vec<Signature> {
    let mut all = vec![
        Signature::func("substring", &[TEXT, TEXT], TEXT, &SUBSTRING),
        Signature::func("regexp_like", &[TEXT, TEXT], oid::BOOL, &LIKE),
        Signature::func("regexp_like", &[TEXT, TEXT, TEXT], oid::BOOL, &LIKE_FLAGS),
        Signature::func("regexp_match", &[TEXT, TEXT], TEXTS, &MATCH),
        Signature::func("regexp_match", &[TEXT, TEXT, TEXT], TEXTS, &MATCH_FLAGS),
        Signature::func("regexp_split_to_array", &[TEXT, TEXT], TEXTS, &SPLIT),
        Signature::func("regexp_split_to_array", &[TEXT, TEXT, TEXT], TEXTS, &SPLIT_FLAGS),
        Signature::func("regexp_split_to_table_list", &[TEXT, TEXT], TEXTS, &SPLIT_TABLE),
        Signature::func("regexp_split_to_table_list", &[TEXT, TEXT, TEXT], TEXTS, &SPLIT_TABLE_FLAGS),
        Signature::build("regexp_matches_list", &[TEXT, TEXT], oid::ANYARRAY, |_, args| {
            Ok(matches_list(&ALL_MATCHES, args))
        }),
        Signature::build("regexp_matches_list", &[TEXT, TEXT, TEXT], oid::ANYARRAY, |_, args| {
            Ok(matches_list(&ALL_MATCHES_FLAGS, args))
        }),
    ];
    let operators: [(&str, &'static FuncDef, Build); 4] = [
        ("~", &MATCHES, |_, args| on_padded(&MATCHES, args)),
        ("~*", &IMATCHES, |_, args| on_padded(&IMATCHES, args)),
        ("!~", &NOT_MATCHES, |_, args| on_padded(&NOT_MATCHES, args)),
        ("!~*", &NOT_IMATCHES, |_, args| on_padded(&NOT_IMATCHES, args)),
    ];
    for (name, def, padded) in operators {
        all.push(Signature::func(name, &[TEXT, TEXT], oid::BOOL, def));
        all.push(Signature::func(name, &[oid::NAME, TEXT], oid::BOOL, def));
        all.push(Signature::build(name, &[oid::BPCHAR, TEXT], oid::BOOL, padded));
    }
    all
}

/// `char(n)` is matched with its blanks.
fn on_padded(def: &'static FuncDef, args: Vec<Typed>) -> Result<Typed> {
    let args = args.into_iter().map(pad::padded).collect::<Result<Vec<_>>>()?;
    Ok(def.apply(args, PgType::BOOL))
}

static MATCHES: FuncDef = FuncDef::failing("textregexeq", SqlForm::Infix("~"), |c| matches(c, false, false));
static IMATCHES: FuncDef = FuncDef::failing("texticregexeq", SqlForm::Infix("~*"), |c| matches(c, true, false));
static NOT_MATCHES: FuncDef = FuncDef::failing("textregexne", SqlForm::Infix("!~"), |c| matches(c, false, true));
static NOT_IMATCHES: FuncDef = FuncDef::failing("texticregexne", SqlForm::Infix("!~*"), |c| matches(c, true, true));

fn matches(call: &Call<'_>, ignore_case: bool, negate: bool) -> Result<ArrayRef> {
    let patterns = RefCell::new(Patterns::default());
    let flags = Flags { ignore_case, ..Flags::default() };
    call.map2::<Text, Text, Bool>(|text, pattern| {
        let regex = patterns.borrow_mut().get(pattern, flags)?;
        Ok(regex.is_match(text) != negate)
    })
}

static SUBSTRING: FuncDef = FuncDef::failing("textregexsubstr", SqlForm::Call("substring"), |c| {
    let rows = Rows::new(c, None)?;
    c.build::<Text>(|row| match rows.at(row)? {
        Some((text, regex, _)) => first_group(&regex, text),
        None => Ok(None),
    })
});

/// What `substring` gives: the first group, or the match if there are no groups.
pub fn first_group(regex: &Regex, text: &str) -> Result<Option<String>> {
    let Some(groups) = regex.find_groups(text, 0)? else { return Ok(None) };
    let wanted = usize::from(regex.captures() > 0);
    Ok(groups[wanted].clone().map(|span| text[span].to_string()))
}

/// Text, pattern and options of each row. All arguments are strict.
pub struct Rows<'a> {
    pub call: &'a Call<'a>,
    texts: <Text as crate::pgsem::kernel::Value>::Column<'a>,
    patterns: <Text as crate::pgsem::kernel::Value>::Column<'a>,
    options: Option<(usize, <Text as crate::pgsem::kernel::Value>::Column<'a>)>,
    compiled: RefCell<Patterns>,
}

impl<'a> Rows<'a> {
    /// `options` is the argument that holds the option letters.
    pub fn new(call: &'a Call<'a>, options: Option<usize>) -> Result<Self> {
        Ok(Self {
            call,
            texts: call.column::<Text>(0)?,
            patterns: call.column::<Text>(1)?,
            options: options.map(|arg| Ok::<_, Error>((arg, call.column::<Text>(arg)?))).transpose()?,
            compiled: RefCell::default(),
        })
    }

    /// The text, the compiled pattern and whether `g` is among the options; `None` if any argument is NULL.
    pub fn at(&self, row: usize) -> Result<Option<(&'a str, Rc<Regex>, bool)>> {
        let call = self.call;
        if (0..call.args.len()).any(|arg| call.is_null(arg, row)) {
            return Ok(None);
        }
        let (flags, global) = match &self.options {
            Some((arg, column)) => Flags::parse(column.value(call.row(*arg, row)))?,
            None => (Flags::default(), false),
        };
        let pattern = self.patterns.value(call.row(1, row));
        let regex = self.compiled.borrow_mut().get(pattern, flags)?;
        Ok(Some((self.texts.value(call.row(0, row)), regex, global)))
    }
}

pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

pub fn not_global(function: &str) -> Error {
    invalid(format!("{function}() does not support the \"global\" option"))
}

static LIKE: FuncDef = FuncDef::failing("regexp_like", SqlForm::Call("regexp_like"), |c| like(c, None));
static LIKE_FLAGS: FuncDef = FuncDef::failing("regexp_like_flags", SqlForm::Call("regexp_like"), |c| like(c, Some(2)));

fn like(call: &Call<'_>, options: Option<usize>) -> Result<ArrayRef> {
    let rows = Rows::new(call, options)?;
    call.build::<Bool>(|row| match rows.at(row)? {
        Some((_, _, true)) => Err(not_global("regexp_like")),
        Some((text, regex, false)) => Ok(Some(regex.is_match(text))),
        None => Ok(None),
    })
}

static MATCH: FuncDef = FuncDef::failing("regexp_match", SqlForm::Call("regexp_match"), |c| first_match(c, None));
static MATCH_FLAGS: FuncDef =
    FuncDef::failing("regexp_match_flags", SqlForm::Call("regexp_match"), |c| first_match(c, Some(2)));

fn first_match(call: &Call<'_>, options: Option<usize>) -> Result<ArrayRef> {
    let rows = Rows::new(call, options)?;
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for row in 0..call.rows {
        let found = match rows.at(row)? {
            Some((_, _, true)) => {
                return Err(not_global("regexp_match").with_hint("Use the regexp_matches function instead."));
            }
            Some((text, regex, false)) => regex.find_groups(text, 0)?.map(|groups| (text, groups)),
            None => None,
        };
        match found {
            Some((text, groups)) => push_groups(text, groups, &mut builder),
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// The groups of a match, or the match itself if the pattern has none.
fn push_groups(text: &str, groups: Groups, builder: &mut ListBuilder<StringViewBuilder>) {
    let skip = usize::from(groups.len() > 1);
    for group in groups.into_iter().skip(skip) {
        builder.values().append_option(group.map(|span| &text[span]));
    }
    builder.append(true);
}

static ALL_MATCHES: FuncDef = FuncDef::failing("regexp_matches", SqlForm::Local, |c| all_matches(c, None));
static ALL_MATCHES_FLAGS: FuncDef =
    FuncDef::failing("regexp_matches_flags", SqlForm::Local, |c| all_matches(c, Some(2)));

/// A list of text arrays. There is no type for that, `anyarray` stands in.
fn matches_list(def: &'static FuncDef, args: Vec<Typed>) -> Typed {
    def.call(args, PgType::of(oid::ANYARRAY), list_of(PgType::of(TEXTS).repr()), "")
}

fn all_matches(call: &Call<'_>, options: Option<usize>) -> Result<ArrayRef> {
    let rows = Rows::new(call, options)?;
    let mut builder = ListBuilder::new(ListBuilder::new(StringViewBuilder::new()));
    for row in 0..call.rows {
        let Some((text, regex, global)) = rows.at(row)? else {
            builder.append_null();
            continue;
        };
        let mut from = Some(0);
        while let Some(start) = from {
            let Some(groups) = regex.find_groups(text, start)? else { break };
            from = groups[0].as_ref().and_then(|span| next_search(text, span)).filter(|_| global);
            push_groups(text, groups, builder.values());
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

/// All matches from byte `from` on, one after the other.
pub struct Matches<'a> {
    regex: &'a Regex,
    text: &'a str,
    /// Where the next search begins, if there is one.
    from: Option<usize>,
}

impl<'a> Matches<'a> {
    pub fn new(regex: &'a Regex, text: &'a str, from: Option<usize>) -> Self {
        Self { regex, text, from }
    }

    pub fn next(&mut self) -> Result<Option<Range<usize>>> {
        let Some(from) = self.from else { return Ok(None) };
        let found = self.regex.find(self.text, from)?;
        self.from = found.as_ref().and_then(|span| next_search(self.text, span));
        Ok(found)
    }
}

/// Behind a match; behind an empty one a character further, or it would be found again.
pub fn next_search(text: &str, span: &Range<usize>) -> Option<usize> {
    if !span.is_empty() {
        return Some(span.end);
    }
    text[span.end..].chars().next().map(|c| span.end + c.len_utf8())
}

const SPLIT_TO_ARRAY: &str = "regexp_split_to_array";
const SPLIT_TO_TABLE: &str = "regexp_split_to_table";

static SPLIT: FuncDef =
    FuncDef::failing(SPLIT_TO_ARRAY, SqlForm::Call(SPLIT_TO_ARRAY), |c| split(c, SPLIT_TO_ARRAY, None));
static SPLIT_FLAGS: FuncDef = FuncDef::failing("regexp_split_to_array_flags", SqlForm::Call(SPLIT_TO_ARRAY), |c| {
    split(c, SPLIT_TO_ARRAY, Some(2))
});
static SPLIT_TABLE: FuncDef = FuncDef::failing(SPLIT_TO_TABLE, SqlForm::Local, |c| split(c, SPLIT_TO_TABLE, None));
static SPLIT_TABLE_FLAGS: FuncDef =
    FuncDef::failing("regexp_split_to_table_flags", SqlForm::Local, |c| split(c, SPLIT_TO_TABLE, Some(2)));

fn split(call: &Call<'_>, function: &str, options: Option<usize>) -> Result<ArrayRef> {
    let rows = Rows::new(call, options)?;
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for row in 0..call.rows {
        let Some((text, regex, global)) = rows.at(row)? else {
            builder.append_null();
            continue;
        };
        if global {
            return Err(not_global(function));
        }
        let mut matches = Matches::new(&regex, text, Some(0));
        let (mut start, mut previous_end) = (0, 0);
        while let Some(span) = matches.next()? {
            // Empty matches at an end of the text or right behind another match separate nothing.
            if span.start < text.len() && span.end > previous_end {
                builder.values().append_value(&text[start..span.start]);
                start = span.end;
            }
            previous_end = span.end;
        }
        builder.values().append_value(&text[start..]);
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}
