//! Work that goes on when nobody waits for it any more.

use std::{
    fmt,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{Id, JoinHandle, deadline::without_deadlines, spawn};

/// Runs a future as a task of its own and waits for it; when the wait is cancelled, the task goes on.
///
/// For what must not be left half done: a commit, a last message, a file that is being renamed. The task
/// is spawned at once, and knows nothing of the [deadlines](super::Deadline) around the wait. Only the
/// loop's end aborts it.
///
/// # Panics
///
/// Outside of a loop. The wait panics with the panic of the future; when nobody waits any more that
/// is reported as the panic of any task.
///
/// # Cancel safety
///
/// Dropping the wait is what this is for.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// use greenloop::task;
///
/// greenloop::run(async {
///     let committed = Rc::new(Cell::new(false));
///     let commit = {
///         let committed = Rc::clone(&committed);
///         async move {
///             greenloop::sleep(Duration::from_millis(5)).await;
///             committed.set(true);
///         }
///     };
///     assert!(greenloop::timeout(Duration::ZERO, task::shield(commit)).await.is_err());
///     greenloop::sleep(Duration::from_millis(20)).await;
///     assert!(committed.get());
/// });
/// ```
#[doc(alias = "asyncio.shield")]
#[track_caller]
pub fn shield<F>(future: F) -> Shield<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // What the task inherits is what is there when it is spawned.
    Shield::new(without_deadlines(|| spawn(future)))
}

/// The wait of [`shield`].
#[must_use = "the work runs on, but nobody learns what came of it"]
pub struct Shield<T> {
    task: JoinHandle<T>,
}

impl<T> Shield<T> {
    pub(crate) fn new(task: JoinHandle<T>) -> Self {
        Self { task }
    }

    /// Returns the id of the task that does the work.
    #[must_use]
    pub fn id(&self) -> Id {
        self.task.id()
    }

    /// Returns the handle of the task that does the work.
    #[must_use]
    pub fn into_handle(self) -> JoinHandle<T> {
        self.task
    }
}

impl<T> Future for Shield<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(output) => Poll::Ready(output),
            Err(error) => match error.try_into_panic() {
                Ok(payload) => resume_unwind(payload),
                Err(error) => panic!("the shielded {error}"),
            },
        }
    }
}

impl<T> fmt::Debug for Shield<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("task", &self.id()).finish()
    }
}
