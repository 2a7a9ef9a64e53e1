#![allow(unsafe_code, reason = "a thread-local without destructor holds a bare pointer")]
//! Which loop this thread is running.
//!
//! Sockets, timers and handles are plain data and find their loop here, so a loop must be running
//! on this thread when they are used. The pointer is set for the time of `EventLoop::run` and of
//! a loop's end, and borrows the loop for that time.

use std::{cell::Cell, marker::PhantomData, num::NonZeroU64, ptr};

use super::core::Core;
use crate::executor;

std::thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// Makes a loop the current one until it is dropped.
#[derive(Debug)]
pub(super) struct Entered<'a> {
    outer: *const Core,
    _tasks: executor::Entered<'a>,
    /// What the thread-local points to stays borrowed as long as it does.
    _core: PhantomData<&'a Core>,
}

impl<'a> Entered<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        let tasks = core.executor.enter();
        Self { outer: CURRENT.replace(core), _tasks: tasks, _core: PhantomData }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// Whether this thread is running a loop.
pub(crate) fn is_running() -> bool {
    !CURRENT.get().is_null()
}

/// Gives the loop that this thread is running, or `None`.
pub(crate) fn with<R>(f: impl FnOnce(&Core) -> R) -> Option<R> {
    let core = CURRENT.get();
    // SAFETY: not null while an `Entered` of this thread borrows it. Guards nest, and one that is
    // dropped restores the outer one, so `f` cannot outlive the loop.
    (!core.is_null()).then(|| f(unsafe { &*core }))
}

/// Gives the loop with this id if this thread is running it, or `None`.
pub(crate) fn with_loop<R>(id: NonZeroU64, f: impl FnOnce(&Core) -> R) -> Option<R> {
    let core = CURRENT.get();
    if core.is_null() {
        return None;
    }
    // SAFETY: as in `with`.
    let core = unsafe { &*core };
    (core.id() == id).then(|| f(core))
}
