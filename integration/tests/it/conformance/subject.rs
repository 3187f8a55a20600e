//! The three engines as the tests see them: a connector over each, statements in its own language, its list of processes.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow::array::{Decimal128Array, Int32Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use connectors::connector::{ConnectorHandle, ConnectorOptions, EngineFactory};
use connectors::engine::{Engine, ScanRequest, SessionRequest, UnsupportedTypes};
use connectors::files::{CsvOptions, FilesConfig, FilesEngine};
use connectors::mysql::{MySql, MySqlConfig, Tls};
use connectors::postgres::{PostgresConfig, PostgresEngine, SslMode};
use connectors::site::{Executor, RuntimeSettings};
use cost_model::{Clock, Epoch, QueryId, SiteId, SourceId, SystemClock};
use integration::servers::{TestMariaDb, TestPostgres};
use parquet::arrow::ArrowWriter;
use planner::PgType;
use tokio::runtime::Handle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    MariaDb,
    Files,
}

/// What an engine's connector says that it has.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    pub keys: bool,
    pub comments: bool,
    /// Smallest and largest value, and the share of NULLs.
    pub statistics: bool,
    /// A list of processes to look at.
    pub processes: bool,
    /// Columns without a mapping have a text form.
    pub text_policy: bool,
}

/// Servers and a folder with table `item`, for tests that leave them as they are.
pub struct Engines {
    pub postgres: TestPostgres,
    pub mariadb: TestMariaDb,
    pub files: tempfile::TempDir,
    executor: Executor,
    _data: tempfile::TempDir,
}

const POSTGRES: &str = "
create table item (id int primary key, code varchar(20) not null, n numeric(10,2), at timestamp, odd tsvector, \"Note\" text);
comment on table item is 'things'; comment on column item.code is 'their code';
insert into item select i, 'c' || i, case when i % 4 = 0 then null else i % 10 end,
    timestamp '2024-01-01' + i * interval '1 second', 'a b', 'x' || i from generate_series(1, 1000) i;
create table only_odd (a tsvector, b tsquery);
insert into only_odd values ('a', 'b');
create view broken as select 1 / id as x from item;
analyze item;";

const MARIADB: &str = "
create table item (id int primary key, code varchar(20) not null comment 'their code', n decimal(10,2), at datetime(6),
    odd point, `Note` text) comment 'things' collate utf8mb4_bin;
insert into item select seq, concat('c', seq), if(seq % 4 = 0, null, seq % 10), timestamp '2024-01-01 00:00:00' + interval seq second,
    st_geomfromtext('POINT(1 2)'), concat('x', seq) from seq_1_to_1000;
create table only_odd (a point, b bit(8));
insert into only_odd values (st_geomfromtext('POINT(1 2)'), b'101');
create table gone (x int); create view broken as select x from gone; drop table gone;
analyze table item persistent for all;";

pub fn engines() -> &'static Engines {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let (postgres, mariadb) = (TestPostgres::start(&[]).unwrap(), TestMariaDb::start(&[]).unwrap());
        postgres.sql(POSTGRES).unwrap();
        mariadb.sql(MARIADB).unwrap();
        let (files, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_files(files.path());
        let settings = RuntimeSettings { target_partitions: 2, ..RuntimeSettings::new(data.path(), Epoch(1)) };
        let executor = Executor::start(settings, SystemClock::shared()).unwrap();
        Engines { postgres, mariadb, files, executor, _data: data }
    })
}

/// `item` and `only_odd` as Parquet, and a file that is none.
fn write_files(dir: &std::path::Path) {
    let ids = 1..=1000;
    let odd = || {
        let inner = Arc::new(Field::new("a", DataType::Int32, true));
        StructArray::from(vec![(inner, Arc::new(Int32Array::from(vec![1; 1000])) as arrow::array::ArrayRef)])
    };
    let start = 1_704_067_200_000_000i64;
    let numbers: Decimal128Array = ids.clone().map(|i| (i % 4 != 0).then_some(i128::from(i % 10) * 100)).collect();
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("id", Arc::new(Int32Array::from_iter_values(ids.clone()))),
        ("code", Arc::new(StringArray::from_iter_values(ids.clone().map(|i| format!("c{i}"))))),
        ("n", Arc::new(numbers.with_precision_and_scale(10, 2).unwrap())),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                ids.clone().map(|i| start + i64::from(i) * 1_000_000),
            )),
        ),
        ("odd", Arc::new(odd())),
        ("Note", Arc::new(StringArray::from_iter_values(ids.map(|i| format!("x{i}"))))),
    ];
    write(&dir.join("item.parquet"), columns);
    write(&dir.join("only_odd.parquet"), vec![("a", Arc::new(odd())), ("b", Arc::new(odd()))]);
    std::fs::write(dir.join("broken.parquet"), "no Parquet at all").unwrap();
}

