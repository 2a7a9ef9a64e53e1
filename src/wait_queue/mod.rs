#![allow(unsafe_code, reason = "keeps the head of a line on the heap, where its waiters find it")]
//! Those who wait for the same thing, first come, first served.
//!
//! Everything that tasks wait at has a [`WaitQueue`], or a [`WaitSlot`] if only one may wait. A
//! [`Waiter`] stands in the future that waits, so waiting allocates nothing, and leaving the line is
//! O(1). Nothing in here knows what is waited for, nor tasks: it speaks `Waker`s.
//!
//! A wait ends in one of two ways. It is *granted* something (a lock, a permit, a notification),
//! which belongs to the waiter from then on: if its future is dropped before it came to use that, a [`Turn`]
//! passes it on. Or it is *told* (an event was set, a semaphore closed), and there is
//! nothing to pass on.
//!
//! No waker is cloned, woken or dropped before the line is in order: that may run anything, also what
//! changes the line.
//!
//! The files: `waiter.rs` a waiter and the line it stands in, `turn.rs` one that passes on, `slot.rs` a place for one, `places.rs` who
//! waits for what on this thread.

mod places;
mod slot;
#[cfg(test)]
mod tests;
mod turn;
mod waiter;

use std::{cell::Cell, fmt, panic::Location, pin::Pin, ptr::NonNull, task::Waker};

#[allow(unused_imports, reason = "for the report of what all tasks wait for, and tested here")]
pub(crate) use self::places::{Wait, waits};
use self::{
    places::Place,
    waiter::{Line, told},
};
pub(crate) use self::{
    places::{What, Who},
    slot::WaitSlot,
    turn::{Grants, Turn},
    waiter::{State, Waiter},
};
use crate::executor::wake;

/// A line of waiters.
pub(crate) struct WaitQueue {
    /// Made when somebody waits for the first time, and kept.
    head: Cell<Option<NonNull<Head>>>,
    what: &'static What,
    /// Where the user's code made what is waited for.
    created: &'static Location<'static>,
}

/// What waiters refer to. It is on the heap, so that whoever owns the queue may be moved while a future
/// that was leaked stands in it.
#[repr(C)]
struct Head {
    /// First, for `visit` finds the head by its place.
    place: Place,
    line: Line,
    holder: Cell<Who>,
}

impl WaitQueue {
    pub(crate) const fn new(what: &'static What, created: &'static Location<'static>) -> Self {
        Self { head: Cell::new(None), what, created }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head().is_none_or(|head| head.line.is_empty())
    }

    /// How many wait. It counts them.
    pub(crate) fn len(&self) -> usize {
        self.head().map_or(0, |head| head.line.len())
    }

    /// The number of who is first; see [`Waiter::new`].
    #[inline]
    pub(crate) fn first(&self) -> Option<u32> {
        self.head()?.line.first().map(|waiter| waiter.number())
    }

    /// Puts a waiter at the end of the line.
    ///
    /// Without a waker it keeps its place, and is polled by itself.
    ///
    /// Whoever clones the waker for this looks again before he calls, whether there is something to wait
    /// for: a stranger's waker may run anything meanwhile.
    ///
    /// # Panics
    ///
    /// When the waiter is waiting.
    pub(crate) fn push(&self, waiter: Pin<&Waiter>, waker: Option<Waker>) {
        let head = self.head().unwrap_or_else(|| self.make_head());
        // SAFETY: the head stays where it is until it is freed, by `drop`, which empties the line.
        unsafe { head.line.push(waiter, waker) };
    }

    /// Grants the first waiter what it waits for, and wakes it; `false` if nobody waits.
    ///
    /// What is granted must have been taken away from the rest before: the waker may run anything.
    #[inline]
    pub(crate) fn grant_first(&self) -> bool {
        self.head()
            .and_then(|head| head.line.first())
            .is_some_and(|first| end(first, State::Granted))
    }

    /// As `grant_first`, for the last waiter, which is left another number than it came with.
    pub(crate) fn grant_last(&self, number: u32) -> bool {
        self.head().and_then(|head| head.line.last()).is_some_and(|last| {
            last.set_number(number);
            end(last, State::Granted)
        })
    }

    /// Tells all who wait at this moment, and wakes them in their order.
    pub(crate) fn tell_all(&self) {
        if let Some(head) = self.head() {
            told(&head.line, wake, |waiter, _| waiter);
        }
    }

    /// As `tell_all`, and leaves each waiter a number that is made of its place in line.
    pub(crate) fn tell_all_with(&self, number: impl Fn(u32) -> u32) {
        if let Some(head) = self.head() {
            told(&head.line, wake, |_, place| number(place));
        }
    }

    /// Notes who has what is waited for, for the report about who waits for whom.
    #[inline]
    pub(crate) fn set_holder(&self, holder: Who) {
        if let Some(head) = self.head() {
            head.holder.set(holder);
        }
    }

    #[inline]
    fn head(&self) -> Option<&Head> {
        // SAFETY: made by `make_head`, and freed with this queue only.
        self.head.get().map(|head| unsafe { &*head.as_ptr() })
    }

    #[cold]
    fn make_head(&self) -> &Head {
        let head = Head {
            place: Place::new(self.what, self.created),
            line: Line::new(),
            holder: Cell::new(Who::NOBODY),
        };
        let head: &Head = Box::leak(Box::new(head));
        self.head.set(Some(NonNull::from(head)));
        // SAFETY: it stays where it is until `drop` frees it, after it was deregistered.
        unsafe { head.place.register() };
        head
    }

    /// Frees the head of a queue that goes. Only futures that were leaked can still wait then.
    #[cold]
    fn free(&mut self, head: NonNull<Head>) {
        self.tell_all();
        self.head.set(None);
        // SAFETY: it came from a box, and no waiter refers to it any more.
        let head = unsafe { Box::from_raw(head.as_ptr()) };
        head.place.deregister();
    }

    /// Tells `see` who stands in the line of a head.
    ///
    /// # Safety
    ///
    /// `place` is that of a head.
    unsafe fn visit(place: NonNull<Place>, see: &mut dyn FnMut(Who, Who)) {
        // SAFETY: the caller's promise; the place is the first field.
        let head = unsafe { place.cast::<Head>().as_ref() };
        head.line.each_waker(&mut |waker| see(Who::of(waker), head.holder.get()));
    }
}

/// Ends the wait of one who waits.
#[inline]
fn end(waiter: &Waiter, state: State) -> bool {
    if let Some(waker) = waiter.end(state) {
        wake(waker);
    }
    true
}

impl What {
    /// What is waited at in a queue.
    pub(crate) const fn queue(name: &'static str) -> Self {
        Self { name, visit: WaitQueue::visit }
    }
}

impl Drop for WaitQueue {
    #[inline]
    fn drop(&mut self) {
        if let Some(head) = self.head.get() {
            self.free(head);
        }
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue")
            .field("what", &self.what.name)
            .field("len", &self.len())
            .finish()
    }
}
