#![allow(unsafe_code, reason = "links waiters that are pinned in the futures of those who wait")]
//! A waiter, and the line it stands in: a list that is linked through the waiters.
//!
//! Invariants: a waiter that has links stands in their line exactly once; a line is where it was when
//! its first waiter came until it is empty; a waiter leaves its line before its memory is used for
//! something else, because it is pinned and its destructor takes it out.

use std::{
    cell::{Cell, UnsafeCell},
    fmt,
    marker::PhantomPinned,
    mem::MaybeUninit,
    pin::Pin,
    ptr::NonNull,
    task::Waker,
};

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
    /// There while it `has_links`. Most waits end before they begin, so it costs nothing until then: a
    /// future is copied when it is made.
    links: UnsafeCell<MaybeUninit<Links>>,
    number: Cell<u32>,
    state: Cell<State>,
    /// It stands in a line: always while it is waiting, and when it was told until its waker is called.
    has_links: Cell<bool>,
    _pinned: PhantomPinned,
}

/// Where a waiter stands.
struct Links {
    line: Cell<NonNull<Line>>,
    previous: Link,
    next: Link,
    waker: Cell<Option<Waker>>,
}

type Link = Cell<Option<NonNull<Waiter>>>;

/// A line of waiters.
pub(super) struct Line {
    first: Link,
    last: Link,
}

impl Waiter {
    /// What `number` means is the caller's business: how many permits are wanted, say.
    #[inline]
    pub(crate) const fn new(number: u32) -> Self {
        Self {
            links: UnsafeCell::new(MaybeUninit::uninit()),
            number: Cell::new(number),
            state: Cell::new(State::Idle),
            has_links: Cell::new(false),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    /// The number it came with, or was left.
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
        let Some(links) = self.links() else { return };
        let old = links.waker.take();
        let same = old.as_ref().is_some_and(|old| old.will_wake(waker));
        links.waker.set(old);
        if same {
            return;
        }
        let waker = waker.clone();
        // That may have run anything.
        if let Some(links) = self.links() {
            drop(links.waker.replace(Some(waker)));
        }
    }

    /// Ends the wait, whatever came of it, and tells what did.
    ///
    /// After `Granted` it is the caller's business to use that or to pass it on.
    #[inline]
    pub(crate) fn take(&self) -> State {
        let state = self.state.replace(State::Idle);
        drop(self.leave_line());
        state
    }

    /// Says that it has ended for good, and that there is nothing to pass on: what was granted is used.
    #[inline]
    pub(crate) fn settle(&self) {
        self.state.set(State::Told);
        drop(self.leave_line());
    }

    /// Takes it out of the line, and gives the waker for the caller to wake.
    #[inline]
    pub(super) fn end(&self, state: State) -> Option<Waker> {
        self.state.set(state);
        self.leave_line()
    }

    #[inline]
    fn links(&self) -> Option<&Links> {
        // SAFETY: they are written and taken away by this thread only, when nobody looks at them.
        let links = unsafe { &*self.links.get() };
        // SAFETY: the flag says that they are there.
        self.has_links.get().then(|| unsafe { links.assume_init_ref() })
    }

    /// Leaves the line, if it stands in one, and gives the waker.
    #[inline]
    fn leave_line(&self) -> Option<Waker> {
        let links = self.links()?;
        let (previous, next) = (links.previous.get(), links.next.get());
        // SAFETY: a line with a waiter in it is where it was.
        let line = unsafe { links.line.get().as_ref() };
        line.link_after(previous).set(next);
        line.link_before(next).set(previous);
        // Nothing that needs to be dropped remains in the links.
        let waker = links.waker.take();
        self.has_links.set(false);
        waker
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        drop(self.leave_line());
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
    pub(super) unsafe fn push(&self, waiter: Pin<&Waiter>, waker: Option<Waker>) {
        let waiter = waiter.get_ref();
        assert!(!waiter.has_links.get(), "a waiter stands in one line at a time");
        let last = self.last.get();
        let links = Links {
            line: Cell::new(NonNull::from(self)),
            previous: Cell::new(last),
            next: Cell::new(None),
            waker: Cell::new(waker),
        };
        // SAFETY: it has no links, so nobody looks at them.
        unsafe { (*waiter.links.get()).write(links) };
        waiter.has_links.set(true);
        waiter.state.set(State::Waiting);
        let this = Some(NonNull::from(waiter));
        self.link_after(last).set(this);
        self.last.set(this);
    }

    /// The link to whoever stands behind `waiter`, or to the first if that is nobody.
    #[inline]
    fn link_after(&self, waiter: Option<NonNull<Waiter>>) -> &Link {
        waiter.map_or(&self.first, |waiter| &Self::links_of(waiter).next)
    }

    /// The link to whoever stands before `waiter`, or to the last if that is nobody.
    #[inline]
    fn link_before(&self, waiter: Option<NonNull<Waiter>>) -> &Link {
        waiter.map_or(&self.last, |waiter| &Self::links_of(waiter).previous)
    }

    /// The links of a waiter that stands in a line.
    #[inline]
    fn links_of<'a>(waiter: NonNull<Waiter>) -> &'a Links {
        // SAFETY: a waiter in the line is alive.
        let waiter = unsafe { &*waiter.as_ptr() };
        waiter.links().expect("a waiter in the line has links")
    }

    /// Calls `see` with each waker in the line. It must not change the line.
    pub(super) fn each_waker(&self, see: &mut dyn FnMut(&Waker)) {
        self.each(|waiter| {
            let Some(links) = waiter.links() else { return };
            let waker = links.waker.take();
            if let Some(waker) = &waker {
                see(waker);
            }
            links.waker.set(waker);
        });
    }

    fn each(&self, mut see: impl FnMut(&Waiter)) {
        let mut next = self.first.get();
        while let Some(waiter) = next {
            next = Self::links_of(waiter).next.get();
            // SAFETY: a waiter in the line is alive.
            see(unsafe { waiter.as_ref() });
        }
    }
}

/// Empties a line: the waiters have been told before any of them is woken. `number` makes what each is left
/// of the number it came with and its place in line.
pub(super) fn told(line: &Line, wake: impl Fn(Waker), number: impl Fn(u32, u32) -> u32) {
    if line.is_empty() {
        return;
    }
    // Those who are told stand here until their turn comes, so that a waker may drop the future of
    // another, and whoever comes meanwhile is not among them.
    let called = Emptied(Line::new());
    let called = &called.0;
    called.first.set(line.first.take());
    called.last.set(line.last.take());
    let mut place = 0;
    called.each(|waiter| {
        waiter.state.set(State::Told);
        waiter.number.set(number(waiter.number.get(), place));
        place += 1;
        if let Some(links) = waiter.links() {
            links.line.set(NonNull::from(called));
        }
    });
    while let Some(waiter) = called.first() {
        if let Some(waker) = waiter.leave_line() {
            wake(waker);
        }
    }
}

/// A line on the stack, which must be empty when it goes, also if a waker panics.
struct Emptied(Line);

impl Drop for Emptied {
    fn drop(&mut self) {
        while let Some(waiter) = self.0.first() {
            let waker = waiter.leave_line();
            // It may run anything, also when it is dropped.
            std::mem::forget(waker);
        }
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waiter").field(&self.state.get()).finish()
    }
}