pub fn write(file: &std::path::Path, columns: Vec<(&str, arrow::array::ArrayRef)>) {
    let fields = columns.iter().map(|(name, array)| {
        let required = ["id", "code"].contains(name);
        Field::new(*name, array.data_type().clone(), !required)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// How to reach an engine.
#[derive(Clone)]
pub struct Options {
    pub policy: UnsupportedTypes,
    /// Another port than the server's own.
    pub port: Option<u16>,
    /// Another folder than the shared one.
    pub folder: Option<std::path::PathBuf>,
    pub max_connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { policy: UnsupportedTypes::Error, port: None, folder: None, max_connections: 4 }
    }
}

impl Kind {
    pub fn declared(self) -> Declared {
        match self {
            Self::Postgres | Self::MariaDb => {
                Declared { keys: true, comments: true, statistics: true, processes: true, text_policy: true }
            }
            Self::Files => {
                Declared { keys: false, comments: false, statistics: true, processes: false, text_policy: true }
            }
        }
    }

    pub fn port(self) -> Option<u16> {
        match self {
            Self::Postgres => Some(engines().postgres.port),
            Self::MariaDb => Some(engines().mariadb.port),
            Self::Files => None,
        }
    }

    pub fn engine(self, options: &Options) -> Arc<dyn Engine> {
        let (engines, clock) = (engines(), SystemClock::shared());
        match self {
            Self::Postgres => {
                let mut config = PostgresConfig::new(SourceId::new("src"), "127.0.0.1", "postgres", "postgres");
                config.port = options.port.unwrap_or(engines.postgres.port);
                config.ssl_mode = SslMode::Disable;
                config.unsupported_types = options.policy;
                config.max_connections = options.max_connections;
                config.connect_timeout = Duration::from_secs(2);
                Arc::new(PostgresEngine::new(config, clock, Handle::current()).unwrap())
            }
            Self::MariaDb => {
                let mut config = MySqlConfig::new(SourceId::new("src"), "127.0.0.1", "test", "narrows");
                config.port = options.port.unwrap_or(engines.mariadb.port);
                config.password = Some("narrows".to_string().into());
                config.tls = Tls::Disable;
                config.unsupported = options.policy;
                config.max_connections = options.max_connections;
                config.connect_timeout = Duration::from_secs(2);
                Arc::new(MySql::new(config, clock, Handle::current()))
            }
            Self::Files => {
                let config = FilesConfig {
                    source: SourceId::new("src"),
                    site: SiteId::new("here"),
                    folder: options.folder.clone().unwrap_or_else(|| engines.files.path().into()),
                    csv: CsvOptions::default(),
                    unsupported_types: options.policy,
                };
                Arc::new(FilesEngine::new(config, &engines.executor, clock))
            }
        }
    }

    pub fn connector(self, options: Options) -> ConnectorHandle {
        let mut settings = ConnectorOptions::new(SourceId::new("src"));
        settings.max_connections = options.max_connections;
        settings.retry_after = (Duration::from_millis(100), Duration::from_millis(300));
        let engine = self.engine(&options);
        let factory: EngineFactory = Arc::new(move || Ok(engine.clone()));
        ConnectorHandle::start(settings, factory, SystemClock::shared(), arbiter(), Handle::current()).unwrap()
    }

    /// Statements of that query at work in the engine, by its own list of processes.
    pub fn running(self, query: QueryId) -> usize {
        let like = format!("like '/* narrows query={query} */%'");
        let answer = match self {
            Self::Postgres => engines()
                .postgres
                .sql(&format!("select count(*) from pg_stat_activity where state = 'active' and query {like}")),
            Self::MariaDb => {
                engines().mariadb.sql(&format!("select count(*) from information_schema.processlist where info {like}"))
            }
            Self::Files => return 0,
        };
        answer.unwrap().trim().parse().unwrap()
    }

    /// The table of all tests, by the name that a statement needs.
    pub fn item(self) -> &'static str {
        if self == Self::Postgres { "public.item" } else { "item" }
    }

    /// One row of one integer, at once.
    pub fn one(self) -> ScanRequest {
        scan("select 1", PgType::INT4)
    }

    /// Rows without an end.
    pub fn endless(self) -> ScanRequest {
        let sql = match self {
            Self::Postgres => "select generate_series(1, 1000000000)::int8",
            Self::MariaDb => "select cast(seq as signed) from seq_1_to_1000000000",
            Self::Files => "select a.id::int8 from item a cross join item b cross join item c",
        };
        scan(sql, PgType::INT8)
    }

    /// No row before the end, which is far away.
    pub fn sleepy(self) -> ScanRequest {
        let sql = match self {
            Self::Postgres => "select 1::int8 from pg_sleep(60)",
            Self::MariaDb => "select cast(sleep(60) as signed)",
            Self::Files => "select count(*) from item a join item b on a.id <> b.id join item c on b.id <> c.id",
        };
        scan(sql, PgType::INT8)
    }

    /// The engine answers with an error.
    pub fn wrong(self) -> ScanRequest {
        scan("select nothing from item", PgType::INT4)
    }
}

/// One for connector actors to live on.
pub fn arbiter() -> actix_rt::ArbiterHandle {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let system = actix_rt::System::new();
        system.block_on(async { tell.send(actix_rt::Arbiter::current()).unwrap() });
        system.run().unwrap();
    });
    told.recv().unwrap()
}

pub fn scan(sql: &str, ty: PgType) -> ScanRequest {
    ScanRequest {
        sql: sql.into(),
        columns: vec![ty],
        schema: Arc::new(Schema::new(vec![Field::new("c0", ty.repr(), true)])),
        estimated_rows: None,
        single_table: None,
        conditions_at: None,
        passthrough: false,
    }
}

pub fn request(query: QueryId) -> SessionRequest {
    SessionRequest { query, principal: "ada".into(), connections: 1, snapshot: false, deadline: None }
}

pub fn query() -> QueryId {
    QueryId(uuid::Uuid::now_v7())
}

pub fn clock() -> Arc<dyn Clock> {
    SystemClock::shared()
}

/// How long it took until the condition was true.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) -> Duration {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        if condition() {
            return started.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}
