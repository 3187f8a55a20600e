//! Real drivers against a gateway in this process, over an engine made of canned answers.

mod admission;
mod binary;
mod cancel;
mod copy;
mod cursors;
mod engine;
mod extended;
mod harness;
mod login;
mod process;
mod raw;
mod session;
mod simple;
