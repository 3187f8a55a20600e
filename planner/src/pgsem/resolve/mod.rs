//! Which operator or function a call means, by PostgreSQL's rules (`parse_oper.c`, `parse_func.c`; documentation chapter 10).
//!
//! Pure type arithmetic: the binder asks with argument types (`oid::UNKNOWN` for untyped literals) and gets a [`Choice`].

pub mod coerce;
pub mod common;
mod polymorphic;
mod select;

use select::Contestant;

use super::builtin::{Candidate, Kind, builtin};
use super::registry::{AggregateSignature, Signature, registry};
use crate::error::{Error, Result, state};
use crate::pgtype::{PgType, oid};

/// The operator or function a call means.
#[derive(Clone, Debug)]
pub struct Choice {
    pub name: &'static str,
    pub candidate: &'static Candidate,
    /// What each argument must become; `oid::ANY` where anything goes. Defaults that the call leaves out are included.
    pub args: Vec<PgType>,
    pub ret: PgType,
}

/// One call's view of a candidate: its argument types repeated (variadic) or cut (defaults) to the number of arguments.
#[derive(Clone, Copy)]
struct Fitted {
    candidate: &'static Candidate,
}

impl Contestant for Fitted {
    fn arg(&self, i: usize) -> u32 {
        let args = &self.candidate.args;
        args.get(i).or(args.last()).copied().unwrap_or(oid::ANY)
    }
}

/// `a op b`.
pub fn infix(name: &str, left: u32, right: u32) -> Result<Choice> {
    let described = || format!("{} {name} {}", sql_name(left), sql_name(right));
    let Some((&name, candidates)) = builtin().infix.get_key_value(name) else {
        return Err(no_operator(described(), true));
    };
    // An unknown side is first taken to have the other side's type.
    let (l, r) = match (left, right) {
        (oid::UNKNOWN, r) => (r, r),
        (l, oid::UNKNOWN) => (l, l),
        both => both,
    };
    let exact = candidates.iter().find(|c| c.args == [l, r]);
    choose_operator(name, candidates, exact, &[left, right], described)
}

/// `op a`.
pub fn prefix(name: &str, operand: u32) -> Result<Choice> {
    let described = || format!("{name} {}", sql_name(operand));
    let Some((&name, candidates)) = builtin().prefix.get_key_value(name) else {
        return Err(no_operator(described(), false));
    };
    let exact = candidates.iter().find(|c| c.args == [operand]);
    choose_operator(name, candidates, exact, &[operand], described)
}

fn choose_operator(
    name: &'static str,
    candidates: &'static [Candidate],
    exact: Option<&'static Candidate>,
    input: &[u32],
    described: impl Fn() -> String,
) -> Result<Choice> {
    let winner = match exact {
        Some(c) => c,
        None => {
            let fitted: Vec<Fitted> = candidates.iter().map(|candidate| Fitted { candidate }).collect();
            let matching = select::matching(&fitted, input);
            match matching[..] {
                [] => return Err(no_operator(described(), input.len() == 2)),
                [one] => one.candidate,
                _ => match select::best(matching, input) {
                    Some(one) => one.candidate,
                    None => {
                        let message = format!("operator is not unique: {}", described());
                        return Err(Error::new(state::AMBIGUOUS_FUNCTION, message).with_hint(
                            "Could not choose a best candidate operator. You might need to add explicit type casts.",
                        ));
                    }
                },
            }
        }
    };
    decide(name, winner, input)
}

fn decide(name: &'static str, candidate: &'static Candidate, input: &[u32]) -> Result<Choice> {
    let fitted = Fitted { candidate };
    let declared: Vec<u32> = (0..input.len()).map(|i| fitted.arg(i)).collect();
    let (mut args, ret) = polymorphic::decide(&declared, input, candidate.ret)?;
    args.extend(candidate.args.iter().skip(input.len()));
    Ok(Choice { name, candidate, args: args.into_iter().map(PgType::of).collect(), ret: PgType::of(ret) })
}

