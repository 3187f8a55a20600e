use super::*;

const U: u32 = oid::UNKNOWN;

fn infix_args(name: &str, left: u32, right: u32) -> Vec<u32> {
    infix(name, left, right).unwrap().args.iter().map(|t| t.oid).collect()
}

fn call_args(name: &str, input: &[u32]) -> Vec<u32> {
    match function(name, input, &[]).unwrap() {
        FunctionChoice::Call(c) => c.args.iter().map(|t| t.oid).collect(),
        FunctionChoice::Cast(ty) => vec![ty.oid, 0],
    }
}

fn message(e: Error) -> String {
    format!("{} {}", e.sqlstate(), e.message())
}

#[test]
fn an_unknown_literal_takes_the_other_sides_type() {
    assert_eq!(infix_args("=", oid::INT4, U), [oid::INT4, oid::INT4]);
    assert_eq!(infix_args("+", U, oid::INT8), [oid::INT8, oid::INT8]);
    assert_eq!(infix_args("-", oid::DATE, U), [oid::DATE, oid::DATE]);
    assert_eq!(infix_args("=", U, U), [oid::TEXT, oid::TEXT]);
    assert_eq!(infix_args("||", U, U), [oid::TEXT, oid::TEXT]);
    assert_eq!(infix_args("+", oid::TIMESTAMP, U), [oid::TIMESTAMP, oid::INTERVAL]);
}

#[test]
fn implicit_casts_and_preferred_types_decide() {
    assert_eq!(infix_args("+", oid::INT2, oid::INT8), [oid::INT2, oid::INT8]);
    assert_eq!(infix_args("+", oid::INT4, oid::NUMERIC), [oid::NUMERIC, oid::NUMERIC]);
    assert_eq!(infix_args("+", oid::NUMERIC, oid::FLOAT4), [oid::FLOAT8, oid::FLOAT4]);
    assert_eq!(infix_args("=", oid::VARCHAR, oid::BPCHAR), [oid::BPCHAR, oid::BPCHAR]);
    assert_eq!(infix_args("=", oid::BPCHAR, U), [oid::BPCHAR, oid::BPCHAR]);
    assert_eq!(infix_args("^", oid::INT4, oid::INT4), [oid::FLOAT8, oid::FLOAT8]);
    assert_eq!(infix_args("||", oid::INT4, U), [oid::INT4, oid::TEXT]);
    assert_eq!(call_args("abs", &[U]), [oid::FLOAT8]);
    assert_eq!(call_args("length", &[oid::VARCHAR]), [oid::TEXT]);
    assert_eq!(call_args("round", &[oid::FLOAT4]), [oid::FLOAT8]);
    assert_eq!(call_args("round", &[oid::INT4]), [oid::FLOAT8]);
    assert_eq!(call_args("date_trunc", &[U, oid::DATE]), [oid::TEXT, oid::TIMESTAMPTZ]);
}

#[test]
fn what_does_not_exist_says_so_as_postgresql_does() {
    assert_eq!(
        message(infix("=", oid::VARCHAR, oid::INT4).unwrap_err()),
        "42883 operator does not exist: character varying = integer"
    );
    assert_eq!(message(prefix("-", oid::TEXT).unwrap_err()), "42883 operator does not exist: - text");
    assert_eq!(message(infix("+", U, U).unwrap_err()), "42725 operator is not unique: unknown + unknown");
    assert_eq!(message(prefix("-", U).unwrap_err()), "42725 operator is not unique: - unknown");
    assert_eq!(
        message(function("foo", &[oid::INT4, U], &[]).unwrap_err()),
        "42883 function foo(integer, unknown) does not exist"
    );
    assert_eq!(
        message(function("date_trunc", &[U, U], &[]).unwrap_err()),
        "42725 function date_trunc(unknown, unknown) is not unique"
    );
    assert_eq!(
        message(function("make_interval", &[oid::INT4], &["dayz".to_string()]).unwrap_err()),
        "42883 function make_interval(dayz => integer) does not exist"
    );
}

#[test]
fn names_defaults_variadic_tails_and_type_names() {
    let named = function("make_interval", &[oid::INT4], &["days".to_string()]).unwrap();
    assert!(matches!(named, FunctionChoice::Call(c) if c.args.len() == 7));
    assert_eq!(call_args("jsonb_set", &[oid::JSONB, U, U]).len(), 4);
    assert_eq!(call_args("concat", &[oid::INT4, oid::TEXT, U]), [oid::ANY, oid::ANY, oid::ANY]);
    assert_eq!(call_args("date", &[U]), [oid::DATE, 0]);
    assert_eq!(call_args("date", &[oid::TIMESTAMP]), [oid::TIMESTAMP]);
    assert_eq!(call_args("text", &[oid::INT4]), [oid::TEXT, 0]);
}

#[test]
fn polymorphic_results_follow_their_arguments() {
    let c = infix("||", 1007, oid::NUMERIC).unwrap();
    assert_eq!((c.args[0].oid, c.ret.oid), (1231, 1231));
    assert_eq!(infix_args("=", 1007, 1007), [1007, 1007]);
}

/// An implementation under a name PostgreSQL has must be one of its overloads, or it never binds.
#[test]
fn every_implementation_is_one_of_postgresqls_overloads() {
    let b = builtin();
    let plain = |args: &[u32]| args.iter().map(|&t| plain_polymorphic(t)).collect::<Vec<_>>();
    let mut stray = Vec::new();
    for (name, signatures) in &registry().functions {
        let lists = [b.infix.get(name), b.prefix.get(name), b.functions.get(name)];
        let all: Vec<&Candidate> = lists.into_iter().flatten().flatten().collect();
        for s in signatures {
            let polymorphic = |c: &&&Candidate| c.args.iter().any(|&t| coerce::is_polymorphic(t) || t == oid::ANY);
            let same = all.iter().any(|c| plain(&c.args) == plain(s.args) && c.variadic == s.variadic);
            if !same && !all.iter().filter(polymorphic).any(|c| c.args.len() == s.args.len()) {
                stray.push(format!("{name}{:?}", s.args.iter().map(|&t| sql_name(t)).collect::<Vec<_>>()));
            }
        }
    }
    stray.sort();
    assert!(stray.is_empty(), "{}", stray.join("\n"));
}
