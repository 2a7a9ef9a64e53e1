//! Waiting for many futures, each a task of its own, whatever becomes of the others.

use std::{
    fmt,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use super::{AbortHandle, JoinAll, JoinError, JoinHandle, join_all, spawn_with};
use crate::executor::SpawnOptions;

/// Runs futures as tasks, waits until all of them have ended, however they did, and gives their
/// results in the order in which they were given.
///
/// One that panics or is aborted has an error for its result, and disturbs no other: that is the
/// difference from [`join_all`] of futures. The tasks are spawned by the first poll.
///
/// # Panics
///
/// When polled outside of a loop.
///
/// # Cancel safety
///
/// Dropping the future aborts the tasks.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let loaves = ["rye", "", "wheat"].map(|flour| async move {
///         assert!(!flour.is_empty(), "no flour");
///         format!("{flour} bread")
///     });
///     let baked = greenloop::task::join_all_settled(loaves).await;
///     assert_eq!(baked[0].as_ref().unwrap(), "rye bread");
///     assert!(baked[1].as_ref().unwrap_err().is_panic());
///     assert_eq!(baked[2].as_ref().unwrap(), "wheat bread");
/// });
/// ```
#[doc(alias = "gather")]
#[doc(alias = "allSettled")]
#[track_caller]
pub fn join_all_settled<I>(futures: I) -> JoinAllSettled<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator,
    I::Item: IntoFuture<IntoFuture: 'static, Output: 'static>,
{
    JoinAllSettled {
        unstarted: futures.into_iter().map(IntoFuture::into_future).collect(),
        tasks: Vec::new(),
        joined: None,
        location: Location::caller(),
    }
}

/// The future of [`join_all_settled`].
#[must_use = "a future does nothing unless awaited"]
pub struct JoinAllSettled<F: Future> {
    /// Empty from the first poll on.
    unstarted: Vec<F>,
    tasks: Vec<AbortHandle>,
    joined: Option<JoinAll<JoinHandle<F::Output>>>,
    location: &'static Location<'static>,
}

// The futures are moved into tasks before they are pinned.
impl<F: Future> Unpin for JoinAllSettled<F> {}

impl<F> Future for JoinAllSettled<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    type Output = Vec<Result<F::Output, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let joined = this.joined.get_or_insert_with(|| {
            let futures = std::mem::take(&mut this.unstarted).into_iter();
            let options = || SpawnOptions { id: None, name: None, location: this.location };
            let tasks: Vec<_> = futures.map(|future| spawn_with(future, options())).collect();
            this.tasks = tasks.iter().map(JoinHandle::abort_handle).collect();
            join_all(tasks)
        });
        Pin::new(joined).poll(cx)
    }
}

impl<F: Future> Drop for JoinAllSettled<F> {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl<F: Future> fmt::Debug for JoinAllSettled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let futures = self.unstarted.len() + self.tasks.len();
        f.debug_struct("JoinAllSettled").field("futures", &futures).finish()
    }
}
