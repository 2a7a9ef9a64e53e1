#![allow(unsafe_code, reason = "links the time-outs of a green thread through its stack")]
//! A limit on the time that a block of code may wait.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    ptr,
    task::Context,
    time::Duration,
};

use super::{thread::Record, wait::REMINDERS};
use crate::{
    executor::Unwinding,
    time::{Elapsed, Sleep, sleep},
};

/// Runs a block of code in a green thread, for at most `duration`.
///
/// When the time is over the block ends at the place where it waits, or at the next wait: it unwinds
/// from there to here, and destructors run. A block that does not wait is not interrupted; one that
/// comes to its end has its result, whatever the time. Time-outs nest, and each block ends by its
/// own, whatever the order; [`Duration::MAX`] is no limit, and with [`Duration::ZERO`] the
/// block ends at its first wait that cannot be done at once.
///
/// # Errors
///
/// [`Elapsed`] when the time was over first.
///
/// # Panics
///
/// Outside of a green thread; see [`greenloop::timeout`](crate::timeout) for futures. It needs panics
/// that unwind: with `panic = "abort"` the end of the time ends the process.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::green;
///
/// green::run(|| {
///     let nap = || green::sleep(Duration::from_secs(60));
///     assert!(green::timeout(Duration::from_millis(1), nap).is_err());
///     assert_eq!(green::timeout(Duration::from_secs(60), || 7), Ok(7));
/// });
/// ```
#[doc(alias = "gevent.Timeout")]
#[doc(alias = "with_timeout")]
#[track_caller]
pub fn timeout<T>(duration: Duration, block: impl FnOnce() -> T) -> Result<T, Elapsed> {
    let run = |record: &Record| {
        let frame = Frame {
            outer: record.timeout.get(),
            sleep: RefCell::new(sleep(duration)),
            elapsed: Cell::new(false),
            raised: Cell::new(0),
        };
        record.timeout.set(&frame);
        let outer_extent = record.begin_extent(&frame);
        let result = catch_unwind(AssertUnwindSafe(block));
        record.end_extent(outer_extent);
        record.timeout.set(frame.outer);
        match result {
            Ok(value) => Ok(value),
            Err(payload) if frame.is_for(&*payload) => Err(Elapsed::new()),
            Err(payload) => resume_unwind(payload),
        }
    };
    match Record::with(run) {
        Some(result) => result,
        None => panic!(
            "greenloop::green::timeout works in green threads only: \
             use greenloop::timeout in async code",
        ),
    }
}

/// A time-out that some code further up the stack runs under.
pub(super) struct Frame {
    outer: *const Frame,
    sleep: RefCell<Sleep>,
    elapsed: Cell<bool>,
    /// How often its block was told.
    pub(super) raised: Cell<u32>,
}

impl Frame {
    /// The time-outs around the running code, from the inside out.
    fn all(record: &Record) -> impl Iterator<Item = &Frame> {
        let mut next = record.timeout.get();
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

    /// Looks which times are over, and has the green thread woken when the others are.
    pub(super) fn poll_all(record: &Record, cx: &mut Context<'_>) {
        for frame in Self::all(record) {
            if !frame.elapsed.get() && Pin::new(&mut *frame.sleep.borrow_mut()).poll(cx).is_ready()
            {
                frame.elapsed.set(true);
                // Seen by the wait that polls, which comes round again.
                cx.waker().wake_by_ref();
            }
        }
    }

    /// The outermost time-out whose time is over, and whose block was not told in vain too often.
    pub(super) fn outermost_elapsed(record: &Record) -> Option<&Self> {
        Self::all(record)
            .filter(|frame| frame.elapsed.get() && frame.raised.get() < REMINDERS)
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
