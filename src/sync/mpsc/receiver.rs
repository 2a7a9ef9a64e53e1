//! The receiving end of a channel with a limit.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{
    error::TryRecvError,
    receiving::{Receiving, Recv, RecvMany},
};

/// Receives messages, in the order in which they were sent.
///
/// It is a [`Stream`] of them, too.
pub struct Receiver<T> {
    receiving: Receiving<T>,
}

impl<T> Receiver<T> {
    pub(super) fn new(receiving: Receiving<T>) -> Self {
        Self { receiving }
    }

    /// Waits for the next message; `None` when none will come: all senders are gone, or the receiver was closed,
    /// and everything was received.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a message leaves the channel when it is returned.
    #[inline]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiving: &mut self.receiving, waits: false }
    }

    /// Waits for messages, and appends as many as there are to `buffer`, at most `limit`. Gives their number: 0 if
    /// none will come, or the limit is 0.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::mpsc;
    /// greenloop::run(async {
    ///     let (sender, mut receiver) = mpsc::channel(8);
    ///     for number in 0..5 {
    ///         sender.send(number).await.unwrap();
    ///     }
    ///     let mut numbers = Vec::new();
    ///     assert_eq!(receiver.recv_many(&mut numbers, 3).await, 3);
    ///     assert_eq!(receiver.recv_many(&mut numbers, 3).await, 2);
    ///     assert_eq!(numbers, [0, 1, 2, 3, 4]);
    /// });
    /// ```
    pub fn recv_many<'a>(&'a mut self, buffer: &'a mut Vec<T>, limit: usize) -> RecvMany<'a, T> {
        RecvMany { receiving: &mut self.receiving, buffer, limit, waits: false }
    }

    /// Takes the next message if it is there.
    ///
    /// # Errors
    ///
    /// When it is not, which says whether one may still come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.receiving.try_recv()
    }

    /// The polling half of [`recv`](Self::recv). The waker of the last call counts.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.receiving.poll_recv(cx)
    }

    /// The polling half of [`recv_many`](Self::recv_many). The waker of the last call counts.
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.receiving.poll_recv_many(cx, buffer, limit)
    }

    /// Lets nobody send any more. What was sent, and what has a permit, is still received.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::mpsc;
    /// greenloop::run(async {
    ///     let (sender, mut receiver) = mpsc::channel(8);
    ///     sender.send(1).await.unwrap();
    ///     receiver.close();
    ///     assert!(sender.send(2).await.is_err());
    ///     assert_eq!(receiver.recv().await, Some(1));
    ///     assert_eq!(receiver.recv().await, None);
    /// });
    /// ```
    pub fn close(&mut self) {
        self.receiving.close();
    }

    /// Whether it was closed, or all senders are gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let shared = &self.receiving.shared;
        shared.is_closed() || shared.senders() == 0
    }

    /// Whether no message is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.receiving.shared.len()
    }

    /// How many messages could be sent now.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.receiving.shared.slots.available()
    }

    /// How many messages the channel holds.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.receiving.shared.capacity
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_strong_count(&self) -> usize {
        self.receiving.shared.senders()
    }

    /// How many weak handles there are.
    #[must_use]
    pub fn sender_weak_count(&self) -> usize {
        self.receiving.shared.weak_senders()
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
