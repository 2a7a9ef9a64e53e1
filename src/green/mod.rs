//! Green threads: plain, blocking-looking code that shares the loop with async tasks.
//!
//! A green thread is a task with a stack of its own. It runs until it waits for something, and the
//! loop runs the others meanwhile. [`spawn`] gives the very [`JoinHandle`] of a task, and
//! [`Wait::wait`] waits for any future, so both kinds wait for each other, share every socket, timer,
//! lock and queue, and are aborted and timed out alike.
//!
//! ```
//! use std::{panic::Location, time::Duration};
//!
//! use greenloop::green::{self, Wait};
//!
//! green::run(|| {
//!     let threads = (0..10).map(|n| {
//!         green::spawn(move || {
//!             green::sleep(Duration::from_millis(5));
//!             n * n
//!         })
//!     });
//!     let squares = green::join_all(threads);
//!     assert_eq!(squares.into_iter().map(Result::unwrap).sum::<i32>(), 285);
//! });
//! ```
//!
//! # What to know
//!
//! - Green threads never leave their thread, so `thread_local!` is sound, and shared by all of them; see
//!   [`task_local!`](crate::task_local) for values of their own.
//! - A `RefCell` that is borrowed, or a `std` lock that is held, while a green thread waits is so for
//!   all the others.
//! - An abort unwinds the green thread at the place where it waits. A `catch_unwind` that swallows that
//!   meets it again at the next wait. A destructor that runs meanwhile must not wait.
//! - Stacks hold 240 KiB unless [`Builder::stack_size`] says otherwise; untouched pages cost nothing. An
//!   overflow ends the process with a message that says which green thread it was.
//! - It needs panics that unwind. With `panic = "abort"` everything works but what must unwind a stack: the
//!   abort of a green thread that has begun, and the end of a [`timeout`]'s time, end the process with
//!   a message; and green threads that have not come to their end when their loop does, and
//!   coroutines that are dropped in the middle, are forgotten: their destructors do not run, and
//!   their stacks are not used again.

mod builder;
mod coroutine;
mod group;
mod guards;
mod imap;
mod iter;
mod join;
mod limit;
#[doc(alias = "patch_all")]
#[doc(alias = "patch_socket")]
pub mod net;
mod overflow;
mod permits;
mod pool;
#[doc(alias = "patch_subprocess")]
pub mod process;
mod reentrant_lock;
mod run_under;
mod scope;
mod shield;
mod signal_stack;
mod spawn_after;
mod spawn_into;
mod stack_memory;
mod stacks;
mod task_group;
mod thread;
mod timeout;
mod wait;

use std::{panic::Location, time::Duration};

use self::thread::Record;
pub use self::{
    builder::Builder,
    coroutine::{Coroutine, Resumed, Values, Yielder},
    group::Group,
    imap::{Imap, ImapUnordered},
    iter::{Iter, iter},
    join::{Join, Joined, join_all},
    pool::{Pool, PoolFull},
    reentrant_lock::{ReentrantLock, ReentrantLockGuard},
    scope::{Scope, ScopedJoinHandle, scope},
    shield::shield,
    spawn_after::spawn_after,
    timeout::timeout,
    wait::Wait,
};
pub use crate::task::{JoinHandle, Local};
use crate::{
    event_loop::{self, Deadlock},
    task, time,
};

/// How many bytes the stack of the first green thread holds: as `main`'s does on Linux.
const ROOT_STACK: usize = 8 << 20;

/// Makes an event loop, runs a closure on it as a green thread, and returns its result.
///
/// It has a stack of 8 MiB, as `main` has. What still runs when it ends is aborted, as by
/// [`greenloop::run`](crate::run).
///
/// # Panics
///
/// When the closure panics, with its panic; when no task can ever go on (see [`try_run`] for an error
/// instead); when the system has no descriptors left for a loop, or no memory for a stack; and when this
/// thread is running a loop already.
///
/// # Examples
///
/// ```
/// use greenloop::green;
///
/// let answer = green::run(|| green::spawn(|| 6 * 7));
/// # drop(answer);
/// ```
#[track_caller]
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    match try_run(f) {
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
pub fn try_run<F, T>(f: F) -> Result<T, Deadlock>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let location = Location::caller();
    let root = async move { Builder::new().stack_size(ROOT_STACK).spawn_at(f, location).await };
    match event_loop::try_run(root)? {
        Ok(value) => Ok(value),
        Err(error) => match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            Err(error) => panic!("the closure of `green::run` did not end by itself: {error}"),
        },
    }
}

/// Starts a closure as a green thread on the loop that this thread is running.
///
/// It does not run before the caller waits or ends. The handle is that of any task: wait for it with
/// [`Wait::wait`], or `.await` it.
///
/// # Panics
///
/// Outside of a loop, and when there is no memory for a stack; see [`Builder::try_spawn`].
///
/// # Examples
///
/// ```
/// use greenloop::green::{self, Wait};
///
/// green::run(|| {
///     let thread = green::spawn(|| 6 * 7);
///     assert_eq!(thread.wait().unwrap(), 42);
/// });
/// ```
#[doc(alias = "gevent.spawn")]
#[doc(alias = "Greenlet")]
#[doc(alias = "spawn_raw")]
#[doc(alias = "start_new_thread")]
#[doc(alias = "start_new")]
#[doc(alias = "Thread")]
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new().spawn(f)
}

/// Lets the other tasks run until `duration` has passed; as [`greenloop::sleep`](crate::sleep).
///
/// # Panics
///
/// Outside of a green thread.
#[doc(alias = "gevent.sleep")]
#[track_caller]
pub fn sleep(duration: Duration) {
    time::sleep(duration).wait();
}

/// Lets every other task that is ready run; as [`greenloop::yield_now`](crate::yield_now).
///
/// # Panics
///
/// Outside of a green thread.
#[doc(alias = "sleep(0)")]
#[doc(alias = "gevent.idle")]
#[track_caller]
pub fn yield_now() {
    if Record::with(wait::yield_in).is_none() {
        // Which says what is wrong.
        task::yield_now().wait();
    }
}
