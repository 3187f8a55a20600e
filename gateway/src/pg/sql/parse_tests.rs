use super::*;

fn one(sql: &str) -> Command {
    let mut statements = parse(sql).unwrap();
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0).command
}

fn error(sql: &str) -> Error {
    parse(sql).unwrap_err()
}

#[test]
fn strings_are_cut_into_statements_with_their_offsets() {
    let statements = parse(" ;; select 'é;'; -- x\n values (1);").unwrap();
    let found: Vec<_> = statements.iter().map(|s| (s.text.as_str(), s.offset)).collect();
    assert_eq!(found, [("select 'é;'", 4), ("values (1)", 23)]);
    assert!(parse(" ; -- nothing").unwrap().is_empty());
}

#[test]
fn an_error_in_a_later_statement_has_its_position_in_the_whole_string() {
    assert_eq!(error("select 1; set x y").position(), Some(17));
    assert_eq!(error("select 1; foo").message(), "syntax error at or near \"foo\"");
    assert_eq!(error("show").message(), "syntax error at end of input");
}

#[test]
fn settings() {
    let set = |sql: &str| match one(sql) {
        Command::Set { scope, name, value: SetValue::List(list) } => (scope, name, list),
        other => panic!("{sql}: {other:?}"),
    };
    let strings = |list: &[&str]| list.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    assert_eq!(set("SET DateStyle TO ISO, mdy"), (Scope::Session, "datestyle".into(), strings(&["iso", "mdy"])));
    assert_eq!(set("set local narrows.pushdown = 'off'"), (Scope::Local, "narrows.pushdown".into(), strings(&["off"])));
    assert_eq!(
        set("SET SESSION extra_float_digits=-3"),
        (Scope::Session, "extra_float_digits".into(), strings(&["-3"]))
    );
    assert_eq!(set("SET TIME ZONE 'Europe/Rome'").1, "timezone");
    assert_eq!(set("SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE").2, ["-8"]);
    assert_eq!(set("SET NAMES 'utf8'").1, "client_encoding");
    assert_eq!(set("SET search_path = \"A b\", public").2, ["A b", "public"]);
    assert_eq!(set("SET role = none").1, "role");
    assert_eq!(set("SET ROLE 'x'").1, "role");
    assert!(matches!(one("set timezone to default"), Command::Set { value: SetValue::Default, .. }));
    assert!(matches!(one("SHOW TRANSACTION ISOLATION LEVEL"), Command::Show(Some(n)) if n == "transaction_isolation"));
    assert!(matches!(one("RESET ALL"), Command::Reset(None)));
    assert!(matches!(
        one("SELECT pg_catalog.set_config('search_path', '', false)"),
        Command::SetConfig { name, value, local: false } if name == "search_path" && value.is_empty()
    ));
    assert!(matches!(one("select set_config('a', b, false) from t"), Command::Query(_)));
}

#[test]
fn transactions() {
    let modes = TransactionModes { isolation: Some("repeatable read"), read_only: Some(true), deferrable: None };
    match one("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY") {
        Command::Transaction(Transaction::Begin { tag: "BEGIN", modes: m }) => assert_eq!(m, modes),
        other => panic!("{other:?}"),
    }
    assert!(matches!(one("end and chain"), Command::Transaction(Transaction::Commit { chain: true })));
    assert!(matches!(one("rollback to savepoint \"A\""), Command::Transaction(Transaction::RollbackTo(n)) if n == "A"));
    assert!(matches!(one("SET TRANSACTION READ ONLY"), Command::SetTransaction { session: false, .. }));
    assert!(matches!(
        one("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"),
        Command::SetTransaction { session: true, .. }
    ));
    assert_eq!(error("begin foo").position(), Some(7));
}

