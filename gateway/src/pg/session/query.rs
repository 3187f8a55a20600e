//! Planning and starting queries for a session.

use std::sync::Arc;

use planner::error::state;
use planner::plan::{OutputColumn, ParameterValue, QueryPlan};
use planner::{Error, PgType, QueryContext};
use tokio::time::Instant;

use super::Session;
use super::fault::Fault;
use super::local::{text_batch, text_columns};
use super::portal::Prepared;
use super::rows::RowSource;
use crate::admission::Permit;
use crate::coordinator::{BatchStream, ExplainOptions, PlanRequest, RunRequest};
use crate::pg::decode;
use crate::pg::encode::{ColumnFormat, RowEncoder};
use crate::pg::sql::{Command, Explain, Sql, Statement, shift};
use crate::queries::{Phase, QueryGuard};

/// Rows ready to be sent, and the word their command tag starts with.
pub struct Opened {
    pub columns: Arc<[OutputColumn]>,
    pub source: RowSource,
    pub verb: &'static str,
}

/// A query with its values, ready to run.
struct Bound {
    sql: Arc<str>,
    plan: Arc<QueryPlan>,
    parameters: Vec<ParameterValue>,
    context: QueryContext,
}

impl Session {
    /// `offset`: characters before `sql` in what the client sent.
    pub(super) async fn plan(
        &mut self,
        sql: &str,
        offset: u32,
        types: &[Option<PgType>],
        context: &QueryContext,
    ) -> Result<Arc<QueryPlan>, Fault> {
        let request = PlanRequest { sql: sql.into(), parameter_types: types.to_vec(), context: context.clone() };
        let engine = self.shared.engine.clone();
        let planned = self.stop.wait(&mut self.conn, engine.plan(request)).await?;
        planned.map_err(|e| shift(e, offset).into())
    }

    /// Parses and plans a statement for later.
    pub(super) async fn prepare(
        &mut self,
        statement: Statement,
        given_types: Vec<Option<PgType>>,
    ) -> Result<Prepared, Fault> {
        let planned = match query_of(&statement) {
            Some((text, offset)) => {
                let now = self.now();
                let context = self.settings.context(now);
                Some((self.plan(&text, offset, &given_types, &context).await?, context))
            }
            None => None,
        };
        Ok(Prepared { statement, given_types, planned })
    }

    /// What a statement returns, if it returns rows.
    pub(super) fn columns_of(&self, prepared: &Prepared) -> Option<Arc<[OutputColumn]>> {
        match &prepared.statement.command {
            Command::Query(_) => prepared.planned.as_ref().map(|(plan, _)| plan.columns.clone().into()),
            Command::Execute { name, .. } => self.columns_of(self.statements.get(name)?),
            Command::Explain(_) => Some(text_columns(&["QUERY PLAN"])),
            Command::Show(None) => Some(text_columns(&["name", "setting", "description"])),
            Command::Show(Some(name)) => self.settings.show(name).ok().map(|(name, _)| text_columns(&[&name])),
            Command::SetConfig { .. } => Some(text_columns(&["set_config"])),
            Command::CurrentSetting { .. } => Some(text_columns(&["current_setting"])),
            Command::Fetch { cursor, discard: false, .. } => self.columns_of(&self.portals.get(cursor)?.prepared),
            _ => None,
        }
    }

    /// Opens a statement that returns rows; `None` if it is of another kind.
    pub(super) async fn open(
        &mut self,
        prepared: &Prepared,
        parameters: Vec<ParameterValue>,
    ) -> Result<Option<Opened>, Fault> {
        let statement = &prepared.statement;
        let rows = |columns: Arc<[OutputColumn]>, rows: Vec<Vec<Option<String>>>, verb| -> Result<_, Fault> {
            let source = RowSource::local(text_batch(&columns, &rows)?, None);
            Ok(Some(Opened { columns, source, verb }))
        };
        match &statement.command {
            Command::Query(_) => {
                let guard = self.register(&statement.text);
                self.open_query(prepared, parameters, guard).await.map(Some)
            }
            Command::Execute { name, arguments } => {
                let (inner, parameters) = self.executed(name, arguments, statement).await?;
                let guard = self.register(&inner.statement.text);
                self.open_query(&inner, parameters, guard).await.map(Some)
            }
            Command::Explain(explain) => self.open_explain(explain, statement.offset, parameters).await.map(Some),
            Command::Show(None) => {
                let all = self.settings.show_all();
                let all = all.into_iter().map(|(n, v, d)| vec![Some(n), Some(v), Some(d)]).collect();
                rows(text_columns(&["name", "setting", "description"]), all, "SHOW")
            }
            Command::Show(Some(name)) => {
                let (name, value) = self.settings.show(name)?;
                rows(text_columns(&[&name]), vec![vec![Some(value)]], "SHOW")
            }
            Command::SetConfig { name, value, local } => {
                self.now();
                self.settings.set_config(name, value, *local)?;
                let (_, value) = self.settings.show(name)?;
                rows(text_columns(&["set_config"]), vec![vec![Some(value)]], "SELECT")
            }
            Command::CurrentSetting { name, missing_ok } => {
                let value = match self.settings.show(name) {
                    Ok((_, value)) => Some(value),
                    Err(error) if *missing_ok && error.sqlstate() == state::UNDEFINED_OBJECT => None,
                    Err(error) => return Err(error.into()),
                };
                rows(text_columns(&["current_setting"]), vec![vec![value]], "SELECT")
            }
            _ => Ok(None),
        }
    }

