//! The bridge: waiting for a future in a green thread.

use std::{
    any::Any,
    panic::resume_unwind,
    pin::{Pin, pin},
    task::{Context, Poll},
    thread,
};

use super::{limit::Frame, thread::Record};
use crate::{
    event_loop,
    executor::{Executor, Unwinding},
    task,
};

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
    #[doc(alias = "join")]
    #[doc(alias = "get")]
    #[track_caller]
    fn wait(self) -> Self::Output;
}

impl<F: IntoFuture> Wait for F {
    #[track_caller]
    fn wait(self) -> F::Output {
        let mut future = pin!(self.into_future());
        let waited = Record::with(|record| {
            assert!(!record.is_polling(), "{IN_POLL}");
            wait_in(record, future.as_mut(), Interruptible::Yes)
        });
        waited.unwrap_or_else(|| not_green())
    }
}

/// Whether a wait ends early when the green thread is killed or its time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruptible {
    Yes,
    /// For `scope`, whose children borrow from the stack that would be unwound.
    No,
}

/// What a wait says that would have to leave the stack in the middle of a poll.
const IN_POLL: &str =
    "wait() was called in a future that another wait() is polling: use .await there";

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
        let polled = with_executor(|executor| {
            if unwinding {
                // It cannot let others run first, so what is ready must be so.
                return executor.with_fresh_budget(|| {
                    record.with_context(|cx| poll_once(record, future.as_mut(), cx))
                });
            }
            if interruptible == Interruptible::Yes {
                end_if_asked(record, executor);
            }
            poll_within_budget(record, executor, future.as_mut())
        });
        if let Poll::Ready(output) = polled {
            return output;
        }
        // A scope has seen to it, and must not be left early.
        assert!(
            !unwinding || interruptible == Interruptible::No,
            "a destructor waits while a panic unwinds its green thread: it must not, or the other \
             tasks of the loop would find the thread panicking; spawn a task for what must be done",
        );
        leave(record);
        unwinding = false;
    }
}

/// Waits for an operation of this crate that counts against the budget by itself and calls nobody else's
/// code: there is less to take care of. Not while a panic unwinds the green thread.
#[track_caller]
pub(super) fn wait_own<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waited = Record::with(|record| {
        assert!(!record.is_polling(), "{IN_POLL}");
        loop {
            let polled = with_executor(|executor| {
                end_if_asked(record, executor);
                record.with_context(|cx| future.as_mut().poll(cx))
            });
            if let Poll::Ready(output) = polled {
                return output;
            }
            leave(record);
        }
    });
    waited.unwrap_or_else(|| not_green())
}

/// Lets the loop go on, until the future that is waited for or a limit around it has woken the task.
#[inline(always)]
fn leave(record: &Record) {
    let aborting = with_executor(|executor| {
        // Also when only the budget is used up: a block whose waits are always ready has limits, too.
        if !record.innermost_limit.get().is_null() {
            record.with_context(|cx| poll_limits(executor, record, cx));
        }
        executor.leave_stack()
    });
    suspend(record, aborting);
}

#[cold]
#[track_caller]
fn not_green() -> ! {
    panic!(
        "wait() works in green threads only: use .await in async code, and greenloop::green::run or \
         greenloop::run to enter a loop",
    )
}

/// As waiting for `task::yield_now()`, which costs twice as much: it would be polled, and once more.
#[track_caller]
pub(super) fn yield_in(record: &Record) {
    assert!(!record.is_polling(), "{IN_POLL}");
    if thread::panicking() {
        return wait_in(record, pin!(task::yield_now()), Interruptible::Yes);
    }
    with_executor(|executor| {
        end_if_asked(record, executor);
        record.wake();
    });
    leave(record);
    with_executor(|executor| end_if_asked(record, executor));
}

/// Lets the loop go on, until the task is polled again.
#[inline]
fn suspend(record: &Record, aborting: bool) {
    record.suspend();
    if aborting {
        with_executor(Executor::return_to_abort);
    }
}

#[inline]
fn with_executor<R>(f: impl FnOnce(&Executor) -> R) -> R {
    event_loop::with(|core| f(&core.executor)).expect("a green thread runs in a loop")
}

/// Polls the future if there is budget for it.
#[inline]
fn poll_within_budget<F: Future>(
    record: &Record,
    executor: &Executor,
    future: Pin<&mut F>,
) -> Poll<F::Output> {
    record.with_context(|cx| {
        if executor.poll_budget(cx).is_ready() {
            let polled = poll_once(record, future, cx);
            if polled.is_ready() {
                executor.spend_budget();
                return polled;
            }
        }
        Poll::Pending
    })
}

#[inline]
fn poll_once<F: Future>(
    record: &Record,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let place = 0;
    let polling = Polling::new(record, &place);
    let polled = future.poll(cx);
    drop(polling);
    polled
}

#[cold]
fn poll_limits(executor: &Executor, record: &Record, cx: &mut Context<'_>) {
    executor.with_fresh_budget(|| Frame::poll_all(record, cx));
}

/// Unwinds if the green thread is asked to end, or a limit is over.
#[inline]
fn end_if_asked(record: &Record, executor: &Executor) {
    if executor.current_is_aborted() || !record.innermost_limit.get().is_null() {
        if let Some(reason) = reason_to_end(record) {
            unwind(reason);
        }
    }
}

/// Unwinds the green thread, which wants panics that do.
pub(super) fn unwind(reason: Box<dyn Any + Send>) -> ! {
    if cfg!(panic = "abort") {
        let what = match reason.downcast_ref() {
            Some(Unwinding::Block(_)) => "a block in a green thread is over its limit",
            _ => "a green thread is aborted",
        };
        panic!(
            "{what}, but in a program with `panic = \"abort\"` its stack cannot unwind: have it \
             end by itself, by a flag or a message, or build with `panic = \"unwind\"`",
        );
    }
    resume_unwind(reason)
}

/// Why the green thread should unwind here and now, if it should.
pub(super) fn reason_to_end(record: &Record) -> Option<Box<dyn Any + Send>> {
    if event_loop::with(|core| core.executor.current_is_aborted()) == Some(true) {
        let raised = record.raised.get();
        if raised < REMINDERS {
            record.raised.set(raised + 1);
            return Some(Box::new(Unwinding::Task));
        }
        // It catches every reminder. The loop's end names it and leaks it.
    }
    let frame = Frame::outermost_over(record)?;
    frame.raised.set(frame.raised.get() + 1);
    Some(Box::new(frame.unwinding()))
}

/// Whether the green thread was killed, or a block around the running code is to end.
pub(super) fn shall_end() -> bool {
    event_loop::with(|core| core.executor.current_is_aborted()) == Some(true)
        || Record::with(|record| Frame::outermost_over(record).is_some()) == Some(true)
}

/// Marks the place from which a future is polled, also if that panics.
struct Polling<'a> {
    record: &'a Record,
    outer: usize,
}

impl<'a> Polling<'a> {
    fn new(record: &'a Record, place: &u8) -> Self {
        Self { record, outer: record.begin_extent(place) }
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.record.end_extent(self.outer);
    }
}
