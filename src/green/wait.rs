//! The bridge: waiting for a future in a green thread.

use std::{
    any::Any,
    panic::resume_unwind,
    pin::{Pin, pin},
    task::Poll,
    thread,
};

use super::{
    limit::{Cut, Frame},
    thread::Record,
};
use crate::{event_loop, executor::Killed};

/// Waits for futures in green threads.
///
/// Every future has it: those of this crate and of any other.
///
/// # Examples
///
/// ```
/// use greenloop::green::{self, Wait};
///
/// green::run(|| {
///     let task = greenloop::spawn(async { 6 * 7 });
///     assert_eq!(task.wait().unwrap(), 42);
/// });
/// ```
pub trait Wait: IntoFuture {
    /// Waits until the future is done and gives its output; the other tasks of the loop run
    /// meanwhile.
    ///
    /// # Panics
    ///
    /// Outside of a green thread, where `.await` is the way, and in a future that another `wait` is
    /// polling. When the green thread is unwinding from a panic and the future is not done at once:
    /// a destructor must not wait, or its neighbours would find the thread panicking.
    ///
    /// When the green thread is killed, or the time of a [`timeout`](super::timeout()) around it
    /// is over, this unwinds to where that is noticed; the future is dropped on the way. A
    /// [`catch_unwind`](std::panic::catch_unwind) in between meets it again at the next wait.
    #[track_caller]
    fn wait(self) -> Self::Output;
}

impl<F: IntoFuture> Wait for F {
    #[track_caller]
    fn wait(self) -> F::Output {
        let mut future = pin!(self.into_future());
        let waited = Record::with(|record| {
            assert!(
                !record.polling.get(),
                "wait() was called in a future that another wait() is polling: use .await there",
            );
            wait_in(record, future.as_mut(), Interruptible::Yes)
        });
        match waited {
            Some(output) => output,
            None => panic!(
                "wait() works in green threads only: use .await in async code, and \
                 greenloop::green::run or greenloop::run to enter a loop",
            ),
        }
    }
}

/// Whether a wait ends early when the green thread is killed or its time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruptible {
    Yes,
    /// For `scope`, whose children borrow from the stack that would be unwound.
    No,
}

/// How often a green thread is reminded that it shall end, or a block that its time is over, before
/// it is left alone.
pub(super) const REMINDERS: u32 = 1000;

/// Waits on the stack that `record` is of.
pub(super) fn wait_in<F: Future>(
    record: &Record,
    mut future: Pin<&mut F>,
    interruptible: Interruptible,
) -> F::Output {
    // A stack that has parked did not unwind then, and does not now, whatever the thread does: the
    // loop may be dropped by a panic.
    let mut unwinding = thread::panicking();
    loop {
        if interruptible == Interruptible::Yes && !unwinding {
            if let Some(payload) = reason_to_end(record) {
                resume_unwind(payload);
            }
        }
        if let Poll::Ready(output) = poll_once(record, future.as_mut(), unwinding) {
            return output;
        }
        // A scope has seen to it, and must not be left early.
        assert!(
            !unwinding || interruptible == Interruptible::No,
            "a destructor waits while a panic unwinds its green thread: it must not, or the other \
             tasks of the loop would find the thread panicking; spawn a task for what must be done",
        );
        record.suspend();
        unwinding = false;
    }
}

/// Polls the future, and what limits the time that it may take.
fn poll_once<F: Future>(record: &Record, future: Pin<&mut F>, unwinding: bool) -> Poll<F::Output> {
    let place = 0;
    let polling = Polling::new(record, &place);
    let polled = record.with_context(|cx| {
        event_loop::with(|core| {
            let executor = &core.executor;
            if unwinding {
                // It cannot let others run first, so what is ready must be so.
                return executor.with_fresh_budget(|| future.poll(cx));
            }
            if executor.poll_budget(cx).is_ready() {
                let polled = future.poll(cx);
                if polled.is_ready() {
                    executor.spend_budget();
                    return polled;
                }
            }
            // Also when only the budget is used up: a block whose waits are always ready has
            // limits, too.
            if !record.innermost_limit.get().is_null() {
                executor.with_fresh_budget(|| Frame::poll_all(record, cx));
            }
            Poll::Pending
        })
    });
    drop(polling);
    polled.expect("a green thread runs in a loop")
}

/// Why the green thread should unwind here and now, if it should.
pub(super) fn reason_to_end(record: &Record) -> Option<Box<dyn Any + Send>> {
    if event_loop::with(|core| core.executor.current_is_aborted()) == Some(true) {
        let raised = record.raised.get();
        if raised < REMINDERS {
            record.raised.set(raised + 1);
            return Some(Box::new(Killed));
        }
        // It catches every reminder. The loop's end names it and leaks it.
    }
    let frame = Frame::outermost_over(record)?;
    frame.raised.set(frame.raised.get() + 1);
    Some(Box::new(Cut::to(frame)))
}

/// Whether the green thread was killed, or a block around it is to end.
pub(super) fn shall_end() -> bool {
    event_loop::with(|core| core.executor.current_is_aborted()) == Some(true)
        || Record::with(|record| Frame::outermost_over(record).is_some()) == Some(true)
}

/// Marks that a future is being polled, also if that panics.
struct Polling<'a> {
    record: &'a Record,
    outer: usize,
}

impl<'a> Polling<'a> {
    fn new(record: &'a Record, place: &u8) -> Self {
        record.polling.set(true);
        Self { record, outer: record.begin_extent(place) }
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.record.polling.set(false);
        self.record.end_extent(self.outer);
    }
}
