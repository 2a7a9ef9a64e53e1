#![allow(unsafe_code, reason = "frees the memory of tasks")]
//! What happens when a task's future is gone: it is told to whoever waits, and when nobody can ask
//! any more the task leaves the table and its memory is kept for the next one.

use std::ptr::NonNull;

use super::{
    Executor, JoinError, Unwinding, contain, foreign,
    header::{
        COLD, DETACHED, DONE, Header, NO_JOINER, OUTPUT, Payload, QUEUED, RETIRED, ROOT, RUNNING,
    },
    wake,
};

impl Executor {
    /// Ends a task whose future is gone and left a panic.
    pub(super) fn fail(&self, task: NonNull<Header>, payload: Payload) {
        // SAFETY: in the table until it is done.
        let header = unsafe { task.as_ref() };
        let (id, name) = (self.id_of(header), self.colds.name(header));
        let error = if payload.is::<Unwinding>() {
            JoinError::cancelled(id, name)
        } else {
            self.count_panic();
            JoinError::panicked(id, name, payload)
        };
        // SAFETY: the future is gone.
        unsafe { (header.vtable().store_error)(task, error) };
        self.finish(task);
    }

    /// Ends a task whose output is stored.
    #[inline]
    pub(super) fn finish(&self, task: NonNull<Header>) {
        // SAFETY: in the table until it is done.
        let header = unsafe { task.as_ref() };
        header.set(DONE | OUTPUT);
        self.alive.set(self.alive.get() - 1);
        // What hardly any task has that ends before its handle is polled.
        if header.has(ROOT | COLD | DETACHED) || header.joiner.get() != NO_JOINER {
            self.announce(task);
        }
    }

    /// Tells of a task's end whoever wants to know.
    #[inline(never)]
    fn announce(&self, task: NonNull<Header>) {
        // SAFETY: the caller found it in the table.
        let header = unsafe { task.as_ref() };
        if header.has(ROOT) {
            self.root_done.set(true);
        }
        self.call_links(task);
        if header.has(DETACHED) {
            self.discard(task);
        } else if let Some(joiner) = self.take_joiner(header) {
            wake(joiner);
        }
    }

    /// Drops the output of a detached task, if it has one, and takes the task out of the table. If
    /// somebody looks at the output at the moment, that one does it when it has seen enough.
    pub(super) fn discard(&self, task: NonNull<Header>) {
        // SAFETY: the callers found it in the table.
        let header = unsafe { task.as_ref() };
        debug_assert!(header.has(DETACHED));
        if header.has(OUTPUT) {
            self.call_links(task);
            if header.has(RUNNING) {
                return;
            }
            self.drop_output(task);
        }
        self.retire(task);
    }

    /// Drops the output of a task that nobody will take; a panic is reported, since nobody can
    /// find it in the handle any more.
    fn drop_output(&self, task: NonNull<Header>) {
        // SAFETY: the caller found it in the table.
        let header = unsafe { task.as_ref() };
        // The hook and the destructor are foreign code, which may wait in a green thread, and at the
        // loop's end may have the handle: until they are over, nobody else drops the output or retires
        // the task.
        header.set(RUNNING);
        // SAFETY: the flag is set.
        if let Some(error) = unsafe { (header.vtable().error)(task) } {
            // SAFETY: nobody takes or drops the output in the meantime.
            let error = unsafe { error.as_ref() };
            if error.is_panic() {
                self.report(error);
            }
        }
        header.clear(OUTPUT);
        let outer = self.current.replace(Some(task));
        // SAFETY: the output is there, and nobody finds it from here on.
        let dropped = unsafe { (header.vtable().drop_output)(task) };
        self.current.set(outer);
        header.clear(RUNNING);
        match dropped {
            Err(payload) if !payload.is::<Unwinding>() => {
                self.report(&JoinError::panicked(
                    self.id_of(header),
                    self.colds.name(header),
                    payload,
                ));
            }
            // It may have waited in a green thread that is asked to end: that will hear it again.
            Ok(()) | Err(_) => {}
        }
    }

    /// Tells the hook; what it does wrong is its own loss.
    pub(super) fn report(&self, error: &JoinError) {
        contain(|| (self.report)(error));
    }

    /// Takes a finished task out of the table.
    #[inline]
    pub(super) fn retire(&self, task: NonNull<Header>) {
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        debug_assert!(header.has(DONE) && !header.has(OUTPUT));
        if !foreign::is_ours_alone(header) {
            return self.retire_shared(task);
        }
        self.table.remove(header.slot.get());
        self.recycle(task);
    }

    /// Takes a finished task out of the table that has a cold part, or is in the run queue, or to which
    /// wakers point.
    #[inline(never)]
    fn retire_shared(&self, task: NonNull<Header>) {
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        let cold = self.colds.take(header);
        self.table.remove(header.slot.get());
        if let Some(cold) = cold {
            // With the task's own values, whose destructors are foreign code.
            contain(|| drop(cold));
        }
        if header.has(QUEUED) {
            header.set(RETIRED);
        } else {
            self.free(task);
        }
    }

    /// Gives up the table's reference.
    pub(super) fn free(&self, task: NonNull<Header>) {
        // SAFETY: out of the table and out of the run queue, future, output and cold part gone.
        if unsafe { foreign::release(task) } {
            self.recycle(task);
        }
    }

    /// Keeps the memory of a task to which nothing points any more for the next one.
    #[inline]
    fn recycle(&self, task: NonNull<Header>) {
        // SAFETY: the task is alive up to the next lines.
        let vtable = unsafe { task.as_ref() }.vtable();
        #[cfg(greenloop_loom)]
        // SAFETY: as above.
        unsafe { task.as_ref() }.freed();
        #[cfg(greenloop_loom)]
        // SAFETY: loom wants its atomics dropped; nobody reads them again.
        unsafe {
            std::ptr::drop_in_place(task.as_ptr());
        }
        // SAFETY: it was the last reference.
        unsafe { self.blocks.recycle(task.cast(), vtable.layout, vtable.class) };
    }
}
