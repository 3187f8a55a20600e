//! Order and equality of `jsonb` (`compareJsonbContainers`): its text does not sort as the value does, and `1.0` equals `1`.
//!
//! The key is a string of bytes that sorts as the value: a byte for the kind, then the value; containers have their size first,
//! then their parts. Every part ends by itself, so keys of parts can stand behind each other.

use super::JSONB;
use super::document::{Kind, Node};
use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Bytes, Text};
use crate::pgsem::numeric::{encoding, parse_numeric};
use crate::pgtype::PgType;
use arrow::datatypes::DataType;

/// An empty array at the root sorts before everything, even null: PostgreSQL never corrected that, for the sake of indexes.
const EMPTY_ROOT_ARRAY: u8 = 0;
const NULL: u8 = 1;
const STRING: u8 = 2;
const NUMBER: u8 = 3;
const BOOL: u8 = 4;
const ARRAY: u8 = 5;
const OBJECT: u8 = 6;

static KEY: FuncDef = FuncDef::new("jsonb_key", SqlForm::Transparent, |c| c.map1::<Text, Bytes>(key_of));

/// The bytes to compare, group and sort a `jsonb` by.
pub fn key(value: Typed) -> Typed {
    debug_assert_eq!(value.ty.oid, JSONB);
    KEY.call(vec![value], PgType::JSONB, DataType::BinaryView, "")
}

pub fn key_of(text: &str) -> Result<Vec<u8>> {
    let node = Node::parse(text)?;
    let mut out = Vec::with_capacity(text.len() + 1);
    match &node.kind {
        Kind::Array(elements) if elements.is_empty() => out.push(EMPTY_ROOT_ARRAY),
        _ => push(&node, &mut out)?,
    }
    Ok(out)
}

fn push(node: &Node<'_>, out: &mut Vec<u8>) -> Result<()> {
    match &node.kind {
        Kind::Null => out.push(NULL),
        Kind::String(s) => {
            out.push(STRING);
            push_string(s, out);
        }
        Kind::Number => {
            out.push(NUMBER);
            let bytes = parse_numeric(node.text)?.to_bytes();
            out.extend_from_slice(encoding::key_of(&bytes));
        }
        Kind::Bool(value) => out.extend([BOOL, u8::from(*value)]),
        Kind::Array(elements) => {
            out.push(ARRAY);
            push_count(elements.len(), out);
            for element in elements {
                push(element, out)?;
            }
        }
        Kind::Object(members) => {
            out.push(OBJECT);
            push_count(members.len(), out);
            for (key, value) in members {
                push_string(key, out);
                push(value, out)?;
            }
        }
    }
    Ok(())
}

/// No text holds a zero byte, so one ends it.
fn push_string(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(value.as_bytes());
    out.push(0);
}

fn push_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(count as u32).to_be_bytes());
}
