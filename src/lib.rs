//! One thread, one event loop, two ways to write the same program: async tasks and green threads.
//!
//! ```no_run
//! use greenloop::net::TcpListener;
//!
//! fn main() -> std::io::Result<()> {
//!     greenloop::run(async {
//!         let listener = TcpListener::bind("127.0.0.1:8080").await?;
//!         loop {
//!             let (stream, _peer) = listener.accept().await?;
//!             greenloop::spawn(async move {
//!                 let mut buffer = [0; 4096];
//!                 while let Ok(count @ 1..) = stream.read(&mut buffer).await {
//!                     if stream.write_all(&buffer[..count]).await.is_err() {
//!                         break;
//!                     }
//!                 }
//!             });
//!         }
//!     })
//! }
//! ```
//!
//! Or in green threads, with the API of `std::net`:
//!
#![cfg_attr(feature = "green", doc = "```no_run")]
#![cfg_attr(not(feature = "green"), doc = "```ignore")]
//! use std::io::{Read, Write};
//!
//! use greenloop::green::{self, net::TcpListener};
//!
//! fn main() -> std::io::Result<()> {
//!     green::run(|| {
//!         let listener = TcpListener::bind("127.0.0.1:8080")?;
//!         loop {
//!             let (mut stream, _peer) = listener.accept()?;
//!             green::spawn(move || {
//!                 let mut buffer = [0; 4096];
//!                 while let Ok(count @ 1..) = stream.read(&mut buffer) {
//!                     if stream.write_all(&buffer[..count]).is_err() {
//!                         break;
//!                     }
//!                 }
//!             });
//!         }
//!     })
//! }
//! ```
//!
//! # Where things are
//!
//! | to | there is |
//! |---|---|
//! | run a program | [`run`], [`EventLoop`] |
//! | start something beside | [`spawn`], [`task::Builder`], [`spawn_blocking`] |
//! | wait for several things | [`join_all`], [`task::try_join_all`], [`join!`], [`try_join!`], [`select!`] |
//! | take them as they come | [`task::JoinSet`], [`task::as_completed`], [`task::wait`] |
//! | start what ends together | [`task::TaskGroup`] |
//! | have something stop, or not | [`task::CancellationToken`], [`task::Deadline`], [`task::shield`] |
//! | wait for a time, or not longer | [`sleep`], [`timeout`], [`time::interval`] |
//! | have a function called later | [`task::call_later`], [`task::call_soon`] |
//! | let others have a turn | [`yield_now`] |
//! | talk over the network | [`net`] |
//! | serve connections, and end in an orderly way | [`net::Server`] |
//! | read lines, copy streams | [`io`] |
//! | be told of Ctrl-C and other signals | [`signal::ctrl_c`], [`signal::signal`] |
//! | have threads of one's own for jobs | [`thread_pool`] |
//! | run other programs | [`process`] |
//! | write blocking-looking code | `green`: `run`, `spawn`, `Wait::wait`, `scope`, `Pool`, `net` |
//! | switch stacks without a loop | `green::Coroutine` |
//! | give each task a value of its own | [`task_local!`] |
//! | hand values on to the tasks that a task spawns | [`context_var!`] |
//! | reach a loop from other threads | [`Handle`] |
//! | see what a loop does | [`statistics`], [`task::all`] |
//! | use every core | `launcher`: one loop per core, in worker processes that are looked after |
//! | find what one knows from Python or tokio | `guide`: all their names, and what takes their places |
//!
//! # Features
//!
//! | feature | on by default | adds |
//! |---|---|---|
//! | `green` | yes | the module `green`, and corosensei for the stack switch |
//! | `launcher` | yes | the module `launcher`: worker processes, and the parent that looks after them |
//!
//! # How it behaves
//!
//! **One thread.** Tasks stay on the thread that spawned them and need not be `Send`. What they
//! hold on to (sockets, timers, handles) is plain data that finds its loop when it is used, so it
//! *is* `Send` and `Sync` for the sake of other crates' bounds. Used on a thread that does not run its
//! loop, a fallible call gives an [`io::Error`](std::io::Error) and any other panics, and both say
//! what to do.
//!
//! **Any waker.** The wakers of tasks may be cloned, dropped and woken on every thread, also after
//! the loop is gone. So whatever needs no runtime of its own works here: channels, locks, streams.
//! Sockets implement the traits of [`futures_io`].
//!
//! **Fair.** At most 64 polls after the last look, the loop looks at the kernel and the clock again.
//! A task that could go on for ever, because its sockets are always ready, is made to wait its turn
//! after 128 operations. [`yield_now`] goes to the end of the queue.
//!
//! **Nothing disappears.** A panic ends its own task and is found in the task's [`JoinHandle`]; if
//! that was dropped it is reported, to standard error or to
//! [a hook](event_loop::Builder::on_unobserved_panic). When a loop ends, the futures of all its
//! tasks are dropped, on its thread.
//!
//! **A deadlock is not silence.** When every task waits and nothing is left that could wake one, the run
//! ends, and tells who waits for what: see [`Deadlock`](event_loop::Deadlock).
//!
//! [`JoinHandle`]: task::JoinHandle

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(greenloop_loom, allow(dead_code, unreachable_pub, reason = "only the models run"))]

#[cfg(not(unix))]
compile_error!("greenloop runs on Linux and other Unix systems; Windows is not supported yet");

// The layers, from the bottom up: a module imports from those above it only. `tests/layers.rs`
// holds them to it. A build for loom has the part that other threads reach, and nothing else.
mod executor;
#[cfg(not(greenloop_loom))]
mod reactor;
#[cfg(not(greenloop_loom))]
mod timers;

#[cfg(not(greenloop_loom))]
mod wait_queue;
#[cfg(not(greenloop_loom))]
mod wake_set;

#[cfg(not(greenloop_loom))]
pub mod event_loop;

#[cfg(not(greenloop_loom))]
mod blocking;
#[cfg(not(greenloop_loom))]
pub mod thread_pool;
#[cfg(not(greenloop_loom))]
pub mod time;

#[cfg(not(greenloop_loom))]
pub mod task;

#[cfg(not(greenloop_loom))]
pub mod sync;

#[cfg(not(greenloop_loom))]
pub mod queue;

#[cfg(not(greenloop_loom))]
pub mod io;
#[cfg(not(greenloop_loom))]
pub mod net;
#[cfg(not(greenloop_loom))]
pub mod signal;

#[cfg(not(greenloop_loom))]
pub mod process;

#[cfg(all(feature = "green", not(greenloop_loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "green")))]
pub mod green;

#[cfg(all(feature = "launcher", target_os = "linux", not(greenloop_loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "launcher")))]
pub mod launcher;

#[cfg(all(
    any(doc, doctest),
    feature = "green",
    feature = "launcher",
    target_os = "linux",
    not(greenloop_loom)
))]
pub mod guide;

#[cfg(not(greenloop_loom))]
pub use self::{
    event_loop::{EventLoop, Handle, run, statistics, try_run},
    task::{join_all, spawn, spawn_blocking, yield_now},
    time::{sleep, timeout},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(doctest, feature = "launcher", target_os = "linux"))]
#[doc = include_str!("../docs/launcher.md")]
struct LauncherPage;
