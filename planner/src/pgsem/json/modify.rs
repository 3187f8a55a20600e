//! Documents from documents: `||`, `-`, `#-`, `jsonb_set`, `jsonb_insert`, `strip_nulls`. All parts are canonical texts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef};

use super::access::parse_index;
use super::document::{Kind, Node};
use super::{JSON, JSONB, TEXT, TEXTS, print};
use crate::error::{Error, Result, SqlState, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::io;
use crate::pgsem::kernel::{Bool, Call, I32, Text, Value};
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::func("||", &[JSONB, JSONB], JSONB, &CONCAT),
        Signature::func("-", &[JSONB, TEXT], JSONB, &DELETE_KEY),
        Signature::func("-", &[JSONB, TEXTS], JSONB, &DELETE_KEYS),
        Signature::func("-", &[JSONB, oid::INT4], JSONB, &DELETE_INDEX),
        Signature::func("#-", &[JSONB, TEXTS], JSONB, &DELETE_PATH),
        Signature::func("jsonb_set", &[JSONB, TEXTS, JSONB, oid::BOOL], JSONB, &SET),
        Signature::func("jsonb_insert", &[JSONB, TEXTS, JSONB, oid::BOOL], JSONB, &INSERT),
        Signature::func("jsonb_strip_nulls", &[JSONB], JSONB, &STRIP_NULLS),
        Signature::func("json_strip_nulls", &[JSON], JSON, &JSON_STRIP_NULLS),
    ]
}

fn invalid(message: &str) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

/// Members by key in canonical order, a later one in the place of an earlier one.
type Members<'a> = BTreeMap<(usize, &'a str), Cow<'a, str>>;

fn members<'a>(of: &'a [(Cow<'_, str>, Node<'_>)]) -> Members<'a> {
    of.iter().map(|(key, value)| (print::key_order(key), Cow::Borrowed(value.text))).collect()
}

fn print_members(members: &Members<'_>) -> String {
    print::object(members.iter().map(|((_, key), value)| (*key, value.as_ref())))
}

static CONCAT: FuncDef = FuncDef::new("jsonb_concat", SqlForm::Infix("||"), |c| c.map2::<Text, Text, Text>(concat));

/// Objects are merged; anything else is joined as arrays.
fn concat(a: &str, b: &str) -> Result<String> {
    let (left, right) = (Node::parse(a)?, Node::parse(b)?);
    if let (Kind::Object(left), Kind::Object(right)) = (&left.kind, &right.kind) {
        let mut merged = members(left);
        merged.extend(members(right));
        return Ok(print_members(&merged));
    }
    Ok(print::array(elements(&left).into_iter().chain(elements(&right))))
}

fn elements<'a>(node: &'a Node<'_>) -> Vec<&'a str> {
    match &node.kind {
        Kind::Array(elements) => elements.iter().map(|e| e.text).collect(),
        _ => vec![node.text],
    }
}

static DELETE_KEY: FuncDef = FuncDef::failing("jsonb_delete", SqlForm::Infix("-"), |c| {
    c.map2::<Text, Text, Text>(|s, key| delete_keys(s, &[key]))
});
static DELETE_KEYS: FuncDef = FuncDef::failing("jsonb_delete_array", SqlForm::Infix("-"), |c| {
    with_path(c, |s, keys, _| delete_keys(s, &keys.iter().copied().flatten().collect::<Vec<_>>()))
});
static DELETE_INDEX: FuncDef =
    FuncDef::failing("jsonb_delete_idx", SqlForm::Infix("-"), |c| c.map2::<Text, I32, Text>(delete_index));

/// Without the members with these keys, or the elements that are these strings.
fn delete_keys(document: &str, keys: &[&str]) -> Result<String> {
    let node = Node::parse(document)?;
    match &node.kind {
        Kind::Object(all) => {
            let mut members = members(all);
            members.retain(|(_, key), _| !keys.contains(key));
            Ok(print_members(&members))
        }
        Kind::Array(elements) => {
            let kept = |e: &&Node<'_>| !matches!(&e.kind, Kind::String(s) if keys.contains(&s.as_ref()));
            Ok(print::array(elements.iter().filter(kept).map(|e| e.text)))
        }
        _ => Err(invalid("cannot delete from scalar")),
    }
}

