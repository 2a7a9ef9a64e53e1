#![allow(unsafe_code, reason = "a queue without the check of a RefCell")]
//! The tasks that are ready to be polled, first come, first served.
//!
//! A ring of pointers: only tasks that are ready take room in it. It holds no references; see
//! `RETIRED` in `header.rs` for what keeps its tasks alive.
//!
//! Invariant: a task stands here exactly when its `QUEUED` flag is set, and then once.

use std::{cell::UnsafeCell, collections::VecDeque, ptr::NonNull};

use super::{
    header::{Header, QUEUED},
    prefetch::CROWD,
};

/// A ring of no more places is never made smaller.
const KEEP: usize = 1024;

/// The queue of one loop.
#[derive(Debug, Default)]
pub(super) struct RunQueue {
    /// Borrowed only within the methods below, none of which calls anything that could come back
    /// here; and the type is not `Sync`.
    tasks: UnsafeCell<VecDeque<NonNull<Header>>>,
}

impl RunQueue {
    /// Puts a task at the end, which must not stand here already.
    #[inline]
    pub(super) fn push(&self, task: &Header) {
        debug_assert!(!task.has(QUEUED));
        task.set(QUEUED);
        // SAFETY: the only borrow; see `tasks`.
        unsafe { &mut *self.tasks.get() }.push_back(NonNull::from(task));
    }

    /// Takes the first task, and clears its flag.
    #[inline]
    pub(super) fn pop(&self) -> Option<NonNull<Header>> {
        // SAFETY: the only borrow; see `tasks`.
        let tasks = unsafe { &mut *self.tasks.get() };
        let first = tasks.pop_front()?;
        if tasks.capacity() > KEEP && tasks.len() < tasks.capacity() / 8 {
            Self::shrink(tasks);
        }
        // SAFETY: a task in the queue is alive.
        unsafe { first.as_ref() }.clear(QUEUED);
        Some(first)
    }

    /// The first two, if there is a crowd. They are alive.
    #[inline]
    pub(super) fn upcoming(&self) -> Option<(NonNull<Header>, NonNull<Header>)> {
        // SAFETY: the only borrow; see `tasks`.
        let tasks = unsafe { &*self.tasks.get() };
        (tasks.len() >= CROWD).then(|| (tasks[0], tasks[1]))
    }

    pub(super) fn len(&self) -> usize {
        // SAFETY: the only borrow; see `tasks`.
        unsafe { &*self.tasks.get() }.len()
    }

    /// Gives back the memory of a crowd that has gone. It takes as many pushes to need it again.
    #[cold]
    fn shrink(tasks: &mut VecDeque<NonNull<Header>>) {
        tasks.shrink_to(tasks.capacity() / 4);
    }
}
