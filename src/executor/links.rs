#![allow(unsafe_code, reason = "looks at the output of a task, whose type is erased")]
//! Looking at a task's output without taking it: once, or when it comes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
};

use super::{
    Executor, JoinError, TaskKey, Unwinding, cell,
    cold::Cold,
    header::{COLD, DETACHED, DONE, Header, OUTPUT, RUNNING},
};

impl Executor {
    /// Looks at the output of a finished task that nobody took, and that the loop's end has not given
    /// up.
    pub(crate) fn peek<T, R>(
        &self,
        key: TaskKey<T>,
        look: impl FnOnce(&Result<T, JoinError>) -> R,
    ) -> Option<R> {
        let task = self.find(key)?;
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        if !header.has(OUTPUT) || header.has(DETACHED) {
            return None;
        }
        self.begin_look(header);
        let _look = Look { executor: self, task };
        // SAFETY: the flag is set and the key was made for the type. The handle, which could take or
        // drop the output, is borrowed by the caller of this; the loop's end, which may come while the
        // look waits in a green thread, leaves it until `Look` is dropped.
        Some(look(unsafe { cell::peek_output(task) }))
    }

    /// Sees to it that nobody takes or drops the output of a finished task while somebody looks at it.
    /// There may be several, who end in any order, since each may wait in a green thread.
    fn begin_look(&self, header: &Header) {
        if header.has(RUNNING) {
            self.colds.with(header, |cold| cold.more_looks += 1);
        } else {
            header.set(RUNNING);
        }
    }

    fn end_look(&self, header: &Header) {
        let others = |cold: &mut Cold| match cold.more_looks.checked_sub(1) {
            Some(others) => {
                cold.more_looks = others;
                true
            }
            None => false,
        };
        if !header.has(COLD) || !self.colds.with(header, others) {
            header.clear(RUNNING);
        }
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
            self.discard(task);
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
        self.begin_look(header);
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
        self.end_look(header);
    }
}

/// A look at the output of a task, which is on somebody's stack.
struct Look<'a> {
    executor: &'a Executor,
    task: NonNull<Header>,
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        // SAFETY: while `RUNNING` is set, and it is until now, the task stays in the table.
        let header = unsafe { self.task.as_ref() };
        self.executor.end_look(header);
        if header.has(DETACHED) && !header.has(RUNNING) {
            self.executor.discard(self.task);
        }
    }
}
