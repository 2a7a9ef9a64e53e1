#![allow(unsafe_code, reason = "links tasks through their headers")]
//! The tasks that are ready to be polled, first come, first served.
//!
//! A singly linked list through the headers: pushing and popping allocate nothing and touch one
//! line of memory. It holds no references; see `RETIRED` in `header.rs` for what keeps its tasks
//! alive.
//!
//! Invariant: a task stands here exactly when its `QUEUED` flag is set, and then once.

use std::{cell::Cell, ptr::NonNull};

use super::header::{Header, QUEUED};

/// The queue of one loop.
#[derive(Debug, Default)]
pub(super) struct RunQueue {
    first: Cell<Option<NonNull<Header>>>,
    last: Cell<Option<NonNull<Header>>>,
    len: Cell<usize>,
}

impl RunQueue {
    /// Puts a task at the end, which must not stand here already.
    pub(super) fn push(&self, task: &Header) {
        debug_assert!(!task.has(QUEUED));
        task.set(QUEUED);
        task.next.set(None);
        let this = NonNull::from(task);
        match self.last.replace(Some(this)) {
            // SAFETY: a task in the queue is alive, and only this thread touches its link.
            Some(last) => unsafe { last.as_ref() }.next.set(Some(this)),
            None => self.first.set(Some(this)),
        }
        self.len.set(self.len.get() + 1);
    }

    /// Takes the first task, and clears its flag.
    pub(super) fn pop(&self) -> Option<NonNull<Header>> {
        let first = self.first.get()?;
        // SAFETY: a task in the queue is alive.
        let header = unsafe { first.as_ref() };
        let next = header.next.get();
        self.first.set(next);
        if next.is_none() {
            self.last.set(None);
        }
        header.clear(QUEUED);
        self.len.set(self.len.get() - 1);
        Some(first)
    }

    pub(super) fn len(&self) -> usize {
        self.len.get()
    }
}
