use std::path::Path;
use std::time::Duration;

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(&format!("config_version = 1\n{text}"), Path::new("/etc/narrows/narrows.toml"))
        .map_err(|e| e.to_string())
}

#[test]
fn an_almost_empty_file_means_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:5432");
    assert_eq!(config.gateway.queue_timeout.0, Duration::from_secs(30));
    assert_eq!(config.gateway.data_dir, Path::new("/etc/narrows/narrows-data"));
    assert!(matches!(&config.sites[..], [site] if site.name == "local" && site.remote.is_none()));
}

#[test]
fn an_unknown_key_is_refused_with_line_and_nearest_name() {
    let error = parse("[gateway]\nmax_conections = 5").unwrap_err();
    assert_eq!(
        error,
        "/etc/narrows/narrows.toml:3: unknown key \"max_conections\" in [gateway]; did you mean \"max_connections\"?"
    );
    let error = parse("\n[[sorce]]\nname = \"a\"").unwrap_err();
    assert!(error.contains(":3: unknown table or key \"sorce\"; did you mean \"source\"?"), "{error}");
}

#[test]
fn a_wrong_type_is_refused_with_line_and_key() {
    let error = parse("[gateway]\nlisten = \"127.0.0.1:1\"\nmax_running = \"many\"").unwrap_err();
    assert!(error.starts_with("/etc/narrows/narrows.toml:4: [gateway] max_running: invalid type"), "{error}");
    let error = parse("[gateway]\nidle_timeout = \"10 parsecs\"").unwrap_err();
    assert!(error.contains(":3: [gateway] idle_timeout: ") && error.contains("duration such as"), "{error}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let error = parse(
        "[gateway]\nlistem = 1\n[[source]]\nengine = \"postgres\"\n[[source]]\nname = \"x\"\nengine = \"oracle\"",
    )
    .unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(error.contains("[source] needs \"name\""), "{error}");
    assert!(error.contains("[source] engine: unknown variant `oracle`"), "{error}");
}

#[test]
fn an_open_door_is_refused() {
    let error = parse("[gateway]\nlisten = \"0.0.0.0:5432\"").unwrap_err();
    assert!(error.contains("can be reached from other machines"), "{error}");
    let verifier = crate::pg::auth::Verifier::from_password("x").to_string();
    let user = format!("[[user]]\nname = \"ana\"\npassword_verifier = \"{verifier}\"");
    assert!(parse(&format!("[gateway]\nlisten = \"0.0.0.0:5432\"\n{user}")).is_ok());
    // Users log in at the other listener.
    let error = parse(&format!("[gateway]\nhttp_listen = \"0.0.0.0:8432\"\n{user}")).unwrap_err();
    assert!(error.contains("set http_token_env or http_token_file"), "{error}");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "secret\n").unwrap();
    let token = format!("http_token_file = \"{}\"", token.path().display());
    assert!(parse(&format!("[gateway]\nhttp_listen = \"0.0.0.0:8432\"\n{token}")).is_ok());
    let error = parse("[gateway]\nhttp_token_env = \"NARROWS_NO_SUCH_VARIABLE\"").unwrap_err();
    assert!(error.contains("(http_token_env) is not set"), "{error}");
    assert!(parse("[gateway]\nlisten = \"[::1]:5432\"").is_ok());
}

