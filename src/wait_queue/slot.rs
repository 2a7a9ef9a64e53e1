#![allow(unsafe_code, reason = "is found by others through a pointer while it is pinned")]
//! A place for one who waits: the only receiver of a channel, say.

use std::{
    cell::Cell, fmt, marker::PhantomPinned, panic::Location, pin::Pin, ptr::NonNull, task::Waker,
};

use super::places::{Place, What, Who};
use crate::executor::wake;

/// Where one task leaves its waker.
#[repr(C)]
pub(crate) struct WaitSlot {
    /// First, for `visit` finds the slot by its place.
    place: Place,
    waker: Cell<Option<Waker>>,
    _pinned: PhantomPinned,
}

impl WaitSlot {
    pub(crate) const fn new(what: &'static What, created: &'static Location<'static>) -> Self {
        Self { place: Place::new(what, created), waker: Cell::new(None), _pinned: PhantomPinned }
    }

    /// Lets the report of who waits for what know of the slot. Without this it works, unseen.
    pub(crate) fn register(self: Pin<&Self>) {
        // SAFETY: it is pinned, and deregistered when it is dropped.
        unsafe { self.get_ref().place.register() };
    }

    /// Leaves a waker, which the next [`wake`](Self::wake) wakes.
    ///
    /// Look again, after this, whether there is something to wait for: a stranger's waker may run
    /// anything when it is cloned, or the one it takes the place of when it is dropped.
    #[inline]
    pub(crate) fn put(&self, waker: &Waker) {
        let old = self.waker.take();
        let same = old.as_ref().is_some_and(|old| old.will_wake(waker));
        self.waker.set(old);
        if !same {
            drop(self.waker.replace(Some(waker.clone())));
        }
    }

    /// Whether somebody left a waker.
    pub(crate) fn is_set(&self) -> bool {
        let waker = self.waker.take();
        let is_set = waker.is_some();
        self.waker.set(waker);
        is_set
    }

    /// Wakes whoever waits.
    #[inline]
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            wake(waker);
        }
    }

    /// Drops the waker, since nobody waits any more.
    #[inline]
    pub(crate) fn clear(&self) {
        drop(self.waker.take());
    }

    /// Tells `see` who waits.
    ///
    /// # Safety
    ///
    /// `place` is that of a slot.
    unsafe fn visit(place: NonNull<Place>, see: &mut dyn FnMut(Who, Who)) {
        // SAFETY: the caller's promise; the place is the first field.
        let slot = unsafe { place.cast::<Self>().as_ref() };
        let waker = slot.waker.take();
        if let Some(waker) = &waker {
            see(Who::of(waker), Who::NOBODY);
        }
        slot.waker.set(waker);
    }
}

impl What {
    /// What is waited at in a slot.
    pub(crate) const fn slot(name: &'static str) -> Self {
        Self { name, visit: WaitSlot::visit }
    }
}

impl Drop for WaitSlot {
    #[inline]
    fn drop(&mut self) {
        self.place.deregister();
    }
}

impl fmt::Debug for WaitSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitSlot").field(&self.is_set()).finish()
    }
}
