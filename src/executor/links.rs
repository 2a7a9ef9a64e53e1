#![allow(unsafe_code, reason = "looks at the output of a task, whose type is erased")]
//! Looking at a task's output without taking it: once, or when it comes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
};

use super::{
    Executor, JoinError, TaskKey, Unwinding, cell,
    header::{COLD, DETACHED, DONE, Header, OUTPUT, RUNNING},
};

impl Executor {
    /// Looks at the output of a finished task that nobody took.
    pub(crate) fn peek<T, R>(
        &self,
        key: TaskKey<T>,
        look: impl FnOnce(&Result<T, JoinError>) -> R,
    ) -> Option<R> {
        let task = self.find(key)?;
        // SAFETY: in the table.
        if !unsafe { task.as_ref() }.has(OUTPUT) {
            return None;
        }
        // SAFETY: the flag is set and the key was made for the type; only the handle can take or
        // drop the output, and it is borrowed by the caller of this.
        Some(look(unsafe { cell::peek_output(task) }))
    }

    /// Has a function called with the output of a task when it has ended; `false` if it has.
    pub(crate) fn link<T: 'static>(
        &self,
        key: TaskKey<T>,
        f: impl FnOnce(&Result<T, JoinError>) + 'static,
    ) -> bool {
        let Some(task) = self.find(key) else { return false };
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        // SAFETY: called by `call_links`, with this task, while its output is there.
        let link = Box::new(move |task| f(unsafe { cell::peek_output(task) }));
        self.colds.with(header, |cold| cold.links.push(link));
        !header.has(DONE)
    }

    /// Calls the functions that were linked to a task after its end.
    pub(crate) fn call_late_links(&self, key: TaskKey<()>) {
        let Some(task) = self.find(key) else { return };
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        if !header.has(OUTPUT) || header.has(RUNNING) {
            return;
        }
        self.call_links(task);
        if header.has(DETACHED) {
            // A link dropped the handle.
            self.discard_output(task);
            self.retire(task);
        }
    }

    /// Calls the functions that were linked to a finished task.
    #[inline]
    pub(super) fn call_links(&self, task: NonNull<Header>) {
        // SAFETY: the callers found it in the table.
        let header = unsafe { task.as_ref() };
        if header.has(COLD) {
            self.call_links_of(header, task);
        }
    }

    fn call_links_of(&self, header: &Header, task: NonNull<Header>) {
        let links = self.colds.with(header, |cold| std::mem::take(&mut cold.links));
        if links.is_empty() {
            return;
        }
        // The links look at the output: while this flag is set nobody takes or drops it.
        header.set(RUNNING);
        for link in links {
            match catch_unwind(AssertUnwindSafe(|| link(task))) {
                Err(payload) if !payload.is::<Unwinding>() => {
                    let error =
                        JoinError::panicked(self.id_of(header), self.colds.name(header), payload);
                    self.report(&error);
                }
                // It may have waited in a green thread that is asked to end.
                Ok(()) | Err(_) => {}
            }
        }
        header.clear(RUNNING);
    }
}
