#![allow(unsafe_code, reason = "reads what tasks share through a pointer")]
//! The head of a task: what every task has, whatever its future is.
//!
//! A task's memory is pinned by references of two kinds. The *local* ones are counted in a plain
//! cell that only the loop's own thread touches; the *foreign* ones in an atomic that everybody
//! else touches (`foreign.rs`). Either half may go below zero, because a waker is cloned here and
//! dropped there; only their sum means something, and nobody needs it while the task stands in the
//! loop's table, whose own reference keeps it alive. When the task leaves the table the local half
//! is added to the foreign one, and from then on the atomic alone decides.
//!
//! Invariant: local references are zero exactly when the task is an orphan: out of the table, its
//! future and its output gone, and no longer known to the loop.

use std::{
    any::Any,
    cell::Cell,
    ptr::NonNull,
    task::{Context, Poll},
};

use super::{
    join_error::JoinError,
    primitives::{AtomicPtr, AtomicU32},
    site::Site,
};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// What came of a poll: `Ready(Ok)` leaves the output in the task, `Err` is the panic.
pub(super) type Polled = Poll<Result<(), Payload>>;

/// The functions that know the type of a task's future.
#[derive(Debug, Clone, Copy)]
pub(super) struct VTable {
    /// Polls the future, and drops it unless it is pending.
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    /// Drops the future; `Err` is the panic of its destructor.
    pub(super) drop_future: unsafe fn(NonNull<Header>) -> Result<(), Payload>,
    /// Stores an error where the future was.
    pub(super) store_error: unsafe fn(NonNull<Header>, JoinError),
    /// The stored error, if the output is an error. Valid until the output is taken or dropped.
    pub(super) error: unsafe fn(NonNull<Header>) -> Option<NonNull<JoinError>>,
    /// Drops the output; `Err` is the panic of its destructor.
    pub(super) drop_output: unsafe fn(NonNull<Header>) -> Result<(), Payload>,
    /// What to hand to the allocator when the task is freed.
    pub(super) layout: std::alloc::Layout,
    /// The class of the layout; see `blocks.rs`.
    pub(super) class: u8,
    /// Where the future or the output stands behind the header.
    pub(super) stage_offset: usize,
    /// The name of the future's type.
    pub(super) type_name: fn() -> &'static str,
}

/// The head of a task; the future or its output follows in the same allocation.
#[repr(C)]
pub(crate) struct Header {
    /// Where it was spawned, and what can be done with its future.
    site: NonNull<Site>,
    /// The next task in the injector's stack; belongs to whoever set the foreign `QUEUED` bit.
    pub(super) injected_next: AtomicPtr<Header>,
    /// References and wakes of other threads; see `foreign.rs`.
    pub(super) foreign: AtomicU32,
    /// Flags in the lower half, local references above; touched by the loop's thread only.
    local: Cell<u32>,
    /// Where the task stands in the loop's table.
    pub(super) slot: Cell<u32>,
    /// Where the waker of whoever joins this task stands; `NO_JOINER` when nobody does.
    pub(super) joiner: Cell<u32>,
    /// Stands for all of the memory; see `used`.
    #[cfg(greenloop_loom)]
    memory: loom::cell::UnsafeCell<()>,
}

#[cfg(all(target_pointer_width = "64", not(greenloop_loom)))]
const _: () = assert!(size_of::<Header>() == 32);

/// Nobody waits for the task.
pub(super) const NO_JOINER: u32 = u32::MAX;

