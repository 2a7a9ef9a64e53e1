//! The name of a task, with the type of its output.

use std::{marker::PhantomData, num::NonZeroU64};

use super::Id;

/// Names a task whose output is a `T`, on any thread and for ever: plain data.
pub(crate) struct TaskKey<T> {
    pub(super) loop_id: NonZeroU64,
    pub(super) id: Id,
    pub(super) slot: u32,
    pub(super) output: PhantomData<fn() -> T>,
}

impl<T> TaskKey<T> {
    pub(crate) fn loop_id(&self) -> NonZeroU64 {
        self.loop_id
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    /// Makes this the name of no task: its output was taken.
    pub(crate) fn spend(&mut self) {
        self.slot = SPENT;
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.slot == SPENT
    }

    /// The same task, its output forgotten.
    pub(crate) fn untyped(&self) -> TaskKey<()> {
        TaskKey { loop_id: self.loop_id, id: self.id, slot: self.slot, output: PhantomData }
    }
}

/// The slot of a spent key; `Executor::spawn` never gives it.
pub(super) const SPENT: u32 = u32::MAX;

// By hand: the derives would ask it of `T`.
impl<T> Clone for TaskKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for TaskKey<T> {}

impl<T> std::fmt::Debug for TaskKey<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TaskKey({} of loop {})", self.id, self.loop_id)
    }
}
