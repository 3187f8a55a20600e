//! BEGIN, COMMIT, ROLLBACK, savepoints, and the modes of a transaction.

use planner::{Error, Result};

use super::command::{Command, Transaction, TransactionModes};
use super::cursor::Tokens;

/// The transaction statement that starts with `first`, if it is one.
pub(super) fn transaction(t: &mut Tokens<'_>, first: &str) -> Result<Option<Command>> {
    let command = match first {
        "begin" => {
            t.next();
            t.eat_one_of(&["work", "transaction"]);
            Transaction::Begin { tag: "BEGIN", modes: modes(t)? }
        }
        "start" => {
            t.next();
            t.expect("transaction")?;
            Transaction::Begin { tag: "START TRANSACTION", modes: modes(t)? }
        }
        "commit" | "end" => {
            t.next();
            if t.eat("prepared") {
                return Ok(Some(Command::Refused(Error::unsupported("COMMIT PREPARED"))));
            }
            t.eat_one_of(&["work", "transaction"]);
            Transaction::Commit { chain: chain(t)? }
        }
        "rollback" | "abort" => {
            t.next();
            if t.eat("prepared") {
                return Ok(Some(Command::Refused(Error::unsupported("ROLLBACK PREPARED"))));
            }
            t.eat_one_of(&["work", "transaction"]);
            if first == "rollback" && t.eat("to") {
                t.eat("savepoint");
                Transaction::RollbackTo(t.name()?)
            } else {
                Transaction::Rollback { chain: chain(t)? }
            }
        }
        "savepoint" => {
            t.next();
            Transaction::Savepoint(t.name()?)
        }
        "release" => {
            t.next();
            t.eat("savepoint");
            Transaction::Release(t.name()?)
        }
        "prepare" if t.looking_at(&["prepare", "transaction"]) => {
            return Ok(Some(Command::Refused(Error::unsupported("PREPARE TRANSACTION"))));
        }
        _ => return Ok(None),
    };
    t.expect_end()?;
    Ok(Some(Command::Transaction(command)))
}

fn chain(t: &mut Tokens<'_>) -> Result<bool> {
    if t.eat("and no chain") { Ok(false) } else { Ok(t.eat("and chain")) }
}

/// `ISOLATION LEVEL …, READ ONLY, DEFERRABLE`; commas may be left out.
pub(super) fn modes(t: &mut Tokens<'_>) -> Result<TransactionModes> {
    let mut modes = TransactionModes::default();
    while !t.at_end() {
        if t.eat("isolation level") {
            let levels = ["serializable", "repeatable read", "read committed", "read uncommitted"];
            modes.isolation = Some(t.eat_one_of(&levels).ok_or_else(|| t.syntax_error())?);
        } else if t.eat("read only") {
            modes.read_only = Some(true);
        } else if t.eat("read write") {
            modes.read_only = Some(false);
        } else if t.eat("not deferrable") {
            modes.deferrable = Some(false);
        } else if t.eat("deferrable") {
            modes.deferrable = Some(true);
        } else {
            return Err(t.syntax_error());
        }
        t.eat_symbol(",");
    }
    Ok(modes)
}
