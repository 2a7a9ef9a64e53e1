//! The event loop: running futures on one thread until they are done.
//!
//! `core.rs` has the loop itself and what one turn does; `current.rs` how the parts of a program
//! find the loop that runs them; `root.rs` how `run` lends its future to the loop; `handle.rs` and
//! `remote.rs` how other threads reach it.

mod alarm;
mod builder;
pub(crate) mod census;
mod clock;
mod core;
mod current;
mod deadlock;
#[cfg(any(feature = "green", all(feature = "launcher", target_os = "linux")))]
mod fixed_text;
mod fork;
mod handle;
mod pulse;
mod registry;
mod remote;
mod root;
mod statistics;
mod threads;

use std::{io, num::NonZeroU64, panic::resume_unwind};

#[cfg(any(feature = "green", all(feature = "launcher", target_os = "linux")))]
pub(crate) use self::fixed_text::FixedText;
#[cfg(all(feature = "launcher", target_os = "linux"))]
pub(crate) use self::pulse::Pulse;
pub use self::{
    builder::Builder,
    deadlock::Deadlock,
    handle::{Handle, RemoteJoinHandle},
    statistics::Statistics,
};
pub(crate) use self::{
    builder::report_to_stderr,
    core::Core,
    current::{is_running, with, with_loop},
    fork::generation as process_generation,
    registry::{is_alive, post, run_or_post},
    threads::set_idle as set_idle_threads,
};
use crate::executor::{JoinError, SpawnOptions};

/// The end of a sentence whose subject was used on a thread that runs no loop.
pub(crate) const NEEDS_LOOP: &str = "needs a running event loop on this thread: \
     call it from a future that is inside greenloop::run(...) or EventLoop::run(...)";

/// The error of an operation that needs a loop and has none.
pub(crate) fn no_loop(what: &str) -> io::Error {
    io::Error::other(format!("{what} {NEEDS_LOOP}"))
}

/// The error of an operation on something that belongs to another loop than this thread's.
pub(crate) fn other_loop(what: &str, id: NonZeroU64) -> io::Error {
    if is_alive(id) {
        io::Error::other(format!(
            "{what} belongs to another event loop: use it in the tasks of that loop, \
             or move it with into_std() and from_std()"
        ))
    } else {
        io::Error::other(format!(
            "{what} belongs to an event loop that has ended: \
             move it to this one with into_std() and from_std()"
        ))
    }
}

/// Makes an event loop, runs a future on it to its end, and returns its output.
///
/// Tasks that are still running then are aborted: their futures are dropped before this returns.
///
/// # Panics
///
/// When the future panics, with its panic; when no task can ever go on (see [`try_run`] for an error
/// instead); when the system has no descriptors left for a loop (see [`EventLoop::new`]); and when this
/// thread is running a loop already.
///
/// # Examples
///
/// ```
/// let answer = greenloop::run(async {
///     let six = greenloop::spawn(async { 6 });
///     six.await.unwrap() * 7
/// });
/// assert_eq!(answer, 42);
/// ```
#[doc(alias = "asyncio.run")]
#[doc(alias = "block_on")]
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    match try_run(future) {
        Ok(output) => output,
        Err(deadlock) => panic!("{deadlock}"),
    }
}

/// As [`run`], with an error for a program in which no task can ever go on.
///
/// # Errors
///
/// [`Deadlock`], which tells who waits for what.
///
/// # Panics
///
/// As for [`run`], but for that.
#[track_caller]
pub fn try_run<F: Future>(future: F) -> Result<F::Output, Deadlock> {
    refuse_nesting();
    let mut event_loop = match EventLoop::new() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("cannot make an event loop: {error}"),
    };
    let output = event_loop.run_caught(future);
    // The other tasks end before a panic goes on, so that their destructors do not run in the
    // middle of it.
    drop(event_loop);
    output.map(|output| output.unwrap_or_else(propagate))
}

/// One thread's event loop, for those who want more than [`run`].
///
/// # Examples
///
/// Tasks live on from one run to the next:
///
/// ```
/// let mut event_loop = greenloop::EventLoop::new()?;
/// let task = event_loop.run(async { greenloop::spawn(async { 7 }) });
/// assert_eq!(event_loop.run(task).unwrap(), 7);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Its futures need not be `Send`, so it stays on its thread:
///
/// ```compile_fail,E0277
/// let event_loop = greenloop::EventLoop::new().unwrap();
/// std::thread::spawn(move || drop(event_loop));
/// ```
#[doc(alias("Runner", "AbstractEventLoop", "BaseEventLoop", "SelectorEventLoop"))]
#[doc(alias("new_event_loop", "Hub", "Runtime", "LocalRuntime", "LocalSet"))]
#[derive(Debug)]
pub struct EventLoop {
    /// Boxed, so that it stays where the thread-local points when the loop is moved.
    core: Box<Core>,
}

