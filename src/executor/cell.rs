#![allow(unsafe_code, reason = "a task's future and output share memory of an erased type")]
//! A task in memory: the header, and behind it the future or, later, its output.
//!
//! The functions of the vtable are the only ones that know the future's type. Which of the two the
//! stage holds is written in the header's flags and kept by `executor/mod.rs`: the future until
//! `DONE`, the output while `OUTPUT`, nothing after that. All of them run on the loop's thread.

use std::{
    alloc::Layout,
    cell::UnsafeCell,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll},
};

use super::{
    blocks::{self, Blocks},
    header::{Header, OUTPUT, Payload, VTable},
    join_error::JoinError,
    site::Site,
};

/// A task of one type of future.
#[repr(C)]
struct TaskCell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

/// Both begin where the stage begins, and are read through pointers to their own types.
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    _output: ManuallyDrop<Result<F::Output, JoinError>>,
}

/// The functions for tasks of a type of future.
pub(super) fn vtable_of<F: Future>() -> &'static VTable {
    Functions::<F>::VTABLE
}

/// Puts a future into a new task, which has one reference. The site is one of its type.
pub(super) fn allocate<F: Future>(
    blocks: &Blocks,
    future: F,
    site: NonNull<Site>,
) -> NonNull<Header> {
    let vtable = vtable_of::<F>();
    let cell = blocks.allocate(vtable.layout, vtable.class).cast::<TaskCell<F>>();
    let task = TaskCell {
        header: Header::new(site),
        stage: UnsafeCell::new(Stage { future: ManuallyDrop::new(future) }),
    };
    // SAFETY: freshly allocated with at least the size and with the alignment of this type.
    unsafe { cell.write(task) };
    cell.cast()
}

/// Takes the output of a task.
///
/// # Safety
///
/// The task's `OUTPUT` flag is set (this clears it), and `T` is the output of its future.
pub(super) unsafe fn take_output<T>(task: NonNull<Header>) -> Result<T, JoinError> {
    // SAFETY: the caller's task is alive.
    let header = unsafe { task.as_ref() };
    header.clear(OUTPUT);
    // SAFETY: the output stands at the offset that the vtable was made with.
    let output = unsafe { task.byte_add(header.vtable().stage_offset) };
    // SAFETY: the flag says that it is there; it is not read again.
    unsafe { output.cast::<Result<T, JoinError>>().read() }
}

/// Looks at the output of a task.
///
/// # Safety
///
/// The task's `OUTPUT` flag is set, `T` is the output of its future, and nobody takes or drops the
/// output while the reference lives.
pub(super) unsafe fn peek_output<'a, T>(task: NonNull<Header>) -> &'a Result<T, JoinError> {
    // SAFETY: the caller's task is alive.
    let offset = unsafe { task.as_ref() }.vtable().stage_offset;
    // SAFETY: the output stands at the offset that the vtable was made with.
    let output = unsafe { task.byte_add(offset) };
    // SAFETY: the flag says that it is there.
    unsafe { output.cast::<Result<T, JoinError>>().as_ref() }
}

/// The table of functions of one type of future.
struct Functions<F>(F);

impl<F: Future> Functions<F> {
    const VTABLE: &'static VTable = &VTable {
        poll: poll::<F>,
        drop_future: drop_future::<F>,
        store_error: store_error::<F>,
        error: error::<F>,
        drop_output: drop_output::<F>,
        layout: blocks::rounded(Layout::new::<TaskCell<F>>()),
        class: blocks::class(Layout::new::<TaskCell<F>>()),
        stage_offset: std::mem::offset_of!(TaskCell<F>, stage),
        type_name: std::any::type_name::<F>,
    };
}

fn stage<F: Future>(task: NonNull<Header>) -> *mut Stage<F> {
    let cell = task.cast::<TaskCell<F>>();
    // SAFETY: the vtable of this task was made for `F`, and the task is alive.
    let stage: *const UnsafeCell<Stage<F>> = unsafe { &raw const (*cell.as_ptr()).stage };
    UnsafeCell::raw_get(stage)
}

/// Drops the future when it goes out of scope: also while a panic of its poll unwinds, so that its
/// destructors see `std::thread::panicking()`.
struct DropFuture<F: Future>(*mut Stage<F>);

impl<F: Future> Drop for DropFuture<F> {
    fn drop(&mut self) {
        // SAFETY: whoever made the guard knows that the stage holds the future, and that nothing
        // uses it from here on.
        unsafe { ptr::drop_in_place(self.0.cast::<F>()) };
    }
}

unsafe fn poll<F: Future>(
    task: NonNull<Header>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Payload>> {
    let stage = stage::<F>(task);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let guard = DropFuture(stage);
        // SAFETY: the task is not done, so the stage holds the future, which nobody else uses.
        let future = unsafe { &mut *stage.cast::<F>() };
        // SAFETY: it is dropped where it stands, without having been moved.
        let future = unsafe { Pin::new_unchecked(future) };
        let polled = future.poll(cx);
        match polled {
            Poll::Pending => {
                std::mem::forget(guard);
                Poll::Pending
            }
            Poll::Ready(output) => {
                drop(guard);
                // SAFETY: the future is gone, so the stage is free for the output.
                unsafe { stage.cast::<Result<F::Output, JoinError>>().write(Ok(output)) };
                Poll::Ready(())
            }
        }
    }));
    match result {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(payload)),
    }
}

unsafe fn drop_future<F: Future>(task: NonNull<Header>) -> Result<(), Payload> {
    let stage = stage::<F>(task);
    catch_unwind(AssertUnwindSafe(|| drop(DropFuture(stage))))
}

unsafe fn store_error<F: Future>(task: NonNull<Header>, error: JoinError) {
    let output = stage::<F>(task).cast::<Result<F::Output, JoinError>>();
    // SAFETY: the future is gone, so the stage is free for the output.
    unsafe { output.write(Err(error)) };
}

unsafe fn error<F: Future>(task: NonNull<Header>) -> Option<NonNull<JoinError>> {
    let output = stage::<F>(task).cast::<Result<F::Output, JoinError>>();
    // SAFETY: the caller saw the `OUTPUT` flag.
    unsafe { &*output }.as_ref().err().map(NonNull::from)
}

unsafe fn drop_output<F: Future>(task: NonNull<Header>) -> Result<(), Payload> {
    let output = stage::<F>(task).cast::<Result<F::Output, JoinError>>();
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller cleared the `OUTPUT` flag, so nobody uses the output after this.
        unsafe { ptr::drop_in_place(output) };
    }))
}
