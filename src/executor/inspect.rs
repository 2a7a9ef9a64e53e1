#![allow(unsafe_code, reason = "looks at tasks")]
//! Looking at tasks from the layers above.

use std::{
    any::Any, marker::PhantomData, panic::Location, ptr::NonNull, rc::Rc, sync::Arc, task::Waker,
};

use super::{
    Executor, Id, JoinError, TaskKey,
    header::{ASKS, COLD, DONE, Header, NO_JOINER, QUEUED, ROOT, RUNNING},
    primitives::Ordering,
};

/// A task as it is seen from outside.
pub(crate) struct Sight {
    pub(crate) key: TaskKey<()>,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) location: &'static Location<'static>,
    /// It has a stack, or will have one when it has started.
    pub(crate) is_green: bool,
    /// It is the future that the loop was run with.
    pub(crate) is_root: bool,
    pub(crate) is_running: bool,
    /// It was woken and has not run since.
    pub(crate) is_ready: bool,
    /// What `Waker::data` gives for its wakers.
    pub(crate) waker_data: *const (),
    /// How many wakers of it there are, wherever.
    pub(crate) wakers: i64,
}

impl Executor {
    /// All tasks that have not ended, in the order of their spawns.
    pub(crate) fn everyone(&self) -> Vec<Sight> {
        let mut everyone = self.table.everyone();
        // SAFETY: in the table.
        everyone.retain(|(_, _, task)| !unsafe { task.as_ref() }.has(DONE));
        everyone.sort_unstable_by_key(|(_, id, _)| *id);
        everyone.into_iter().map(|(slot, id, task)| self.sight(slot, id, task)).collect()
    }

    /// The task whose code is running.
    pub(crate) fn running(&self) -> Option<Sight> {
        let task = self.current.get()?;
        // SAFETY: the running task is alive.
        let slot = unsafe { task.as_ref() }.slot.get();
        Some(self.sight(slot, self.table.id(slot), task))
    }

    fn sight(&self, slot: u32, id: Id, task: NonNull<Header>) -> Sight {
        // SAFETY: the callers found it in the table.
        let header = unsafe { task.as_ref() };
        // One local reference is the table's. Either half alone may be below zero.
        let foreign = i64::from(header.foreign.load(Ordering::Relaxed) as i32 >> 2);
        let type_name = (header.vtable().type_name)();
        Sight {
            key: TaskKey { loop_id: self.loop_id, id, slot, output: PhantomData },
            name: self.colds.name(header),
            location: header.site().location,
            is_green: header.has(ASKS) || type_name.starts_with(GREEN_THREAD),
            is_root: header.has(ROOT),
            is_running: header.has(RUNNING),
            is_ready: header.has(QUEUED),
            waker_data: task.as_ptr().cast_const().cast(),
            wakers: i64::from(header.local_refs()) - 1 + foreign,
        }
    }

    /// Calls `see` with each task that somebody waits for, and the waker that it will wake.
    pub(crate) fn each_joiner(&self, see: &mut dyn FnMut(Id, &Waker)) {
        let joiners = self.joiners.borrow();
        for (_, id, task) in self.table.everyone() {
            // SAFETY: in the table.
            let joiner = unsafe { task.as_ref() }.joiner.get();
            if joiner != NO_JOINER {
                see(id, &joiners[joiner as usize]);
            }
        }
    }

    /// As `local`, without making room for values in a task that has none.
    pub(crate) fn local_if_any(&self, name: usize) -> Option<Rc<dyn Any>> {
        // SAFETY: the running task is alive.
        let has_values = unsafe { self.current.get()?.as_ref() }.has(COLD);
        if has_values { self.local(name) } else { None }
    }

    /// Gives a task that has not run a value of its own.
    pub(crate) fn set_local_of<T>(&self, key: TaskKey<T>, name: usize, value: Rc<dyn Any>) {
        let Some(task) = self.find(key) else { return };
        // SAFETY: in the table.
        let header = unsafe { task.as_ref() };
        self.colds.with(header, |cold| cold.locals.push((name, value)));
    }

    /// Tells the hook of a panic that nobody can collect any more.
    pub(crate) fn report_lost(&self, panic: &JoinError) {
        self.report(panic);
    }
}

/// How the type of a green thread's future is called, also before it has a stack.
const GREEN_THREAD: &str = "greenloop::green::thread::GreenThread<";
