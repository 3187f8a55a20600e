//! Rules about what may not leave its site, over engines that log what they are asked: what is allowed answers right, and for what
//! is not no statement reaches an engine.

use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect};
use integration::oracle::difference;
use integration::servers::{TestMariaDb, TestPostgres};
use tokio_postgres::Client;

use crate::client::{error, rows};

const TABLES: &str = "create table customers (id int primary key, email varchar(40), city varchar(20), pay int);
    insert into customers values (1, 'ana@secret', 'Rome', 10), (2, 'bob@secret', 'Rome', 20), (3, 'cy@secret', 'Oslo', 30),
        (4, null, 'Oslo', null), (5, '17', 'Oslo', 7);
    create table orders (id int primary key, customer_id int, email varchar(40), total int);
    insert into orders values (1, 1, 'ana@secret', 100), (2, 2, 'other@secret', 50), (3, 3, 'cy@secret', 70), (4, 9, null, 1);";

/// `crm` is PostgreSQL, `erp` MariaDB; both have both tables with the same rows.
const RULES: &str = r#"
[[residency]]
source = "crm"
table = "customers"
columns = ["email"]
leave = "never"

[[residency]]
source = "crm"
table = "public.customers"
columns = ["PAY"]
leave = "aggregates"

[[residency]]
source = "erp"
table = "orders"
columns = ["total"]
leave = "aggregates"

[[residency]]
source = "erp"
table = "customers"
leave = ["local"]
"#;

/// A statement, and whether it is allowed with push-down full, filter and off.
const STATEMENTS: &[(&str, [bool; 3])] = &[
    ("select id, city from crm.customers", [true, true, true]),
    ("select count(*) from crm.customers", [true, true, true]),
    ("select email, pay from erp.customers", [true, true, true]),
    ("select id, city from crm.customers where email = 'bob@secret'", [true, true, false]),
    ("select id from crm.customers where pay > 15", [true, true, false]),
    ("select city, count(*) from crm.customers where email > 'b' group by city", [true, true, false]),
    ("select sum(pay), avg(pay), max(pay) from crm.customers", [true, false, false]),
    ("select city, sum(pay) from crm.customers group by city", [true, false, false]),
    ("select o.id from crm.customers c join crm.orders o on c.email = o.email", [true, false, false]),
    ("select id from crm.orders where email in (select email from crm.customers)", [true, false, false]),
    ("select sum(total), count(*) from erp.orders", [true, false, false]),
    ("select customer_id, min(total) from erp.orders group by customer_id", [true, false, false]),
    ("select c.city, o.id from crm.customers c join erp.orders o on c.id = o.customer_id", [true, true, true]),
    (
        "select c.city, o.s from crm.customers c join (select customer_id, sum(total) s from erp.orders group by customer_id) o \
      on c.id = o.customer_id where c.email < 'c'",
        [true, false, false],
    ),
    ("select o.id from crm.orders o join erp.customers c on o.email = c.email", [true, true, true]),
    // What no setting allows.
    ("select email from crm.customers", [false; 3]),
    ("select * from crm.customers where id = 1", [false; 3]),
    ("select max(email) from crm.customers", [false; 3]),
    ("select upper(email) from crm.customers", [false; 3]),
    ("select email is null from crm.customers", [false; 3]),
    ("select distinct pay from crm.customers", [false; 3]),
    ("select pay, count(*) from crm.customers group by pay", [false; 3]),
    ("select pay + 1 from crm.customers", [false; 3]),
    ("select array_agg(pay) from crm.customers", [false; 3]),
    ("select max(pay) over (partition by city) from crm.customers", [false; 3]),
    ("select total from erp.orders order by total limit 1", [false; 3]),
    ("select c.id from crm.customers c join erp.orders o on c.email = o.email", [false; 3]),
    ("select id from erp.orders where email in (select email from crm.customers)", [false; 3]),
    ("select c.id from crm.customers c join erp.orders o on c.id = o.customer_id and c.pay < o.total", [false; 3]),
    ("select city from erp.customers union all select email from crm.customers", [false; 3]),
    ("select (select email from crm.customers where id = 1)", [false; 3]),
    ("select count(*) from crm.customers where cast(email as int) > 3", [false; 3]),
    ("copy (select email from crm.customers) to stdout", [false; 3]),
    ("explain analyze select email from crm.customers", [false; 3]),
    ("select * from narrows.query('crm', 'select 1 as one') t", [false; 3]),
    ("select count(*) from narrows.query('erp', 'select total from orders') t", [false; 3]),
];

