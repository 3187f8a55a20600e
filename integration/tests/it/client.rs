//! Short questions to a gateway.

use integration::gateway::{Answer, ask};
use tokio_postgres::Client;

/// The rows of a statement that must not fail.
pub async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    match ask(client, sql).await {
        Answer::Rows(rows) => rows,
        Answer::Error { sqlstate, message } => panic!("{sqlstate} {message}: {sql}"),
    }
}

/// The first column.
pub async fn column(client: &Client, sql: &str) -> Vec<Option<String>> {
    rows(client, sql).await.into_iter().map(|row| row.into_iter().next().flatten()).collect()
}

/// SQLSTATE and everything the error says.
pub async fn error(client: &Client, sql: &str) -> (String, String) {
    let answer = client.simple_query(sql).await;
    let error = answer.err().unwrap_or_else(|| panic!("no error: {sql}"));
    let error = error.as_db_error().unwrap_or_else(|| panic!("{error}: {sql}"));
    let parts = [Some(error.message()), error.detail(), error.hint()];
    (error.code().code().to_string(), parts.into_iter().flatten().collect::<Vec<_>>().join(" | "))
}
