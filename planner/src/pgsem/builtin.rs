//! PostgreSQL's own list of operators, casts and functions.
//!
//! Overload resolution is a contest: leave a candidate out and another one wins, or an ambiguity goes unnoticed. So the contest
//! is held over PostgreSQL's list (`builtin.tsv`), and only the winner is looked up in [`super::registry`]: a winner that is not
//! there is refused by name (0A000) instead of being replaced by something similar.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::registry::{CastContext, registry};
use crate::pgtype::{PgType, all_types, oid};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Operator,
    Function,
    SetReturning,
    Aggregate,
    /// An aggregate that needs `WITHIN GROUP`.
    OrderedSet,
    Window,
}

/// One entry of `pg_operator` or `pg_proc`.
#[derive(Debug)]
pub struct Candidate {
    pub kind: Kind,
    /// Declared argument types; of a variadic function the last one is the element type and stands for one or more arguments.
    pub args: Vec<u32>,
    pub variadic: bool,
    pub ret: u32,
    /// SQL text of the last arguments' defaults.
    pub defaults: Vec<&'static str>,
    /// Argument names, empty unless they may be used in a call.
    pub names: Vec<&'static str>,
}

/// How PostgreSQL performs a cast (`pg_cast.castmethod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastMethod {
    Function,
    /// The same bytes under another type.
    Binary,
    /// Through the text form.
    Io,
}

#[derive(Debug, Default)]
pub struct Builtin {
    pub infix: HashMap<&'static str, Vec<Candidate>>,
    pub prefix: HashMap<&'static str, Vec<Candidate>>,
    pub functions: HashMap<&'static str, Vec<Candidate>>,
    pub casts: HashMap<(u32, u32), (CastContext, CastMethod)>,
}

pub fn builtin() -> &'static Builtin {
    static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| {
        let mut builtin = Builtin::default();
        for line in include_str!("builtin.tsv").lines().filter(|l| !l.starts_with('#')) {
            builtin.add(line);
        }
        builtin.add_our_own();
        builtin
    });
    &BUILTIN
}

impl Builtin {
    fn add(&mut self, line: &'static str) {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or("");
        let (what, name, third, fourth, fifth, sixth) = (next(), next(), next(), next(), next(), next());
        let kind = match what {
            "cast" => {
                let context = match fourth {
                    "implicit" => CastContext::Implicit,
                    "assignment" => CastContext::Assignment,
                    _ => CastContext::Explicit,
                };
                let method = match fifth {
                    "binary" => CastMethod::Binary,
                    "function" => CastMethod::Function,
                    _ => CastMethod::Io,
                };
                self.casts.insert((type_oid(name), type_oid(third)), (context, method));
                return;
            }
            "infix" | "prefix" => Kind::Operator,
            "set" => Kind::SetReturning,
            "aggregate" => Kind::Aggregate,
            "ordered" => Kind::OrderedSet,
            "window" => Kind::Window,
            _ => Kind::Function,
        };
        let mut args: Vec<u32> = third.split(',').filter(|t| !t.is_empty()).map(type_oid).collect();
        let (ret, variadic) = match fourth.strip_suffix(" variadic") {
            Some(ret) => (ret, true),
            None => (fourth, false),
        };
        if let (true, Some(last)) = (variadic, args.last_mut()) {
            *last = PgType::of(*last).element().map_or(*last, |e| e.oid);
        }
        let candidate = Candidate {
            kind,
            args,
            variadic,
            ret: type_oid(ret),
            defaults: fifth.split(" | ").filter(|d| !d.is_empty()).collect(),
            names: sixth.split(',').filter(|n| !n.is_empty()).collect(),
        };
        let list = match what {
            "infix" => &mut self.infix,
            "prefix" => &mut self.prefix,
            _ => &mut self.functions,
        };
        list.entry(name).or_default().push(candidate);
    }

    /// Functions of the registry that PostgreSQL does not have under any type.
    fn add_our_own(&mut self) {
        for (name, signatures) in &registry().functions {
            let known = |map: &HashMap<&'static str, Vec<Candidate>>| map.contains_key(name);
            if known(&self.infix) || known(&self.prefix) || known(&self.functions) {
                continue;
            }
            let candidates = signatures.iter().map(|s| Candidate {
                kind: Kind::Function,
                args: s.args.to_vec(),
                variadic: s.variadic,
                ret: s.ret,
                defaults: Vec::new(),
                names: Vec::new(),
            });
            self.functions.insert(name, candidates.collect());
        }
    }
}

/// The file names types as `pg_type.typname` does; a type it alone has would be a defect of the file.
fn type_oid(name: &str) -> u32 {
    all_types().find(|t| t.name == name).map_or(oid::UNKNOWN, |t| t.oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_in_the_file_is_known() {
        for line in include_str!("builtin.tsv").lines().filter(|l| !l.starts_with('#')) {
            let fields: Vec<_> = line.split('\t').collect();
            let types: Vec<&str> = if fields[0] == "cast" {
                vec![fields[1], fields[2]]
            } else {
                fields[2]
                    .split(',')
                    .chain([fields[3].trim_end_matches(" variadic")])
                    .filter(|t| !t.is_empty())
                    .collect()
            };
            for ty in types {
                assert!(ty == "unknown" || type_oid(ty) != oid::UNKNOWN, "{ty} in {line}");
            }
        }
    }

    #[test]
    fn kinds_defaults_and_variadics_are_read() {
        let b = builtin();
        assert!(b.functions["rank"].iter().any(|c| c.kind == Kind::Window));
        let interval = &b.functions["make_interval"][0];
        assert_eq!((interval.defaults.len(), interval.names[3]), (7, "days"));
        let path = &b.functions["jsonb_extract_path"][0];
        assert_eq!((path.variadic, path.args.as_slice()), (true, [oid::JSONB, oid::TEXT].as_slice()));
        assert_eq!(b.casts[&(oid::INT4, oid::INT8)].0, CastContext::Implicit);
    }
}
