//! ARRAY[…], subscripts, slices, `op ANY (array)` and `op ALL (array)`.

use datafusion_common::ScalarValue;
use sqlparser::ast::{self, AccessExpr, Subscript};

use super::super::scope::fold;
use super::super::{Binder, Clause, Scope};
use super::literal::int4;
use super::unparenthesised;
use crate::error::{Error, Result, state};
use crate::pgsem::registry::CastContext;
use crate::pgsem::{Typed, array, resolve};
use crate::pgtype::{PgType, oid};

impl Binder<'_> {
    /// `ARRAY[…]`; a cast around it decides the elements' type (`transformArrayExpr`).
    pub(super) fn array(
        &mut self,
        elements: &[ast::Expr],
        ty: Option<PgType>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let target = ty.and_then(PgType::element);
        if elements.is_empty() && target.is_none() {
            return Err(Error::new(state::INDETERMINATE_DATATYPE, "cannot determine type of empty array")
                .with_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
        }
        if elements.iter().any(|e| matches!(e, ast::Expr::Array(_))) {
            return Err(Error::unsupported("an array of more than one dimension"));
        }
        let elements = self.exprs(elements, scope, clause)?;
        let (element, elements) = match target {
            Some(element) => {
                let cast = |e| self.coerce(e, element, CastContext::Explicit);
                (element, elements.into_iter().map(cast).collect::<Result<_>>()?)
            }
            None => {
                let element = self.common_type(&elements, "ARRAY")?;
                (element, self.unify(elements, "ARRAY")?)
            }
        };
        Ok(super::fold::fold(array::array_construct(element, elements)?))
    }

    /// `a[1]`, `a[1:2]`, `(a).field`.
    pub(super) fn access(
        &mut self,
        root: &ast::Expr,
        chain: &[AccessExpr],
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        // `t.a[1]`: the parser leaves the dotted name in the chain.
        let (mut value, chain) = self.access_root(root, chain, scope, clause)?;
        for access in chain {
            value = match access {
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = self.expr(index, scope, clause)?;
                    self.subscript(value, index)?
                }
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None }) => {
                    let lower = self.bound(lower_bound.as_ref(), 1, scope, clause)?;
                    let upper = self.bound(upper_bound.as_ref(), i32::MAX, scope, clause)?;
                    check_array(&value)?;
                    if value.ty.is_vector() {
                        return Err(Error::unsupported(format!("a slice of {}", value.ty)));
                    }
                    array::array_slice(value, lower, upper)?
                }
                AccessExpr::Subscript(Subscript::Slice { .. }) => {
                    return Err(Error::new(state::SYNTAX_ERROR, "syntax error at or near \":\""));
                }
                AccessExpr::Dot(ast::Expr::Identifier(name)) if value.ty == PgType::RECORD => {
                    array::field(value, &fold(name))?
                }
                AccessExpr::Dot(_) => return Err(Error::unsupported("a field of a composite value")),
            };
        }
        Ok(super::fold::fold(value))
    }

    fn access_root<'c>(
        &mut self,
        root: &ast::Expr,
        chain: &'c [AccessExpr],
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<(Typed, &'c [AccessExpr])> {
        let mut name = match root {
            ast::Expr::Identifier(ident) => vec![ident.clone()],
            ast::Expr::CompoundIdentifier(parts) => parts.clone(),
            _ => return Ok((self.expr(root, scope, clause)?, chain)),
        };
        let mut rest = chain;
        while let [AccessExpr::Dot(ast::Expr::Identifier(ident)), tail @ ..] = rest {
            name.push(ident.clone());
            rest = tail;
        }
        Ok((self.column(&name, scope)?, rest))
    }

    fn subscript(&mut self, value: Typed, index: Typed) -> Result<Typed> {
        if value.ty == PgType::JSONB {
            return self.operator("->", vec![value, index]);
        }
        check_array(&value)?;
        let index = self.subscript_index(index)?;
        array::array_subscript(value, index)
    }

    fn subscript_index(&mut self, index: Typed) -> Result<Typed> {
        self.coerce(index, PgType::INT4, CastContext::Assignment).map_err(|e| match e.sqlstate() {
            state::CANNOT_COERCE => Error::new(state::DATATYPE_MISMATCH, "array subscript must have type integer"),
            _ => e,
        })
    }

    fn bound(&mut self, e: Option<&ast::Expr>, default: i32, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        match e {
            Some(e) => {
                let typed = self.expr(e, scope, clause)?;
                self.subscript_index(typed)
            }
            None => Ok(int4(default)),
        }
    }

    /// `left op ANY (right)`, `left op ALL (right)` (`make_scalar_array_op`).
    pub(super) fn quantified(
        &mut self,
        left: &ast::Expr,
        name: &str,
        right: &ast::Expr,
        all: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        if let ast::Expr::Subquery(query) = unparenthesised(right) {
            return self.quantified_subquery(left, name, query, all, scope, clause);
        }
        let value = self.expr(left, scope, clause)?;
        let right = self.expr(right, scope, clause)?;
        let element = match right.ty.element() {
            Some(element) => element.oid,
            None if right.ty == PgType::UNKNOWN => oid::UNKNOWN,
            None => {
                return Err(Error::new(state::WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires array on right side"));
            }
        };
        let choice = resolve::infix(name, value.ty.oid, element)?;
        if choice.ret != PgType::BOOL {
            return Err(Error::new(state::WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires operator to yield boolean"));
        }
        let Some(array_type) = choice.args[1].without_typmod().array_of() else {
            let message = format!("could not find array type for data type {}", choice.args[1]);
            return Err(Error::new(state::UNDEFINED_OBJECT, message));
        };
        let value = self.coerce(value, choice.args[0], CastContext::Implicit)?;
        let array = self.coerce(right, array_type, CastContext::Implicit)?;
        match constants(&array) {
            Some(items) if name == "=" && !all && !items.is_empty() => self.in_values(value, items),
            Some(items) if name == "<>" && all && !items.is_empty() => {
                Ok(super::logic::negate(self.in_values(value, items)?))
            }
            _ => Ok(super::fold::fold(array::quantified(self.ctx, name, all, value, array)?)),
        }
    }
}

fn check_array(value: &Typed) -> Result<()> {
    if value.ty.is_array() {
        return Ok(());
    }
    let message = format!("cannot subscript type {} because it does not support subscripting", value.ty);
    Err(Error::new(state::DATATYPE_MISMATCH, message))
}

/// The elements of a constant array.
fn constants(array: &Typed) -> Option<Vec<Typed>> {
    let element = array.ty.element()?.without_typmod();
    let Some(ScalarValue::List(list)) = array.as_literal() else { return None };
    if datafusion_common::ScalarValue::List(list.clone()).is_null() {
        return None;
    }
    let values = list.value(0);
    (0..values.len()).map(|i| Some(Typed::literal(ScalarValue::try_from_array(&values, i).ok()?, element))).collect()
}
