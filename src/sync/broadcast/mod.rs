//! A channel in which every receiver gets every message.
//!
//! It holds so many messages. Nobody waits to send: when it is full the oldest message goes, and a
//! receiver that did not get it learns how many it has missed.
//!
//! # Examples
//!
//! ```
//! use greenloop::sync::broadcast;
//!
//! greenloop::run(async {
//!     let (sender, mut first) = broadcast::channel(16);
//!     let mut second = sender.subscribe();
//!     sender.send("hello").unwrap();
//!     assert_eq!(first.recv().await, Ok("hello"));
//!     assert_eq!(second.recv().await, Ok("hello"));
//! });
//! ```

pub mod error;
mod receiver;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    panic::Location,
    rc::Rc,
};

use self::error::SendError;
pub use self::receiver::Receiver;
use super::until::Until;
use crate::wait_queue::{WaitQueue, What};

static RECEIVES: What = What::queue("broadcast::Receiver");
static CLOSED: What = What::queue("broadcast::Sender::closed");

/// Makes a channel that holds so many messages.
///
/// # Panics
///
/// With a capacity of zero.
#[must_use]
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(capacity);
    let receiver = sender.subscribe();
    (sender, receiver)
}

struct Shared<T> {
    capacity: usize,
    messages: RefCell<VecDeque<Message<T>>>,
    /// The position that the next message will have.
    next: Cell<u64>,
    senders: Cell<usize>,
    weak_senders: Cell<usize>,
    receivers: Cell<usize>,
    waits_for_message: WaitQueue,
    waits_for_close: WaitQueue,
}

struct Message<T> {
    /// Shared while it is cloned, since that may run anything.
    value: Rc<T>,
    /// How many receivers did not get it yet.
    left: usize,
}

impl<T> Shared<T> {
    /// The position of the oldest message.
    fn first(&self) -> u64 {
        self.next.get() - self.messages.borrow().len() as u64
    }

    fn is_closed(&self) -> bool {
        self.senders.get() == 0
    }

    /// Takes away the message at a position for one receiver; the last one gets the value alone.
    ///
    /// Messages that all have got leave the channel.
    fn take(&self, position: u64) -> Rc<T> {
        let index = (position - self.first()) as usize;
        let mut messages = self.messages.borrow_mut();
        let message = &mut messages[index];
        message.left -= 1;
        if message.left > 0 {
            return Rc::clone(&message.value);
        }
        // Whoever has got a message has got those before it, so it is the first.
        debug_assert_eq!(index, 0);
        messages.pop_front().expect("it was looked at").value
    }
}

/// Sends messages to all receivers; there may be several.
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Makes a channel without receivers.
    ///
    /// # Panics
    ///
    /// With a capacity of zero.
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a channel holds at least one message");
        let created = Location::caller();
        let shared = Shared {
            capacity,
            messages: RefCell::default(),
            next: Cell::new(0),
            senders: Cell::new(1),
            weak_senders: Cell::new(0),
            receivers: Cell::new(0),
            waits_for_message: WaitQueue::new(&RECEIVES, created),
            waits_for_close: WaitQueue::new(&CLOSED, created),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Sends a message to all receivers there are, and tells how many. It does not wait.
    ///
    /// # Errors
    ///
    /// The message, when there are none.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let shared = &*self.shared;
        let receivers = shared.receivers.get();
        if receivers == 0 {
            return Err(SendError(value));
        }
        let value = Rc::new(value);
        let mut messages = shared.messages.borrow_mut();
        let oldest = if messages.len() == shared.capacity { messages.pop_front() } else { None };
        messages.push_back(Message { value, left: receivers });
        drop(messages);
        shared.next.set(shared.next.get() + 1);
        shared.waits_for_message.tell_all();
        // At last, since its destructor may panic.
        drop(oldest);
        Ok(receivers)
    }

    /// Makes a receiver of what is sent from here on.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(Rc::clone(&self.shared))
    }

    /// Waits until there are no receivers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only means not to wait.
    pub async fn closed(&self) {
        let look = || (self.receiver_count() == 0).then_some(());
        Until::new(&self.shared.waits_for_close, look).await;
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.get()
    }

    /// How many messages are held that not all receivers have got.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.messages.borrow().len()
    }

    /// Whether no message is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both send to the same receivers.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
    }

    /// Makes a handle that does not keep the channel open.
    pub fn downgrade(&self) -> WeakSender<T> {
        let weak = &self.shared.weak_senders;
        weak.set(weak.get() + 1);
        WeakSender { shared: Rc::clone(&self.shared) }
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.senders.get()
    }

    /// How many weak handles there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders.get()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.set(self.shared.senders.get() + 1);
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let left = self.shared.senders.get() - 1;
        self.shared.senders.set(left);
        if left == 0 {
            self.shared.waits_for_message.tell_all();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("broadcast::Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A handle to a channel that does not keep it open.
pub struct WeakSender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> WeakSender<T> {
    /// Makes a sender, unless the last one was dropped.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        (!self.shared.is_closed()).then(|| {
            self.shared.senders.set(self.shared.senders.get() + 1);
            Sender { shared: Rc::clone(&self.shared) }
        })
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.senders.get()
    }

    /// How many weak handles there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders.get()
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        self.shared.weak_senders.set(self.shared.weak_senders.get() + 1);
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.shared.weak_senders.set(self.shared.weak_senders.get() - 1);
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("broadcast::WeakSender").finish_non_exhaustive()
    }
}
