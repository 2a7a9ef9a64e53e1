//! The sending end of a channel with a limit.

use std::{fmt, mem, panic::Location, pin::Pin, rc::Rc, time::Duration};

use super::{
    Receiver,
    error::{SendError, SendTimeoutError, TrySendError},
    permit::{OwnedPermit, Permit, PermitIterator},
    receiving::Receiving,
    sending::{Reserve, Send},
    shared::Shared,
};
use crate::{
    sync::permits::{Permits, Refused, Take},
    time::timeout,
};

/// Makes a channel that holds so many messages.
///
/// # Panics
///
/// With a capacity of zero, and with one of more than [`Semaphore::MAX_PERMITS`].
///
/// # Examples
///
/// ```
/// use greenloop::sync::mpsc;
///
/// greenloop::run(async {
///     let (sender, mut receiver) = mpsc::channel(10);
///     sender.send("hello").await.unwrap();
///     assert_eq!(receiver.recv().await, Some("hello"));
///     drop(sender);
///     assert_eq!(receiver.recv().await, None);
/// });
/// ```
///
/// [`Semaphore::MAX_PERMITS`]: crate::sync::Semaphore::MAX_PERMITS
#[must_use]
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel holds at least one message");
    assert!(capacity <= Permits::MOST, "a channel holds at most Semaphore::MAX_PERMITS messages");
    let shared = Rc::pin(Shared::new(capacity, Location::caller()));
    let receiving = Receiving::new(shared.clone());
    (Sender { shared }, Receiver::new(receiving))
}

/// Sends messages; there may be several.
pub struct Sender<T> {
    pub(super) shared: Pin<Rc<Shared<T>>>,
}

