//! The extended protocol: Parse, Bind, Describe, Execute, Close, Sync.

use planner::error::state;
use planner::pgtype::type_info;
use planner::plan::{OutputColumn, ParameterValue};
use planner::{Error, PgType};

use super::Session;
use super::fault::Fault;
use super::portal::{Formats, Portal, PortalState, Prepared, format_code};
use super::query::Opened;
use super::rows::Sink;
use crate::pg::decode;
use crate::pg::encode::{ColumnFormat, RowEncoder};
use crate::pg::sql::{self, Command, Statement};
use crate::pg::wire::backend;
use crate::pg::wire::frontend::{Bind, Target};

impl Session {
    pub(super) async fn parse(&mut self, name: &str, text: &str, types: &[u32]) -> Result<(), Fault> {
        if name.is_empty() {
            self.statements.remove("");
        }
        let mut statements = sql::parse(text)?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Error::new(state::SYNTAX_ERROR, message).into());
        }
        let empty = Statement { text: String::new(), offset: 0, command: Command::Empty };
        let statement = statements.pop().unwrap_or(empty);
        self.check_allowed(&statement.command)?;
        let given = types.iter().map(|oid| given_type(*oid)).collect::<planner::Result<_>>()?;
        self.add_statement(name, statement, given).await?;
        backend::parse_complete(&mut self.conn.out);
        Ok(())
    }

    pub(super) fn bind_portal(&mut self, bind: Bind) -> Result<(), Fault> {
        let prepared = self.prepared(&bind.statement)?;
        self.check_allowed(&prepared.statement.command)?;
        let parameters = self.parameters(&prepared, &bind)?;
        let formats = Formats::new(&bind.result_formats)?;
        if let Some(columns) = self.columns_of(&prepared) {
            formats.check(columns.len())?;
        }
        if bind.portal.is_empty() {
            self.portals.remove("");
        } else if self.portals.contains_key(&bind.portal) {
            return Err(
                Error::new(state::DUPLICATE_CURSOR, format!("cursor \"{}\" already exists", bind.portal)).into()
            );
        }
        let portal = Portal::new(prepared, parameters, formats, self.transaction.depth());
        self.add_portal(&bind.portal, portal)?;
        backend::bind_complete(&mut self.conn.out);
        Ok(())
    }

    fn parameters(&mut self, prepared: &Prepared, bind: &Bind) -> Result<Vec<ParameterValue>, Fault> {
        let types = prepared.parameters();
        let (given, formats) = (bind.parameters.len(), &bind.parameter_formats);
        if formats.len() > 1 && formats.len() != given {
            let message = format!("bind message has {} parameter formats but {given} parameters", formats.len());
            return Err(Error::new(state::PROTOCOL_VIOLATION, message).into());
        }
        if given != types.len() {
            let message = format!(
                "bind message supplies {given} parameters, but prepared statement \"{}\" requires {}",
                bind.statement,
                types.len()
            );
            return Err(Error::new(state::PROTOCOL_VIOLATION, message).into());
        }
        let now = self.now();
        let context = self.settings.context(now);
        let mut values = Vec::with_capacity(given);
        for (i, (ty, bytes)) in types.iter().zip(&bind.parameters).enumerate() {
            let code = if formats.len() == 1 { formats[0] } else { formats.get(i).copied().unwrap_or(0) };
            values.push(decode::parameter(i + 1, *ty, format_code(code)?, bytes.as_deref(), &context)?);
        }
        Ok(values)
    }

    pub(super) fn describe(&mut self, target: Target, name: &str) -> Result<(), Fault> {
        match target {
            Target::Statement => {
                let prepared = self.prepared(name)?;
                self.check_describable(&prepared)?;
                let columns = self.columns_of(&prepared);
                backend::parameter_description(&mut self.conn.out, prepared.parameters());
                self.describe_columns(columns.as_deref(), &Formats::default());
            }
            Target::Portal => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                let (prepared, formats) = (portal.prepared.clone(), portal.formats.clone());
                self.check_describable(&prepared)?;
                let columns = self.columns_of(&prepared);
                self.describe_columns(columns.as_deref(), &formats);
            }
        }
        Ok(())
    }

    /// In a failed transaction nothing that returns rows may be described.
    fn check_describable(&self, prepared: &Prepared) -> Result<(), Fault> {
        if self.columns_of(prepared).is_some() { self.check_not_failed() } else { Ok(()) }
    }

    fn describe_columns(&mut self, columns: Option<&[OutputColumn]>, formats: &Formats) {
        match columns {
            Some(columns) => backend::row_description(&mut self.conn.out, columns, |i| formats.is_binary(i)),
            None => backend::no_data(&mut self.conn.out),
        }
    }

    pub(super) async fn execute(&mut self, name: &str, max_rows: i32) -> Result<(), Fault> {
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        let result = self.execute_portal(&mut portal, max_rows).await;
        // A portal that failed is of no use any more. One that ended its own transaction is gone, too.
        let ended_transaction = matches!(portal.prepared.statement.command, Command::Transaction(_));
        if result.is_ok() && (name.is_empty() || !ended_transaction) {
            self.portals.insert(name.to_string(), portal);
        }
        result
    }

    async fn execute_portal(&mut self, portal: &mut Portal, max_rows: i32) -> Result<(), Fault> {
        let prepared = portal.prepared.clone();
        self.check_allowed(&prepared.statement.command)?;
        let limit = if max_rows > 0 { max_rows as u64 } else { u64::MAX };
        if matches!(prepared.statement.command, Command::Empty) {
            backend::empty_query(&mut self.conn.out);
            return Ok(());
        }
        if matches!(portal.state, PortalState::Fresh) && !self.open_portal(portal).await? {
            let formats = portal.formats.clone();
            let tag = self.utility(&prepared, &formats).await?;
            backend::command_complete(&mut self.conn.out, &tag);
            portal.state = PortalState::Done { columns: None, verb: "" };
            return Ok(());
        }
        let verb = match &portal.state {
            PortalState::Open { verb, .. } | PortalState::Done { verb, columns: Some(_) } => *verb,
            _ => {
                let message = "portal cannot be run";
                return Err(Error::new(state::OBJECT_NOT_IN_PREREQUISITE_STATE, message).into());
            }
        };
        let formats = portal.formats.clone();
        let (rows, finished) = self.pump_portal(portal, limit, Some(&formats)).await?;
        if finished {
            self.complete(verb, rows);
        } else {
            backend::portal_suspended(&mut self.conn.out);
        }
        Ok(())
    }

    /// Starts a portal that returns rows; false if it is of another kind.
    pub(super) async fn open_portal(&mut self, portal: &mut Portal) -> Result<bool, Fault> {
        let parameters = std::mem::take(&mut portal.parameters);
        match self.open(&portal.prepared.clone(), parameters).await? {
            Some(Opened { columns, source, verb }) => {
                portal.formats.check(columns.len())?;
                portal.state = PortalState::Open { columns, source, verb };
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Sends up to `limit` rows, or throws them away without formats. At its end the portal gives back what it holds.
    pub(super) async fn pump_portal(
        &mut self,
        portal: &mut Portal,
        limit: u64,
        formats: Option<&Formats>,
    ) -> Result<(u64, bool), Fault> {
        let PortalState::Open { columns, source, verb } = &mut portal.state else { return Ok((0, true)) };
        // Cancel, time-out and shutdown of this message stop the query that runs since an earlier one.
        if let Some(guard) = &source.guard {
            self.stop.interrupt = guard.interrupt().clone();
            self.key.working.set(Some(self.stop.interrupt.clone()));
        }
        let encoder = formats.map(|formats| self.encoder(columns, formats));
        let sink = encoder.as_ref().map_or(Sink::Discard, Sink::Rows);
        let (rows, finished) = source.pump(&mut self.conn, &self.stop, &sink, limit).await?;
        portal.position += rows;
        if finished {
            portal.state = PortalState::Done { columns: Some(columns.clone()), verb };
        }
        Ok((rows, finished))
    }

    pub(super) fn encoder(&self, columns: &[OutputColumn], formats: &Formats) -> RowEncoder {
        let format = |(i, column): (usize, &OutputColumn)| ColumnFormat { ty: column.ty, binary: formats.is_binary(i) };
        RowEncoder::new(columns.iter().enumerate().map(format).collect(), self.settings.time_zone())
    }

    pub(super) fn close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement => drop(self.statements.remove(name)),
            Target::Portal => drop(self.portals.remove(name)),
        }
        backend::close_complete(&mut self.conn.out);
    }
}

fn no_portal(name: &str) -> Error {
    Error::new(state::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

/// 0 and `unknown` leave the type to the planner.
fn given_type(oid: u32) -> planner::Result<Option<PgType>> {
    if oid == 0 || oid == PgType::UNKNOWN.oid {
        return Ok(None);
    }
    match type_info(oid) {
        Some(_) => Ok(Some(PgType::of(oid))),
        None => Err(Error::new(state::UNDEFINED_OBJECT, format!("type with OID {oid} does not exist"))),
    }
}
