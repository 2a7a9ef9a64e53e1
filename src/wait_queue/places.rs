#![allow(unsafe_code, reason = "links the places that are waited at, which are pinned")]
#![allow(dead_code, reason = "whoever reads the report comes next")]
//! Who waits for what on this thread: for the report about a program in which nothing can go on, and for
//! the list of all tasks.
//!
//! Everything that can be waited at is a [`Place`] in one list per thread. A place enters it when
//! somebody waits there for the first time, or when it is made, and leaves it when it is dropped, so a
//! wait itself costs nothing here.
//!
//! Invariant: a registered place does not move, and deregisters before it is gone.

use std::{
    cell::Cell,
    future::poll_fn,
    panic::Location,
    ptr::{self, NonNull},
    task::{Poll, Waker},
};

thread_local! {
    static FIRST: Cell<Option<NonNull<Place>>> = const { Cell::new(None) };
}

/// One wait of one task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// Who waits.
    pub(crate) who: Who,
    /// What sort of thing it waits for, as in "Mutex".
    pub(crate) what: &'static str,
    /// Where that was made.
    pub(crate) created: &'static Location<'static>,
    /// Tells this thing from others that were made in the same line.
    pub(crate) place: usize,
    /// Who has it, or `Who::NOBODY` if that is not known.
    pub(crate) holder: Who,
}

/// A task, as its waker names it: by [`Waker::data`]. It may name something that is gone, so it is only
/// good for a comparison with the tasks that are alive; and a future that is polled by another future with
/// a waker of that one's own is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who(*const ());

impl Who {
    pub(crate) const NOBODY: Self = Self(ptr::null());

    #[inline]
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(waker.data())
    }

    /// The task that awaits this.
    pub(crate) async fn running() -> Self {
        poll_fn(|cx| Poll::Ready(Self::of(cx.waker()))).await
    }

    /// The data of the waker of whoever it is.
    pub(crate) fn waker_data(self) -> Option<NonNull<()>> {
        NonNull::new(self.0.cast_mut())
    }
}

/// Everybody who waits on this thread at something with a queue or a slot, each queue in its order.
///
/// No foreign code runs in here, so it may be called at any time.
pub(crate) fn waits() -> Vec<Wait> {
    let mut waits = Vec::new();
    let mut next = FIRST.get();
    while let Some(at) = next {
        // SAFETY: what is registered is alive.
        let place = unsafe { at.as_ref() };
        let mut see = |who, holder| {
            let Place { what, created, .. } = *place;
            waits.push(Wait { who, what: what.name, created, place: at.addr().get(), holder });
        };
        // SAFETY: the function is the one that goes with the place; see `What`.
        unsafe { (place.what.visit)(at, &mut see) };
        next = place.next.get();
    }
    waits
}

/// A sort of thing that is waited for.
pub(crate) struct What {
    /// As the user knows it.
    pub(crate) name: &'static str,
    /// Calls a function with everybody who waits at such a place, and who has what they wait for.
    pub(super) visit: unsafe fn(NonNull<Place>, &mut dyn FnMut(Who, Who)),
}

/// Something that is waited at: the head of a queue, or a slot.
#[repr(C)]
pub(super) struct Place {
    previous: Cell<Option<NonNull<Place>>>,
    next: Cell<Option<NonNull<Place>>>,
    what: &'static What,
    created: &'static Location<'static>,
}

impl Place {
    pub(super) const fn new(what: &'static What, created: &'static Location<'static>) -> Self {
        Self { previous: Cell::new(None), next: Cell::new(None), what, created }
    }

    /// Enters the list of this thread. A place that is in it already stays where it is.
    ///
    /// # Safety
    ///
    /// The place stays where it is, on this thread, until it is deregistered; and it is the first field of
    /// what its `What` is about.
    #[inline]
    pub(super) unsafe fn register(&self) {
        let this = NonNull::from(self);
        if self.is_registered() {
            return;
        }
        let first = FIRST.replace(Some(this));
        self.next.set(first);
        if let Some(first) = first {
            // SAFETY: what is registered is alive.
            unsafe { first.as_ref() }.previous.set(Some(this));
        }
    }

    /// Leaves the list, if it is in it.
    #[inline]
    pub(super) fn deregister(&self) {
        if !self.is_registered() {
            return;
        }
        let (previous, next) = (self.previous.take(), self.next.take());
        match previous {
            // SAFETY: what is registered is alive.
            Some(previous) => unsafe { previous.as_ref() }.next.set(next),
            None => FIRST.set(next),
        }
        if let Some(next) = next {
            // SAFETY: what is registered is alive.
            unsafe { next.as_ref() }.previous.set(previous);
        }
    }

    #[inline]
    fn is_registered(&self) -> bool {
        self.previous.get().is_some() || FIRST.get() == Some(NonNull::from(self))
    }
}
