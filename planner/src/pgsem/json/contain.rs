//! `@>` and `<@`: whether one document has all that another has.

use super::JSONB;
use super::document::{Kind, Node};
use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Bool, Text};
use crate::pgsem::numeric::parse_numeric;
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::func("@>", &[JSONB, JSONB], oid::BOOL, &CONTAINS),
        Signature::func("<@", &[JSONB, JSONB], oid::BOOL, &CONTAINED),
    ]
}

static CONTAINS: FuncDef = FuncDef::new("jsonb_contains", SqlForm::Infix("@>"), |c| {
    c.map2::<Text, Text, Bool>(|a, b| root_contains(&Node::parse(a)?, &Node::parse(b)?))
});
static CONTAINED: FuncDef = FuncDef::new("jsonb_contained", SqlForm::Infix("<@"), |c| {
    c.map2::<Text, Text, Bool>(|a, b| root_contains(&Node::parse(b)?, &Node::parse(a)?))
});

/// At the root only, an array also contains a scalar that is one of its elements.
fn root_contains(whole: &Node<'_>, part: &Node<'_>) -> Result<bool> {
    match &whole.kind {
        Kind::Array(elements) if part.is_scalar() => any_equal(elements, part),
        _ => contains(whole, part),
    }
}

fn contains(whole: &Node<'_>, part: &Node<'_>) -> Result<bool> {
    match (&whole.kind, &part.kind) {
        (Kind::Object(_), Kind::Object(wanted)) => {
            for (key, value) in wanted {
                let Some(found) = whole.member(key) else { return Ok(false) };
                if !contains(found, value)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Kind::Array(elements), Kind::Array(wanted)) => {
            for item in wanted {
                if !element_contains(elements, item)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => equal_scalars(whole, part),
    }
}

fn element_contains(elements: &[Node<'_>], item: &Node<'_>) -> Result<bool> {
    if item.is_scalar() {
        return any_equal(elements, item);
    }
    for element in elements {
        if !element.is_scalar() && contains(element, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn any_equal(elements: &[Node<'_>], scalar: &Node<'_>) -> Result<bool> {
    for element in elements {
        if equal_scalars(element, scalar)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal_scalars(a: &Node<'_>, b: &Node<'_>) -> Result<bool> {
    Ok(match (&a.kind, &b.kind) {
        (Kind::Null, Kind::Null) => true,
        (Kind::Bool(a), Kind::Bool(b)) => a == b,
        (Kind::String(a), Kind::String(b)) => a == b,
        (Kind::Number, Kind::Number) => a.text == b.text || parse_numeric(a.text)? == parse_numeric(b.text)?,
        _ => false,
    })
}
