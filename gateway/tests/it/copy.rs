use futures::{TryStreamExt, future};
use tokio_postgres::Client;

use crate::harness::{code, fails, start};

async fn copied(client: &Client, sql: &str) -> Vec<u8> {
    let stream = client.copy_out(sql).await.unwrap();
    stream
        .try_fold(Vec::new(), |mut all, part| async move {
            all.extend_from_slice(&part);
            Ok(all)
        })
        .await
        .unwrap()
}

async fn text(client: &Client, sql: &str) -> String {
    String::from_utf8(copied(client, sql).await).unwrap()
}

#[tokio::test]
async fn text_and_csv() {
    let server = start("");
    let client = server.connect().await;
    assert_eq!(text(&client, "copy (select numbers(2)) to stdout").await, "0\trow 0\n1\trow 1\n");
    assert_eq!(
        text(&client, "copy (select numbers(1)) to stdout (format csv, header, force_quote (s))").await,
        "n,s\n0,\"row 0\"\n"
    );
    assert_eq!(text(&client, "copy (select numbers(1)) to stdout with csv delimiter ';'").await, "0;row 0\n");
    let types = text(&client, "copy (select types) to stdout").await;
    assert!(
        types.starts_with("t\t-2\t-4\t-9223372036854775808\t0.1\t-123.45\té\\t\"\\\\\ta  \t\\\\x00ff\t2024-02-29\t"),
        "{types}"
    );
    assert!(
        types.ends_with("\n\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n"),
        "{types}"
    );
    assert_eq!(text(&client, "copy (select local(0)) to stdout (header)").await, "n\ts\n");
    assert_eq!(text(&client, "copy (select numbers(20000)) to stdout").await.lines().count(), 20_000);
}

#[tokio::test]
async fn binary() {
    let server = start("");
    let client = server.connect().await;
    let bytes = copied(&client, "copy (select numbers(1)) to stdout (format binary)").await;
    let mut expected = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    expected.extend([0, 2, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5]);
    expected.extend(b"row 0\xff\xff");
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_copy_is_an_error() {
    let server = start("");
    let client = server.connect().await;
    let stream = client.copy_out("copy (select fail late) to stdout").await.unwrap();
    assert_eq!(code(&stream.try_for_each(|_| future::ready(Ok(()))).await.unwrap_err()), "22012");
    assert_eq!(text(&client, "copy (select local(1)) to stdout").await, "0\trow 0\n");
    assert_eq!(fails(&client, "copy (select numbers(1)) to stdout (format csv, force_quote (zzz))").await, "42703");
    let error = client.simple_query("copy (  select fail) to stdout").await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().position(), Some(&tokio_postgres::error::ErrorPosition::Original(16)));
}
