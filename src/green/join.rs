//! Waiting for many green threads, or tasks, or some of them.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{JoinHandle, wait::Wait};
use crate::{
    event_loop,
    task::{self, JoinError},
    time::{Sleep, sleep},
    wake_set::WakeSet,
};

/// Waits until all of the tasks have ended, and gives their outputs in the order of the handles.
///
/// See [`Join`] for a limit on the time or on their number.
///
/// # Panics
///
/// Outside of a green thread.
#[doc(alias = "joinall")]
#[track_caller]
pub fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<Result<T, JoinError>> {
    task::join_all(handles).wait()
}

/// Waits until tasks have ended: all of them, or so many, or those that do in some time.
///
/// It asks only those that have ended, however many there are. A future of [`Joined`]: finish with `.wait()` in a green thread and with `.await` in async code.
///
/// # Cancel safety
///
/// Dropping it detaches the tasks, and drops the outputs of those that have ended.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::green::{self, Join, Wait};
///
/// green::run(|| {
///     let threads = [60_000, 1, 60_000].map(|time| {
///         green::spawn(move || green::sleep(Duration::from_millis(time)))
///     });
///     let joined = Join::new(threads).count(1).timeout(Duration::from_secs(60)).wait();
///     assert_eq!(joined.finished.len(), 1);
///     assert_eq!(joined.finished[0].0, 1); // The second one.
///     assert_eq!(joined.pending.len(), 2);
/// });
/// ```
#[doc(alias = "joinall")]
#[doc(alias = "iwait")]
#[must_use = "it does nothing unless awaited or waited for"]
pub struct Join<T> {
    /// `None` in the places of those that have ended.
    handles: Vec<Option<JoinHandle<T>>>,
    wakes: WakeSet,
    finished: Vec<(usize, Result<T, JoinError>)>,
    count: usize,
    limit: Option<Sleep>,
}

/// What came of a [`Join`].
#[derive(Debug)]
pub struct Joined<T> {
    /// The outputs of those that have ended, each with its place among the handles that were given:
    /// first those that had ended before, in that order, then the others in the order of their ends.
    pub finished: Vec<(usize, Result<T, JoinError>)>,
    /// The handles of the others, each with its place.
    pub pending: Vec<(usize, JoinHandle<T>)>,
}

impl<T> Join<T> {
    /// Waits for all of these, unless told otherwise.
    pub fn new(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Self {
        let handles: Vec<_> = handles.into_iter().map(Some).collect();
        let count = handles.len();
        Self { handles, wakes: WakeSet::new(count), finished: Vec::new(), count, limit: None }
    }

    /// Waits until at least so many have ended.
    pub fn count(mut self, count: usize) -> Self {
        self.count = count.min(self.handles.len());
        self
    }

    /// Waits at most for so long.
    pub fn timeout(mut self, duration: Duration) -> Self {
        self.limit = Some(sleep(duration));
        self
    }

    /// Asks those that were woken, in the order in which they were, until enough have ended.
    fn poll_woken(&mut self, parent: &Waker) {
        for place in self.wakes.take(parent) {
            if self.finished.len() == self.count {
                return;
            }
            let Some(handle) = &mut self.handles[place] else { continue };
            let mut cx = Context::from_waker(self.wakes.waker(place));
            let poll = || Pin::new(&mut *handle).poll(&mut cx);
            if let Poll::Ready(output) = event_loop::with_fresh_budget(poll) {
                self.handles[place] = None;
                self.finished.push((place, output));
            }
        }
    }
}

impl<T> Future for Join<T> {
    type Output = Joined<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Joined<T>> {
        let this = self.get_mut();
        if this.finished.len() < this.count {
            this.poll_woken(cx.waker());
        }
        let is_over = |limit: &mut Sleep| Pin::new(limit).poll(cx).is_ready();
        if this.finished.len() < this.count && !this.limit.as_mut().is_some_and(is_over) {
            return Poll::Pending;
        }
        let handles = std::mem::take(&mut this.handles).into_iter().enumerate();
        Poll::Ready(Joined {
            finished: std::mem::take(&mut this.finished),
            pending: handles.filter_map(|(place, handle)| Some((place, handle?))).collect(),
        })
    }
}

// Nothing in it is ever pinned.
impl<T> Unpin for Join<T> {}

impl<T> fmt::Debug for Join<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("handles", &self.handles.len())
            .field("finished", &self.finished.len())
            .finish_non_exhaustive()
    }
}
