//! Making an expression have a type (`coerce_type`, `coerce_type_typmod`, `coerce_to_boolean`, `coerce_to_common_type`).

use datafusion_common::ScalarValue;

use super::super::Binder;
use super::fold::fold;
use super::literal::{parameter, parameter_index};
use crate::error::{Error, Result, state};
use crate::pgsem::numeric::{carrier, parse_numeric};
use crate::pgsem::registry::{CastContext, registry};
use crate::pgsem::resolve::coerce::{CastPath, cast_path, category};
use crate::pgsem::resolve::common::common_type;
use crate::pgsem::{Typed, io};
use crate::pgtype::{PgType, oid};

impl Binder<'_> {
    /// Casts to a type, if it may be done in that context. An unknown literal or parameter takes the type; a type modifier is
    /// applied as in an explicit cast.
    pub fn coerce(&mut self, t: Typed, ty: PgType, context: CastContext) -> Result<Typed> {
        if t.ty == PgType::UNKNOWN {
            return self.coerce_unknown(t, ty);
        }
        if ty.oid == oid::ANY {
            return Ok(t);
        }
        if t.ty.oid == ty.oid {
            // An argument keeps its modifier; so does char(n) always, for its blanks are known by nothing else.
            if ty.typmod < 0 && (context < CastContext::Explicit || ty.oid == oid::BPCHAR) {
                return Ok(t);
            }
            return self.apply_typmod(t, ty);
        }
        let Some(path) = cast_path(t.ty.oid, ty.oid, context) else {
            let (from, to) = (t.ty.without_typmod(), ty.without_typmod());
            return Err(Error::new(state::CANNOT_COERCE, format!("cannot cast type {from} to {to}")));
        };
        if t.as_literal().is_some_and(ScalarValue::is_null) {
            return Ok(Typed::null(ty));
        }
        self.cast(t, ty, &path).map(fold)
    }

    fn coerce_unknown(&mut self, t: Typed, ty: PgType) -> Result<Typed> {
        let ty = if ty.oid == oid::ANY || ty == PgType::UNKNOWN { PgType::TEXT } else { ty };
        if let Some(index) = parameter_index(&t.expr) {
            // Another occurrence may have decided the type meanwhile.
            let decided = match self.parameter_type(index) {
                Some(decided) => decided,
                None => {
                    self.set_parameter_type(index, ty.without_typmod());
                    ty.without_typmod()
                }
            };
            if decided.oid != ty.oid {
                return Err(Error::new(
                    state::AMBIGUOUS_PARAMETER,
                    format!("inconsistent types deduced for parameter ${index}"),
                )
                .with_detail(format!("{decided} versus {}", ty.without_typmod())));
            }
            return self.apply_typmod(parameter(index, decided), ty);
        }
        match t.as_literal() {
            Some(ScalarValue::Utf8View(Some(text))) => self.input(text, ty),
            Some(_) => Ok(Typed::null(ty)),
            None => {
                let text = Typed { ty: PgType::TEXT, ..t };
                self.coerce(text, ty, CastContext::Explicit)
            }
        }
    }

    /// What an untyped literal means as a value of a type.
    fn input(&mut self, text: &str, ty: PgType) -> Result<Typed> {
        if matches!(ty.oid, oid::REGCLASS | oid::REGTYPE | oid::REGNAMESPACE | oid::REGPROC) {
            return self.object_literal(text, ty);
        }
        if ty.oid == oid::NUMERIC && ty.typmod < 0 {
            return Ok(carrier::literal(&parse_numeric(text)?, ty));
        }
        // Only interval's modifier changes how the text is read; others are applied to the value, as in any cast.
        let read_as = if ty.oid == oid::INTERVAL { ty } else { ty.without_typmod() };
        let value = match read_as.oid {
            oid::NUMERIC => carrier::literal(&parse_numeric(text)?, read_as),
            _ => Typed::literal(io::parse(text, read_as, self.ctx)?, read_as),
        };
        let typed = self.apply_typmod(value, ty)?;
        Ok(fold(typed))
    }

    /// Length, precision or scale of the target. Without one the value is left as it is.
    fn apply_typmod(&mut self, t: Typed, ty: PgType) -> Result<Typed> {
        if ty.typmod < 0 || ty.typmod == t.ty.typmod {
            return Ok(Typed { ty, ..t });
        }
        if t.as_literal().is_some_and(ScalarValue::is_null) {
            return Ok(Typed::null(ty));
        }
        match registry().casts.get(&(ty.oid, ty.oid)) {
            Some(cast) => (cast.build)(self.ctx, t, ty).map(fold),
            None => Err(Error::unsupported(format!("a cast to {ty}"))),
        }
    }

    fn cast(&mut self, t: Typed, ty: PgType, path: &CastPath) -> Result<Typed> {
        let (from, to) = (t.ty, ty.oid);
        if category(to) == 'S' && matches!(from.oid, oid::REGCLASS | oid::REGTYPE | oid::REGNAMESPACE | oid::REGPROC) {
            let name = self.object_name(t)?;
            return self.coerce(name, ty, CastContext::Explicit);
        }
        if let Some(cast) = registry().casts.get(&(from.oid, to)) {
            return (cast.build)(self.ctx, t, ty);
        }
        let unsupported = || Error::unsupported(format!("a cast from {} to {}", from.without_typmod(), ty));
        match path {
            CastPath::Relabel if to != oid::BPCHAR && t.repr == ty.repr() => {
                self.apply_typmod(Typed { ty: ty.without_typmod(), ..t }, ty)
            }
            CastPath::Array if element_repr_is_kept(from, ty) => Ok(Typed { ty, ..t }),
            CastPath::Array if through_text_is_exact(from, ty) => {
                let text = self.through(t, PgType::TEXT).map_err(|_| unsupported())?;
                self.through(text, ty).map_err(|_| unsupported())
            }
            // Through text, where the area knows only that.
            CastPath::Io if category(to) == 'S' && to != oid::TEXT => {
                let text = self.coerce(t, PgType::TEXT, CastContext::Explicit)?;
                self.coerce(text, ty, CastContext::Explicit)
            }
            CastPath::Io if category(from.oid) == 'S' && from.oid != oid::TEXT => {
                let text = self.coerce(t, PgType::TEXT, CastContext::Explicit)?;
                self.coerce(text, ty, CastContext::Explicit)
            }
            _ => Err(unsupported()),
        }
    }

    fn through(&mut self, t: Typed, ty: PgType) -> Result<Typed> {
        match registry().casts.get(&(t.ty.oid, ty.oid)) {
            Some(cast) => (cast.build)(self.ctx, t, ty),
            None => Err(Error::unsupported("this cast")),
        }
    }

    /// Gives all the same type and carrier (UNION, CASE, VALUES; `select_common_type`). `what` names the construct in errors.
    pub fn unify(&mut self, all: Vec<Typed>, what: &str) -> Result<Vec<Typed>> {
        let ty = self.common_type(&all, what)?;
        if ty.oid == oid::BPCHAR && ty.typmod < 0 && !all.iter().all(carrier::is_null_literal) {
            return Err(Error::unsupported(format!("{what} of character values of different or unknown lengths")));
        }
        let all = all.into_iter().map(|t| self.coerce_common(t, ty, what)).collect::<Result<Vec<_>>>()?;
        Ok(if ty.oid == oid::NUMERIC { carrier::unify_repr(all) } else { all })
    }

    /// The type all become, with the modifier they share.
    pub(super) fn common_type(&mut self, all: &[Typed], what: &str) -> Result<PgType> {
        let types: Vec<u32> = all.iter().map(|t| t.ty.oid).collect();
        let ty = common_type(&types).map_err(|m| {
            let (a, b) = (PgType::of(m.types.0), PgType::of(m.types.1));
            Error::new(state::DATATYPE_MISMATCH, format!("{what} types {a} and {b} cannot be matched"))
        })?;
        let mut modifiers = all.iter().filter(|t| !carrier::is_null_literal(t)).map(|t| t.ty);
        let typmod = match modifiers.next() {
            Some(first) if first.oid == ty && modifiers.all(|t| t == first) => first.typmod,
            _ => -1,
        };
        Ok(PgType { oid: ty, typmod })
    }

    fn coerce_common(&mut self, t: Typed, ty: PgType, what: &str) -> Result<Typed> {
        if t.ty.oid != oid::UNKNOWN && cast_path(t.ty.oid, ty.oid, CastContext::Implicit).is_none() {
            let from = t.ty.without_typmod();
            return Err(Error::new(state::CANNOT_COERCE, format!("{what} could not convert type {from} to {ty}")));
        }
        self.coerce(t, ty, CastContext::Implicit)
    }

    /// 42804 unless it is boolean or becomes so by itself.
    pub(super) fn coerce_boolean(&mut self, t: Typed, what: &str) -> Result<Typed> {
        if t.ty.oid != oid::UNKNOWN && t.ty != PgType::BOOL {
            let ty = t.ty.without_typmod();
            return Err(Error::new(
                state::DATATYPE_MISMATCH,
                format!("argument of {what} must be type boolean, not type {ty}"),
            ));
        }
        self.coerce(t, PgType::BOOL, CastContext::Assignment)
    }
}

fn element_repr_is_kept(from: PgType, to: PgType) -> bool {
    let (Some(a), Some(b)) = (from.element(), to.element()) else { return false };
    from.repr() == to.repr()
        && matches!(cast_path(a.oid, b.oid, CastContext::Explicit), Some(CastPath::Relabel | CastPath::Same))
        && b.oid != oid::BPCHAR
}

/// Whether each element's text form is read as the value the element's own cast gives.
fn through_text_is_exact(from: PgType, to: PgType) -> bool {
    let (Some(a), Some(b)) = (from.element(), to.element()) else { return false };
    let io = cast_path(a.oid, b.oid, CastContext::Explicit) == Some(CastPath::Io);
    let wider = matches!(
        (a.oid, b.oid),
        (oid::INT2 | oid::INT4, oid::INT4 | oid::INT8 | oid::NUMERIC) | (oid::INT8, oid::NUMERIC)
    );
    (io || wider) && to.typmod < 0
}
