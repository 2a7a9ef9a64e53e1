#![allow(unsafe_code, reason = "pins the waiter in it along with itself")]
//! A waiter that passes on what it was granted, if it is dropped before it came to use that.

use std::{fmt, pin::Pin};

use super::waiter::{State, Waiter};

/// Something that grants, and takes back.
pub(crate) trait Grants {
    /// A waiter with this number was dropped, or has given up: in line, or with what it was granted, which
    /// goes to the next.
    fn take_back(&self, state: State, number: u32);
}

/// A waiter, and who grants it what it waits for.
///
/// The rule that nothing is lost with a future stands here, and in its destructor only.
pub(crate) struct Turn<G: Grants> {
    grants: G,
    waiter: Waiter,
}

impl<G: Grants> Turn<G> {
    #[inline]
    pub(crate) const fn new(grants: G, number: u32) -> Self {
        Self { grants, waiter: Waiter::new(number) }
    }

    #[inline]
    pub(crate) fn grants(&self) -> &G {
        &self.grants
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        self.waiter.state()
    }

    /// The number of the waiter.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.waiter.number()
    }

    #[inline]
    pub(crate) fn waiter(self: Pin<&Self>) -> Pin<&Waiter> {
        // SAFETY: nothing moves the waiter out of here; it is dropped with this.
        unsafe { self.map_unchecked(|turn| &turn.waiter) }
    }

    /// Ends the wait, and passes on what was granted.
    #[cold]
    fn give_up(&self) {
        let state = self.waiter.take();
        self.grants.take_back(state, self.waiter.number());
    }
}

impl<G: Grants> Drop for Turn<G> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.waiter.state(), State::Waiting | State::Granted) {
            self.give_up();
        }
    }
}

impl<G: Grants> fmt::Debug for Turn<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turn").field(&self.state()).finish()
    }
}
