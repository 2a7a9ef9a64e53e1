#![allow(unsafe_code, reason = "frees the tasks that are left in the run queue")]
//! The end of all tasks, with their loop.

use std::{marker::PhantomData, ptr::NonNull, sync::Arc};

use super::{
    Executor, Id, TaskKey, contain,
    header::{ASKS, Header, RETIRED},
};

impl Executor {
    /// Ends every task on this thread: closes the injector, aborts what is alive, runs what that
    /// woke, and drops the outputs that nobody took. Tasks that destructors spawn are cancelled
    /// too, up to a bound: what is left after it is returned (id and name) and leaked. So are
    /// tasks with a stack that nothing can unwind, but without a word, since nothing went wrong.
    pub(crate) fn shut_down(&self) -> Vec<(Id, Option<Arc<str>>)> {
        self.closing.set(true);
        let (woken, jobs) = self.injector.close();
        self.schedule_woken(woken);
        // A job that will not run may hold a future, whose destructor may do anything.
        for job in jobs {
            contain(|| drop(job));
        }
        const ROUNDS: usize = 100;
        for _ in 0..ROUNDS {
            let mut everyone = self.keys();
            everyone.retain(|key| !self.cannot_unwind(*key));
            if everyone.is_empty() {
                break;
            }
            for key in everyone {
                self.abort(key);
                self.detach(key);
            }
            let mut bound = 1000 + self.queue.len();
            while bound > 0 && self.poll_next() {
                bound -= 1;
            }
        }
        while let Some(task) = self.queue.pop() {
            // SAFETY: a task in the queue is in the table, or retired with the queue as its keeper.
            if unsafe { task.as_ref() }.has(RETIRED) {
                self.free(task);
            }
        }
        let mut left = self.keys();
        for _ in &left {
            // The tasks that are leaked still point to the injector.
            std::mem::forget(self.injector.clone());
        }
        let mut joiners = std::mem::take(&mut *self.joiners.borrow_mut());
        for joiner in joiners.drain() {
            contain(|| drop(joiner));
        }
        left.retain(|key| !self.cannot_unwind(*key));
        left.into_iter().map(|key| (key.id, self.name(key))).collect()
    }

    /// Whether the task has a stack that must unwind, in a program whose panics do not.
    fn cannot_unwind(&self, key: TaskKey<()>) -> bool {
        // SAFETY: in the table.
        let asks = |task: NonNull<Header>| unsafe { task.as_ref() }.has(ASKS);
        cfg!(panic = "abort") && !self.is_finished(key) && self.find(key).is_some_and(asks)
    }

    fn keys(&self) -> Vec<TaskKey<()>> {
        let key = |(slot, id, _)| TaskKey { loop_id: self.loop_id, id, slot, output: PhantomData };
        self.table.everyone().into_iter().map(key).collect()
    }
}