    pub(super) fn register(&self, text: &str) -> QueryGuard {
        let mut origin = self.origin.clone();
        origin.application = self.settings.application_name().into();
        self.shared.queries.register(origin, text, self.stop.interrupt.clone())
    }

    /// The plan for this execution: the one it was described by, if nothing has changed since.
    async fn bind(&mut self, prepared: &Prepared, parameters: Vec<ParameterValue>) -> Result<Bound, Fault> {
        let now = self.now();
        let context = self.settings.context(now);
        let (text, offset) =
            query_of(&prepared.statement).ok_or_else(|| Error::internal("a statement that is no query was bound"))?;
        if let Some((plan, planned_in)) = &prepared.planned
            && *planned_in == context
        {
            return Ok(Bound { sql: text.into(), plan: plan.clone(), parameters, context });
        }
        let types: Vec<Option<PgType>> = match &prepared.planned {
            Some((plan, _)) => plan.parameters.iter().copied().map(Some).collect(),
            None => prepared.given_types.clone(),
        };
        let plan = self.plan(&text, offset, &types, &context).await?;
        if let Some((described, _)) = &prepared.planned
            && !same_columns(&described.columns, &plan.columns)
        {
            return Err(Error::new(state::FEATURE_NOT_SUPPORTED, "cached plan must not change result type").into());
        }
        if plan.parameters.len() > parameters.len() {
            let message = format!("there is no parameter ${}", parameters.len() + 1);
            return Err(Error::new(state::UNDEFINED_PARAMETER, message).into());
        }
        Ok(Bound { sql: text.into(), plan, parameters, context })
    }

    pub(super) async fn open_query(
        &mut self,
        prepared: &Prepared,
        parameters: Vec<ParameterValue>,
        mut guard: QueryGuard,
    ) -> Result<Opened, Fault> {
        match self.start(prepared, parameters, &guard).await {
            Ok((columns, stream, permit)) => {
                Ok(Opened { columns, source: RowSource::running(stream, guard, permit), verb: "SELECT" })
            }
            Err(fault) => {
                if let Fault::Error(error) | Fault::Fatal(error) = &fault {
                    guard.failed(error.sqlstate());
                }
                Err(fault)
            }
        }
    }

    async fn start(
        &mut self,
        prepared: &Prepared,
        parameters: Vec<ParameterValue>,
        guard: &QueryGuard,
    ) -> Result<(Arc<[OutputColumn]>, BatchStream, Option<Permit>), Fault> {
        let bound = self.bind(prepared, parameters).await?;
        let columns = bound.plan.columns.clone().into();
        let permit = self.admit(&bound.plan, guard).await?;
        guard.set_phase(Phase::Running);
        let request = self.run_request(bound, guard);
        let engine = self.shared.engine.clone();
        let (_, offset) = query_of(&prepared.statement).unwrap_or_default();
        let stream = self.stop.wait(&mut self.conn, engine.run(request)).await?;
        match stream {
            Ok(stream) => Ok((columns, stream, permit)),
            Err(error) => {
                self.stop.check()?;
                Err(shift(error, offset).into())
            }
        }
    }

    fn run_request(&self, bound: Bound, guard: &QueryGuard) -> RunRequest {
        let left = self.stop.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        RunRequest {
            query: guard.id,
            sql: bound.sql,
            plan: bound.plan,
            parameters: bound.parameters,
            context: bound.context,
            deadline: left.map(|left| self.shared.clock.now() + left),
            cancel: guard.interrupt().token().clone(),
        }
    }

    /// Queries on the gateway's own tables never wait behind others.
    async fn admit(&mut self, plan: &QueryPlan, guard: &QueryGuard) -> Result<Option<Permit>, Fault> {
        if plan.fragments.is_empty() {
            return Ok(None);
        }
        guard.set_phase(Phase::Queued);
        let shared = self.shared.clone();
        let timeout = shared.live.load().gateway.queue_timeout.limit();
        let user = self.settings.user().clone();
        let permit = self.stop.wait(&mut self.conn, shared.admission.admit(&user, timeout)).await??;
        Ok(Some(permit))
    }

