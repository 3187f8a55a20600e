//! The statements a session tells apart.

use planner::Error;
use planner::PgType;

/// One statement of a string the client sent.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its own text, without the semicolon.
    pub text: String,
    /// Characters of the client's string before `text`: positions in errors count from there.
    pub offset: u32,
    pub command: Command,
}

/// A part of a statement that is SQL for the engine, with the characters before it in the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    pub text: String,
    pub offset: u32,
}

#[derive(Clone, Debug)]
pub enum Command {
    Empty,
    /// SELECT, VALUES, TABLE, WITH: the engine's business.
    Query(Sql),
    Explain(Explain),
    Transaction(Transaction),
    Set {
        scope: Scope,
        name: String,
        value: SetValue,
    },
    SetTransaction {
        session: bool,
        modes: TransactionModes,
    },
    Reset(Option<String>),
    Show(Option<String>),
    /// `SELECT set_config('name', 'value', is_local)`, which drivers send on their own: setting and column name.
    SetConfig {
        name: String,
        value: String,
        local: bool,
    },
    /// `SELECT current_setting('name' [, missing_ok])`.
    CurrentSetting {
        name: String,
        missing_ok: bool,
    },
    Discard(Discard),
    Prepare {
        name: String,
        types: Vec<PgType>,
        body: Box<Statement>,
    },
    Execute {
        name: String,
        arguments: Vec<Sql>,
    },
    Deallocate(Option<String>),
    Declare {
        name: String,
        binary: bool,
        scroll: bool,
        hold: bool,
        query: Sql,
    },
    Fetch {
        cursor: String,
        count: FetchCount,
        discard: bool,
    },
    Close(Option<String>),
    Copy {
        query: Sql,
        options: CopyOptions,
    },
    /// `CALL narrows.refresh_catalog([source])`.
    RefreshCatalog {
        source: Option<String>,
    },
    /// Accepted, has nothing to do: tag.
    Ignored(&'static str),
    /// Understood and refused, when it is run.
    Refused(Error),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionModes {
    pub isolation: Option<&'static str>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    Begin { tag: &'static str, modes: TransactionModes },
    Commit { chain: bool },
    Rollback { chain: bool },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Session,
    Local,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetValue {
    Default,
    /// As written, one entry per comma.
    List(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    All,
    Plans,
    Sequences,
    Temp,
}

/// How far a cursor moves; only forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchCount {
    Rows(u64),
    All,
    /// To this row counted from the first.
    Absolute(u64),
    /// Skips all but the last of so many rows.
    Relative(u64),
    Backward,
}

#[derive(Clone, Debug)]
pub struct Explain {
    pub analyze: bool,
    pub verbose: bool,
    pub costs: bool,
    pub timing: bool,
    pub statement: Box<Statement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    Text,
    Csv,
    Binary,
}

/// Options of `COPY … TO STDOUT`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    pub null: String,
    pub header: bool,
    pub quote: u8,
    pub escape: u8,
    pub force_quote: ForceQuote,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForceQuote {
    None,
    All,
    Columns(Vec<String>),
}
