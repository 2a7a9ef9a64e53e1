#![allow(unsafe_code, reason = "implements the raw vtable behind std::task::Waker")]
//! The waker of a task: plain loads and stores on the loop's own thread, atomics elsewhere.
//!
//! One static table serves all tasks, so `Waker::will_wake` is exact. Each function first asks
//! whether this thread is running the task's loop at the moment: then the waker works on the
//! local half of the header and on the run queue; otherwise (another thread, or the same one
//! between two runs of the loop, or after its end) on the foreign half.

use std::{
    cell::Cell,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
    task::{RawWaker, RawWakerVTable, Waker},
};

use super::{
    foreign,
    header::{DONE, Header, QUEUED},
    injector::Injector,
    run_queue::RunQueue,
};

/// Which loop's tasks are local on this thread.
struct Current {
    injector: Cell<*const Injector>,
    queue: Cell<*const RunQueue>,
}

#[cfg(not(greenloop_loom))]
std::thread_local! {
    static CURRENT: Current = const {
        Current { injector: Cell::new(ptr::null()), queue: Cell::new(ptr::null()) }
    };
}

#[cfg(greenloop_loom)]
loom::thread_local! {
    static CURRENT: Current =
        Current { injector: Cell::new(ptr::null()), queue: Cell::new(ptr::null()) };
}

/// Makes the tasks of one loop local on this thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    outer_injector: *const Injector,
    outer_queue: *const RunQueue,
    /// What the thread-local points to stays borrowed as long as it does.
    _queue: &'a RunQueue,
}

impl<'a> Entered<'a> {
    pub(super) fn new(injector: &Injector, queue: &'a RunQueue) -> Self {
        CURRENT.with(|current| Self {
            outer_injector: current.injector.replace(injector),
            outer_queue: current.queue.replace(queue),
            _queue: queue,
        })
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with(|current| {
            current.injector.set(self.outer_injector);
            current.queue.set(self.outer_queue);
        });
    }
}

/// The run queue of the task's loop, if this thread is running that loop.
fn local_queue(header: &Header) -> Option<*const RunQueue> {
    CURRENT.with(|current| {
        let local = ptr::eq(current.injector.get(), header.site().injector.as_ptr());
        local.then(|| current.queue.get())
    })
}

/// Schedules a task, unless it is scheduled or done. Only on the loop's thread.
pub(super) fn schedule(queue: &RunQueue, header: &Header) {
    if !header.has(QUEUED | DONE) {
        queue.push(header);
    }
}

/// A waker that borrows the caller's knowledge that the task is alive instead of counting.
pub(super) fn borrowed(task: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: the functions of `VTABLE` keep the contract of `RawWaker`; the waker is never
    // dropped, so it gives up no reference that was not counted.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw(task)) })
}

fn raw(task: NonNull<Header>) -> RawWaker {
    RawWaker::new(task.as_ptr().cast_const().cast(), &VTABLE)
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// # Safety
///
/// `data` is that of a waker of this table, which holds a reference.
unsafe fn header<'a>(data: *const ()) -> &'a Header {
    // SAFETY: the waker's reference keeps the task alive.
    unsafe { &*data.cast::<Header>() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called by `Waker` with its own data.
    let header = unsafe { header(data) };
    if local_queue(header).is_none() || !header.try_add_local_ref() {
        foreign::clone(header);
    }
    raw(NonNull::from(header))
}

unsafe fn wake(data: *const ()) {
    // SAFETY: called by `Waker` with its own data.
    unsafe { wake_by_ref(data) };
    // SAFETY: likewise; the waker is consumed.
    unsafe { drop_waker(data) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called by `Waker` with its own data.
    let header = unsafe { header(data) };
    match local_queue(header) {
        // SAFETY: `Entered` borrows the queue that the thread-local points to.
        Some(queue) => schedule(unsafe { &*queue }, header),
        // SAFETY: the waker holds a reference for the whole call.
        None => unsafe { foreign::wake_by_ref(NonNull::from(header)) },
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: called by `Waker` with its own data.
    let header = unsafe { header(data) };
    if local_queue(header).is_none() || !header.try_drop_local_ref() {
        // SAFETY: the waker gives up its reference.
        unsafe { foreign::drop_ref(NonNull::from(header)) };
    }
}