fn delete_index(document: &str, index: i32) -> Result<String> {
    let node = Node::parse(document)?;
    match &node.kind {
        Kind::Object(_) => Err(invalid("cannot delete from object using integer index")),
        Kind::Array(elements) => {
            let index = i64::from(index);
            let at = if index < 0 { index + elements.len() as i64 } else { index };
            let kept = elements.iter().zip(0i64..).filter(|&(_, i)| i != at);
            Ok(print::array(kept.map(|(e, _)| e.text)))
        }
        _ => Err(invalid("cannot delete from scalar")),
    }
}

/// Rows of a function of (document, path, …); the arguments are not NULL.
fn with_path(call: &Call<'_>, f: impl Fn(&str, &[Option<&str>], usize) -> Result<String>) -> Result<ArrayRef> {
    let documents = call.column::<Text>(0)?;
    let paths = io::list(call.args[1].as_ref())?;
    let steps = Text::column(paths.values().as_ref())?;
    call.build::<Text>(|row| {
        if (1..call.args.len()).any(|arg| call.is_null(arg, row)) {
            return Ok(None);
        }
        let Some(document) = call.get::<Text>(&documents, 0, row) else { return Ok(None) };
        let span = io::span(paths, call.row(1, row));
        let path: Vec<_> = span.map(|at| steps.is_valid(at).then(|| steps.value(at))).collect();
        f(document, &path, row).map(Some)
    })
}

static DELETE_PATH: FuncDef = FuncDef::failing("jsonb_delete_path", SqlForm::Infix("#-"), |c| {
    with_path(c, |document, path, _| {
        let node = Node::parse(document)?;
        if node.is_scalar() {
            return Err(invalid("cannot delete path in scalar"));
        }
        edit_root(&node, path, Edit::Delete)
    })
});
static SET: FuncDef = FuncDef::failing("jsonb_set", SqlForm::Call("jsonb_set"), set);
static INSERT: FuncDef = FuncDef::failing("jsonb_insert", SqlForm::Call("jsonb_insert"), insert);

/// The flag in the last argument.
fn flag(call: &Call<'_>, row: usize) -> Result<bool> {
    Ok(call.column::<Bool>(3)?.value(call.row(3, row)))
}

fn set(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.column::<Text>(2)?;
    with_path(call, |document, path, row| {
        let node = Node::parse(document)?;
        if node.is_scalar() {
            return Err(invalid("cannot set path in scalar"));
        }
        edit_root(&node, path, Edit::Set { value: values.value(call.row(2, row)), create: flag(call, row)? })
    })
}

fn insert(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.column::<Text>(2)?;
    with_path(call, |document, path, row| {
        let node = Node::parse(document)?;
        if node.is_scalar() {
            return Err(invalid("cannot set path in scalar"));
        }
        edit_root(&node, path, Edit::Insert { value: values.value(call.row(2, row)), after: flag(call, row)? })
    })
}

/// What happens at the end of a path.
#[derive(Clone, Copy)]
enum Edit<'a> {
    Delete,
    Set { value: &'a str, create: bool },
    Insert { value: &'a str, after: bool },
}

impl<'a> Edit<'a> {
    /// The value for a place that does not exist yet.
    fn created(self) -> Option<&'a str> {
        match self {
            Self::Set { value, create: true } | Self::Insert { value, .. } => Some(value),
            _ => None,
        }
    }
}

fn edit_root(node: &Node<'_>, path: &[Option<&str>], edit: Edit<'_>) -> Result<String> {
    let empty = match &node.kind {
        Kind::Array(elements) => elements.is_empty(),
        Kind::Object(members) => members.is_empty(),
        _ => false,
    };
    if empty && edit.created().is_none() {
        // The path is not even looked at.
        return Ok(node.text.to_string());
    }
    Ok(edit_at(node, path, 0, edit)?.into_owned())
}

