//! Transactions of a gateway that only reads: what is left of them is the status clients see, the instant of `now()`, and
//! what comes back on ROLLBACK: settings and cursors.

use planner::Error;
use planner::error::{SqlState, state};

use super::Session;
use super::fault::Fault;
use crate::pg::settings::Mark;
use crate::pg::sql::{SetValue, Transaction as Statement, TransactionModes};

const ACTIVE_TRANSACTION: SqlState = SqlState::new("25001");
const INVALID_SAVEPOINT: SqlState = SqlState::new("3B001");
const WARNING: SqlState = SqlState::new("01000");

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Idle,
    /// Between BEGIN and COMMIT.
    Open,
    /// After an error; only the end is allowed.
    Failed,
}

#[derive(Debug, Default)]
pub struct Transaction {
    pub status: Status,
    /// `now()`, from the first statement on; also of the implicit transaction around a single statement.
    now: Option<i64>,
    begin: Option<Mark>,
    savepoints: Vec<(String, Mark)>,
}

impl Transaction {
    pub fn status_byte(&self) -> u8 {
        match self.status {
            Status::Idle => b'I',
            Status::Open => b'T',
            Status::Failed => b'E',
        }
    }

    pub fn in_block(&self) -> bool {
        self.status != Status::Idle
    }

    /// Nesting of what is created now: a cursor goes with the savepoint it was declared after.
    pub fn depth(&self) -> usize {
        self.savepoints.len()
    }
}

impl Session {
    /// `now()` of the running transaction; starts the implicit one.
    pub(super) fn now(&mut self) -> i64 {
        match self.transaction.now {
            Some(now) => now,
            None => {
                let now = self.shared.clock.unix_micros();
                self.transaction.now = Some(now);
                self.transaction.begin = Some(self.settings.mark());
                now
            }
        }
    }

    /// Ends the transaction around what was not enclosed in BEGIN.
    pub(super) fn end_implicit(&mut self, commit: bool) {
        if !self.transaction.in_block() {
            self.end_transaction(commit);
        }
    }

    fn end_transaction(&mut self, commit: bool) {
        self.portals.retain(|_, portal| portal.survives(commit));
        self.portals.values_mut().for_each(|portal| portal.committed = true);
        match self.transaction.begin.take() {
            Some(mark) if !commit => self.settings.roll_back_to(&mark),
            _ => self.settings.end_transaction(),
        }
        self.transaction = Transaction::default();
    }

    /// An error ends the implicit transaction and spoils an explicit one.
    pub(super) fn fail_transaction(&mut self) {
        if self.transaction.in_block() {
            self.transaction.status = Status::Failed;
        } else {
            self.end_transaction(false);
        }
    }

    pub(super) fn check_not_failed(&self) -> Result<(), Fault> {
        if self.transaction.status != Status::Failed {
            return Ok(());
        }
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        Err(Error::new(state::IN_FAILED_TRANSACTION, message).into())
    }

    pub(super) fn check_in_block(&self, what: &str) -> Result<(), Fault> {
        if self.transaction.in_block() {
            return Ok(());
        }
        Err(Error::new(state::NO_ACTIVE_TRANSACTION, format!("{what} can only be used in transaction blocks")).into())
    }

    pub(super) fn check_not_in_block(&self, what: &str) -> Result<(), Fault> {
        if !self.transaction.in_block() {
            return Ok(());
        }
        Err(Error::new(ACTIVE_TRANSACTION, format!("{what} cannot run inside a transaction block")).into())
    }

