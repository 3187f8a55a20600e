//! As names of tables and columns.

use integration::gateway::connect;

use super::*;

#[test]
fn no_name_gets_through() {
    let prey = prey();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let run = |sources: &[&'static str]| {
        runtime.block_on(async {
            let client = connect(&prey.gateway.url()).await.unwrap();
            for source in sources {
                for name in names(source) {
                    let (this, value) = (quoted(name), literal(name));
                    let sql = format!("select {this} from {source}.{this} where {this} = {value}");
                    assert_eq!(rows(&client, &sql).await, [[Some(name.to_string())]], "{source}: {sql}");
                    let sql = format!("select max({this}), count(*) from {source}.{this} t group by t.{this}");
                    let expected = [[Some(name.to_string()), Some("1".to_string())]];
                    assert_eq!(rows(&client, &sql).await, expected, "{source}: {sql}");
                }
            }
        });
    };
    run(&["tame", "wild", "files"]);
    prey.with_each_mode(|_| run(&["my"]));
    prey.canaries_live();
}

/// Names with control characters are not sent to anybody: such a table or column is refused, its neighbours are not.
#[test]
fn control_characters_in_names_are_refused_cleanly() {
    let postgres = TestPostgres::start(&[]).unwrap();
    postgres
        .sql(
            "create table \"line\nbreak\" (a int); create table \"mark\u{1}1:25:-1\u{1}\" (a int); \
              create table columns (a int, \"b\u{1}c\" int); insert into columns values (1, 2);",
        )
        .unwrap();
    let config = GatewayConfig::default().site("local").postgres("pg", "local", &postgres);
    let gateway = TestGateway::start(&config).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = connect(&gateway.url()).await.unwrap();
        for table in ["\"line\nbreak\"", "\"mark\u{1}1:25:-1\u{1}\""] {
            let Answer::Error { sqlstate, message } = ask(&client, &format!("select * from pg.{table}")).await else {
                panic!("{table:?} was read");
            };
            assert_eq!(sqlstate, "0A000", "{message}");
        }
        assert_eq!(rows(&client, "select a from pg.columns").await, [[Some("1".to_string())]]);
        let Answer::Error { sqlstate, .. } = ask(&client, "select * from pg.columns").await else { panic!("was read") };
        assert_eq!(sqlstate, "0A000");
    });
}