impl EventLoop {
    /// Makes a loop.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors left for it (a loop takes three), or no memory.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Starts to make a loop with other settings.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Runs a future to its end and returns its output. Other tasks run beside it, stay when it
    /// ends, and go on with the next run.
    ///
    /// # Panics
    ///
    /// When the future panics, with its panic, and the loop can be used again; when no task can ever go
    /// on (see [`try_run`](Self::try_run) for an error instead); when this thread is running a loop
    /// already; and when the process was forked since the loop was made.
    #[doc(alias = "loop.run_until_complete")]
    #[doc(alias = "run_until_complete")]
    #[track_caller]
    pub fn run<F: Future>(&mut self, future: F) -> F::Output {
        match self.try_run(future) {
            Ok(output) => output,
            Err(deadlock) => panic!("{deadlock}"),
        }
    }

    /// As [`run`](Self::run), with an error for a loop in which no task can ever go on. The future is
    /// dropped then; the other tasks remain, and the loop can be used again.
    ///
    /// # Errors
    ///
    /// [`Deadlock`], which tells who waits for what.
    ///
    /// # Panics
    ///
    /// As for [`run`](Self::run), but for that.
    #[track_caller]
    pub fn try_run<F: Future>(&mut self, future: F) -> Result<F::Output, Deadlock> {
        refuse_nesting();
        self.run_caught(future).map(|output| output.unwrap_or_else(propagate))
    }

    #[track_caller]
    fn run_caught<F: Future>(
        &mut self,
        future: F,
    ) -> Result<Result<F::Output, JoinError>, Deadlock> {
        let _entered = current::Entered::new(&self.core);
        root::run_to_end(&self.core, future, SpawnOptions::plain())
    }

    /// Runs the tasks of the loop until [`Handle::stop`] is called.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut event_loop = greenloop::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.spawn({
    ///     let handle = handle.clone();
    ///     async move { handle.stop() }
    /// });
    /// event_loop.run_forever();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When this thread is running a loop already; when the process was forked since the loop was made;
    /// and when nobody is left who could stop it or wake a task, see [`Deadlock`].
    #[track_caller]
    pub fn run_forever(&mut self) {
        refuse_nesting();
        let _entered = current::Entered::new(&self.core);
        if let Err(deadlock) = self.core.run_until_stopped() {
            panic!("{deadlock}");
        }
    }

    /// Returns a handle, with which other threads reach the loop.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.core)
    }

    /// Returns the loop's figures. Within a run use [`statistics`].
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        gather(&self.core)
    }
}

impl Drop for EventLoop {
    /// Aborts all tasks: their futures are dropped here, on this thread.
    fn drop(&mut self) {
        let entered = current::Entered::new(&self.core);
        self.core.shut_down();
        drop(entered);
        registry::leave(self.core.id());
    }
}

/// Returns the figures of the loop that this thread is running.
///
/// # Panics
///
/// Outside of a loop.
#[doc(alias = "slow_callback_duration")]
#[doc(alias = "assert_switches")]
#[doc(alias = "active_count")]
#[must_use]
#[track_caller]
pub fn statistics() -> Statistics {
    match with(gather) {
        Some(statistics) => statistics,
        None => panic!("greenloop::statistics() {NEEDS_LOOP}"),
    }
}

fn gather(core: &Core) -> Statistics {
    Statistics {
        tasks: core.executor.alive(),
        panicked: core.executor.panicked(),
        sockets: core.sockets(),
        timers: core.timers.borrow().len(),
        turns: core.turns(),
        polls: core.executor.polls(),
        foreign_wakes: core.executor.foreign_wakes(),
    }
}

/// Polls with a full budget, for who polls several and must not take "no budget" for "not ready".
pub(crate) fn with_fresh_budget<R>(mut poll: impl FnMut() -> R) -> R {
    match with(|core| core.executor.with_fresh_budget(&mut poll)) {
        Some(polled) => polled,
        // Without a loop nothing is counted.
        None => poll(),
    }
}

#[track_caller]
fn refuse_nesting() {
    assert!(
        !is_running(),
        "this thread is running an event loop already, and running another inside it would stop \
         it: await the future, spawn it as a task, or run it on a thread of its own",
    );
}

/// Lets the root's panic go on where `run` was called.
fn propagate<T>(error: JoinError) -> T {
    match error.try_into_panic() {
        Ok(payload) => resume_unwind(payload),
        Err(error) => panic!("the future of `run` did not end by itself: {error}"),
    }
}
