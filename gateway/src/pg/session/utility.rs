//! Statements that return no rows and touch nothing but the session.

use std::sync::Arc;

use cost_model::SourceId;
use planner::Error;
use planner::error::state;
use planner::plan::ParameterValue;

use super::Session;
use super::fault::Fault;
use super::portal::{Formats, Portal, PortalState, Prepared};
use super::query::no_statement;
use super::rows::Sink;
use super::transaction::Status;
use crate::pg::encode::CopyEncoder;
use crate::pg::sql::{Command, CopyOptions, Discard, FetchCount, Scope, Statement, Transaction};
use crate::pg::wire::backend;
use crate::queries::Phase;

impl Session {
    /// In a failed transaction only its end is allowed.
    pub(super) fn check_allowed(&self, command: &Command) -> Result<(), Fault> {
        let ends = matches!(
            command,
            Command::Transaction(
                Transaction::Commit { .. } | Transaction::Rollback { .. } | Transaction::RollbackTo(_)
            ) | Command::Empty
        );
        if ends { Ok(()) } else { self.check_not_failed() }
    }

    /// Runs a statement that returns no rows of its own to describe; returns its tag.
    pub(super) async fn utility(&mut self, prepared: &Prepared, formats: &Formats) -> Result<String, Fault> {
        let statement = &prepared.statement;
        if !matches!(statement.command, Command::Transaction(_)) {
            self.now();
        }
        let tag = match &statement.command {
            Command::Transaction(transaction) => self.transaction_statement(transaction)?,
            Command::Set { scope, name, value } => {
                let local = *scope == Scope::Local;
                if local && !self.transaction.in_block() {
                    self.warn(state::NO_ACTIVE_TRANSACTION, "SET LOCAL can only be used in transaction blocks");
                }
                self.settings.set(name, value, local)?;
                "SET"
            }
            Command::SetTransaction { session: true, modes } => {
                self.default_modes(modes)?;
                "SET"
            }
            Command::SetTransaction { session: false, modes } => {
                if self.transaction.status == Status::Open {
                    self.apply_modes(modes)?;
                } else {
                    self.warn(state::NO_ACTIVE_TRANSACTION, "SET TRANSACTION can only be used in transaction blocks");
                }
                "SET"
            }
            Command::Reset(name) => {
                self.settings.reset(name.as_deref())?;
                "RESET"
            }
            Command::Discard(what) => self.discard(*what)?,
            Command::Prepare { name, types, body } => {
                let given = types.iter().copied().map(Some).collect();
                let body = Statement { offset: statement.offset + body.offset, ..(**body).clone() };
                self.add_statement(name, body, given).await?;
                "PREPARE"
            }
            Command::Deallocate(name) => {
                match name {
                    Some(name) => drop(self.statements.remove(name).ok_or_else(|| no_statement(name))?),
                    None => self.statements.clear(),
                }
                if name.is_some() { "DEALLOCATE" } else { "DEALLOCATE ALL" }
            }
            Command::Declare { .. } => self.declare(prepared).await?,
            Command::Close(name) => {
                match name {
                    Some(name) => drop(self.portals.remove(name).ok_or_else(|| no_cursor(name))?),
                    None => self.portals.retain(|_, portal| !portal.cursor),
                }
                if name.is_some() { "CLOSE CURSOR" } else { "CLOSE CURSOR ALL" }
            }
            Command::Fetch { cursor, count, discard } => return self.fetch(cursor, *count, *discard, formats).await,
            Command::Copy { options, .. } => return self.copy(prepared, options).await,
            Command::RefreshCatalog { source } => self.refresh_catalog(source.as_deref()).await?,
            Command::Ignored(tag) => tag,
            Command::Refused(error) => return Err(error.clone().into()),
            _ => return Err(Error::internal("a statement that returns rows was run as one that does not").into()),
        };
        Ok(tag.to_string())
    }

