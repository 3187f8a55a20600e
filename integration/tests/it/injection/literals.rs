//! As literals, parameters and patterns.

use bytes::BytesMut;
use integration::gateway::connect;
use tokio_postgres::Client;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::*;

/// A parameter in PostgreSQL's text format.
#[derive(Debug)]
struct AsText<'a>(&'a str);

impl ToSql for AsText<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

async fn found(client: &Client, sql: &str, parameter: &(dyn ToSql + Sync)) -> Vec<(i32, String)> {
    let rows = client.query(sql, &[parameter]).await.unwrap_or_else(|e| panic!("{e:?}: {sql} {parameter:?}"));
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn every_value_finds_itself(client: &Client, source: &str) {
    let all = values();
    for (id, value) in all.iter().enumerate() {
        let expected = vec![(id as i32, value.clone())];
        let text = vec![vec![Some(id.to_string()), Some(value.clone())]];
        let sql = format!("select id, v from {source}.corpus where v = {}", literal(value));
        assert_eq!(rows(client, &sql).await, text, "{source}, as literal: {value:?}");
        let parameter = format!("select id, v from {source}.corpus where v = $1");
        assert_eq!(found(client, &parameter, value).await, expected, "{source}, as binary parameter: {value:?}");
        assert_eq!(found(client, &parameter, &AsText(value)).await, expected, "{source}, as text parameter: {value:?}");
        let both = format!("select id, $1::text from {source}.corpus where v in ($1, 'no such value')");
        assert_eq!(found(client, &both, value).await, expected, "{source}, in a list and as result: {value:?}");
        if value.len() < 1000 {
            let pattern = value.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let sql = format!("select id, v from {source}.corpus where v like {}", literal(&pattern));
            assert_eq!(rows(client, &sql).await, text, "{source}, as pattern: {value:?}");
        }
    }
    // One statement with all of them.
    let list = all.iter().map(|v| literal(v)).collect::<Vec<_>>().join(", ");
    let sql = format!("select count(*), count(distinct v) from {source}.corpus where v in ({list})");
    assert_eq!(rows(client, &sql).await, [[Some(all.len().to_string()), Some(all.len().to_string())]], "{source}");
    let sql = format!("select count(*) from {source}.corpus where v not in ({list})");
    assert_eq!(rows(client, &sql).await, [[Some("0".to_string())]], "{source}");
}

#[test]
fn no_value_gets_through() {
    let prey = prey();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let run = |sources: &[&str]| {
        runtime.block_on(async {
            let client = connect(&prey.gateway.url()).await.unwrap();
            for source in sources {
                every_value_finds_itself(&client, source).await;
                let explain = format!("explain verbose select id from {source}.corpus where v = 'mark'");
                let plan = format!("{:?}", rows(&client, &explain).await);
                assert!(plan.contains("'mark'") && plan.contains("WHERE"), "{source} is not sent the values: {plan}");
            }
        });
    };
    run(&["tame", "wild", "files"]);
    prey.with_each_mode(|_| run(&["my"]));
    prey.canaries_live();
}
