#![allow(unsafe_code, reason = "links the limits of a green thread through its stack")]
//! Limits on what a block of code in a green thread may wait for: a time, a cancellation, the failure of a
//! sibling.
//!
//! A limit is a future; when it is done, the block is cut short at the place where it waits, or at its next
//! wait: it unwinds to where the limit stands. The frames of the limits are on the green thread's own
//! stack, each linked to the one around it.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    ptr,
    task::Context,
};

use super::{thread::Record, wait::REMINDERS};
use crate::executor::Unwinding;

/// Why a block has no result.
pub(super) struct CutShort;

/// Runs a block until `limit` is done.
///
/// # Errors
///
/// [`CutShort`] when the limit cut the block short; a block that came to its end has its result.
pub(super) fn limited<T>(
    record: &Record,
    limit: Pin<&mut dyn Future<Output = ()>>,
    block: impl FnOnce() -> T,
) -> Result<T, CutShort> {
    let frame = Frame {
        outer: record.innermost_limit.get(),
        limit: RefCell::new(limit),
        is_over: Cell::new(false),
        raised: Cell::new(0),
    };
    record.innermost_limit.set(ptr::from_ref(&frame).cast());
    let outer_extent = record.begin_extent(&frame);
    let result = catch_unwind(AssertUnwindSafe(block));
    record.end_extent(outer_extent);
    record.innermost_limit.set(frame.outer);
    match result {
        Ok(value) => Ok(value),
        Err(payload) if frame.is_for(&*payload) => Err(CutShort),
        Err(payload) => resume_unwind(payload),
    }
}

/// A limit that some code further up the stack runs under.
pub(super) struct Frame<'a> {
    outer: *const Frame<'static>,
    limit: RefCell<Pin<&'a mut dyn Future<Output = ()>>>,
    is_over: Cell<bool>,
    /// How often its block was told.
    pub(super) raised: Cell<u32>,
}

impl Frame<'_> {
    /// The limits around the running code, from the inside out.
    fn all(record: &Record) -> impl Iterator<Item = &Frame<'static>> {
        let mut next = record.innermost_limit.get();
        std::iter::from_fn(move || {
            if next.is_null() {
                return None;
            }
            // SAFETY: a frame is on the record's own stack, and takes itself off the list before
            // it goes.
            let frame = unsafe { &*next };
            next = frame.outer;
            Some(frame)
        })
    }

    /// Looks which limits are over, and has the green thread woken when the others are.
    pub(super) fn poll_all(record: &Record, cx: &mut Context<'_>) {
        for frame in Self::all(record) {
            if !frame.is_over.get() && frame.limit.borrow_mut().as_mut().poll(cx).is_ready() {
                frame.is_over.set(true);
                // Seen by the wait that polls, which comes round again.
                cx.waker().wake_by_ref();
            }
        }
    }

    /// The outermost limit that is over, and whose block was not told in vain too often.
    pub(super) fn outermost_over(record: &Record) -> Option<&Frame<'static>> {
        Frame::all(record)
            .filter(|frame| frame.is_over.get() && frame.raised.get() < REMINDERS)
            .last()
    }

    /// What unwinds to the block.
    pub(super) fn unwinding(&self) -> Unwinding {
        Unwinding::Block(ptr::from_ref(self).addr())
    }

    /// Whether that is what this carries.
    fn is_for(&self, payload: &(dyn Any + Send)) -> bool {
        let unwinding = payload.downcast_ref();
        matches!(unwinding, Some(Unwinding::Block(frame)) if *frame == ptr::from_ref(self).addr())
    }
}