/// `setPath`
fn edit_at<'a>(node: &'a Node<'_>, path: &[Option<&str>], level: usize, edit: Edit<'_>) -> Result<Cow<'a, str>> {
    let Some(step) = path.get(level) else { return Ok(node.text.into()) };
    let last = level + 1 == path.len();
    match &node.kind {
        Kind::Object(all) => {
            let step = step_at(*step, level)?;
            let mut members = members(all);
            let order = print::key_order(step);
            match (node.member(step), last) {
                (Some(child), false) => {
                    let child = edit_at(child, path, level + 1, edit)?;
                    members.insert(order, child);
                }
                (Some(_), true) => match edit {
                    Edit::Delete => drop(members.remove(&order)),
                    Edit::Set { value, .. } => drop(members.insert(order, value.to_string().into())),
                    Edit::Insert { .. } => {
                        return Err(invalid("cannot replace existing key")
                            .with_hint("Try using the function jsonb_set to replace key value."));
                    }
                },
                (None, true) => {
                    if let Some(value) = edit.created() {
                        members.insert(order, value.to_string().into());
                    }
                }
                (None, false) => {}
            }
            Ok(print_members(&members).into())
        }
        Kind::Array(elements) => {
            let step = step_at(*step, level)?;
            edit_array(elements, step, path, level, edit).map(Cow::Owned)
        }
        _ => Ok(node.text.into()),
    }
}

fn step_at(step: Option<&str>, level: usize) -> Result<&str> {
    step.ok_or_else(|| Error::new(SqlState::new("22004"), format!("path element at position {} is null", level + 1)))
}

fn edit_array(
    elements: &[Node<'_>],
    step: &str,
    path: &[Option<&str>],
    level: usize,
    edit: Edit<'_>,
) -> Result<String> {
    let index = parse_index(step).ok_or_else(|| {
        Error::new(
            state::INVALID_TEXT_REPRESENTATION,
            format!("path element at position {} is not an integer: \"{step}\"", level + 1),
        )
    })?;
    let last = level + 1 == path.len();
    let count = elements.len() as i64;
    // Before the first element, after the last, or at one of them.
    let at = if index < 0 { (index + count).max(-1) } else { index.min(count) };
    let mut out: Vec<Cow<'_, str>> = elements.iter().map(|e| e.text.into()).collect();
    match usize::try_from(at).ok().filter(|&at| at < elements.len()) {
        Some(at) if !last => out[at] = edit_at(&elements[at], path, level + 1, edit)?,
        Some(at) => match edit {
            Edit::Delete => drop(out.remove(at)),
            Edit::Set { value, .. } => out[at] = value.into(),
            Edit::Insert { value, after } => out.insert(at + usize::from(after), value.into()),
        },
        None if last => {
            if let Some(value) = edit.created() {
                out.insert(if at < 0 { 0 } else { out.len() }, value.into());
            }
        }
        None => {}
    }
    Ok(print::array(out.iter().map(AsRef::as_ref)))
}

static STRIP_NULLS: FuncDef = FuncDef::new("jsonb_strip_nulls", SqlForm::Call("jsonb_strip_nulls"), |c| {
    c.map1::<Text, Text>(|s| {
        let mut out = String::new();
        strip_nulls(&Node::parse(s)?, ", ", ": ", &mut out);
        Ok(out)
    })
});
static JSON_STRIP_NULLS: FuncDef = FuncDef::failing("json_strip_nulls", SqlForm::Call("json_strip_nulls"), |c| {
    c.map1::<Text, Text>(|s| {
        let mut out = String::new();
        strip_nulls(&Node::parse(s)?, ",", ":", &mut out);
        Ok(out)
    })
});

/// Without the members of objects that are null; elements of arrays stay.
fn strip_nulls(node: &Node<'_>, comma: &str, colon: &str, out: &mut String) {
    match &node.kind {
        Kind::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    out.push_str(comma);
                }
                strip_nulls(element, comma, colon, out);
            }
            out.push(']');
        }
        Kind::Object(members) => {
            out.push('{');
            for (i, (key, value)) in members.iter().filter(|(_, value)| !value.is_null()).enumerate() {
                if i > 0 {
                    out.push_str(comma);
                }
                print::push_string(key, out);
                out.push_str(colon);
                strip_nulls(value, comma, colon, out);
            }
            out.push('}');
        }
        Kind::String(s) => print::push_string(s, out),
        _ => out.push_str(node.text),
    }
}
