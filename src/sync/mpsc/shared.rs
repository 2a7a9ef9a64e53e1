//! What the ends of a channel share.
//!
//! Invariant: each slot of a bounded channel is free, or granted to a sender, or taken by a permit or a
//! message; so a closed channel with an empty buffer has come to its end when all slots are free.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    panic::Location,
    pin::Pin,
    task::{Poll, Waker},
};

use super::error::TryRecvError;
use crate::{
    sync::{permits::Permits, until::Until},
    wait_queue::{WaitQueue, WaitSlot, What},
};

static RECEIVES: What = What::slot("mpsc::Receiver");
static SENDS: What = What::queue("mpsc::Sender");
static CLOSED: What = What::queue("mpsc::Sender::closed");

pin_project_lite::pin_project! {
    pub(super) struct Shared<T> {
        buffer: RefCell<VecDeque<T>>,
        // The slots that a message can be put into. Unused, and none, in a channel without a limit.
        pub(super) slots: Permits,
        // How many slots there are; none if there is no limit.
        pub(super) capacity: usize,
        senders: Cell<usize>,
        weak_senders: Cell<usize>,
        // Nothing is to be sent any more.
        closed: Cell<bool>,
        // The receiver was dropped, so nothing will be received.
        receiver_gone: Cell<bool>,
        #[pin]
        receives: WaitSlot,
        waits_for_close: WaitQueue,
    }
}

impl<T> Shared<T> {
    /// For one sender; without a limit if the capacity is zero.
    pub(super) fn new(capacity: usize, created: &'static Location<'static>) -> Self {
        Self {
            buffer: RefCell::default(),
            slots: Permits::new(capacity, &SENDS, created),
            capacity,
            senders: Cell::new(1),
            weak_senders: Cell::new(0),
            closed: Cell::new(false),
            receiver_gone: Cell::new(false),
            receives: WaitSlot::new(&RECEIVES, created),
            waits_for_close: WaitQueue::new(&CLOSED, created),
        }
    }

    // --- the senders' part ------------------------------------------------------------------------

    /// Takes a message for which a slot was taken, if there is a limit; gives it back when nobody will
    /// receive it.
    #[inline]
    pub(super) fn push(&self, value: T) -> Result<(), T> {
        if self.receiver_gone.get() {
            return Err(value);
        }
        self.buffer.borrow_mut().push_back(value);
        self.receives.wake();
        Ok(())
    }

    /// Gives back slots that were not used.
    pub(super) fn give_back(&self, slots: usize) {
        self.slots.give(slots);
        self.notice_end();
    }

    /// Wakes the receiver if it was closed, and has been waiting for the slots that were out.
    pub(super) fn notice_end(&self) {
        if self.closed.get() && self.is_ended() {
            self.receives.wake();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Waits until nothing is to be sent any more.
    pub(super) async fn closed(&self) {
        Until::new(&self.waits_for_close, || self.is_closed().then_some(())).await;
    }

    pub(super) fn senders(&self) -> usize {
        self.senders.get()
    }

    pub(super) fn add_sender(&self) {
        self.senders.set(self.senders.get() + 1);
    }

    pub(super) fn remove_sender(&self) {
        let left = self.senders.get() - 1;
        self.senders.set(left);
        if left == 0 {
            self.receives.wake();
        }
    }

    pub(super) fn weak_senders(&self) -> usize {
        self.weak_senders.get()
    }

    pub(super) fn add_weak_sender(&self) {
        self.weak_senders.set(self.weak_senders.get() + 1);
    }

    pub(super) fn remove_weak_sender(&self) {
        self.weak_senders.set(self.weak_senders.get() - 1);
    }

    // --- the receiver's part ----------------------------------------------------------------------

    #[inline]
    pub(super) fn pop(&self) -> Option<T> {
        let value = self.buffer.borrow_mut().pop_front()?;
        self.free(1);
        Some(value)
    }

    /// Moves up to `limit` messages into `buffer`, and tells how many.
    pub(super) fn pop_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let mut messages = self.buffer.borrow_mut();
        let count = messages.len().min(limit);
        buffer.extend(messages.drain(..count));
        drop(messages);
        self.free(count);
        count
    }

    /// Lets senders have the slots of messages that were received.
    #[inline]
    fn free(&self, slots: usize) {
        if self.capacity > 0 {
            self.slots.give(slots);
        }
    }

    pub(super) fn try_pop(&self) -> Result<T, TryRecvError> {
        match self.pop() {
            Some(value) => Ok(value),
            None if self.is_ended() => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Whether no message is there, nor will come.
    pub(super) fn is_ended(&self) -> bool {
        let all_free = self.slots.available() == self.capacity;
        (self.senders.get() == 0 || (self.closed.get() && all_free)) && self.len() == 0
    }

    /// Looks for messages with `take`; `None` when none will come.
    #[inline]
    pub(super) fn poll<R>(
        self: Pin<&Self>,
        waker: &Waker,
        mut take: impl FnMut(&Self) -> Option<R>,
    ) -> Poll<Option<R>> {
        if let Some(taken) = take(&self) {
            return Poll::Ready(Some(taken));
        }
        if self.is_ended() {
            return Poll::Ready(None);
        }
        let receives = self.project_ref().receives;
        receives.put(waker);
        // A stranger's waker may have sent when it was cloned.
        match take(&self) {
            Some(taken) => Poll::Ready(Some(taken)),
            None if self.is_ended() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Makes the wait of the receiver known to the report of who waits for what.
    pub(super) fn register(self: Pin<&Self>) {
        self.project_ref().receives.register();
    }

    /// Forgets the receiver's wait.
    pub(super) fn clear(&self) {
        self.receives.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.borrow().len()
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        self.slots.close();
        self.waits_for_close.tell_all();
    }

    pub(super) fn receiver_gone(&self) {
        self.receiver_gone.set(true);
        self.clear();
        self.close();
        let messages = self.buffer.take();
        drop(messages);
    }
}