#[test]
fn references_between_tables_are_checked() {
    let lake = "[[source]]\nname = \"lake\"\nengine = \"files\"\npath = \"lake\"\n";
    let error = parse(&format!("{lake}[[table]]\nname = \"t\"\nsource = \"lak\"\nremote = \"t\"")).unwrap_err();
    assert!(error.contains("there is no [[source]] \"lak\"; did you mean \"lake\"?"), "{error}");
    let error = parse(&format!("[[site]]\nname = \"a\"\n[[site]]\nname = \"b\"\n{lake}")).unwrap_err();
    assert!(error.contains("must say which of the sites"), "{error}");
    let error = parse(&format!("{lake}{lake}")).unwrap_err();
    assert!(error.contains("two sources"), "{error}");
    let error = parse(&lake.replace("lake", "pg_catalog")).unwrap_err();
    assert!(error.contains("schema of the gateway itself"), "{error}");
    match &parse(lake).unwrap().sources[0].endpoint {
        Endpoint::Files(path) => assert_eq!(path, Path::new("/etc/narrows/lake")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn placements_say_which_rows_they_hold() {
    let sources: String =
        ["a", "b", "c"].map(|s| format!("[[source]]\nname = \"{s}\"\nengine = \"files\"\npath = \"{s}\"\n")).concat();
    let parsed = |placements: &[&str]| {
        let placements: String = placements.iter().map(|p| format!("[[table.placement]]\n{p}\n")).collect();
        parse(&format!("{sources}[[table]]\nname = \"t\"\n{placements}"))
    };
    let (a, b, c) =
        ("source = \"a\"\nremote = \"t\"", "source = \"b\"\nremote = \"t\"", "source = \"c\"\nremote = \"t\"");
    let with = |placement: &str, more: &str| format!("{placement}\n{more}");
    let groups = |placements: &[&str]| -> Vec<u32> {
        parsed(placements).unwrap().tables[0].placements.iter().map(|p| p.part).collect()
    };
    assert_eq!(groups(&[a, b, c]), [0, 0, 0]);
    let (one, two) = ("where = \"x = 1\"", "where = \"x = 2\"");
    assert_eq!(groups(&[&with(a, one), &with(b, two), &with(c, " where = \" x = 1 \"")]), [0, 1, 0]);
    assert_eq!(groups(&[&with(a, "part = \"p\""), &with(b, "part = \"q\""), &with(c, "part = \"q\"")]), [0, 1, 1]);
    for (placements, message) in [
        (vec![with(a, one), b.to_string()], "placement 2 has neither \"where\" nor \"part\""),
        (vec![a.to_string(), a.to_string()], "placement 2: \"t\" of source \"a\" is there already"),
        (vec![with(a, &with(one, "part = \"p\"")), with(b, &with(two, "part = \"p\""))], "1 and 2 are the same part"),
        (vec![with(a, "where = \" \""), with(b, one)], "placement 1: \"where\" and \"part\" must not be empty"),
        (vec![a.replace("\"a\"", "\"d\"")], "table \"t\": there is no [[source]] \"d\""),
        (vec![with(a, "were = \"x\"")], "unknown key \"were\" in [table.placement]; did you mean \"where\"?"),
        (vec!["source = \"a\"".to_string()], "[table.placement] needs \"remote\" (string)"),
        (vec![with(a, "where = 1")], "invalid type: integer `1`, expected a string"),
    ] {
        let error = parsed(&placements.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err();
        assert!(error.contains(message), "{message}: {error}");
    }
    for (table, message) in [
        ("", "where its rows are is missing"),
        ("source = \"a\"", "\"source\" needs \"remote\""),
        ("placement = []", "give either"),
        ("source = \"a\"\nremote = \"t\"\nplacement = [{ source = \"b\", remote = \"t\" }]", "give either"),
    ] {
        let error = parse(&format!("{sources}[[table]]\nname = \"t\"\n{table}")).unwrap_err();
        assert!(error.contains(message), "{message}: {error}");
    }
}

#[test]
fn a_missing_or_other_version_is_refused() {
    let path = Path::new("narrows.toml");
    for text in ["", "config_version = 2", "config_version = \"1\""] {
        assert!(Config::parse(text, path).unwrap_err().to_string().contains("config_version"), "{text}");
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let config = parse("[[source]]\nname = \"a\"\nengine = \"mysql\"\nurl = \"mysql://u:hunter2@h/d\"").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

const SITES: &str = "[[site]]\nname = \"hq\"\n[[site]]\nname = \"eu\"\naddress = \"eu.example:8433\"\n\
     [[site]]\nname = \"us\"\naddress = \"us.example:8433\"\n";

fn link(keys: &str) -> Result<Config, String> {
    parse(&format!("{SITES}[[link]]\n{keys}"))
}

#[test]
fn links_are_directed_and_may_say_both() {
    let config = link(
        "from = \"eu\"\nto = \"us\"\nmbit = 80\nrtt = \"90ms\"\nprice_per_gb = 0.02\nboth = true\naddress = \"10.0.0.1:8433\"",
    );
    let config = config.unwrap();
    let there = LinkConfig {
        from: "eu".into(),
        to: "us".into(),
        bandwidth: Some(1e7),
        rtt: Some(Duration::from_millis(90)),
        price_per_gb: 0.02,
        address: Some("10.0.0.1:8433".into()),
    };
    let back = LinkConfig { from: "us".into(), to: "eu".into(), address: None, ..there.clone() };
    assert_eq!((config.home.as_str(), config.links), ("hq", vec![there, back]));
    let blocked = link("from = \"eu\"\nto = \"hq\"\nmbit = 5\nblocked = true").unwrap();
    assert_eq!(blocked.links[0].bandwidth, Some(0.0));
    // The gateway's own site has a name even if no site is configured for it.
    let elsewhere = SITES.replace("[[site]]\nname = \"hq\"\n", "");
    let config = parse(&format!("{elsewhere}[[link]]\nfrom = \"eu\"\nto = \"local\"")).unwrap();
    assert_eq!((config.home.as_str(), config.links[0].to.as_str()), ("local", "local"));
}

#[test]
fn links_that_make_no_sense_are_refused() {
    let ends = "from = \"eu\"\nto = \"us\"";
    for (keys, expected) in [
        ("from = \"eu\"\nto = \"eu\"".to_string(), "a site needs no link to itself"),
        ("from = \"eu\"\nto = \"uss\"".to_string(), "there is no [[site]] \"uss\"; did you mean \"us\"?"),
        (format!("{ends}\n[[link]]\n{ends}"), "there are two links from \"eu\" to \"us\""),
        (format!("{ends}\n[[link]]\nboth = true\nfrom = \"us\"\nto = \"eu\""), "two links from \"eu\" to \"us\""),
        (format!("{ends}\nmbit = -1"), "mbit must be a number from 0 on"),
        (format!("{ends}\nprice_per_gb = nan"), "price_per_gb must be a number from 0 on"),
        (format!("{ends}\naddress = \"us\""), "address = \"us\" is not a host and a port"),
        ("from = \"eu\"\nto = \"hq\"\naddress = \"a:1\"".to_string(), "by the address of its [[site]]"),
    ] {
        let error = link(&keys).unwrap_err();
        assert!(error.contains(expected), "{keys}: {error}");
    }
    let two = "[[site]]\nname = \"a\"\n[[site]]\nname = \"b\"\n[[link]]\nfrom = \"a\"\nto = \"b\"";
    assert!(parse(two).unwrap_err().contains("both are inside the gateway"));
}

#[test]
fn rules_about_residency_are_checked() {
    let lake = "[[source]]\nname = \"lake\"\nsite = \"hq\"\nengine = \"files\"\npath = \"lake\"\n";
    let rule = |keys: &str| parse(&format!("{SITES}{lake}[[residency]]\ntable = \"t\"\n{keys}"));
    let config = rule("source = \"lake\"\ncolumns = [\"a\"]\nleave = \"aggregates\"").unwrap();
    assert_eq!(config.residency[0].leave, LeaveName::Word(LeaveWord::Aggregates));
    let config = rule("source = \"somewhere_else\"\nleave = [\"hq\", \"us\"]").unwrap();
    assert_eq!(config.residency[0].leave, LeaveName::Sites(vec!["hq".into(), "us".into()]));
    for (keys, expected) in [
        ("source = \"lake\"\nleave = \"sometimes\"", "expected \"never\", \"aggregates\" or a list of sites"),
        ("source = \"lake\"\nleave = [\"mars\"]", "there is no [[site]] \"mars\""),
        ("source = \"lake\"\nleave = []", "write \"never\""),
        ("source = \"lake\"\nleave = \"never\"\ncolumns = []", "columns is empty"),
    ] {
        let error = rule(keys).unwrap_err();
        assert!(error.contains(expected), "{keys}: {error}");
    }
    let alone = lake.replace("hq", "local").replace("site =", "#");
    let error =
        parse(&format!("{alone}[[residency]]\ntable = \"t\"\nsource = \"lak\"\nleave = \"never\"")).unwrap_err();
    assert!(error.contains("no such [[source]]; did you mean \"lake\"?"), "{error}");
}
