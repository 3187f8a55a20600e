//! The simple protocol: a string of statements, run one after the other, rows sent as they come.

use std::sync::Arc;

use super::Session;
use super::fault::Fault;
use super::portal::{Formats, Prepared};
use super::query::Opened;
use super::rows::Sink;
use crate::pg::sql::{self, Command, Statement};
use crate::pg::wire::backend;

impl Session {
    pub(super) async fn simple_query(&mut self, text: &str) -> Result<(), Fault> {
        // A simple query is also the end of whatever an unnamed portal was about.
        self.portals.remove("");
        match self.run_all(text).await {
            Ok(()) => self.end_implicit(true),
            Err(Fault::Error(error)) => {
                self.report_error(&error);
                self.fail_transaction();
            }
            Err(fault) => return Err(fault),
        }
        self.ready().await
    }

    async fn run_all(&mut self, text: &str) -> Result<(), Fault> {
        let statements = sql::parse(text)?;
        if statements.is_empty() {
            backend::empty_query(&mut self.conn.out);
        }
        if statements.len() > 1 {
            for statement in &statements {
                if let Command::Query(query) = &statement.command {
                    let offset = statement.offset + query.offset;
                    self.shared.engine.check_syntax(&query.text).map_err(|e| sql::shift(e, offset))?;
                }
            }
        }
        for statement in statements {
            self.begin_statement();
            let result = self.run_one(statement).await;
            self.end_statement();
            result?;
        }
        Ok(())
    }

    async fn run_one(&mut self, statement: Statement) -> Result<(), Fault> {
        self.check_allowed(&statement.command)?;
        // What EXPLAIN and COPY contain is planned when they run.
        let prepared = match &statement.command {
            Command::Query(_) => self.prepare(statement, Vec::new()).await?,
            _ => Prepared { statement, given_types: Vec::new(), planned: None },
        };
        let formats = Formats::default();
        if let Some(Opened { columns, mut source, verb }) = self.open(&prepared, Vec::new()).await? {
            backend::row_description(&mut self.conn.out, &columns, |_| false);
            let encoder = self.encoder(&columns, &formats);
            let (rows, _) = source.pump(&mut self.conn, &self.stop, &Sink::Rows(&encoder), u64::MAX).await?;
            self.complete(verb, rows);
            return Ok(());
        }
        if let (Command::Fetch { cursor, .. }, Some(columns)) =
            (&prepared.statement.command, self.columns_of(&prepared))
        {
            let binary = self.portals.get(cursor).is_some_and(|p| p.formats.is_binary(0));
            backend::row_description(&mut self.conn.out, &columns, |_| binary);
        }
        let tag = self.utility(&prepared, &formats).await?;
        backend::command_complete(&mut self.conn.out, &tag);
        Ok(())
    }

    /// `SELECT 5`; `SHOW` and `EXPLAIN` have no count.
    pub(super) fn complete(&mut self, verb: &str, rows: u64) {
        match verb {
            "SELECT" => backend::command_complete(&mut self.conn.out, &format!("SELECT {rows}")),
            verb => backend::command_complete(&mut self.conn.out, verb),
        }
    }

    pub(super) fn prepared(&self, name: &str) -> Result<Arc<Prepared>, Fault> {
        self.statements.get(name).cloned().ok_or_else(|| super::query::no_statement(name).into())
    }
}
