//! One client's session, from the end of the log-in to the end of the connection.
//!
//! One task owns everything: the connection, the settings, the transaction, prepared statements and portals. It handles one
//! message at a time; while a statement runs it keeps an ear on the socket ([`stop`]).

mod extended;
mod fault;
mod local;
mod portal;
mod query;
mod rows;
mod simple;
mod stop;
mod transaction;
mod utility;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use planner::Error;
use planner::error::{SqlState, state};
use tokio::time::{Instant, timeout};

use fault::Fault;
use portal::{Portal, Prepared};
use stop::Stop;
use transaction::Transaction;

use super::cancel::BackendKey;
use super::server::Shared;
use super::settings::Settings;
use super::wire::backend::{self, Severity};
use super::wire::frontend::Message;
use super::wire::{Connection, Frame, ReadError};
use crate::queries::{Interrupt, Origin, Reason};

const IDLE_IN_TRANSACTION_TIMEOUT: SqlState = SqlState::new("25P03");

/// How long the last words to a client may take.
const FAREWELL: Duration = Duration::from_secs(5);

pub struct Session {
    shared: Arc<Shared>,
    conn: Connection,
    key: BackendKey,
    origin: Origin,
    settings: Settings,
    transaction: Transaction,
    statements: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Portal>,
    /// After an error in the extended protocol everything up to `Sync` is skipped.
    skipping: bool,
    /// Between `Sync` or a simple query and the next message.
    idle: bool,
    stop: Stop,
}

