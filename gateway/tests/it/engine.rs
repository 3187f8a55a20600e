//! An engine of canned answers. What a query does is in its first words:
//!
//! * `select numbers(n)`: n rows (int4, text) in batches of 1000, from a source;
//! * `select local(n)`: the same from the gateway's own tables;
//! * `select stall(n)`: n rows, then silence for ever;
//! * `select types`: one row with a column of each of many types, one of NULLs;
//! * `select echo $1…`: its parameters as one row; types as the client says, text where it does not;
//! * `select fail late`: 3000 rows, then an error; `select fail`: an error with a position;
//! * `select cast((…) as …), …`: integer and string literals;
//! * `select context`: user, database, search path, time zone, pushdown, now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::*;
use arrow::datatypes::{Field, IntervalMonthDayNano, Schema};
use async_trait::async_trait;
use cost_model::SourceId;
use datafusion::logical_expr::LogicalPlanBuilder;
use futures::{StreamExt, stream};
use gateway::config::Config;
use gateway::coordinator::{BatchStream, ExplainOptions, PlanRequest, QueryEngine, RunRequest};
use parking_lot::Mutex;
use planner::catalog::EngineKind;
use planner::error::state;
use planner::plan::{Fragment, OutputColumn, QueryPlan, SqlTemplate};
use planner::{Error, PgType, Result};

/// What the tests look at.
#[derive(Default)]
pub struct Canned {
    /// Streams that are alive.
    pub open: Arc<AtomicUsize>,
    pub planned: AtomicUsize,
    /// Every plan made, with its text.
    plans: Mutex<Vec<(Arc<QueryPlan>, String)>>,
    /// Makes plans return other columns from now on.
    pub changed: std::sync::atomic::AtomicBool,
    /// Batches asked for so far.
    pub batches: Arc<AtomicUsize>,
}

/// Counts a stream as open while it lives.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn column(name: &str, ty: PgType) -> OutputColumn {
    OutputColumn { name: name.to_string(), ty, table_oid: 0, column_number: 0 }
}

