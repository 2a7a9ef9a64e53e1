#![allow(unsafe_code, reason = "looks at the running task")]
//! Values of which every task has its own, kept in its cold part by the address of what names them.

use std::{any::Any, rc::Rc};

use super::Executor;

impl Executor {
    /// The running task's own value under a name, if it has one.
    pub(crate) fn local(&self, name: usize) -> Option<Rc<dyn Any>> {
        // SAFETY: the running task is alive.
        let header = unsafe { self.current.get()?.as_ref() };
        self.colds.with(header, |cold| {
            cold.locals.iter().find(|(other, _)| *other == name).map(|(_, value)| Rc::clone(value))
        })
    }

    /// Gives the running task a value of its own, and gives back the one that it had; `Err` gives
    /// the value back when no task is running.
    pub(crate) fn set_local(
        &self,
        name: usize,
        value: Rc<dyn Any>,
    ) -> Result<Option<Rc<dyn Any>>, Rc<dyn Any>> {
        let Some(task) = self.current.get() else { return Err(value) };
        // SAFETY: the running task is alive.
        let header = unsafe { task.as_ref() };
        Ok(self.colds.with(header, |cold| {
            match cold.locals.iter_mut().find(|(other, _)| *other == name) {
                Some((_, old)) => Some(std::mem::replace(old, value)),
                None => {
                    cold.locals.push((name, value));
                    None
                }
            }
        }))
    }
}
