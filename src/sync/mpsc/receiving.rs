//! The wait for messages, which channels with and without a limit have in common.

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use super::{error::TryRecvError, shared::Shared};
use crate::sync::counted::poll_counted;

/// The receiving end of a channel.
pub(super) struct Receiving<T> {
    pub(super) shared: Pin<Rc<Shared<T>>>,
}

impl<T> Receiving<T> {
    pub(super) fn new(shared: Pin<Rc<Shared<T>>>) -> Self {
        shared.as_ref().register();
        Self { shared }
    }

    #[inline]
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        poll_counted(cx, |cx| self.shared.as_ref().poll(cx.waker(), Shared::pop))
    }

    pub(super) fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        if limit == 0 {
            return Poll::Ready(0);
        }
        let mut take = |shared: &Shared<T>| {
            let count = shared.pop_many(buffer, limit);
            (count > 0).then_some(count)
        };
        poll_counted(cx, |cx| self.shared.as_ref().poll(cx.waker(), &mut take))
            .map(Option::unwrap_or_default)
    }

    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.shared.try_pop()
    }

    pub(super) fn close(&mut self) {
        self.shared.close();
    }
}

impl<T> Drop for Receiving<T> {
    fn drop(&mut self) {
        self.shared.receiver_gone();
    }
}

/// The future of `recv`.
#[must_use = "a future does nothing unless awaited"]
pub struct Recv<'a, T> {
    pub(super) receiving: &'a mut Receiving<T>,
    /// Its waker is in the channel.
    pub(super) waits: bool,
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let polled = self.receiving.poll_recv(cx);
        self.waits = polled.is_pending();
        polled
    }
}

impl<T> Drop for Recv<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.waits {
            self.receiving.shared.clear();
        }
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

/// The future of `recv_many`.
#[must_use = "a future does nothing unless awaited"]
pub struct RecvMany<'a, T> {
    pub(super) receiving: &'a mut Receiving<T>,
    pub(super) buffer: &'a mut Vec<T>,
    pub(super) limit: usize,
    /// Its waker is in the channel.
    pub(super) waits: bool,
}

impl<T> Future for RecvMany<'_, T> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let this = &mut *self;
        let polled = this.receiving.poll_recv_many(cx, this.buffer, this.limit);
        this.waits = polled.is_pending();
        polled
    }
}

impl<T> Drop for RecvMany<'_, T> {
    fn drop(&mut self) {
        if self.waits {
            self.receiving.shared.clear();
        }
    }
}

impl<T> fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMany").field("limit", &self.limit).finish_non_exhaustive()
    }
}
