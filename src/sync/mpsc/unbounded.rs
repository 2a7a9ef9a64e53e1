//! A channel without a limit.

use std::{
    fmt,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{
    error::{SendError, TryRecvError},
    receiving::{Receiving, Recv, RecvMany},
    shared::Shared,
};

/// Makes a channel that holds as many messages as memory does.
///
/// Whoever sends is not held back, so see to it in another way that more is received than sent.
///
/// # Examples
///
/// ```
/// use greenloop::sync::mpsc;
///
/// greenloop::run(async {
///     let (sender, mut receiver) = mpsc::unbounded_channel();
///     sender.send("hello").unwrap();
///     assert_eq!(receiver.recv().await, Some("hello"));
/// });
/// ```
#[must_use]
#[track_caller]
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let shared = Rc::pin(Shared::new(0, Location::caller()));
    let receiving = Receiving::new(shared.clone());
    (UnboundedSender { shared }, UnboundedReceiver { receiving })
}

/// Sends messages, without ever waiting; there may be several.
pub struct UnboundedSender<T> {
    shared: Pin<Rc<Shared<T>>>,
}

impl<T> UnboundedSender<T> {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// The message, when the receiver was closed or dropped.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.shared.push(value).map_err(SendError)
    }

    /// Waits until the receiver is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only means not to wait.
    pub async fn closed(&self) {
        self.shared.closed().await;
    }

    /// Whether the receiver was closed or dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Whether both send to the same receiver.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        std::ptr::eq(&*self.shared, &*other.shared)
    }

    /// Makes a handle that does not keep the channel open.
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        self.shared.add_weak_sender();
        WeakUnboundedSender { shared: self.shared.clone() }
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.senders()
    }

    /// How many weak handles there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for UnboundedSender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::UnboundedSender").finish_non_exhaustive()
    }
}

/// A handle to a channel without a limit that does not keep it open.
pub struct WeakUnboundedSender<T> {
    shared: Pin<Rc<Shared<T>>>,
}

impl<T> WeakUnboundedSender<T> {
    /// Makes a sender, unless the last one was dropped.
    #[must_use]
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        (self.shared.senders() > 0).then(|| {
            self.shared.add_sender();
            UnboundedSender { shared: self.shared.clone() }
        })
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.senders()
    }

    /// How many weak handles there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders()
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        self.shared.add_weak_sender();
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for WeakUnboundedSender<T> {
    fn drop(&mut self) {
        self.shared.remove_weak_sender();
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::WeakUnboundedSender").finish_non_exhaustive()
    }
}

/// Receives messages, in the order in which they were sent.
///
/// It is a [`Stream`] of them, too.
pub struct UnboundedReceiver<T> {
    receiving: Receiving<T>,
}

impl<T> UnboundedReceiver<T> {
    /// Waits for the next message; see [`Receiver::recv`](super::Receiver::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[inline]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiving: &mut self.receiving, waits: false }
    }

    /// Waits for messages; see [`Receiver::recv_many`](super::Receiver::recv_many).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
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

    /// Lets nobody send any more. What was sent is still received.
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

impl<T> Stream for UnboundedReceiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::UnboundedReceiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
