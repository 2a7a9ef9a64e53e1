//! Waiting in a queue until something is so.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::counted::poll_counted;
use crate::wait_queue::{State, WaitQueue, Waiter};

pin_project_lite::pin_project! {
    /// Looks whenever all in the queue are told, until there is a result.
    #[must_use = "a future does nothing unless awaited"]
    pub(crate) struct Until<'a, F> {
        queue: &'a WaitQueue,
        look: F,
        #[pin]
        waiter: Waiter,
    }
}

impl<'a, F> Until<'a, F> {
    pub(crate) fn new<R>(queue: &'a WaitQueue, look: F) -> Self
    where
        F: FnMut() -> Option<R>,
    {
        Self { queue, look, waiter: Waiter::new(0) }
    }
}

impl<R, F: FnMut() -> Option<R>> Future for Until<'_, F> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.project();
        let (queue, look, waiter) = (*this.queue, this.look, this.waiter.into_ref());
        poll_counted(cx, |cx| poll_until(queue, waiter, cx, look))
    }
}

/// The polling half of `Until`.
pub(super) fn poll_until<R>(
    queue: &WaitQueue,
    waiter: Pin<&Waiter>,
    cx: &Context<'_>,
    mut look: impl FnMut() -> Option<R>,
) -> Poll<R> {
    if let Some(result) = look() {
        waiter.take();
        return Poll::Ready(result);
    }
    if waiter.poll(cx.waker()) == State::Waiting {
        return Poll::Pending;
    }
    // A stranger's waker may run anything when it is cloned.
    let waker = cx.waker().clone();
    if let Some(result) = look() {
        return Poll::Ready(result);
    }
    waiter.take();
    queue.push(waiter, Some(waker));
    Poll::Pending
}