struct Engines {
    postgres: TestPostgres,
    mariadb: TestMariaDb,
}

impl Engines {
    fn start() -> Self {
        let postgres = TestPostgres::start(&["log_statement=all"]).unwrap();
        let mariadb = TestMariaDb::start(&["general-log=1", "general-log-file=general.log"]).unwrap();
        postgres.sql(TABLES).unwrap();
        mariadb.sql(TABLES).unwrap();
        Self { postgres, mariadb }
    }

    /// Statements of queries that have arrived so far.
    fn asked(&self) -> usize {
        let logs = [self.postgres.dir().join("server.log"), self.mariadb.dir().join("data/general.log")];
        logs.iter().map(|log| std::fs::read_to_string(log).unwrap().matches("/* narrows query=").count()).sum()
    }

    fn config(&self) -> GatewayConfig {
        GatewayConfig::default().site("local").postgres("crm", "local", &self.postgres).mariadb(
            "erp",
            "local",
            &self.mariadb,
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_stay_stays_and_all_else_answers_right() {
    let engines = Engines::start();
    let gateway = TestGateway::start(&engines.config().section(RULES)).unwrap();
    let oracle = connect(&engines.postgres.url()).await.unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    let mut wrong = Vec::new();
    for (n, pushdown) in ["full", "filter", "off"].into_iter().enumerate() {
        ask(&client, &format!("set narrows.pushdown = {pushdown}; set narrows.reduction = force")).await;
        for (sql, allowed) in STATEMENTS {
            let before = engines.asked();
            let verdict = if allowed[n] {
                let Answer::Rows(expected) = ask(&oracle, &sql.replace("crm.", "").replace("erp.", "")).await else {
                    panic!("the oracle refuses {sql}")
                };
                match ask(&client, sql).await {
                    Answer::Rows(answer) if engines.asked() > before => difference(&expected, &answer, false, &[]),
                    Answer::Rows(_) => Some("no engine was asked: the log does not work".to_string()),
                    other => Some(format!("{other:?}")),
                }
            } else {
                refusal(&client, sql, &engines, before).await
            };
            wrong.extend(verdict.map(|what| format!("[{pushdown}] {sql}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with how it was refused.
async fn refusal(client: &Client, sql: &str, engines: &Engines, before: usize) -> Option<String> {
    match client.simple_query(sql).await {
        Ok(_) => Some("it was allowed".to_string()),
        Err(e) => {
            let said = format!("{:?}", e.as_db_error());
            let told = said.contains("@secret") && !sql.contains("@secret");
            let state = e.code().map_or("", |code| code.code());
            (state != "42501" || told || engines.asked() > before)
                .then_some(format!("{said}, {} asked", engines.asked() - before))
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_rule_holds_for_what_is_prepared_and_a_bad_one_protects_all() {
    let engines = Engines::start();
    let gateway = TestGateway::start(&engines.config()).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    let prepared = client.prepare("select email from crm.customers where id = 1").await.unwrap();
    assert_eq!(client.query(&prepared, &[]).await.unwrap().len(), 1);
    // The column is called otherwise.
    let rule = "[[residency]]\nsource = \"crm\"\ntable = \"customers\"\ncolumns = [\"e_mail\"]\nleave = \"never\"";
    gateway.reconfigure(&engines.config().section(rule)).unwrap();
    crate::failures::reload(&gateway);
    let refused = async || client.query("select city from crm.customers", &[]).await.is_err();
    for _ in 0..100 {
        if refused().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let (state, said) = error(&client, "select city from crm.customers").await;
    assert_eq!(state, "42501", "{said}");
    let stale = client.query(&prepared, &[]).await.unwrap_err();
    assert!(matches!(stale.code().map(|c| c.code()), Some("0A000" | "42501")), "{stale:?}");
    assert!(
        gateway.log().contains("has no column \\\"e_mail\\\"") || gateway.log().contains("has no column \"e_mail\"")
    );
    assert_eq!(rows(&client, "select count(*) from crm.customers").await[0][0].as_deref(), Some("5"));
}
