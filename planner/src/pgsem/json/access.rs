//! Looking into a document: `->`, `->>`, `#>`, `#>>`, types and lengths, keys and elements.

use std::sync::Arc;

use arrow::array::builder::{ListBuilder, StringViewBuilder};
use arrow::array::{Array, ArrayRef, StringViewArray};

use super::document::{Kind, Node};
use super::{JSON, JSONB, TEXT, TEXTS, print};
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::io;
use crate::pgsem::kernel::{Bool, Call, I32, Text, Value};
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

pub fn signatures() -> Vec<Signature> {
    const I4: u32 = oid::INT4;
    const BOOL: u32 = oid::BOOL;
    let mut all = vec![
        Signature::func("json_typeof", &[JSON], TEXT, &JSON_TYPEOF),
        Signature::func("jsonb_typeof", &[JSONB], TEXT, &JSONB_TYPEOF),
        Signature::func("json_array_length", &[JSON], I4, &JSON_ARRAY_LENGTH),
        Signature::func("jsonb_array_length", &[JSONB], I4, &JSONB_ARRAY_LENGTH),
        Signature::func("jsonb_pretty", &[JSONB], TEXT, &JSONB_PRETTY),
        Signature::func("?", &[JSONB, TEXT], BOOL, &EXISTS),
        Signature::func("?|", &[JSONB, TEXTS], BOOL, &EXISTS_ANY),
        Signature::func("?&", &[JSONB, TEXTS], BOOL, &EXISTS_ALL),
        Signature::func("json_extract_path", &[JSON, TEXT], JSON, &JSON_EXTRACT_PATH).variadic(),
        Signature::func("jsonb_extract_path", &[JSONB, TEXT], JSONB, &JSONB_EXTRACT_PATH).variadic(),
        Signature::func("json_extract_path_text", &[JSON, TEXT], TEXT, &JSON_EXTRACT_PATH_TEXT).variadic(),
        Signature::func("jsonb_extract_path_text", &[JSONB, TEXT], TEXT, &JSONB_EXTRACT_PATH_TEXT).variadic(),
        Signature::func("json_object_keys_list", &[JSON], TEXTS, &JSON_OBJECT_KEYS),
        Signature::func("jsonb_object_keys_list", &[JSONB], TEXTS, &JSONB_OBJECT_KEYS),
        Signature::func("json_array_elements_list", &[JSON], 199, &JSON_ELEMENTS),
        Signature::func("jsonb_array_elements_list", &[JSONB], 3807, &JSONB_ELEMENTS),
        Signature::func("json_array_elements_text_list", &[JSON], TEXTS, &JSON_ELEMENTS_TEXT),
        Signature::func("jsonb_array_elements_text_list", &[JSONB], TEXTS, &JSONB_ELEMENTS_TEXT),
    ];
    for (json, field, element, path) in
        [(JSON, &JSON_FIELD, &JSON_ELEMENT, &JSON_PATH), (JSONB, &JSONB_FIELD, &JSONB_ELEMENT, &JSONB_PATH)]
    {
        let (of_text, of_int, of_path): (&'static [u32], &'static [u32], &'static [u32]) = match json {
            JSON => (&[JSON, TEXT], &[JSON, I4], &[JSON, TEXTS]),
            _ => (&[JSONB, TEXT], &[JSONB, I4], &[JSONB, TEXTS]),
        };
        all.push(Signature::func("->", of_text, json, &field[0]));
        all.push(Signature::func("->>", of_text, TEXT, &field[1]));
        all.push(Signature::func("->", of_int, json, &element[0]));
        all.push(Signature::func("->>", of_int, TEXT, &element[1]));
        all.push(Signature::func("#>", of_path, json, &path[0]));
        all.push(Signature::func("#>>", of_path, TEXT, &path[1]));
    }
    all
}