/// In the run queue. Set by a wake, cleared when popped.
pub(super) const QUEUED: u32 = 1;
/// Its future is on the stack: being polled, or being dropped by an abort. Or, when it is `DONE`, its
/// output is being looked at by links.
pub(super) const RUNNING: u32 = 1 << 1;
/// Its future is gone. Never cleared.
pub(super) const DONE: u32 = 1 << 2;
/// It has an output that nobody took. Set together with `DONE`.
pub(super) const OUTPUT: u32 = 1 << 3;
/// Somebody asked for its end while it could not be dropped at once.
pub(super) const ABORTED: u32 = 1 << 4;
/// Its `JoinHandle` is gone: nobody will take the output.
pub(super) const DETACHED: u32 = 1 << 5;
/// It left the table while in the run queue, which now holds the table's reference.
pub(super) const RETIRED: u32 = 1 << 6;
/// It cannot be dropped by an abort, only asked to end. Set by its future, from within a poll.
pub(super) const ASKS: u32 = 1 << 7;
/// It has a cold part; see `cold.rs`. Never cleared before the task leaves the table.
pub(super) const COLD: u32 = 1 << 8;
/// The loop runs until it ends.
pub(super) const ROOT: u32 = 1 << 9;
/// Its future begins with a `StackEnd`; see `prefetch.rs`. Set together with `ASKS`.
pub(super) const STACK_FIRST: u32 = 1 << 10;

/// Local references above the flags. When they are full, at 65,535 wakers that are alive on the loop's
/// own thread, more are counted by the foreign half.
const ONE_LOCAL: u32 = 1 << 16;

impl Header {
    /// A task with one reference: the one of the table it is about to enter.
    pub(super) fn new(site: NonNull<Site>) -> Self {
        Self {
            site,
            injected_next: AtomicPtr::new(std::ptr::null_mut()),
            foreign: AtomicU32::new(0),
            local: Cell::new(ONE_LOCAL),
            slot: Cell::new(0),
            joiner: Cell::new(NO_JOINER),
            #[cfg(greenloop_loom)]
            memory: loom::cell::UnsafeCell::new(()),
        }
    }

    /// Tells loom that the memory is used, so that it finds a use that is not over for certain when the
    /// memory is freed.
    #[inline]
    pub(super) fn used(&self) {
        #[cfg(greenloop_loom)]
        self.memory.with(|_| ());
    }

    /// Tells loom that the memory will be freed.
    #[cfg(greenloop_loom)]
    pub(super) fn freed(&self) {
        self.memory.with_mut(|_| ());
    }

    /// What it has in common with the other tasks that are spawned at the same place.
    #[inline]
    pub(super) fn site(&self) -> &Site {
        self.used();
        // SAFETY: a site lives as long as the injector, and that as long as the task.
        unsafe { self.site.as_ref() }
    }

    #[inline]
    pub(super) fn vtable(&self) -> &VTable {
        &self.site().vtable
    }

    pub(super) fn has(&self, flags: u32) -> bool {
        self.used();
        self.local.get() & flags != 0
    }

    /// Of the flags in `mask` exactly those in `flags` are set.
    pub(super) fn has_only(&self, flags: u32, mask: u32) -> bool {
        self.local.get() & mask == flags
    }

    pub(super) fn set(&self, flags: u32) {
        self.local.set(self.local.get() | flags);
    }

    pub(super) fn clear(&self, flags: u32) {
        self.local.set(self.local.get() & !flags);
    }

    /// How many local references there are; zero for an orphan.
    pub(super) fn local_refs(&self) -> u32 {
        self.local.get() >> 16
    }

    /// It has ended, is in no queue, and the table's is the only local reference.
    pub(super) fn is_alone(&self) -> bool {
        self.local.get() & !(DETACHED | ABORTED | ASKS | ROOT | STACK_FIRST) == ONE_LOCAL | DONE
    }

    /// Counts a reference in the local half; `false` if that half is closed (an orphan) or full,
    /// and the foreign half must count it.
    pub(super) fn try_add_local_ref(&self) -> bool {
        let local = self.local.get();
        if local < ONE_LOCAL {
            return false;
        }
        match local.checked_add(ONE_LOCAL) {
            Some(more) => {
                self.local.set(more);
                true
            }
            None => false,
        }
    }

    /// Gives back a reference to the local half; `false` if the foreign half must take it. The
    /// table's own reference is never given back this way.
    pub(super) fn try_drop_local_ref(&self) -> bool {
        let local = self.local.get();
        if local < 2 * ONE_LOCAL {
            return false;
        }
        self.local.set(local - ONE_LOCAL);
        true
    }

    /// Takes `count` local references away: they were given back in the foreign half, or now
    /// count there.
    pub(super) fn take_local_refs(&self, count: u32) {
        self.local.set(self.local.get() - count * ONE_LOCAL);
    }
}