    /// A source that was asked for by name must answer; of all others those that do not are named in warnings.
    async fn refresh_catalog(&mut self, source: Option<&str>) -> Result<&'static str, Fault> {
        let engine = self.shared.engine.clone();
        let refreshed = engine.refresh_catalog(source.map(SourceId::new));
        for (id, error) in self.stop.wait(&mut self.conn, refreshed).await?? {
            if source.is_some() {
                return Err(error.into());
            }
            let message = format!("source \"{id}\" does not answer ({error}); its last known tables stay");
            self.warn(error.sqlstate(), &message);
        }
        Ok("CALL")
    }

    fn discard(&mut self, what: Discard) -> Result<&'static str, Fault> {
        Ok(match what {
            Discard::All => {
                self.check_not_in_block("DISCARD ALL")?;
                self.portals.clear();
                self.statements.clear();
                self.settings.reset(None)?;
                "DISCARD ALL"
            }
            Discard::Plans => "DISCARD PLANS",
            Discard::Sequences => "DISCARD SEQUENCES",
            Discard::Temp => "DISCARD TEMP",
        })
    }

    /// PREPARE and `Parse` fill the same list.
    pub(super) async fn add_statement(
        &mut self,
        name: &str,
        statement: Statement,
        given: Vec<Option<planner::PgType>>,
    ) -> Result<(), Fault> {
        if !name.is_empty() && self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(state::DUPLICATE_PREPARED_STATEMENT, message).into());
        }
        let limit = self.shared.live.load().gateway.max_prepared_statements as usize;
        if self.statements.len() >= limit && !self.statements.contains_key(name) {
            let message = format!("this connection already has {limit} prepared statements");
            return Err(Error::new(state::PROGRAM_LIMIT_EXCEEDED, message)
                .with_hint("Use DEALLOCATE, or raise max_prepared_statements in the gateway's configuration.")
                .into());
        }
        let prepared = self.prepare(statement, given).await?;
        self.statements.insert(name.to_string(), Arc::new(prepared));
        Ok(())
    }

    pub(super) fn add_portal(&mut self, name: &str, portal: Portal) -> Result<(), Fault> {
        let limit = self.shared.live.load().gateway.max_portals as usize;
        if self.portals.len() >= limit && !self.portals.contains_key(name) {
            let message = format!("this connection already has {limit} portals and cursors open");
            return Err(Error::new(state::PROGRAM_LIMIT_EXCEEDED, message)
                .with_hint("Use CLOSE, or raise max_portals in the gateway's configuration.")
                .into());
        }
        self.portals.insert(name.to_string(), portal);
        Ok(())
    }

    async fn declare(&mut self, prepared: &Prepared) -> Result<&'static str, Fault> {
        let Command::Declare { name, binary, scroll, hold, query } = &prepared.statement.command else {
            return Err(Error::internal("DECLARE expected").into());
        };
        if !hold {
            self.check_in_block("DECLARE CURSOR")?;
        }
        if *scroll {
            return Err(Error::unsupported("a SCROLL cursor").into());
        }
        if self.portals.contains_key(name) {
            return Err(Error::new(state::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")).into());
        }
        let offset = prepared.statement.offset + query.offset;
        let command = Command::Query(crate::pg::sql::Sql { text: query.text.clone(), offset: 0 });
        let statement = Statement { text: query.text.clone(), offset, command };
        let inner = Arc::new(self.prepare(statement, Vec::new()).await?);
        if !inner.parameters().is_empty() {
            return Err(Error::unsupported("a parameter in DECLARE CURSOR").into());
        }
        let mut portal = Portal::new(inner, Vec::new(), Formats::all(*binary), self.transaction.depth());
        (portal.cursor, portal.hold) = (true, *hold);
        self.add_portal(name, portal)?;
        Ok("DECLARE CURSOR")
    }

    /// FETCH and MOVE.
    async fn fetch(
        &mut self,
        cursor: &str,
        count: FetchCount,
        discard: bool,
        formats: &Formats,
    ) -> Result<String, Fault> {
        let mut portal = self.portals.remove(cursor).ok_or_else(|| no_cursor(cursor))?;
        let moved = self.fetch_from(&mut portal, count, discard, formats).await;
        if moved.is_ok()
            || matches!(&moved, Err(Fault::Error(e)) if e.sqlstate() == state::OBJECT_NOT_IN_PREREQUISITE_STATE)
        {
            self.portals.insert(cursor.to_string(), portal);
        }
        moved.map(|rows| format!("{} {rows}", if discard { "MOVE" } else { "FETCH" }))
    }

    async fn fetch_from(
        &mut self,
        portal: &mut Portal,
        count: FetchCount,
        discard: bool,
        formats: &Formats,
    ) -> Result<u64, Fault> {
        let backward = || {
            Error::new(state::OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
                .with_hint("Narrows streams results and keeps no rows that have been fetched.")
        };
        let (skip, rows) = match count {
            FetchCount::Rows(0) | FetchCount::Relative(0) | FetchCount::Backward => return Err(backward().into()),
            FetchCount::Rows(n) => (0, n),
            FetchCount::All => (0, u64::MAX),
            FetchCount::Relative(n) => (n - 1, 1),
            FetchCount::Absolute(n) => match n.checked_sub(portal.position + 1) {
                Some(skip) => (skip, 1),
                None => return Err(backward().into()),
            },
        };
        if matches!(portal.state, PortalState::Fresh) {
            self.open_portal(portal).await?;
        }
        if skip > 0 {
            self.pump_portal(portal, skip, None).await?;
        }
        let formats = if portal.formats.is_binary(0) { &portal.formats.clone() } else { formats };
        let (rows, _) = self.pump_portal(portal, rows, (!discard).then_some(formats)).await?;
        Ok(rows)
    }

    async fn copy(&mut self, prepared: &Prepared, options: &CopyOptions) -> Result<String, Fault> {
        let guard_text = &prepared.statement.text;
        let guard = self.register(guard_text);
        let mut opened = self.open_query(prepared, Vec::<ParameterValue>::new(), guard).await?;
        if let Some(guard) = &opened.source.guard {
            guard.set_phase(Phase::Running);
        }
        let encoder = CopyEncoder::new(options.clone(), &opened.columns, self.settings.time_zone())?;
        backend::copy_out_response(&mut self.conn.out, encoder.is_binary(), encoder.column_count());
        encoder.start(&mut self.conn.out);
        let (rows, _) = opened.source.pump(&mut self.conn, &self.stop, &Sink::Copy(&encoder), u64::MAX).await?;
        encoder.end(&mut self.conn.out);
        backend::copy_done(&mut self.conn.out);
        Ok(format!("COPY {rows}"))
    }
}

fn no_cursor(name: &str) -> Error {
    Error::new(state::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}