fn no_operator(described: String, binary: bool) -> Error {
    let (s, a) = if binary { ("s", "") } else { ("", "an ") };
    let hint = format!(
        "No operator matches the given name and argument type{s}. You might need to add {a}explicit type cast{s}."
    );
    Error::new(state::UNDEFINED_FUNCTION, format!("operator does not exist: {described}")).with_hint(hint)
}

/// What a function name with these argument types means.
#[derive(Clone, Debug)]
pub enum FunctionChoice {
    Call(Choice),
    /// `type(value)`: a cast written as a call.
    Cast(PgType),
}

/// `name(args)`. `names` are those of the named arguments, which come last.
pub fn function(name: &str, input: &[u32], names: &[String]) -> Result<FunctionChoice> {
    let described = || {
        let unnamed = input.len() - names.len();
        let args: Vec<String> = (0..input.len())
            .map(|i| match i.checked_sub(unnamed).and_then(|n| names.get(n)) {
                Some(name) => format!("{name} => {}", sql_name(input[i])),
                None => sql_name(input[i]),
            })
            .collect();
        format!("{name}({})", args.join(", "))
    };
    let all = builtin().functions.get_key_value(name);
    let candidates: Vec<Fitted> = all
        .map(|(_, list)| list.iter().filter(|c| accepts(c, input.len(), names)).map(|candidate| Fitted { candidate }))
        .into_iter()
        .flatten()
        .collect();
    if names.is_empty() {
        let exact = candidates.iter().find(|c| (0..input.len()).all(|i| c.arg(i) == input[i]));
        if let (Some(exact), Some((name, _))) = (exact, all) {
            return decide(name, exact.candidate, input).map(FunctionChoice::Call);
        }
        if let Some(ty) = cast_call(name, input) {
            return Ok(FunctionChoice::Cast(ty));
        }
    }
    let by_position: Vec<Vec<u32>> = candidates.iter().map(|c| positions(c.candidate, input, names)).collect();
    let uses_names = !names.is_empty();
    let mut matching = if uses_names {
        let fits = |(c, input): &(&Fitted, &Vec<u32>)| select::matching(&[**c], input).len() == 1;
        candidates.iter().zip(&by_position).filter(fits).map(|(c, _)| *c).collect()
    } else {
        select::matching(&candidates, input)
    };
    // The same arguments with and without a variadic tail or defaults: the plain function is meant.
    if matching.len() > 1 && matching.iter().any(|c| is_plain(c.candidate, input.len())) {
        let plain: Vec<Fitted> = matching.iter().copied().filter(|c| is_plain(c.candidate, input.len())).collect();
        let same = |c: &Fitted| plain.iter().any(|p| (0..input.len()).all(|i| p.arg(i) == c.arg(i)));
        matching.retain(|c| is_plain(c.candidate, input.len()) || !same(c));
    }
    let winner = match matching[..] {
        [] => None,
        [one] => Some(one),
        _ => Some(select::best(matching, input).ok_or_else(|| {
            Error::new(state::AMBIGUOUS_FUNCTION, format!("function {} is not unique", described()))
                .with_hint("Could not choose a best candidate function. You might need to add explicit type casts.")
        })?),
    };
    match (winner, all) {
        (Some(winner), Some((name, _))) if uses_names => {
            decide(name, winner.candidate, &positions(winner.candidate, input, names)).map(FunctionChoice::Call)
        }
        (Some(winner), Some((name, _))) => decide(name, winner.candidate, input).map(FunctionChoice::Call),
        _ => Err(Error::new(state::UNDEFINED_FUNCTION, format!("function {} does not exist", described())).with_hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        )),
    }
}

/// Whether a candidate may be called with that many arguments, the last ones under these names.
fn accepts(c: &Candidate, count: usize, names: &[String]) -> bool {
    let least = c.args.len() - c.defaults.len();
    if names.is_empty() {
        return if c.variadic { count >= c.args.len() } else { (least..=c.args.len()).contains(&count) };
    }
    let unnamed = count - names.len();
    let named: Vec<usize> = names.iter().filter_map(|n| c.names.iter().position(|m| m == n)).collect();
    let given = |i: usize| i < unnamed || named.contains(&i);
    !c.variadic
        && named.len() == names.len()
        && named.iter().all(|&i| i >= unnamed)
        && count <= c.args.len()
        && (0..least).all(given)
}