fn argument(sql: &str) -> usize {
    let digits: String = sql.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn numbers(from: usize, count: usize) -> RecordBatch {
    let n: ArrayRef = Arc::new(Int32Array::from_iter_values((from..from + count).map(|i| i as i32)));
    let s: ArrayRef = Arc::new(StringViewArray::from_iter_values((from..from + count).map(|i| format!("row {i}"))));
    batch(vec![n, s])
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Name, type and value of every column of `select types`.
pub fn types() -> Vec<(&'static str, PgType, ArrayRef)> {
    let micros = 1_709_251_199_500_000; // 2024-02-29 23:59:59.5
    let numeric = Decimal128Array::from(vec![Some(-12_345), None]).with_precision_and_scale(12, 2).unwrap();
    let list = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let interval = IntervalMonthDayNano { months: 14, days: -3, nanoseconds: 3_000_000_000 };
    vec![
        ("bool", PgType::BOOL, Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("int2", PgType::INT2, Arc::new(Int16Array::from(vec![Some(-2), None]))),
        ("int4", PgType::INT4, Arc::new(Int32Array::from(vec![Some(-4), None]))),
        ("int8", PgType::INT8, Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
        ("float8", PgType::FLOAT8, Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        ("numeric", PgType::numeric(12, 2), Arc::new(numeric)),
        ("text", PgType::TEXT, Arc::new(StringViewArray::from(vec![Some("é\t\"\\"), None]))),
        ("bpchar", PgType::char(3), Arc::new(StringViewArray::from(vec![Some("a"), None]))),
        ("bytea", PgType::BYTEA, Arc::new(BinaryViewArray::from(vec![Some(&b"\0\xff"[..]), None]))),
        ("date", PgType::DATE, Arc::new(Date32Array::from(vec![Some(19_782), None]))),
        ("timestamp", PgType::TIMESTAMP, Arc::new(TimestampMicrosecondArray::from(vec![Some(micros), None]))),
        (
            "timestamptz",
            PgType::TIMESTAMPTZ,
            Arc::new(TimestampMicrosecondArray::from(vec![Some(micros), None]).with_timezone("UTC")),
        ),
        ("interval", PgType::INTERVAL, Arc::new(IntervalMonthDayNanoArray::from(vec![Some(interval), None]))),
        (
            "uuid",
            PgType::UUID,
            Arc::new(StringViewArray::from(vec![Some("00112233-4455-6677-8899-aabbccddeeff"), None])),
        ),
        ("array", PgType::INT4.array_of().unwrap(), Arc::new(list)),
    ]
}

fn context_columns() -> Vec<OutputColumn> {
    ["user", "database", "search_path", "time_zone", "pushdown", "now"].map(|n| column(n, PgType::TEXT)).to_vec()
}

/// Type and value of each `cast((value) as type)`.
fn casts(sql: &str) -> Vec<(PgType, String)> {
    sql.split("CAST((")
        .skip(1)
        .filter_map(|part| {
            let (value, rest) = part.split_once(") AS ")?;
            let ty = rest.trim_end_matches([')', ',', ' ']);
            let info = planner::pgtype::type_by_name(ty)?;
            Some((PgType::of(info.oid), value.trim_matches('\'').to_string()))
        })
        .collect()
}

impl Canned {
    fn columns(&self, sql: &str, parameters: &[PgType]) -> Result<Vec<OutputColumn>> {
        if sql.contains("fail") && !sql.contains("fail late") {
            let at = sql.find("fail").unwrap_or(0) as u32 + 1;
            let error = Error::new(state::UNDEFINED_COLUMN, "column \"fail\" does not exist");
            return Err(error.with_hint("Try another one.").with_detail("It never did.").or_position(Some(at)));
        }
        if !sql.starts_with("select") && !sql.starts_with("SELECT CAST") {
            return Err(Error::new(state::SYNTAX_ERROR, "syntax error").or_position(Some(1)));
        }
        let changed = self.changed.load(Ordering::SeqCst);
        Ok(match sql {
            _ if sql.starts_with("SELECT CAST") => casts(sql).into_iter().map(|(ty, _)| column("c", ty)).collect(),
            _ if sql.starts_with("select echo") => parameters.iter().map(|ty| column("echo", *ty)).collect(),
            "select types" => types().into_iter().map(|(name, ty, _)| column(name, ty)).collect(),
            "select context" => context_columns(),
            _ if changed => vec![column("n", PgType::INT8), column("s", PgType::TEXT)],
            _ => vec![column("n", PgType::INT4), column("s", PgType::TEXT)],
        })
    }
}

#[async_trait]
impl QueryEngine for Canned {
    fn check_syntax(&self, sql: &str) -> Result<()> {
        if sql.contains("syntax") {
            Err(Error::new(state::SYNTAX_ERROR, "syntax error").or_position(Some(8)))
        } else {
            Ok(())
        }
    }

    async fn plan(&self, request: PlanRequest) -> Result<Arc<QueryPlan>> {
        self.planned.fetch_add(1, Ordering::SeqCst);
        let used = (1..10).rev().find(|n| request.sql.contains(&format!("${n}"))).unwrap_or(0);
        let given = |i| request.parameter_types.get(i).copied().flatten().unwrap_or(PgType::TEXT);
        let parameters: Vec<PgType> = (0..used.max(request.parameter_types.len())).map(given).collect();
        let columns = self.columns(&request.sql, &parameters)?;
        let remote = Fragment {
            source: "canned".into(),
            site: "local".into(),
            engine: EngineKind::Postgres,
            sql: SqlTemplate(Vec::new()),
            columns: Vec::new(),
            schema: Arc::new(Schema::empty()),
            estimated_rows: None,
            estimated_bytes: None,
            estimated_seconds: None,
            single_table: None,
            passthrough: false,
            inputs: Vec::new(),
            key_filters: Vec::new(),
            position: 0,
        };
        let from_source = ["numbers", "stall"].iter().any(|w| request.sql.contains(w));
        let fragments = if from_source { vec![remote] } else { Vec::new() };
        let shell = LogicalPlanBuilder::empty(false).build()?;
        let (local, residency, placements) = (Vec::new(), Arc::default(), Vec::new());
        let plan = Arc::new(QueryPlan {
            columns,
            parameters,
            fragments,
            shell,
            local,
            residency,
            placements,
            questions: Vec::new(),
        });
        self.plans.lock().push((plan.clone(), request.sql.to_string()));
        Ok(plan)
    }

    async fn run(&self, request: RunRequest) -> Result<BatchStream> {
        let known =
            self.plans.lock().iter().find(|(plan, _)| Arc::ptr_eq(plan, &request.plan)).map(|(_, sql)| sql.clone());
        let sql = known.ok_or_else(|| Error::internal("a plan from elsewhere"))?;
        let alive = Alive::new(&self.open);
        let batches = self.batches.clone();
        let rows = |n: usize| {
            stream::iter((0..n).step_by(1000)).map(move |from| {
                batches.fetch_add(1, Ordering::SeqCst);
                Ok(numbers(from, 1000.min(n - from)))
            })
        };
        let out: BatchStream = match sql.as_str() {
            "select types" => Box::pin(stream::iter([Ok(batch(types().into_iter().map(|(_, _, a)| a).collect()))])),
            "select context" => {
                let c = &request.context;
                let values = [
                    c.principal.to_string(),
                    c.database.to_string(),
                    c.search_path.join(","),
                    format!("{:?}", c.time_zone),
                    format!("{:?}", c.pushdown),
                    c.now.micros().to_string(),
                ];
                let arrays = values.map(|v| Arc::new(StringViewArray::from(vec![v.as_str()])) as ArrayRef);
                Box::pin(stream::iter([Ok(batch(arrays.to_vec()))]))
            }
            s if s.starts_with("SELECT CAST") => {
                let arrays = casts(s).into_iter().map(|(ty, text)| match ty {
                    PgType::INT4 => {
                        Ok(Arc::new(Int32Array::from(vec![text.parse::<i32>().map_err(|_| Error::internal(text))?]))
                            as ArrayRef)
                    }
                    _ => Ok(Arc::new(StringViewArray::from(vec![text.as_str()])) as ArrayRef),
                });
                Box::pin(stream::iter([Ok(batch(arrays.collect::<Result<_>>()?))]))
            }
            s if s.starts_with("select echo") => {
                let arrays = request.parameters.iter().map(|p| p.value.to_array().map_err(Error::from));
                Box::pin(stream::iter([Ok(batch(arrays.collect::<Result<_>>()?))]))
            }
            "select fail late" => {
                let error = Error::new(state::DIVISION_BY_ZERO, "division by zero");
                Box::pin(rows(3000).chain(stream::iter([Err(error)])))
            }
            s if s.contains("stall") => Box::pin(rows(argument(s)).chain(stream::pending())),
            s => Box::pin(rows(argument(s))),
        };
        Ok(Box::pin(out.inspect(move |_| {
            let _ = &alive;
        })))
    }

    async fn explain(&self, _: RunRequest, options: ExplainOptions) -> Result<Vec<String>> {
        let verbose = if options.verbose { " verbose" } else { "" };
        Ok(vec![format!("Canned{verbose}"), if options.analyze { "ran" } else { "planned" }.to_string()])
    }

    async fn refresh_catalog(&self, _: Option<SourceId>) -> Result<Vec<(SourceId, Error)>> {
        Ok(Vec::new())
    }

    async fn reload(&self, _: Arc<Config>) {}
}
