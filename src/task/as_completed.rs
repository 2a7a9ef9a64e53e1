//! The outputs of many futures, as they come.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{
    event_loop,
    wake_set::{Member, WakeQueue},
};

/// Gives the outputs of futures (or [`JoinHandle`](super::JoinHandle)s) in the order in which they are
/// done: a stream, which green threads iterate over by `green::iter`.
///
/// The futures run side by side, in the task that waits. To know which output is whose, let the futures
/// say it.
///
/// # Cancel safety
///
/// Dropping the future of a `next` takes no output. Dropping the stream drops the futures that are
/// not done; dropped handles detach their tasks.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::task;
///
/// greenloop::run(async {
///     let naps = [20, 1, 10].map(|n| async move {
///         greenloop::sleep(Duration::from_millis(n)).await;
///         n
///     });
///     let mut woken_up = task::as_completed(naps);
///     assert_eq!(woken_up.next().await, Some(1));
///     assert_eq!(woken_up.next().await, Some(10));
///     assert_eq!(woken_up.next().await, Some(20));
///     assert_eq!(woken_up.next().await, None);
/// });
/// ```
#[doc(alias = "FuturesUnordered")]
#[doc(alias = "iwait")]
pub fn as_completed<I>(futures: I) -> AsCompleted<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator,
    I::Item: IntoFuture,
{
    let wakes = WakeQueue::new();
    let entry = |(index, future): (usize, I::Item)| {
        let member = wakes.member(index);
        member.waker().wake();
        Some(Entry { future: Box::pin(future.into_future()), member })
    };
    let entries: Vec<_> = futures.into_iter().enumerate().map(entry).collect();
    let left = entries.len();
    AsCompleted { entries, left, wakes }
}

/// The stream of [`as_completed`].
#[must_use = "a stream does nothing unless polled"]
pub struct AsCompleted<F> {
    /// `None` in the places of those that are done.
    entries: Vec<Option<Entry<F>>>,
    left: usize,
    wakes: WakeQueue,
}

struct Entry<F> {
    future: Pin<Box<F>>,
    member: Arc<Member>,
}

// The futures are boxed, and nothing else is ever pinned.
impl<F> Unpin for AsCompleted<F> {}

impl<F: Future> AsCompleted<F> {
    /// Waits for the next future that is done, and gives its output; `None` after the last.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes no output.
    #[allow(clippy::should_implement_trait, reason = "the name that StreamExt has for it")]
    pub async fn next(&mut self) -> Option<F::Output> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns how many futures are not done.
    #[must_use]
    pub fn len(&self) -> usize {
        self.left
    }

    /// Returns whether all futures are done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Polls the future that was woken first.
    fn poll_woken(&mut self) -> Poll<F::Output> {
        let Some(member) = self.wakes.pop() else { return Poll::Pending };
        let place = &mut self.entries[member.index()];
        // Woken once more after it was done.
        let Some(entry) = place else { return Poll::Pending };
        let waker = entry.member.waker();
        let cx = &mut Context::from_waker(&waker);
        // Each with a full budget: one that answers pending for want of it would come again and again.
        let polled = event_loop::with_fresh_budget(|| entry.future.as_mut().poll(cx));
        if polled.is_ready() {
            self.left -= 1;
            // Its destructor may run anything, and finds the stream in order.
            let done = place.take();
            drop(done);
        }
        polled
    }
}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = F::Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let has_budget = |core: &event_loop::Core| core.executor.poll_budget(cx);
        if event_loop::with(has_budget).is_some_and(|polled| polled.is_pending()) {
            return Poll::Pending;
        }
        for _ in 0..self.wakes.woken() {
            if let Poll::Ready(output) = self.poll_woken() {
                event_loop::with(|core| core.executor.spend_budget());
                return Poll::Ready(Some(output));
            }
        }
        self.wakes.listen(cx.waker());
        Poll::Pending
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish()
    }
}
