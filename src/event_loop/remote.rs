//! A task spawned from another thread: its future runs on the loop, its output leaves it.

use std::{
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{builder::report_to_stderr, current};
use crate::executor::{Id, JoinError, wake};

/// What the task and its handle share.
struct Shared<T> {
    id: Id,
    state: Mutex<State<T>>,
    done: Condvar,
}

struct State<T> {
    /// Set once, by the task; taken once, by the handle.
    output: Option<Result<T, JoinError>>,
    finished: bool,
    /// The handle is gone.
    detached: bool,
    /// The handle asked for the end of the task.
    aborted: bool,
    /// Whom the task wakes when it is done.
    joiner: Option<Waker>,
    /// Whom the handle wakes when it aborts.
    task: Option<Waker>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task's end of the bargain. Dropping it tells the handle that the task was cancelled.
pub(super) struct RemoteTask<T> {
    shared: Arc<Shared<T>>,
}

impl<T> RemoteTask<T> {
    pub(super) fn new() -> (Self, RemoteJoinHandle<T>) {
        let state = State {
            output: None,
            finished: false,
            detached: false,
            aborted: false,
            joiner: None,
            task: None,
        };
        let shared =
            Arc::new(Shared { id: Id::reserve(), state: Mutex::new(state), done: Condvar::new() });
        (Self { shared: Arc::clone(&shared) }, RemoteJoinHandle { shared })
    }

    pub(super) fn id(&self) -> Id {
        self.shared.id
    }

    /// Runs the future that the closure returns and tells the handle how it ended.
    pub(super) async fn run<F>(self, closure: impl FnOnce() -> F)
    where
        F: Future<Output = T>,
    {
        let id = self.shared.id;
        let output = {
            let mut future = pin!(async move { closure().await });
            poll_fn(|cx| {
                if self.is_aborted(cx) {
                    return Poll::Ready(Err(JoinError::cancelled(id, None)));
                }
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(polled) => polled.map(Ok),
                    Err(payload) => Poll::Ready(Err(JoinError::panicked(id, None, payload))),
                }
            })
            .await
        };
        let is_panic = output.as_ref().is_err_and(JoinError::is_panic);
        if let Some(Err(error)) = self.finish(output) {
            if is_panic {
                // The handle is gone: let the loop find the panic in its own, detached task.
                resume_unwind(error.into_panic());
            }
        } else if is_panic {
            current::with(|core| core.executor.count_panic());
        }
    }

    fn is_aborted(&self, cx: &Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        let old = state.task.replace(waker);
        let aborted = state.aborted;
        drop(state);
        drop(old);
        aborted
    }

    /// Leaves the output for the handle, or gives it back if the handle is gone.
    fn finish(&self, output: Result<T, JoinError>) -> Option<Result<T, JoinError>> {
        let mut state = self.shared.lock();
        if state.finished {
            return None;
        }
        state.finished = true;
        let task = state.task.take();
        if state.detached {
            drop(state);
            drop(task);
            return Some(output);
        }
        state.output = Some(output);
        let joiner = state.joiner.take();
        self.shared.done.notify_all();
        drop(state);
        drop(task);
        if let Some(joiner) = joiner {
            wake(joiner);
        }
        None
    }
}

impl<T> Drop for RemoteTask<T> {
    fn drop(&mut self) {
        self.finish(Err(JoinError::cancelled(self.shared.id, None)));
    }
}

/// Waits, on whatever thread or runtime, for a task that was spawned by a
/// [`Handle`](super::Handle).
///
/// A future of `Result<T, JoinError>`. Dropping it lets the task run on; a panic that the task had
/// before is then printed on standard error, a later one goes to the loop's hook.
///
/// # Cancel safety
///
/// It may be polled by reference and dropped at any time; the output is lost only with the handle.
#[doc(alias = "wrap_future")]
pub struct RemoteJoinHandle<T> {
    shared: Arc<Shared<T>>,
}

impl<T> RemoteJoinHandle<T> {
    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.shared.id
    }

    /// Returns whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared.lock().finished
    }

    /// Asks the loop to drop the task's future, on its own thread, as soon as it comes to it.
    #[doc(alias = "kill")]
    #[doc(alias = "cancel")]
    pub fn abort(&self) {
        let mut state = self.shared.lock();
        state.aborted = true;
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            wake(task);
        }
    }

    /// Blocks the calling thread until the task has ended.
    ///
    /// # Errors
    ///
    /// When the task panicked, was aborted, or ended with its loop.
    ///
    /// # Panics
    ///
    /// On a thread that runs an event loop, which it would block: await the handle there.
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        assert!(
            !current::is_running(),
            "RemoteJoinHandle::join would block the event loop of this thread: \
             await the handle instead",
        );
        let mut state = self.shared.lock();
        loop {
            if let Some(output) = state.output.take() {
                return output;
            }
            assert!(!state.finished, "the output of task {} was taken already", self.shared.id);
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Future for RemoteJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        if let Some(output) = state.output.take() {
            return Poll::Ready(output);
        }
        assert!(!state.finished, "RemoteJoinHandle polled after it gave its output");
        let old = state.joiner.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for RemoteJoinHandle<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.detached = true;
        let joiner = state.joiner.take();
        let output = state.output.take();
        drop(state);
        drop(joiner);
        if let Some(Err(error)) = output {
            if error.is_panic() {
                report_to_stderr(&error);
            }
        }
    }
}

impl<T> fmt::Debug for RemoteJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoinHandle").field("id", &self.shared.id).finish()
    }
}
