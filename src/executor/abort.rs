#![allow(unsafe_code, reason = "drops the future of a task")]
//! Ending a task from outside: its future is dropped, or, if that has a stack, asked to end.

use std::ptr::NonNull;

use super::{
    Executor, JoinError, TaskKey,
    header::{ABORTED, ASKS, DONE, Header, ROOT, RUNNING},
    waker,
};

impl Executor {
    /// Drops the future of a task at once, or, if it is being polled, as soon as the poll is over; the
    /// root's in its next turn.
    ///
    /// Aborts that the destructors ask for are done one after the other before this returns,
    /// however deep they are nested.
    pub(crate) fn abort(&self, key: TaskKey<()>) {
        let Some(task) = self.find(key) else { return };
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        if header.has(DONE) {
            return;
        }
        // The root may borrow, and must be gone when its run returns. A green thread's stack is no place
        // for its destructors: one that waits there may never come back.
        if header.has(RUNNING | ASKS | ROOT) {
            header.set(ABORTED);
            if header.has(ASKS | ROOT) {
                waker::schedule(&self.queue, header);
            }
            return;
        }
        if self.aborting.get() {
            self.aborts.borrow_mut().push_back(key);
            return;
        }
        self.aborting.set(true);
        self.cancel(task);
        self.do_queued_aborts();
        self.aborting.set(false);
    }

    /// Ends the root at once, and drops its output. Only on the thread's own stack, with no task being
    /// polled or dropped.
    pub(crate) fn end_root(&self, root: TaskKey<()>) {
        if let Some(task) = self.find(root) {
            // SAFETY: in the table.
            if !unsafe { task.as_ref() }.has(DONE) {
                self.aborting.set(true);
                self.cancel(task);
                self.do_queued_aborts();
                self.aborting.set(false);
            }
        }
        self.detach(root);
    }

    pub(super) fn do_queued_aborts(&self) {
        loop {
            let next = self.aborts.borrow_mut().pop_front();
            let Some(key) = next else { break };
            if let Some(task) = self.find(key) {
                // SAFETY: in the table.
                if !unsafe { task.as_ref() }.has(DONE | RUNNING | ASKS) {
                    self.cancel(task);
                }
            }
        }
    }

    /// Drops the future of a task that is not being polled.
    pub(super) fn cancel(&self, task: NonNull<Header>) {
        // SAFETY: in the table, since it is not done.
        let header = unsafe { task.as_ref() };
        debug_assert!(!header.has(DONE | RUNNING));
        header.set(RUNNING);
        let outer = self.current.replace(Some(task));
        // SAFETY: the task is not done, so it has its future.
        let dropped = unsafe { (header.vtable().drop_future)(task) };
        self.current.set(outer);
        header.clear(RUNNING);
        match dropped {
            Ok(()) => {
                let error = JoinError::cancelled(self.id_of(header), self.colds.name(header));
                // SAFETY: the future is gone.
                unsafe { (header.vtable().store_error)(task, error) };
                self.finish(task);
            }
            Err(payload) => self.fail(task, payload),
        }
    }
}
