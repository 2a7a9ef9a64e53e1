#![allow(unsafe_code, reason = "the root future may borrow from the caller of `run`")]
//! The root: the future that `run` was called with, as a task among the others.
//!
//! It may borrow what lives outside of the run, so it must be gone when the run returns, or unwinds.

use super::{core::Core, deadlock::Deadlock};
use crate::executor::{JoinError, SpawnOptions, TaskKey};

/// Runs a future as the root task of an entered loop.
pub(super) fn run_to_end<F: Future>(
    core: &Core,
    future: F,
    options: SpawnOptions,
) -> Result<Result<F::Output, JoinError>, Deadlock> {
    // SAFETY: `EndRoot` finishes the task and takes its output before this function is left.
    let key = unsafe { core.executor.spawn_borrowing(future, options) };
    let _end = EndRoot { core, key };
    core.executor.set_root(key.untyped());
    core.run_root()?;
    Ok(core.executor.take_output(key).expect("the root is done, and nobody else has its key"))
}

/// Ends the root task, however the run was left.
struct EndRoot<'a, T> {
    core: &'a Core,
    key: TaskKey<T>,
}

impl<T> Drop for EndRoot<'_, T> {
    fn drop(&mut self) {
        // It is gone if the run came to its end. Otherwise it is a deadlock, or the loop itself has
        // panicked.
        self.core.executor.end_root(self.key.untyped());
    }
}
