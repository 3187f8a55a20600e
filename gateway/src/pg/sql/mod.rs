//! The SQL a session understands by itself: where statements end, transactions, settings, prepared statements, cursors, COPY.
//! Queries are passed on as text.

mod call;
mod command;
mod copy;
mod cursor;
mod lexer;
mod parse;
mod settings;
mod transaction;

pub use command::*;
pub use parse::{parse, shift};
