use tokio_postgres::SimpleQueryMessage;

use crate::harness::{ask, fails, start};

#[tokio::test]
async fn rows_arrive_complete_and_in_order() {
    let server = start("");
    let client = server.connect().await;
    for n in [0, 1, 999, 1000, 25_000] {
        let rows = ask(&client, &format!("select numbers({n})")).await;
        assert_eq!(rows.len(), n);
        assert!(rows.iter().enumerate().all(|(i, row)| *row == format!("{i}|row {i}")));
    }
}

#[tokio::test]
async fn statements_of_one_string_run_one_after_the_other() {
    let server = start("");
    let client = server.connect().await;
    let answers =
        client.simple_query("select local(2); ; set application_name = 'x'; show application_name").await.unwrap();
    let tags: Vec<u64> = answers
        .iter()
        .filter_map(|m| if let SimpleQueryMessage::CommandComplete(n) = m { Some(*n) } else { None })
        .collect();
    assert_eq!(tags.len(), 3);
    assert_eq!(crate::harness::rows(&answers), ["0|row 0", "1|row 1", "x"]);
    assert!(ask(&client, " ; -- nothing").await.is_empty());
}

#[tokio::test]
async fn an_error_ends_the_string_and_undoes_its_settings() {
    let server = start("");
    let client = server.connect().await;
    assert_eq!(fails(&client, "set work_mem = '8MB'; select fail; set work_mem = '9MB'").await, "42703");
    assert_eq!(ask(&client, "show work_mem").await, ["4MB"]);
    // A syntax error anywhere: nothing runs.
    assert_eq!(fails(&client, "set application_name = 'y'; select syntax").await, "42601");
    assert_eq!(ask(&client, "show application_name").await, [""]);
}

#[tokio::test]
async fn errors_have_all_their_fields() {
    let server = start("");
    let client = server.connect().await;
    let error = client.simple_query("select local(1); /* é */ select fail").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.severity(), error.code().code()), ("ERROR", "42703"));
    assert_eq!(
        (error.message(), error.detail(), error.hint()),
        ("column \"fail\" does not exist", Some("It never did."), Some("Try another one."))
    );
    assert_eq!(error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(33)));
}

#[tokio::test]
async fn an_error_after_rows_is_an_error() {
    let server = start("");
    let client = server.connect().await;
    assert_eq!(fails(&client, "select fail late").await, "22012");
    assert_eq!(ask(&client, "select local(1)").await.len(), 1);
}

#[tokio::test]
async fn values_of_all_types_as_text() {
    let server = start("");
    let client = server.connect().await;
    client.simple_query("set timezone = 'Asia/Kolkata'").await.unwrap();
    let rows = ask(&client, "select types").await;
    let expected = "t|-2|-4|-9223372036854775808|0.1|-123.45|é\t\"\\|a  |\\x00ff|2024-02-29|2024-02-29 23:59:59.5|\
                    2024-03-01 05:29:59.5+05:30|1 year 2 mons -3 days +00:00:03|00112233-4455-6677-8899-aabbccddeeff|{1,NULL}";
    assert_eq!(rows[0], expected);
    assert_eq!(rows[1], ["∅"; 15].join("|"));
}

#[tokio::test]
async fn writes_and_what_is_not_there_are_refused() {
    let server = start("");
    let client = server.connect().await;
    for (sql, state) in [
        ("insert into t values (1)", "25006"),
        ("create table t (a int)", "25006"),
        ("copy t from stdin", "25006"),
        ("explain delete from t", "25006"),
        ("listen x", "0A000"),
        ("prepare transaction 'x'", "0A000"),
        ("lock t", "0A000"),
        ("frobnicate", "42601"),
    ] {
        assert_eq!(fails(&client, sql).await, state, "{sql}");
    }
    let error = client.simple_query("drop table t").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.message(), "cannot execute DROP TABLE in a read-only transaction");
    assert!(error.hint().unwrap().contains("source"));
}

#[tokio::test]
async fn explain_is_routed_to_the_engine() {
    let server = start("");
    let client = server.connect().await;
    assert_eq!(ask(&client, "explain select numbers(1)").await, ["Canned", "planned"]);
    assert_eq!(ask(&client, "explain (analyze, verbose) select numbers(1)").await, ["Canned verbose", "ran"]);
    assert_eq!(fails(&client, "explain (format json) select numbers(1)").await, "0A000");
    let error = client.simple_query("explain  select fail").await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().position(), Some(&tokio_postgres::error::ErrorPosition::Original(17)));
}
