#![allow(unsafe_code, reason = "looks at the running task")]
#![cfg_attr(not(feature = "green"), allow(dead_code, reason = "only green threads are asked"))]
//! Tasks that cannot be dropped but must be asked to end: those with a stack.

use std::{panic::Location, ptr};

use super::{
    Executor, Id, StackEnd,
    header::{ABORTED, ASKS, STACK_FIRST},
};

/// The payload with which a task unwinds that was asked to, as if by a panic.
#[derive(Debug)]
pub(crate) enum Unwinding {
    /// To its end.
    Task,
    /// To the block that is over its limit, whose frame has this address.
    Block(usize),
}

/// What can be said of the running task at any moment, also while it allocates.
pub(crate) struct Brief<'a> {
    /// It must be asked to end, because it has a stack.
    pub(crate) has_stack: bool,
    /// Not known while the table moves.
    pub(crate) id: Option<Id>,
    pub(crate) name: Option<&'a str>,
    /// Where it was spawned.
    #[cfg_attr(
        not(all(feature = "launcher", target_os = "linux")),
        allow(dead_code, reason = "only workers tell it")
    )]
    pub(crate) location: &'static Location<'static>,
}

impl Executor {
    /// From now on an abort asks the running task to end instead of dropping its future. Where the stack
    /// ends stands in `end`, which may be the beginning of that future, or anywhere else.
    ///
    /// # Safety
    ///
    /// If `end` is the beginning of the task's future, that begins with it after each poll that leaves it
    /// pending.
    pub(crate) unsafe fn ask_current(&self, end: &StackEnd) {
        let Some(task) = self.current.get() else { return };
        // SAFETY: the running task is alive.
        let header = unsafe { task.as_ref() };
        header.set(ASKS);
        if task.addr().get() + header.vtable().stage_offset == ptr::from_ref(end).addr() {
            header.set(STACK_FIRST);
        }
    }

    /// Whether the running task was asked to end.
    pub(crate) fn current_is_aborted(&self) -> bool {
        // SAFETY: the running task is alive.
        self.current.get().is_some_and(|task| unsafe { task.as_ref() }.has(ABORTED))
    }

    /// Says that the running task leaves its stack and lets others run. If an abort is going on
    /// further down that stack, those that its destructors asked for are done first, since one of
    /// them may be what the task waits for; and the aborts of others are not held up meanwhile.
    ///
    /// Returns whether one is going on, for `return_to_abort`.
    #[inline]
    pub(crate) fn leave_stack(&self) -> bool {
        let aborting = self.aborting.get();
        if aborting {
            self.do_queued_aborts();
            self.aborting.set(false);
        }
        aborting
    }

    /// Says that the running task is back on its stack, in the middle of an abort.
    #[cold]
    pub(crate) fn return_to_abort(&self) {
        self.aborting.set(true);
    }

    /// What a signal handler may say of the running task. Allocates and frees nothing. Returns whether
    /// there is one.
    pub(crate) fn describe_current(&self, describe: impl FnOnce(Brief<'_>)) -> bool {
        let Some(task) = self.current.get() else { return false };
        // SAFETY: the running task is alive.
        let header = unsafe { task.as_ref() };
        let id = self.table.id_if_at_rest(header.slot.get());
        // The cold part keeps another reference to the name, so this one frees nothing.
        let name = self.colds.name(header);
        describe(Brief {
            has_stack: header.has(ASKS),
            id,
            name: name.as_deref(),
            location: header.site().location,
        });
        true
    }
}