/// What a lookup gives back: the node as it stands, or its text.
type Extract = fn(&Node<'_>) -> Option<String>;

fn as_json(node: &Node<'_>) -> Option<String> {
    Some(node.text.to_string())
}

fn as_text(node: &Node<'_>) -> Option<String> {
    node.as_text()
}

/// Rows that look one thing up in a document; the arguments are not NULL.
fn lookup<K: Value>(
    call: &Call<'_>,
    extract: Extract,
    find: impl for<'n, 'd> Fn(&'n Node<'d>, K::Ref<'_>) -> Option<&'n Node<'d>>,
) -> Result<ArrayRef> {
    let (documents, keys) = (call.column::<Text>(0)?, call.column::<K>(1)?);
    call.build::<Text>(|row| match (call.get::<Text>(&documents, 0, row), call.get::<K>(&keys, 1, row)) {
        (Some(document), Some(key)) => Ok(find(&Node::parse(document)?, key).and_then(extract)),
        _ => Ok(None),
    })
}

fn field(call: &Call<'_>, extract: Extract) -> Result<ArrayRef> {
    lookup::<Text>(call, extract, |node, key| node.member(key))
}

fn json_element(call: &Call<'_>, extract: Extract) -> Result<ArrayRef> {
    lookup::<I32>(call, extract, |node, index| node.element(index.into()))
}

/// A `jsonb` scalar is inside an array of one element, and here it shows.
fn jsonb_element(call: &Call<'_>, extract: Extract) -> Result<ArrayRef> {
    lookup::<I32>(call, extract, |node, index| match index {
        0 | -1 if node.is_scalar() => Some(node),
        _ => node.element(index.into()),
    })
}

static JSON_FIELD: [FuncDef; 2] = [
    FuncDef::failing("json_object_field", SqlForm::Infix("->"), |c| field(c, as_json)),
    FuncDef::failing("json_object_field_text", SqlForm::Infix("->>"), |c| field(c, as_text)),
];
static JSONB_FIELD: [FuncDef; 2] = [
    FuncDef::new("jsonb_object_field", SqlForm::Infix("->"), |c| field(c, as_json)),
    FuncDef::new("jsonb_object_field_text", SqlForm::Infix("->>"), |c| field(c, as_text)),
];
static JSON_ELEMENT: [FuncDef; 2] = [
    FuncDef::failing("json_array_element", SqlForm::Infix("->"), |c| json_element(c, as_json)),
    FuncDef::failing("json_array_element_text", SqlForm::Infix("->>"), |c| json_element(c, as_text)),
];
static JSONB_ELEMENT: [FuncDef; 2] = [
    FuncDef::new("jsonb_array_element", SqlForm::Infix("->"), |c| jsonb_element(c, as_json)),
    FuncDef::new("jsonb_array_element_text", SqlForm::Infix("->>"), |c| jsonb_element(c, as_text)),
];
static JSON_PATH: [FuncDef; 2] = [
    FuncDef::failing("json_extract_path_op", SqlForm::Infix("#>"), |c| path(c, as_json, PathKind::Json)),
    FuncDef::failing("json_extract_path_text_op", SqlForm::Infix("#>>"), |c| path(c, as_text, PathKind::Json)),
];
static JSONB_PATH: [FuncDef; 2] = [
    FuncDef::new("jsonb_extract_path_op", SqlForm::Infix("#>"), |c| path(c, as_json, PathKind::Jsonb)),
    FuncDef::new("jsonb_extract_path_text_op", SqlForm::Infix("#>>"), |c| path(c, as_text, PathKind::Jsonb)),
];
static JSON_EXTRACT_PATH: FuncDef = FuncDef::failing("json_extract_path", SqlForm::Call("json_extract_path"), |c| {
    variadic_path(c, as_json, PathKind::Json)
});
static JSONB_EXTRACT_PATH: FuncDef = FuncDef::new("jsonb_extract_path", SqlForm::Call("jsonb_extract_path"), |c| {
    variadic_path(c, as_json, PathKind::Jsonb)
});
static JSON_EXTRACT_PATH_TEXT: FuncDef =
    FuncDef::failing("json_extract_path_text", SqlForm::Call("json_extract_path_text"), |c| {
        variadic_path(c, as_text, PathKind::Json)
    });
static JSONB_EXTRACT_PATH_TEXT: FuncDef =
    FuncDef::new("jsonb_extract_path_text", SqlForm::Call("jsonb_extract_path_text"), |c| {
        variadic_path(c, as_text, PathKind::Jsonb)
    });

/// The node at the end of a path; a NULL step leads nowhere.
fn walk<'n, 'd, 's>(
    root: &'n Node<'d>,
    steps: impl IntoIterator<Item = Option<&'s str>>,
    kind: PathKind,
) -> Option<&'n Node<'d>> {
    let mut node = root;
    for (level, step) in steps.into_iter().enumerate() {
        let step = step?;
        node = match &node.kind {
            Kind::Object(_) => node.member(step)?,
            Kind::Array(_) => {
                let index = parse_index(step)?;
                let index =
                    if index < 0 && kind == PathKind::Json { json_index(root, node, level, index)? } else { index };
                node.element(index)?
            }
            _ => return None,
        };
    }
    Some(node)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PathKind {
    Json,
    Jsonb,
}

/// PostgreSQL's `json` counts a negative index from the end of the first array of that depth that is long enough, whether the
/// path leads there or not (`get_array_start`).
fn json_index(root: &Node<'_>, array: &Node<'_>, level: usize, index: i64) -> Option<i64> {
    let (found, length) = first_array(root, level, index.unsigned_abs() as usize)?;
    // The arrays are parts of one text.
    (found.text.as_ptr() <= array.text.as_ptr()).then_some(index + length as i64)
}

/// The first array at that depth with so many elements, and how many it has.
fn first_array<'n, 'd>(node: &'n Node<'d>, depth: usize, least: usize) -> Option<(&'n Node<'d>, usize)> {
    match &node.kind {
        Kind::Array(elements) if depth == 0 => (elements.len() >= least).then_some((node, elements.len())),
        Kind::Array(elements) if depth > 0 => elements.iter().find_map(|e| first_array(e, depth - 1, least)),
        Kind::Object(members) if depth > 0 => members.iter().find_map(|(_, m)| first_array(m, depth - 1, least)),
        _ => None,
    }
}

/// An array index in a path, as `strtoint` reads it.
pub fn parse_index(step: &str) -> Option<i64> {
    step.trim_start_matches(io::is_space).parse::<i32>().ok().map(i64::from)
}

fn path(call: &Call<'_>, extract: Extract, kind: PathKind) -> Result<ArrayRef> {
    let documents = call.column::<Text>(0)?;
    let paths = io::list(call.args[1].as_ref())?;
    let steps = Text::column(paths.values().as_ref())?;
    call.build::<Text>(|row| match call.get::<Text>(&documents, 0, row) {
        Some(document) if !call.is_null(1, row) => {
            let node = Node::parse(document)?;
            let steps = io::span(paths, call.row(1, row)).map(|at| optional(steps, at));
            Ok(walk(&node, steps, kind).and_then(extract))
        }
        _ => Ok(None),
    })
}

fn optional(column: &StringViewArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn variadic_path(call: &Call<'_>, extract: Extract, kind: PathKind) -> Result<ArrayRef> {
    let columns = (0..call.args.len()).map(|arg| call.column::<Text>(arg)).collect::<Result<Vec<_>>>()?;
    call.build::<Text>(|row| match call.get::<Text>(&columns[0], 0, row) {
        Some(document) => {
            let node = Node::parse(document)?;
            let steps = (1..columns.len()).map(|arg| call.get::<Text>(&columns[arg], arg, row));
            Ok(walk(&node, steps, kind).and_then(extract))
        }
        None => Ok(None),
    })
}

static JSON_TYPEOF: FuncDef = FuncDef::failing("json_typeof", SqlForm::Call("json_typeof"), type_name);
static JSONB_TYPEOF: FuncDef = FuncDef::new("jsonb_typeof", SqlForm::Call("jsonb_typeof"), type_name);

fn type_name(call: &Call<'_>) -> Result<ArrayRef> {
    call.map1::<Text, Text>(|s| Ok(Node::parse(s)?.type_name().to_string()))
}

static JSON_ARRAY_LENGTH: FuncDef =
    FuncDef::failing("json_array_length", SqlForm::Call("json_array_length"), array_length);
static JSONB_ARRAY_LENGTH: FuncDef =
    FuncDef::failing("jsonb_array_length", SqlForm::Call("jsonb_array_length"), array_length);

fn invalid(message: impl Into<String>) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

fn array_length(call: &Call<'_>) -> Result<ArrayRef> {
    call.map1::<Text, I32>(|s| match Node::parse(s)?.kind {
        Kind::Array(elements) => Ok(elements.len() as i32),
        Kind::Object(_) => Err(invalid("cannot get array length of a non-array")),
        _ => Err(invalid("cannot get array length of a scalar")),
    })
}

static JSONB_PRETTY: FuncDef = FuncDef::new("jsonb_pretty", SqlForm::Call("jsonb_pretty"), |c| {
    c.map1::<Text, Text>(|s| Ok(print::pretty(&Node::parse(s)?)))
});

/// Whether a key, an element that is this string, or the string itself is there.
fn exists(node: &Node<'_>, key: &str) -> bool {
    let is_key = |node: &Node<'_>| matches!(&node.kind, Kind::String(s) if s == key);
    match &node.kind {
        Kind::Object(_) => node.member(key).is_some(),
        Kind::Array(elements) => elements.iter().any(is_key),
        _ => is_key(node),
    }
}

static EXISTS: FuncDef = FuncDef::new("jsonb_exists", SqlForm::Infix("?"), |c| {
    c.map2::<Text, Text, Bool>(|s, key| Ok(exists(&Node::parse(s)?, key)))
});
static EXISTS_ANY: FuncDef = FuncDef::new("jsonb_exists_any", SqlForm::Infix("?|"), |c| exists_among(c, false));
static EXISTS_ALL: FuncDef = FuncDef::new("jsonb_exists_all", SqlForm::Infix("?&"), |c| exists_among(c, true));

fn exists_among(call: &Call<'_>, all: bool) -> Result<ArrayRef> {
    let documents = call.column::<Text>(0)?;
    let lists = io::list(call.args[1].as_ref())?;
    let keys = Text::column(lists.values().as_ref())?;
    call.build::<Bool>(|row| match call.get::<Text>(&documents, 0, row) {
        Some(document) if !call.is_null(1, row) => {
            let node = Node::parse(document)?;
            let mut keys = io::span(lists, call.row(1, row)).filter_map(|at| optional(keys, at));
            Ok(Some(if all { keys.all(|key| exists(&node, key)) } else { keys.any(|key| exists(&node, key)) }))
        }
        _ => Ok(None),
    })
}

static JSON_OBJECT_KEYS: FuncDef =
    FuncDef::failing("json_object_keys", SqlForm::Local, |c| list_of(c, |n| keys(n, "json_object_keys")));
static JSONB_OBJECT_KEYS: FuncDef =
    FuncDef::failing("jsonb_object_keys", SqlForm::Local, |c| list_of(c, |n| keys(n, "jsonb_object_keys")));
static JSON_ELEMENTS: FuncDef =
    FuncDef::failing("json_array_elements", SqlForm::Local, |c| list_of(c, |n| json_elements(n, "", as_json)));
static JSON_ELEMENTS_TEXT: FuncDef = FuncDef::failing("json_array_elements_text", SqlForm::Local, |c| {
    list_of(c, |n| json_elements(n, "_text", as_text))
});
static JSONB_ELEMENTS: FuncDef =
    FuncDef::failing("jsonb_array_elements", SqlForm::Local, |c| list_of(c, |n| jsonb_elements(n, as_json)));
static JSONB_ELEMENTS_TEXT: FuncDef =
    FuncDef::failing("jsonb_array_elements_text", SqlForm::Local, |c| list_of(c, |n| jsonb_elements(n, as_text)));

fn list_of(call: &Call<'_>, items: impl Fn(&Node<'_>) -> Result<Vec<Option<String>>>) -> Result<ArrayRef> {
    let documents = call.column::<Text>(0)?;
    let mut builder = ListBuilder::new(StringViewBuilder::new());
    for row in 0..call.rows {
        match call.get::<Text>(&documents, 0, row) {
            Some(document) => {
                for item in items(&Node::parse(document)?)? {
                    builder.values().append_option(item);
                }
                builder.append(true);
            }
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn keys(node: &Node<'_>, function: &str) -> Result<Vec<Option<String>>> {
    match &node.kind {
        Kind::Object(members) => Ok(members.iter().map(|(key, _)| Some(key.to_string())).collect()),
        Kind::Array(_) => Err(invalid(format!("cannot call {function} on an array"))),
        _ => Err(invalid(format!("cannot call {function} on a scalar"))),
    }
}

fn json_elements(node: &Node<'_>, suffix: &str, extract: Extract) -> Result<Vec<Option<String>>> {
    match &node.kind {
        Kind::Array(elements) => Ok(elements.iter().map(extract).collect()),
        Kind::Object(_) => Err(invalid(format!("cannot call json_array_elements{suffix} on a non-array"))),
        _ => Err(invalid(format!("cannot call json_array_elements{suffix} on a scalar"))),
    }
}

fn jsonb_elements(node: &Node<'_>, extract: Extract) -> Result<Vec<Option<String>>> {
    match &node.kind {
        Kind::Array(elements) => Ok(elements.iter().map(extract).collect()),
        Kind::Object(_) => Err(invalid("cannot extract elements from an object")),
        _ => Err(invalid("cannot extract elements from a scalar")),
    }
}
