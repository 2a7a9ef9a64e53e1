//! The receiving end.

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{
    Shared,
    error::{Lagged, RecvError, TryRecvError},
};
use crate::{
    sync::{
        counted::poll_counted,
        until::{Until, poll_until},
    },
    wait_queue::Waiter,
};

/// Receives every message that is sent while it is there.
///
/// It is a [`Stream`] of `Result<T, Lagged>`, too.
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The position of the message that is next.
    position: u64,
    /// For the stream, which has no future to wait in.
    waiter: Option<Pin<Box<Waiter>>>,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Rc<Shared<T>>) -> Self {
        shared.receivers.set(shared.receivers.get() + 1);
        let position = shared.next.get();
        Self { shared, position, waiter: None }
    }

    /// Makes a receiver of what is sent from here on, whatever this one did not get yet.
    pub fn resubscribe(&self) -> Self {
        Self::new(Rc::clone(&self.shared))
    }

    /// How many messages are held that this one did not get, those that it has missed included.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.shared.next.get() - self.position) as usize
    }

    /// Whether it has got all messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all senders are gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Whether both receive from the same senders.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_strong_count(&self) -> usize {
        self.shared.senders.get()
    }

    /// How many weak handles there are.
    #[must_use]
    pub fn sender_weak_count(&self) -> usize {
        self.shared.weak_senders.get()
    }

    /// Takes the next message, still shared with the other receivers.
    fn next(&mut self) -> Result<Rc<T>, TryRecvError> {
        let (first, next) = (self.shared.first(), self.shared.next.get());
        if self.position < first {
            // They were pushed out, since one who did not get them was counted: this one.
            let missed = first - self.position;
            self.position = first;
            return Err(TryRecvError::Lagged(missed));
        }
        if self.position < next {
            let value = self.shared.take(self.position);
            self.position += 1;
            return Ok(value);
        }
        Err(if self.is_closed() { TryRecvError::Closed } else { TryRecvError::Empty })
    }
}

impl<T: Clone> Receiver<T> {
    /// Waits for the next message.
    ///
    /// # Errors
    ///
    /// When messages were missed, which says how many; the next call gives the oldest that is held. And when all
    /// senders are gone, and everything was received.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::broadcast::{self, error::RecvError};
    ///
    /// greenloop::run(async {
    ///     let (sender, mut receiver) = broadcast::channel(2);
    ///     for number in 0..5 {
    ///         sender.send(number).unwrap();
    ///     }
    ///     assert_eq!(receiver.recv().await, Err(RecvError::Lagged(3)));
    ///     assert_eq!(receiver.recv().await, Ok(3));
    ///     assert_eq!(receiver.recv().await, Ok(4));
    ///     drop(sender);
    ///     assert_eq!(receiver.recv().await, Err(RecvError::Closed));
    /// });
    /// ```
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        let shared = Rc::clone(&self.shared);
        let value = Until::new(&shared.waits_for_message, || settled(self.next())).await?;
        Ok(Rc::unwrap_or_clone(value))
    }

    /// Takes the next message if it is there.
    ///
    /// # Errors
    ///
    /// When it is not, or messages were missed.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.next().map(Rc::unwrap_or_clone)
    }
}

/// What a receiver gets that waits, if it need not wait any more.
fn settled<T>(next: Result<T, TryRecvError>) -> Option<Result<T, RecvError>> {
    match next {
        Ok(value) => Some(Ok(value)),
        Err(TryRecvError::Lagged(missed)) => Some(Err(RecvError::Lagged(missed))),
        Err(TryRecvError::Closed) => Some(Err(RecvError::Closed)),
        Err(TryRecvError::Empty) => None,
    }
}

impl<T: Clone> Stream for Receiver<T> {
    type Item = Result<T, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let waiter = self.waiter.take().unwrap_or_else(|| Box::pin(Waiter::new(0)));
        let shared = Rc::clone(&self.shared);
        let polled = poll_counted(cx, |cx| {
            poll_until(&shared.waits_for_message, waiter.as_ref(), cx, || settled(self.next()))
        });
        self.waiter = Some(waiter);
        polled.map(|result| match result {
            Ok(value) => Some(Ok(Rc::unwrap_or_clone(value))),
            Err(RecvError::Lagged(missed)) => Some(Err(Lagged(missed))),
            Err(RecvError::Closed) => None,
        })
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let shared = &*self.shared;
        let left = shared.receivers.get() - 1;
        shared.receivers.set(left);
        let mut got = Vec::new();
        let next = shared.next.get();
        for position in self.position.max(shared.first())..next {
            got.push(shared.take(position));
        }
        if left == 0 {
            shared.waits_for_close.tell_all();
        }
        // At last, since a destructor may panic.
        drop(got);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("broadcast::Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