    async fn open_explain(
        &mut self,
        explain: &Explain,
        offset: u32,
        parameters: Vec<ParameterValue>,
    ) -> Result<Opened, Fault> {
        let (prepared, parameters) = match &explain.statement.command {
            Command::Execute { name, arguments } => self.executed(name, arguments, &explain.statement).await?,
            _ => {
                let types = parameters.iter().map(|p| Some(p.ty)).collect();
                let statement = Statement { offset: offset + explain.statement.offset, ..(*explain.statement).clone() };
                (Arc::new(Prepared { statement, given_types: types, planned: None }), parameters)
            }
        };
        let options = ExplainOptions {
            analyze: explain.analyze,
            verbose: explain.verbose,
            costs: explain.costs,
            timing: explain.timing,
        };
        let guard = self.register(&explain.statement.text);
        let bound = self.bind(&prepared, parameters).await?;
        let permit = if explain.analyze { self.admit(&bound.plan, &guard).await? } else { None };
        guard.set_phase(Phase::Running);
        let request = self.run_request(bound, &guard);
        let engine = self.shared.engine.clone();
        let lines = self.stop.wait(&mut self.conn, engine.explain(request, options)).await??;
        drop(permit);
        let columns = text_columns(&["QUERY PLAN"]);
        let rows: Vec<_> = lines.into_iter().map(|line| vec![Some(line)]).collect();
        let source = RowSource::local(text_batch(&columns, &rows)?, Some(guard));
        Ok(Opened { columns, source, verb: "EXPLAIN" })
    }

    /// The statement an EXECUTE means, with its arguments as values.
    async fn executed(
        &mut self,
        name: &str,
        arguments: &[Sql],
        statement: &Statement,
    ) -> Result<(Arc<Prepared>, Vec<ParameterValue>), Fault> {
        let prepared = self.statements.get(name).cloned().ok_or_else(|| no_statement(name))?;
        let types = prepared.parameters().to_vec();
        if types.len() != arguments.len() {
            let error = Error::new(
                state::SYNTAX_ERROR,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            );
            let detail = format!("Expected {} parameters but got {}.", types.len(), arguments.len());
            return Err(error.with_detail(detail).into());
        }
        let parameters = self.evaluate(arguments, &types, statement.offset).await?;
        Ok((prepared, parameters))
    }

    /// Arguments are expressions: the engine computes them, their text is read back as the parameters' types.
    async fn evaluate(
        &mut self,
        arguments: &[Sql],
        types: &[PgType],
        offset: u32,
    ) -> Result<Vec<ParameterValue>, Fault> {
        let Some(first) = arguments.first() else { return Ok(Vec::new()) };
        let now = self.now();
        let context = self.settings.context(now);
        let at = offset + first.offset + 1;
        let casts: Vec<String> =
            arguments.iter().zip(types).map(|(sql, ty)| format!("CAST(({}) AS {})", sql.text, ty.sql_name())).collect();
        let sql = format!("SELECT {}", casts.join(", "));
        let plan = match self.plan(&sql, 0, &[], &context).await {
            Err(Fault::Error(error)) => return Err(error.at_position(at).into()),
            other => other?,
        };
        let formats = plan.columns.iter().map(|c| ColumnFormat { ty: c.ty, binary: false }).collect();
        let encoder = RowEncoder::new(formats, context.time_zone);
        let guard = self.register(&sql);
        let request = self.run_request(
            Bound { sql: sql.as_str().into(), plan, parameters: Vec::new(), context: context.clone() },
            &guard,
        );
        let engine = self.shared.engine.clone();
        let row = async {
            let stream = engine.run(request).await?;
            let batches: Vec<_> = futures::TryStreamExt::try_collect(stream).await?;
            let batch = batches.into_iter().find(|b: &arrow::array::RecordBatch| b.num_rows() > 0);
            batch.ok_or_else(|| Error::internal("the arguments of EXECUTE gave no row"))
        };
        let batch = self.stop.wait(&mut self.conn, row).await??;
        let values = encoder.texts(&batch, 0)?;
        let parse =
            |(text, ty): (Option<Vec<u8>>, &PgType)| decode::parameter(0, *ty, false, text.as_deref(), &context);
        Ok(values.into_iter().zip(types).map(parse).collect::<planner::Result<_>>()?)
    }
}

pub fn no_statement(name: &str) -> Error {
    let message = match name {
        "" => "unnamed prepared statement does not exist".to_string(),
        name => format!("prepared statement \"{name}\" does not exist"),
    };
    Error::new(state::INVALID_STATEMENT_NAME, message)
}

fn same_columns(a: &[OutputColumn], b: &[OutputColumn]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.ty == b.ty && a.name == b.name)
}

/// Text of the query a statement is made of, and the characters before it in what the client sent. `EXPLAIN`'s query is
/// planned, too, to find its parameters.
fn query_of(statement: &Statement) -> Option<(String, u32)> {
    match &statement.command {
        Command::Query(sql) => Some((sql.text.clone(), statement.offset + sql.offset)),
        Command::Explain(explain) => {
            let (text, offset) = query_of(&explain.statement)?;
            Some((text, statement.offset + offset))
        }
        Command::Copy { query, .. } => Some((query.text.clone(), statement.offset + query.offset)),
        _ => None,
    }
}
