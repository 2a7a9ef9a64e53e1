//! Calling a function soon, or at a time.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{AbortHandle, spawn_with};
use crate::{
    event_loop,
    executor::SpawnOptions,
    time::{Sleep, sleep, sleep_until},
};

/// Has the loop call a function after the tasks that are ready now had their turn.
///
/// Functions are called in the order in which this was called, each as a task of its own: a panic is
/// reported as that of any task. The handle takes the function back.
///
/// # Panics
///
/// Outside of a loop.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// greenloop::run(async {
///     let called = Rc::new(Cell::new(false));
///     let seen = Rc::clone(&called);
///     greenloop::task::call_soon(move || called.set(true));
///     assert!(!seen.get());
///     greenloop::yield_now().await;
///     assert!(seen.get());
/// });
/// ```
#[doc(alias = "loop.call_soon")]
#[track_caller]
pub fn call_soon(f: impl FnOnce() + 'static) -> AbortHandle {
    assert!(event_loop::is_running(), "greenloop::task::call_soon {}", event_loop::NEEDS_LOOP);
    spawn_with(async move { f() }, SpawnOptions::plain()).abort_handle()
}

/// Has the loop call a function when `delay` has passed, unless the handle cancels it before.
///
/// It may be late when the loop is busy, never early. [`Duration::MAX`] is never. Functions whose times
/// have come together are called in the order of their times. Each call is a task of its own: a panic is
/// reported as that of any task. The function must not wait; for one that does, spawn a task that sleeps
/// first, or use `green::spawn_after`.
///
/// Dropping the handle changes nothing. The loop's end takes the function back.
///
/// # Panics
///
/// Outside of a loop.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::task;
///
/// greenloop::run(async {
///     let (sender, receiver) = async_channel::bounded(1);
///     let never = task::call_later(Duration::from_millis(1), || unreachable!());
///     assert!(never.cancel());
///     task::call_later(Duration::from_millis(2), move || sender.try_send("hello").unwrap());
///     assert_eq!(receiver.recv().await, Ok("hello"));
/// });
/// ```
#[doc(alias = "loop.call_later")]
#[doc(alias = "threading.Timer")]
#[doc(alias = "setitimer")]
#[doc(alias = "signal.alarm")]
#[doc(alias = "scheduler")]
#[track_caller]
pub fn call_later(delay: Duration, f: impl FnOnce() + 'static) -> TimerHandle {
    TimerHandle::start(sleep(delay), f)
}

/// Has the loop call a function when `time` has come; soon, if it has. As [`call_later`].
///
/// # Panics
///
/// Outside of a loop.
#[doc(alias = "loop.call_at")]
#[doc(alias = "enterabs")]
#[track_caller]
pub fn call_at(time: Instant, f: impl FnOnce() + 'static) -> TimerHandle {
    TimerHandle::start(sleep_until(time), f)
}

/// Cancels or moves a call that [`call_later`] or [`call_at`] has arranged.
///
/// Its clones are handles of the same call.
#[derive(Clone)]
pub struct TimerHandle {
    call: Rc<Call>,
}

/// A call to come.
struct Call {
    sleep: RefCell<Sleep>,
    state: Cell<State>,
    /// Set as soon as there is a task.
    task: Cell<Option<AbortHandle>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// The function was called; it may be running.
    Called,
    /// It will not be called: cancelled, or at an end with its loop.
    Cancelled,
}

impl TimerHandle {
    #[track_caller]
    fn start(sleep: Sleep, f: impl FnOnce() + 'static) -> Self {
        assert!(event_loop::is_running(), "a timer {}", event_loop::NEEDS_LOOP);
        let call = Rc::new(Call {
            sleep: RefCell::new(sleep),
            state: Cell::new(State::Waiting),
            task: Cell::new(None),
        });
        let due = Due(Rc::clone(&call));
        let run = async move {
            poll_fn(|cx| Pin::new(&mut *due.0.sleep.borrow_mut()).poll(cx)).await;
            due.0.state.set(State::Called);
            f();
        };
        call.task.set(Some(spawn_with(run, SpawnOptions::plain()).abort_handle()));
        Self { call }
    }

    /// Takes the call back; `false` if it was made already, or cancelled before.
    ///
    /// The function is dropped before this returns.
    #[doc(alias = "threading.Timer.cancel")]
    pub fn cancel(&self) -> bool {
        if self.call.state.get() != State::Waiting {
            return false;
        }
        self.call.state.set(State::Cancelled);
        if let Some(task) = self.call.task.get() {
            task.abort();
        }
        true
    }

    /// Lets the call come when `delay` has passed from now on; `false` if it was made already, or
    /// cancelled.
    ///
    /// To a later time this costs next to nothing, so it may be done for every sign of life of a peer.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use greenloop::task;
    ///
    /// greenloop::run(async {
    ///     let start = Instant::now();
    ///     let (sender, receiver) = async_channel::bounded::<()>(1);
    ///     let timer = task::call_later(Duration::from_secs(3600), move || drop(sender));
    ///     assert!(timer.reset(Duration::from_millis(2)));
    ///     assert!(receiver.recv().await.is_err());
    ///     assert!(start.elapsed() >= Duration::from_millis(2));
    ///     assert!(!timer.reset(Duration::ZERO));
    /// });
    /// ```
    pub fn reset(&self, delay: Duration) -> bool {
        self.set(Instant::now().checked_add(delay))
    }

    /// Lets the call come at `time`; `false` if it was made already, or cancelled.
    pub fn reset_at(&self, time: Instant) -> bool {
        self.set(Some(time))
    }

    fn set(&self, time: Option<Instant>) -> bool {
        let is_waiting = self.is_waiting();
        if is_waiting {
            self.call.sleep.borrow_mut().set(time);
        }
        is_waiting
    }

    /// Returns the time for which the call is, or was, arranged; `None` if that lies too far in the
    /// future for an `Instant`.
    #[doc(alias = "deadline")]
    #[must_use]
    pub fn when(&self) -> Option<Instant> {
        self.call.sleep.borrow().deadline()
    }

    /// Returns whether the call is still to come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.call.state.get() == State::Waiting
    }

    /// Returns whether the call will never be made: it was cancelled, or its loop has ended.
    #[doc(alias = "cancelled")]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.call.state.get() == State::Cancelled
    }
}

/// The task's end of a call. Dropped before the call is made, it says that it will not be, and takes the
/// timer away.
struct Due(Rc<Call>);

impl Drop for Due {
    fn drop(&mut self) {
        if self.0.state.get() == State::Waiting {
            self.0.state.set(State::Cancelled);
        }
        // The handles may live on.
        self.0.sleep.borrow_mut().disarm();
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("when", &self.when())
            .field("state", &self.call.state.get())
            .finish()
    }
}
