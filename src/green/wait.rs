//! The bridge: waiting for a future in a green thread.

use std::{
    any::Any,
    panic::resume_unwind,
    pin::{Pin, pin},
    ptr,
    task::Poll,
    thread,
};

use super::{
    thread::Record,
    timeout::{Frame, TimedOut},
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

/// How often a green thread is reminded that it shall end, before it is left alone.
const REMINDERS: u32 = 1000;

/// Waits on the stack that `record` is of.
pub(super) fn wait_in<F: Future>(
    record: &Record,
    mut future: Pin<&mut F>,
    interruptible: Interruptible,
) -> F::Output {
    loop {
        if interruptible == Interruptible::Yes {
            if let Some(payload) = reason_to_end(record) {
                resume_unwind(payload);
            }
        }
        if let Poll::Ready(output) = poll_once(record, future.as_mut()) {
            return output;
        }
        assert!(
            !thread::panicking(),
            "a destructor waits while a panic unwinds its green thread: it must not, or the other \
             tasks of the loop would find the thread panicking; spawn a task for what must be done",
        );
        record.suspend();
    }
}

/// Polls the future, and what limits the time that it may take.
fn poll_once<F: Future>(record: &Record, future: Pin<&mut F>) -> Poll<F::Output> {
    let polling = Polling::new(record);
    let polled = record.with_context(|cx| {
        event_loop::with(|core| {
            if core.executor.poll_budget(cx).is_pending() {
                return Poll::Pending;
            }
            let polled = future.poll(cx);
            if polled.is_ready() {
                core.executor.spend_budget();
            } else {
                Frame::poll_all(record, cx);
            }
            polled
        })
    });
    drop(polling);
    polled.expect("a green thread runs in a loop")
}

/// Why the green thread should unwind here and now, if it should.
fn reason_to_end(record: &Record) -> Option<Box<dyn Any + Send>> {
    if thread::panicking() {
        return None;
    }
    if event_loop::with(|core| core.executor.current_is_aborted()) == Some(true) {
        let raised = record.raised.get();
        if raised < REMINDERS {
            record.raised.set(raised + 1);
            return Some(Box::new(Killed));
        }
        // It catches every reminder. The loop's end names it and leaks it.
    }
    let frame: *const Frame = Frame::outermost_elapsed(record);
    (!ptr::eq(frame, ptr::null())).then(|| Box::new(TimedOut::of(frame)) as Box<dyn Any + Send>)
}

/// Marks that a future is being polled, also if that panics.
struct Polling<'a>(&'a Record);

impl<'a> Polling<'a> {
    fn new(record: &'a Record) -> Self {
        record.polling.set(true);
        Self(record)
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.polling.set(false);
    }
}
