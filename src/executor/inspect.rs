#![allow(unsafe_code, reason = "looks at tasks")]
//! Looking at tasks from the layers above.

use std::{any::Any, rc::Rc};

use super::{Executor, JoinError, TaskKey, header::COLD};

impl Executor {
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
