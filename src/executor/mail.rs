#![allow(unsafe_code, reason = "walks the stack of woken tasks, which is linked through them")]
//! Taking in what other threads have put into the letter box.

use std::ptr::{self, NonNull};

use super::{Executor, Job, foreign, header::Header, primitives::Ordering, waker};

impl Executor {
    /// Schedules the tasks that other threads woke, in the order of the wakes. Returns the jobs
    /// they posted, which the caller runs.
    pub(crate) fn collect_mail(&self) -> Vec<Job> {
        self.schedule_woken(self.injector.take_woken());
        self.injector.take_jobs()
    }

    pub(super) fn schedule_woken(&self, last: Option<NonNull<Header>>) {
        // The stack gives the last one first: turn it round.
        let mut first = ptr::null_mut();
        let mut rest = last;
        while let Some(task) = rest {
            // SAFETY: the foreign `QUEUED` bit pins the task, and whoever takes it off owns the
            // link.
            let header = unsafe { task.as_ref() };
            header.used();
            let link = &header.injected_next;
            rest = NonNull::new(link.load(Ordering::Relaxed));
            link.store(first, Ordering::Relaxed);
            first = task.as_ptr();
        }
        while let Some(task) = NonNull::new(first) {
            // SAFETY: as above; read before `accept`, after which an orphan may be gone.
            first = unsafe { task.as_ref() }.injected_next.load(Ordering::Relaxed);
            self.foreign_wakes.set(self.foreign_wakes.get() + 1);
            // SAFETY: taken from the stack, on the loop's thread.
            if unsafe { foreign::accept(task) } {
                // SAFETY: not an orphan, so in the table.
                waker::schedule(&self.queue, unsafe { task.as_ref() });
            }
        }
    }
}