/// The input types in the candidate's order; arguments left to their defaults have the declared type.
fn positions(c: &Candidate, input: &[u32], names: &[String]) -> Vec<u32> {
    if names.is_empty() {
        return input.to_vec();
    }
    let unnamed = input.len() - names.len();
    let named = |i: usize| names.iter().position(|n| c.names.get(i).is_some_and(|m| m == n));
    let one = |i: usize| if i < unnamed { Some(input[i]) } else { named(i).map(|n| input[unnamed + n]) };
    (0..c.args.len()).map(|i| one(i).unwrap_or(c.args[i])).collect()
}

fn is_plain(c: &Candidate, count: usize) -> bool {
    !c.variadic && c.args.len() == count
}

/// `int4('3')`, `text(x)`: a type's name called like a function (`func_get_detail`).
fn cast_call(name: &str, input: &[u32]) -> Option<PgType> {
    let [from] = input else { return None };
    let ty = crate::pgtype::all_types().find(|t| t.name == name)?;
    let path = coerce::cast_path(*from, ty.oid, super::registry::CastContext::Explicit);
    let ok = match path {
        _ if *from == oid::UNKNOWN => true,
        Some(coerce::CastPath::Relabel | coerce::CastPath::Same) => true,
        Some(coerce::CastPath::Io) => !(*from == oid::RECORD && ty.category == 'S'),
        _ => false,
    };
    ok.then(|| PgType::of(ty.oid))
}

pub(crate) fn sql_name(ty: u32) -> String {
    PgType::of(ty).sql_name()
}

impl Choice {
    /// The scalar implementation, if Narrows has one.
    pub fn scalar(&self) -> Option<&'static Signature> {
        let all = registry().functions.get(self.name)?;
        self.pick(all, |s| (s.args, s.variadic))
    }

    /// The aggregate implementation, if Narrows has one.
    pub fn aggregate(&self) -> Option<&'static AggregateSignature> {
        let all = registry().aggregates.get(self.name)?;
        self.pick(all, |s| (s.args, s.variadic))
    }

    /// By declared types, else by the types of this call: an area may implement a polymorphic function for some types only.
    fn pick<S>(&self, all: &'static [S], signature: impl Fn(&S) -> (&'static [u32], bool)) -> Option<&'static S> {
        let declared: Vec<u32> = self.candidate.args.iter().map(|&t| plain_polymorphic(t)).collect();
        let same = |s: &&S| {
            let (args, variadic) = signature(s);
            variadic == self.candidate.variadic
                && args.iter().map(|&t| plain_polymorphic(t)).eq(declared.iter().copied())
        };
        let concrete = |s: &&S| {
            let (args, variadic) = signature(s);
            !variadic && args.len() == self.args.len() && args.iter().zip(&self.args).all(|(a, b)| *a == b.oid)
        };
        all.iter().find(same).or_else(|| all.iter().find(concrete))
    }

    /// `integer # integer` or `abs(integer)`, for messages.
    pub fn described(&self) -> String {
        let args: Vec<String> = self.args.iter().map(|t| t.without_typmod().sql_name()).collect();
        match (self.candidate.kind, &args[..]) {
            (Kind::Operator, [one]) => format!("operator {} {one}", self.name),
            (Kind::Operator, [a, b]) => format!("operator {a} {} {b}", self.name),
            (Kind::Aggregate | Kind::OrderedSet, _) => format!("aggregate {}({})", self.name, args.join(", ")),
            _ => format!("function {}({})", self.name, args.join(", ")),
        }
    }
}

/// Implementations do not tell `anycompatible` from `anyelement`: the arguments have one type either way.
fn plain_polymorphic(ty: u32) -> u32 {
    match ty {
        oid::ANYNONARRAY | oid::ANYENUM | oid::ANYCOMPATIBLE | oid::ANYCOMPATIBLENONARRAY => oid::ANYELEMENT,
        oid::ANYCOMPATIBLEARRAY => oid::ANYARRAY,
        other => other,
    }
}

#[cfg(test)]
mod tests;