#[test]
fn writes_are_refused_by_name() {
    for (sql, what) in [
        ("insert into t values (1)", "INSERT"),
        ("create or replace temp view v as select 1", "CREATE VIEW"),
        ("create table t (a int)", "CREATE TABLE"),
        ("drop table t", "DROP TABLE"),
        ("vacuum", "VACUUM"),
    ] {
        match one(sql) {
            Command::Refused(e) => {
                assert_eq!(e.message(), format!("cannot execute {what} in a read-only transaction"));
                assert_eq!(e.sqlstate(), state::READ_ONLY);
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert!(matches!(one("listen x"), Command::Refused(e) if e.sqlstate() == state::FEATURE_NOT_SUPPORTED));
}

#[test]
fn prepared_statements() {
    match one("PREPARE p (int, numeric(3,1)) AS select $1 + $2") {
        Command::Prepare { name, types, body } => {
            assert_eq!((name.as_str(), types.as_slice()), ("p", &[PgType::INT4, PgType::NUMERIC][..]));
            assert_eq!((body.text.as_str(), body.offset), ("select $1 + $2", 33));
        }
        other => panic!("{other:?}"),
    }
    match one("execute p (1, f(2, 3), array[4,5], 'a,b')") {
        Command::Execute { arguments, .. } => {
            let found: Vec<_> = arguments.iter().map(|a| (a.text.as_str(), a.offset)).collect();
            assert_eq!(found, [("1", 11), ("f(2, 3)", 14), ("array[4,5]", 23), ("'a,b'", 35)]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(one("deallocate all"), Command::Deallocate(None)));
    assert_eq!(error("prepare p (strange) as select 1").sqlstate(), state::UNDEFINED_OBJECT);
}

#[test]
fn cursors() {
    match one("declare c no scroll cursor with hold for select 1") {
        Command::Declare { name, hold: true, scroll: false, query, .. } => {
            assert_eq!((name.as_str(), query.text.as_str(), query.offset), ("c", "select 1", 41));
        }
        other => panic!("{other:?}"),
    }
    for (sql, count) in [
        ("fetch c", FetchCount::Rows(1)),
        ("fetch next", FetchCount::Rows(1)),
        ("fetch all in c", FetchCount::All),
        ("fetch 10 from c", FetchCount::Rows(10)),
        ("fetch forward 5 c", FetchCount::Rows(5)),
        ("fetch forward all c", FetchCount::All),
        ("fetch -1 c", FetchCount::Backward),
        ("fetch prior from c", FetchCount::Backward),
        ("fetch absolute 3 c", FetchCount::Absolute(3)),
        ("fetch relative 2 in c", FetchCount::Relative(2)),
    ] {
        match one(sql) {
            Command::Fetch { count: found, discard: false, .. } => assert_eq!(found, count, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert!(matches!(one("move all c"), Command::Fetch { discard: true, .. }));
}

#[test]
fn explain() {
    let explained = |sql: &str| match one(sql) {
        Command::Explain(e) => (e.analyze, e.verbose, e.statement.text, e.statement.offset),
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(explained("explain select 1"), (false, false, "select 1".into(), 8));
    assert!(explained("explain analyze verbose select 1").0);
    assert_eq!(explained("explain (analyze, verbose off, format text) select 1"), (true, false, "select 1".into(), 44));
    assert_eq!(explained("explain (select 1)").2, "(select 1)");
    assert_eq!(error("explain (format json) select 1").sqlstate(), state::FEATURE_NOT_SUPPORTED);
    assert!(matches!(one("explain delete from t"), Command::Refused(_)));
    assert_eq!(error("explain set x = 1").sqlstate(), state::SYNTAX_ERROR);
}

#[test]
fn copy() {
    let copied = |sql: &str| match one(sql) {
        Command::Copy { query, options } => (query, options),
        other => panic!("{sql}: {other:?}"),
    };
    let (query, options) =
        copied("COPY (select 1) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER '|', FORCE_QUOTE (a, \"B\"))");
    assert_eq!((query.text.as_str(), query.offset), ("select 1", 6));
    assert_eq!((options.format, options.header, options.delimiter), (CopyFormat::Csv, true, b'|'));
    assert_eq!(options.force_quote, ForceQuote::Columns(vec!["a".into(), "B".into()]));
    let (query, options) = copied("copy s.\"T\" (a, b) to stdout csv header null as '-' force quote *");
    assert_eq!(query.text, "SELECT \"a\", \"b\" FROM \"s\".\"T\"");
    assert_eq!((options.null.as_str(), options.force_quote), ("-", ForceQuote::All));
    assert_eq!(copied("copy t to stdout").1.null, "\\N");
    for (sql, code) in [
        ("copy t to stdout (format binary, header)", state::FEATURE_NOT_SUPPORTED),
        ("copy t to stdout (quote '|')", state::FEATURE_NOT_SUPPORTED),
        ("copy t to stdout (delimiter 'ab')", state::FEATURE_NOT_SUPPORTED),
        ("copy t to stdout (delimiter 'a')", state::INVALID_PARAMETER_VALUE),
        ("copy t to stdout (format csv, delimiter '\"')", state::INVALID_PARAMETER_VALUE),
        ("copy t to stdout (format json)", state::INVALID_PARAMETER_VALUE),
        ("copy t to stdout (header, header)", state::SYNTAX_ERROR),
    ] {
        assert_eq!(error(sql).sqlstate(), code, "{sql}");
    }
    assert!(matches!(one("copy t from stdin"), Command::Refused(e) if e.sqlstate() == state::READ_ONLY));
    assert!(matches!(one("copy t to '/tmp/x'"), Command::Refused(e) if e.sqlstate() == state::FEATURE_NOT_SUPPORTED));
}