impl Session {
    pub fn new(shared: Arc<Shared>, conn: Connection, key: BackendKey, origin: Origin, settings: Settings) -> Self {
        let stop = Stop { interrupt: Arc::default(), deadline: None, kill: shared.shutdown.kill.clone() };
        Self {
            shared,
            conn,
            key,
            origin,
            settings,
            transaction: Transaction::default(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            skipping: false,
            idle: true,
            stop,
        }
    }

    /// Greets the client and serves it until one of the two leaves.
    pub async fn run(mut self) {
        let ended = self.serve().await;
        if let Err(Fault::Fatal(error)) = &ended {
            self.farewell(error).await;
        }
        self.conn.close().await;
    }

    async fn serve(&mut self) -> Result<(), Fault> {
        backend::authentication_ok(&mut self.conn.out);
        self.report_settings();
        backend::backend_key_data(&mut self.conn.out, self.key.pid, &self.key.secret);
        self.ready().await?;
        while let Some(frame) = self.next_frame().await? {
            if !self.handle(frame).await? {
                break;
            }
        }
        Ok(())
    }

    /// What a client reads last.
    async fn farewell(&mut self, error: &Error) {
        backend::report(&mut self.conn.out, Severity::Fatal, error);
        let _ = timeout(FAREWELL, self.conn.flush()).await;
    }

    /// Waits for the client, but not for ever.
    async fn next_frame(&mut self) -> Result<Option<Frame>, Fault> {
        if let Some(frame) = self.conn.buffered_frame().map_err(read_fault)? {
            return Ok(Some(frame));
        }
        let in_block = self.transaction.in_block();
        let patience = if self.idle { self.settings.idle_timeout(in_block) } else { None };
        let impatient = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        let draining = async {
            match self.idle {
                true => self.shared.shutdown.drain.cancelled().await,
                false => self.shared.shutdown.kill.cancelled().await,
            }
        };
        tokio::select! {
            biased;
            frame = self.conn.read_frame() => frame.map_err(read_fault),
            () = draining => Err(Fault::from(Reason::Shutdown)),
            () = impatient => {
                let (code, message) = match in_block {
                    true => (IDLE_IN_TRANSACTION_TIMEOUT, "terminating connection due to idle-in-transaction timeout"),
                    false => (state::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout"),
                };
                Err(Fault::Fatal(Error::new(code, message)))
            }
        }
    }

    /// False when the client says good-bye.
    async fn handle(&mut self, frame: Frame) -> Result<bool, Fault> {
        let tag = frame.tag;
        self.idle = false;
        if self.skipping && !matches!(tag, b'S' | b'X') {
            return Ok(true);
        }
        if tag == b'F' {
            self.report_error(&Error::unsupported("the function call message"));
            self.fail_transaction();
            self.ready().await?;
            return Ok(true);
        }
        if !b"QPBDECHSXdcf".contains(&tag) {
            let message = format!("invalid frontend message type {tag}");
            return Err(Fault::Fatal(Error::new(state::PROTOCOL_VIOLATION, message)));
        }
        let message = match Message::decode(frame) {
            Ok(message) => message,
            Err(error) => {
                self.report_error(&error);
                self.fail_transaction();
                match tag {
                    b'Q' | b'S' => self.ready().await?,
                    _ => self.skipping = true,
                }
                return Ok(true);
            }
        };
        match message {
            Message::Query(text) => self.simple_query(&text).await?,
            Message::Sync => {
                self.skipping = false;
                self.end_implicit(true);
                self.ready().await?;
            }
            Message::Terminate => return Ok(false),
            Message::Flush => self.conn.flush().await?,
            Message::StrayCopy => {}
            message => self.extended(message).await?,
        }
        Ok(true)
    }

    async fn extended(&mut self, message: Message) -> Result<(), Fault> {
        self.begin_statement();
        let result = match message {
            Message::Parse { name, sql, types } => self.parse(&name, &sql, &types).await,
            Message::Bind(bind) => self.bind_portal(bind),
            Message::Describe(target, name) => self.describe(target, &name),
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows).await,
            Message::Close(target, name) => {
                self.close(target, &name);
                Ok(())
            }
            _ => Ok(()),
        };
        self.end_statement();
        match result {
            Err(Fault::Error(error)) => {
                self.report_error(&error);
                self.fail_transaction();
                self.skipping = true;
                Ok(())
            }
            other => other,
        }
    }

    /// From now on cancel requests and `statement_timeout` mean this statement.
    fn begin_statement(&mut self) {
        self.stop.interrupt = Arc::new(Interrupt::default());
        self.stop.deadline = self.settings.statement_timeout().map(|limit| Instant::now() + limit);
        self.key.working.set(Some(self.stop.interrupt.clone()));
    }

    fn end_statement(&mut self) {
        self.key.working.set(None);
        self.stop.deadline = None;
    }

    /// Tells the client that it may go on.
    async fn ready(&mut self) -> Result<(), Fault> {
        self.report_settings();
        backend::ready_for_query(&mut self.conn.out, self.transaction.status_byte());
        self.idle = true;
        tokio::select! {
            done = self.conn.flush() => Ok(done?),
            () = self.shared.shutdown.kill.cancelled() => Err(Fault::from(Reason::Shutdown)),
        }
    }

    fn report_settings(&mut self) {
        for (name, value) in self.settings.news() {
            backend::parameter_status(&mut self.conn.out, name, &value);
        }
    }

    fn report_error(&mut self, error: &Error) {
        counter!("narrows_errors_total", "sqlstate" => error.sqlstate().to_string()).increment(1);
        if error.sqlstate() == state::INTERNAL_ERROR {
            tracing::error!(user = %self.origin.user, "internal error: {error}");
        }
        backend::report(&mut self.conn.out, Severity::Error, error);
    }

    fn warn(&mut self, code: SqlState, message: &str) {
        if self.settings.wants_warnings() {
            backend::report(&mut self.conn.out, Severity::Warning, &Error::new(code, message));
        }
    }
}

fn read_fault(error: ReadError) -> Fault {
    match error {
        ReadError::Io => Fault::Gone,
        ReadError::BadLength(length) if length < 4 => {
            Fault::Fatal(Error::new(state::PROTOCOL_VIOLATION, "invalid message length"))
        }
        ReadError::BadLength(length) => {
            let message = format!("a message of {length} bytes is longer than this gateway accepts");
            Fault::Fatal(
                Error::new(state::PROGRAM_LIMIT_EXCEEDED, message)
                    .with_hint("Raise max_message_size in the gateway's configuration."),
            )
        }
    }
}
