//! Waiting for some of many tasks, and keeping the handles of the rest.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{JoinError, JoinHandle};
use crate::{
    event_loop,
    time::{Sleep, sleep, sleep_until},
    wake_set::{Member, WakeQueue},
};

/// What [`wait`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "FIRST_COMPLETED")]
#[doc(alias = "FIRST_EXCEPTION")]
#[doc(alias = "ALL_COMPLETED")]
pub enum Until {
    /// That at least one task has ended, however it did.
    FirstCompleted,
    /// That a task has panicked, or else that all have ended. A task that was aborted is no error; see
    /// [`WaitFor::or_err`] for tasks that return one.
    FirstError,
    /// That all tasks have ended.
    All,
}

/// Waits for some of the tasks, takes the handles of all that have ended out of the vector, in their
/// order, and gives them; the others stay, and their tasks run on.
///
/// An output is taken from a handle as always, by waiting for it, which does not wait any more. With
/// [`timeout`](WaitFor::timeout) it gives those that have ended when the time is over, and no error.
/// With an empty vector there is nothing to wait for.
///
/// # Cancel safety
///
/// Dropping the future leaves all handles in the vector.
///
/// # Examples
///
/// ```
/// use greenloop::task::{self, Until};
///
/// greenloop::run(async {
///     let mut tasks = vec![
///         greenloop::spawn(std::future::pending()),
///         greenloop::spawn(async { 7 }),
///     ];
///     for done in task::wait(&mut tasks, Until::FirstCompleted).await {
///         assert_eq!(done.await.unwrap(), 7);
///     }
///     assert_eq!(tasks.len(), 1);
/// });
/// ```
pub fn wait<T>(handles: &mut Vec<JoinHandle<T>>, until: Until) -> WaitFor<'_, T> {
    WaitFor {
        handles,
        until,
        is_error: |output| output.as_ref().is_err_and(JoinError::is_panic),
        limit: None,
        watched: None,
    }
}

/// The future of [`wait`].
#[must_use = "a future does nothing unless awaited"]
pub struct WaitFor<'a, T> {
    handles: &'a mut Vec<JoinHandle<T>>,
    until: Until,
    is_error: fn(&Result<T, JoinError>) -> bool,
    limit: Option<Sleep>,
    /// From the first poll on.
    watched: Option<Watched>,
}

/// What is known of the tasks.
struct Watched {
    wakes: WakeQueue,
    members: Vec<Arc<Member>>,
    /// How many have not ended.
    left: usize,
    /// One ended, or failed, as is waited for.
    found: bool,
}

impl<T> WaitFor<'_, T> {
    /// Waits at most for so long.
    pub fn timeout(mut self, duration: Duration) -> Self {
        self.limit = Some(sleep(duration));
        self
    }

    /// Waits at most until then.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.limit = Some(sleep_until(deadline));
        self
    }

    /// Looks at a task that was woken, and at what its end means.
    fn look(&mut self, watched: &mut Watched, member: &Arc<Member>) {
        let handle = &mut self.handles[member.index()];
        if !handle.is_finished() {
            handle.listen(&member.waker());
            return;
        }
        watched.left -= 1;
        watched.found |= match self.until {
            Until::FirstCompleted => true,
            // Without an output, it was taken by one who polled the handle by reference.
            Until::FirstError => handle.peek(self.is_error).unwrap_or(false),
            Until::All => false,
        };
    }

    /// Starts to watch all tasks.
    fn watch(&mut self) -> Watched {
        let wakes = WakeQueue::new();
        let members: Vec<_> = (0..self.handles.len()).map(|index| wakes.member(index)).collect();
        let mut watched = Watched { wakes, left: members.len(), members, found: false };
        for index in 0..self.handles.len() {
            let member = Arc::clone(&watched.members[index]);
            self.look(&mut watched, &member);
        }
        watched
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(limit) = &mut self.limit else { return false };
        event_loop::with_fresh_budget(|| Pin::new(&mut *limit).poll(cx).is_ready())
    }
}

impl<T, E> WaitFor<'_, Result<T, E>> {
    /// Lets an `Err` that a task returns count as an error, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::task::{self, Until};
    ///
    /// greenloop::run(async {
    ///     let mut tasks = vec![
    ///         greenloop::spawn(std::future::pending()),
    ///         greenloop::spawn(async { "x".parse::<u8>() }),
    ///     ];
    ///     let failed = task::wait(&mut tasks, Until::FirstError).or_err().await;
    ///     assert_eq!((failed.len(), tasks.len()), (1, 1));
    /// });
    /// ```
    pub fn or_err(mut self) -> Self {
        self.is_error = |output| match output {
            Ok(output) => output.is_err(),
            Err(error) => error.is_panic(),
        };
        self
    }
}

impl<T> Future for WaitFor<'_, T> {
    type Output = Vec<JoinHandle<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let has_budget = |core: &event_loop::Core| core.executor.poll_budget(cx);
        if event_loop::with(has_budget).is_some_and(|polled| polled.is_pending()) {
            return Poll::Pending;
        }
        let mut watched = match this.watched.take() {
            Some(watched) => watched,
            None => this.watch(),
        };
        for _ in 0..watched.wakes.woken() {
            let Some(member) = watched.wakes.pop() else { break };
            this.look(&mut watched, &member);
        }
        let done = watched.found || watched.left == 0 || this.is_over(cx);
        if !done {
            watched.wakes.listen(cx.waker());
            this.watched = Some(watched);
            return Poll::Pending;
        }
        event_loop::with(|core| core.executor.spend_budget());
        // Also those that ended just now, and have not woken this.
        let (ended, left) = this.handles.drain(..).partition(JoinHandle::is_finished);
        *this.handles = left;
        Poll::Ready(ended)
    }
}

impl<T> fmt::Debug for WaitFor<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor")
            .field("tasks", &self.handles.len())
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
