//! Ending a task without waiting for it.

use std::fmt;

use crate::{
    event_loop,
    executor::{Id, TaskKey},
};

/// Ends a task; from [`JoinHandle::abort_handle`](super::JoinHandle::abort_handle).
///
/// Plain data: it neither keeps the task nor detaches it, and works from any thread.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// greenloop::run(async {
///     let task = greenloop::spawn(greenloop::sleep(Duration::MAX));
///     let aborter = task.abort_handle();
///     greenloop::spawn(async move { aborter.abort() });
///     assert!(task.await.unwrap_err().is_cancelled());
/// });
/// ```
#[doc(alias = "asyncio.Handle")]
#[derive(Clone, Copy)]
pub struct AbortHandle {
    key: TaskKey<()>,
}

impl AbortHandle {
    pub(super) fn new(key: TaskKey<()>) -> Self {
        Self { key }
    }

    /// Ends the task, as [`JoinHandle::abort`](super::JoinHandle::abort) does.
    #[doc(alias = "kill")]
    #[doc(alias = "cancel")]
    pub fn abort(&self) {
        let key = self.key;
        event_loop::run_or_post(key.loop_id(), move |core| core.executor.abort(key));
    }

    /// Returns whether the task has ended.
    ///
    /// # Panics
    ///
    /// On a thread that does not run the task's loop, while that loop is alive.
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        let key = self.key;
        let finished = event_loop::with_loop(key.loop_id(), |core| core.executor.is_finished(key));
        match finished {
            Some(finished) => finished,
            None if !event_loop::is_alive(key.loop_id()) => true,
            None => panic!(
                "is_finished of task {} was called outside of its event loop: ask in a task of \
                 that loop, or spawn through greenloop::Handle for a handle that works anywhere",
                key.id(),
            ),
        }
    }

    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.key.id()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