impl<T> Sender<T> {
    /// Sends a message, after having waited for room.
    ///
    /// # Errors
    ///
    /// The message, when the receiver is closed or dropped, also while this waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing was sent, the message is dropped with it, and the place in line is lost. Not to lose the
    /// message, [`reserve`](Self::reserve) first, or use [`send_timeout`](Self::send_timeout).
    #[inline]
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send { value: Some(value), room: Take::new(self, 1) }
    }

    /// Sends a message if there is room, and nobody waits for it.
    ///
    /// # Errors
    ///
    /// The message, when there is none, or the receiver was closed or dropped.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.shared.slots.try_take(1) {
            Ok(()) => Ok(self.shared.push(value).map_err(SendError)?),
            Err(Refused::TooFew) => Err(TrySendError::Full(value)),
            Err(Refused::Closed) => Err(TrySendError::Closed(value)),
        }
    }

    /// As [`send`](Self::send), for at most `duration`.
    ///
    /// # Errors
    ///
    /// The message, when the time is over, or the receiver is closed or dropped.
    ///
    /// # Panics
    ///
    /// When polled outside an event loop.
    ///
    /// # Cancel safety
    ///
    /// As for `send`.
    pub async fn send_timeout(
        &self,
        value: T,
        duration: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        match timeout(duration, self.reserve()).await {
            Ok(Ok(permit)) => {
                permit.send(value);
                Ok(())
            }
            Ok(Err(_)) => Err(SendTimeoutError::Closed(value)),
            Err(_) => Err(SendTimeoutError::Timeout(value)),
        }
    }

    /// Waits for room for one message, and keeps it.
    ///
    /// # Errors
    ///
    /// When the receiver is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped loses the place in line, and nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::mpsc;
    ///
    /// greenloop::run(async {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     let permit = sender.reserve().await.unwrap();
    ///     assert!(sender.try_send("no room").is_err());
    ///     permit.send("room");
    ///     assert_eq!(receiver.recv().await, Some("room"));
    /// });
    /// ```
    pub fn reserve(&self) -> Reserve<'_, T> {
        Reserve { room: Take::new(self, 1) }
    }

    /// As [`reserve`](Self::reserve), for so many messages, whose room is taken together.
    ///
    /// # Errors
    ///
    /// When the receiver is closed or dropped, also while this waits; and when the channel never holds so
    /// many messages.
    ///
    /// # Cancel safety
    ///
    /// As for `reserve`.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::mpsc;
    ///
    /// greenloop::run(async {
    ///     let (sender, mut receiver) = mpsc::channel(2);
    ///     for (permit, word) in sender.reserve_many(2).await.unwrap().zip(["bread", "salt"]) {
    ///         permit.send(word);
    ///     }
    ///     assert_eq!(receiver.recv().await, Some("bread"));
    ///     assert_eq!(receiver.recv().await, Some("salt"));
    /// });
    /// ```
    pub async fn reserve_many(&self, count: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        let number = self.wanted(count).ok_or(SendError(()))?;
        Take::new(self, number).await.map_err(|_| SendError(()))?;
        Ok(PermitIterator { sender: self, left: count })
    }

    /// Takes room for so many messages together if there is so much, and nobody waits for it.
    ///
    /// # Errors
    ///
    /// When there is not, or the receiver was closed or dropped. When the channel never holds so many
    /// messages it counts as full.
    pub fn try_reserve_many(
        &self,
        count: usize,
    ) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        let Some(number) = self.wanted(count) else { return Err(TrySendError::Full(())) };
        match self.shared.slots.try_take(number) {
            Ok(()) => Ok(PermitIterator { sender: self, left: count }),
            Err(Refused::TooFew) => Err(TrySendError::Full(())),
            Err(Refused::Closed) => Err(TrySendError::Closed(())),
        }
    }

    /// So many slots, if there are so many at all.
    fn wanted(&self, count: usize) -> Option<u32> {
        u32::try_from(count).ok().filter(|_| count <= self.max_capacity())
    }

    /// As [`reserve`](Self::reserve), for a permit that has the sender.
    ///
    /// # Errors
    ///
    /// When the receiver is closed or dropped; the sender is dropped.
    ///
    /// # Cancel safety
    ///
    /// As for `reserve`; the sender is dropped.
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        mem::forget(self.reserve().await?);
        Ok(OwnedPermit { sender: self, unused: true })
    }

    /// Takes room for one message if there is some, and nobody waits for it.
    ///
    /// # Errors
    ///
    /// When there is none, or the receiver was closed or dropped.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.shared.slots.try_take(1) {
            Ok(()) => Ok(Permit { sender: self }),
            Err(Refused::TooFew) => Err(TrySendError::Full(())),
            Err(Refused::Closed) => Err(TrySendError::Closed(())),
        }
    }

    /// As [`try_reserve`](Self::try_reserve), for a permit that has the sender.
    ///
    /// # Errors
    ///
    /// The sender, when there is no room, or the receiver was closed or dropped.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.shared.slots.try_take(1) {
            Ok(()) => Ok(OwnedPermit { sender: self, unused: true }),
            Err(Refused::TooFew) => Err(TrySendError::Full(self)),
            Err(Refused::Closed) => Err(TrySendError::Closed(self)),
        }
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

    /// How many messages could be sent now.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots.available()
    }

    /// How many messages the channel holds.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.shared.capacity
    }

    /// Whether both send to the same receiver.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        std::ptr::eq(&*self.shared, &*other.shared)
    }

    /// Makes a handle that does not keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::mpsc;
    /// let (sender, receiver) = mpsc::channel::<u32>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// # drop(receiver);
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        self.shared.add_weak_sender();
        WeakSender { shared: self.shared.clone() }
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

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::Sender").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

/// A handle to a channel that does not keep it open.
pub struct WeakSender<T> {
    shared: Pin<Rc<Shared<T>>>,
}

impl<T> WeakSender<T> {
    /// Makes a sender, unless the last one was dropped.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        (self.shared.senders() > 0).then(|| {
            self.shared.add_sender();
            Sender { shared: self.shared.clone() }
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

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        self.shared.add_weak_sender();
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.shared.remove_weak_sender();
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mpsc::WeakSender").finish_non_exhaustive()
    }
}