    /// Runs a transaction statement; returns its tag.
    pub(super) fn transaction_statement(&mut self, statement: &Statement) -> Result<&'static str, Fault> {
        let failed = self.transaction.status == Status::Failed;
        match statement {
            Statement::Begin { tag, modes } => {
                self.check_not_failed()?;
                if self.transaction.in_block() {
                    self.warn(ACTIVE_TRANSACTION, "there is already a transaction in progress");
                } else {
                    self.now();
                    self.transaction.status = Status::Open;
                }
                self.apply_modes(modes)?;
                Ok(tag)
            }
            Statement::Commit { chain } => {
                if !self.transaction.in_block() {
                    if *chain {
                        self.check_in_block("COMMIT AND CHAIN")?;
                    }
                    self.warn(state::NO_ACTIVE_TRANSACTION, "there is no transaction in progress");
                }
                self.end_block(!failed, *chain);
                Ok(if failed { "ROLLBACK" } else { "COMMIT" })
            }
            Statement::Rollback { chain } => {
                if !self.transaction.in_block() {
                    if *chain {
                        self.check_in_block("ROLLBACK AND CHAIN")?;
                    }
                    self.warn(state::NO_ACTIVE_TRANSACTION, "there is no transaction in progress");
                }
                self.end_block(false, *chain);
                Ok("ROLLBACK")
            }
            Statement::Savepoint(name) => {
                self.check_not_failed()?;
                self.check_in_block("SAVEPOINT")?;
                self.transaction.savepoints.push((name.clone(), self.settings.mark()));
                Ok("SAVEPOINT")
            }
            Statement::Release(name) => {
                self.check_not_failed()?;
                self.check_in_block("RELEASE SAVEPOINT")?;
                let at = self.savepoint(name)?;
                self.transaction.savepoints.truncate(at);
                Ok("RELEASE")
            }
            Statement::RollbackTo(name) => {
                self.check_in_block("ROLLBACK TO SAVEPOINT")?;
                let at = self.savepoint(name)?;
                self.transaction.savepoints.truncate(at + 1);
                let mark = self.transaction.savepoints[at].1.clone();
                self.settings.roll_back_to(&mark);
                self.portals.retain(|_, portal| portal.committed || portal.depth <= at);
                self.transaction.status = Status::Open;
                Ok("ROLLBACK")
            }
        }
    }

    fn savepoint(&self, name: &str) -> Result<usize, Fault> {
        let found = self.transaction.savepoints.iter().rposition(|(n, _)| n == name);
        found.ok_or_else(|| Error::new(INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist")).into())
    }

    fn end_block(&mut self, commit: bool, chain: bool) {
        let chained: Vec<_> = ["transaction_isolation", "transaction_read_only", "transaction_deferrable"]
            .iter()
            .filter_map(|name| self.settings.show(name).ok())
            .collect();
        self.end_transaction(commit);
        if chain {
            self.now();
            self.transaction.status = Status::Open;
            for (name, value) in chained {
                // The value was accepted before.
                let _ = self.settings.set(&name, &SetValue::List(vec![value]), true);
            }
        }
    }

    /// ISOLATION LEVEL, READ ONLY, DEFERRABLE for the running transaction.
    pub(super) fn apply_modes(&mut self, modes: &TransactionModes) -> Result<(), Fault> {
        self.set_modes(modes, "", true)?;
        if matches!(modes.isolation, Some("repeatable read" | "serializable")) {
            self.warn(WARNING, "each statement reads its own snapshot of each source, whatever the isolation level");
        }
        Ok(())
    }

    /// The same for all following transactions.
    pub(super) fn default_modes(&mut self, modes: &TransactionModes) -> Result<(), Fault> {
        self.set_modes(modes, "default_", false)
    }

    fn set_modes(&mut self, modes: &TransactionModes, prefix: &str, local: bool) -> Result<(), Fault> {
        let on_off = |flag: bool| if flag { "on" } else { "off" };
        let values = [
            ("transaction_isolation", modes.isolation),
            ("transaction_read_only", modes.read_only.map(on_off)),
            ("transaction_deferrable", modes.deferrable.map(on_off)),
        ];
        for (name, value) in values {
            if let Some(value) = value {
                let value = SetValue::List(vec![value.to_string()]);
                self.settings.set(&format!("{prefix}{name}"), &value, local)?;
            }
        }
        Ok(())
    }
}
