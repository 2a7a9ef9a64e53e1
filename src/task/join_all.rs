//! Waiting for many futures of one type, side by side.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use super::join_handle::drop_aborting;
use crate::{event_loop, wake_set::WakeSet};

/// With so many futures or fewer, all of those that are pending are polled at each wake; with more,
/// only those that were woken, at the price of a waker for each.
const FEW: usize = 32;

/// Waits until all futures (or [`JoinHandle`](super::JoinHandle)s) are done, and gives their
/// outputs in the order in which they were given.
///
/// # Cancel safety
///
/// Dropping it drops the futures that are not done, and the outputs of those that are. Dropped
/// handles detach their tasks.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let squares = greenloop::join_all((0..4).map(|n| async move { n * n })).await;
///     assert_eq!(squares, [0, 1, 4, 9]);
///
///     let tasks = (0..4).map(|n| greenloop::spawn(async move { n * n }));
///     let squares: Result<Vec<_>, _> = greenloop::join_all(tasks).await.into_iter().collect();
///     assert_eq!(squares.unwrap(), [0, 1, 4, 9]);
/// });
/// ```
#[doc(alias = "joinall")]
#[doc(alias = "gather")]
pub fn join_all<I>(futures: I) -> JoinAll<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator,
    I::Item: IntoFuture,
{
    JoinAll { members: Members::new(futures) }
}

/// Waits until all futures (or [`JoinHandle`](super::JoinHandle)s) have succeeded, and gives their
/// outputs in the order in which they were given; or, as soon as one fails, its error.
///
/// The rest is cancelled then: futures are dropped, and the tasks of handles are aborted.
///
/// # Errors
///
/// That of the future that failed first.
///
/// # Cancel safety
///
/// Dropping it drops the futures that are not done, and the outputs of those that are. Dropped
/// handles detach their tasks.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let numbers = ["1", "2", "x"].map(|text| async move { text.parse::<u8>() });
///     assert!(greenloop::task::try_join_all(numbers).await.is_err());
/// });
/// ```
#[doc(alias = "gather")]
pub fn try_join_all<I, T, E>(futures: I) -> TryJoinAll<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator,
    I::Item: IntoFuture<Output = Result<T, E>>,
{
    TryJoinAll { members: Members::new(futures) }
}

/// The future of [`join_all`].
#[must_use = "a future does nothing unless awaited"]
pub struct JoinAll<F: Future> {
    members: Members<F>,
}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.members.poll(cx, |_| false);
        self.members.take_outputs()
    }
}

/// The future of [`try_join_all`].
#[must_use = "a future does nothing unless awaited"]
pub struct TryJoinAll<F: Future> {
    members: Members<F>,
}

impl<F, T, E> Future for TryJoinAll<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(Err(error)) = self.members.poll(cx, Result::is_err) {
            cancel_all(&mut self.members.members);
            return Poll::Ready(Err(error));
        }
        self.members.take_outputs().map(|outputs| outputs.into_iter().collect())
    }
}

/// Cancels the members one after the other, also when the destructor of one panics.
fn cancel_all<F: Future>(members: &mut Vec<Member<F>>) {
    struct Rest<'a, F: Future>(&'a mut Vec<Member<F>>);

    impl<F: Future> Drop for Rest<'_, F> {
        fn drop(&mut self) {
            if !self.0.is_empty() {
                cancel_all(self.0);
            }
        }
    }

    let rest = Rest(members);
    while let Some(member) = rest.0.pop() {
        if let Member::Pending(future) = member {
            drop_aborting(future);
        }
    }
}

/// The futures and, in their places, the outputs of those that are done.
struct Members<F: Future> {
    members: Vec<Member<F>>,
    pending: usize,
    /// `None` for a few.
    wakes: Option<WakeSet>,
}

enum Member<F: Future> {
    Pending(Pin<Box<F>>),
    Done(F::Output),
}

// The futures are boxed, and nothing else is ever pinned.
impl<F: Future> Unpin for Members<F> {}
impl<F: Future> Unpin for JoinAll<F> {}
impl<F: Future> Unpin for TryJoinAll<F> {}

impl<F: Future> Members<F> {
    fn new<I>(futures: I) -> Self
    where
        I: IntoIterator,
        I::Item: IntoFuture<IntoFuture = F, Output = F::Output>,
    {
        let members: Vec<_> =
            futures.into_iter().map(|f| Member::Pending(Box::pin(f.into_future()))).collect();
        let pending = members.len();
        Self { members, pending, wakes: (pending > FEW).then(|| WakeSet::new(pending)) }
    }

    /// Polls those that may have got on, and gives the first output that `ends` it all.
    fn poll(&mut self, cx: &mut Context<'_>, ends: fn(&F::Output) -> bool) -> Option<F::Output> {
        let Some(wakes) = self.wakes.take() else {
            return (0..self.members.len()).find_map(|index| self.poll_member(index, cx, ends));
        };
        let mut ended = None;
        for index in wakes.take(cx.waker()) {
            let mut cx = Context::from_waker(wakes.waker(index));
            ended = self.poll_member(index, &mut cx, ends);
            if ended.is_some() {
                break;
            }
        }
        self.wakes = Some(wakes);
        ended
    }

    fn poll_member(
        &mut self,
        index: usize,
        cx: &mut Context<'_>,
        ends: fn(&F::Output) -> bool,
    ) -> Option<F::Output> {
        let member = self.members.get_mut(index)?;
        let Member::Pending(future) = member else {
            return None;
        };
        // Each with a full budget: members that answered pending for want of one would be polled
        // again and again.
        let polled = event_loop::with_fresh_budget(|| future.as_mut().poll(cx));
        let Poll::Ready(output) = polled else {
            return None;
        };
        if ends(&output) {
            // Not polled again: the caller drops them all.
            self.members.swap_remove(index);
            return Some(output);
        }
        *member = Member::Done(output);
        self.pending -= 1;
        None
    }

    fn take_outputs(&mut self) -> Poll<Vec<F::Output>> {
        if self.pending > 0 {
            return Poll::Pending;
        }
        let output = |member| match member {
            Member::Done(output) => output,
            Member::Pending(_) => unreachable!("none is pending"),
        };
        Poll::Ready(std::mem::take(&mut self.members).into_iter().map(output).collect())
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("pending", &self.members.pending).finish()
    }
}

impl<F: Future> fmt::Debug for TryJoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryJoinAll").field("pending", &self.members.pending).finish()
    }
}
