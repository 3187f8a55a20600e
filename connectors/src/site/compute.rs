//! The threads that compute.
//!
//! DataFusion's operators run for milliseconds between two awaits, and a join that fans out for much longer. They get threads of
//! their own, so that the runtime that answers a cancel, a heartbeat or a new client is never behind them in a queue.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use planner::{Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// A tokio runtime that is shut down without waiting, from any thread.
#[derive(Debug)]
pub struct Compute {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Compute {
    pub fn new(threads: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("narrows-compute")
            .thread_stack_size(32 << 20)
            .enable_all()
            .build()
            .map_err(|e| Error::internal("the compute threads could not be started").with_cause(e))?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle })
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Compute {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs a future; a panic inside becomes an error instead of a task that silently ended.
pub async fn caught<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(Error::internal(format!("a part of the query panicked: {}", panic_text(panic.as_ref())))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}
