#![allow(unsafe_code, reason = "links waiters that are pinned in the futures of those who wait")]
//! A waiter, and the line it stands in: a list that is linked through the waiters.
//!
//! Invariants: a waiter that has a line stands in it exactly once; a line is where it was when its
//! first waiter came until it is empty; a waiter leaves its line before its memory is used for
//! something else, because it is pinned and its destructor takes it out.

use std::{cell::Cell, fmt, marker::PhantomPinned, pin::Pin, ptr::NonNull, task::Waker};

/// How a wait stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has not begun, or what came of it was used up.
    Idle,
    /// In line.
    Waiting,
    /// It was given something that must be used or passed on.
    Granted,
    /// It has ended, and there is nothing to pass on.
    Told,
}

/// One wait, in the future that waits.
pub(crate) struct Waiter {
    /// The line it stands in: always while it is waiting, and when it was told until its waker is
    /// called.
    line: Cell<Option<NonNull<Line>>>,
    previous: Link,
    next: Link,
    waker: Cell<Option<Waker>>,
    number: Cell<u32>,
    state: Cell<State>,
    _pinned: PhantomPinned,
}

type Link = Cell<Option<NonNull<Waiter>>>;

/// A line of waiters.
pub(super) struct Line {
    first: Link,
    last: Link,
}

impl Waiter {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            line: Cell::new(None),
            previous: Cell::new(None),
            next: Cell::new(None),
            waker: Cell::new(None),
            number: Cell::new(0),
            state: Cell::new(State::Idle),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    /// The number it came with, or was left; see `WaitQueue::push`.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    pub(super) fn set_number(&self, number: u32) {
        self.number.set(number);
    }

    /// Tells how the wait stands, after having seen to it that this waker is woken when it ends.
    #[inline]
    pub(crate) fn poll(&self, waker: &Waker) -> State {
        if self.state.get() == State::Waiting {
            self.leave_waker(waker);
        }
        self.state.get()
    }

    fn leave_waker(&self, waker: &Waker) {
        let old = self.waker.take();
        let same = old.as_ref().is_some_and(|old| old.will_wake(waker));
        self.waker.set(old);
        if same {
            return;
        }
        let waker = waker.clone();
        if self.state.get() == State::Waiting {
            drop(self.waker.replace(Some(waker)));
        }
    }

    /// Ends the wait, whatever came of it, and tells what did.
    ///
    /// After `Granted` it is the caller's business to use that or to pass it on.
    #[inline]
    pub(crate) fn take(&self) -> State {
        let state = self.state.replace(State::Idle);
        if self.line.get().is_some() {
            self.leave_line();
            drop(self.waker.take());
        }
        state
    }

    /// Takes it out of the line, and gives the waker for the caller to wake.
    #[inline]
    pub(super) fn end(&self, state: State) -> Option<Waker> {
        self.leave_line();
        self.state.set(state);
        self.waker.take()
    }

    #[inline]
    fn leave_line(&self) {
        let Some(line) = self.line.take() else { return };
        // SAFETY: a line with a waiter in it is where it was.
        let line = unsafe { line.as_ref() };
        let (previous, next) = (self.previous.get(), self.next.get());
        match previous {
            // SAFETY: a neighbour in the line is alive.
            Some(previous) => unsafe { previous.as_ref() }.next.set(next),
            None => line.first.set(next),
        }
        match next {
            // SAFETY: as before.
            Some(next) => unsafe { next.as_ref() }.previous.set(previous),
            None => line.last.set(previous),
        }
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        self.leave_line();
    }
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { first: Cell::new(None), last: Cell::new(None) }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    pub(super) fn len(&self) -> usize {
        let mut len = 0;
        self.each(|_| len += 1);
        len
    }

    /// The first waiter. The reference is good until something runs that may change the line.
    #[inline]
    pub(super) fn first(&self) -> Option<&Waiter> {
        // SAFETY: a waiter in the line is alive.
        self.first.get().map(|first| unsafe { &*first.as_ptr() })
    }

    /// The last waiter; as for `first`.
    pub(super) fn last(&self) -> Option<&Waiter> {
        // SAFETY: a waiter in the line is alive.
        self.last.get().map(|last| unsafe { &*last.as_ptr() })
    }

    /// Puts a waiter at the end.
    ///
    /// # Safety
    ///
    /// The line stays where it is until it is empty.
    ///
    /// # Panics
    ///
    /// When the waiter stands in a line.
    pub(super) unsafe fn push(&self, waiter: Pin<&Waiter>, number: u32, waker: Option<Waker>) {
        let waiter = waiter.get_ref();
        assert!(waiter.line.get().is_none(), "a waiter stands in one line at a time");
        let this = NonNull::from(waiter);
        waiter.line.set(Some(NonNull::from(self)));
        waiter.previous.set(self.last.get());
        waiter.next.set(None);
        waiter.number.set(number);
        waiter.state.set(State::Waiting);
        match self.last.replace(Some(this)) {
            // SAFETY: a waiter in the line is alive.
            Some(last) => unsafe { last.as_ref() }.next.set(Some(this)),
            None => self.first.set(Some(this)),
        }
        // The last step, since the old one may run anything when it is dropped.
        drop(waiter.waker.replace(waker));
    }

    /// Calls `see` with each waker in the line. It must not change the line.
    pub(super) fn each_waker(&self, see: &mut dyn FnMut(&Waker)) {
        self.each(|waiter| {
            let waker = waiter.waker.take();
            if let Some(waker) = &waker {
                see(waker);
            }
            waiter.waker.set(waker);
        });
    }

    fn each(&self, mut see: impl FnMut(&Waiter)) {
        let mut next = self.first.get();
        while let Some(waiter) = next {
            // SAFETY: a waiter in the line is alive.
            let waiter = unsafe { waiter.as_ref() };
            next = waiter.next.get();
            see(waiter);
        }
    }
}

/// Empties a line: the waiters have been told before any of them is woken.
pub(super) fn told(line: &Line, wake: impl Fn(Waker)) {
    if line.is_empty() {
        return;
    }
    // Those who are told stand here until their turn comes, so that a waker may drop the future of
    // another, and whoever comes meanwhile is not among them.
    let called = Emptied(Line::new());
    let called = &called.0;
    called.first.set(line.first.take());
    called.last.set(line.last.take());
    called.each(|waiter| {
        waiter.state.set(State::Told);
        waiter.line.set(Some(NonNull::from(called)));
    });
    while let Some(waiter) = called.first() {
        waiter.leave_line();
        if let Some(waker) = waiter.waker.take() {
            wake(waker);
        }
    }
}

/// A line on the stack, which must be empty when it goes, also if a waker panics.
struct Emptied(Line);

impl Drop for Emptied {
    fn drop(&mut self) {
        while let Some(waiter) = self.0.first() {
            waiter.leave_line();
        }
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waiter").field(&self.state.get()).finish()
    }
}
