//! Tasks whose work is done by a thread.

use super::{JoinHandle, spawn_with};
use crate::{blocking, event_loop, executor::SpawnOptions};

/// Runs a closure that blocks on a thread of its own, and lets the loop go on meanwhile.
///
/// For blocking system calls and long computations. The threads come from a pool of at most
/// 512; when all are busy, closures wait in line.
///
/// Aborting the task, or ending its loop, takes back a closure that has not started. One that has
/// runs to its end, but nobody waits for it: neither the loop's end nor the program's.
///
/// # Errors
///
/// The handle's error carries the panic of the closure.
///
/// # Panics
///
/// Outside of a loop. If no thread can be started at all, the task panics and says so.
///
/// # Examples
///
/// ```
/// # use std::{thread, time::Duration};
/// greenloop::run(async {
///     let slow = greenloop::spawn_blocking(|| {
///         thread::sleep(Duration::from_millis(5));
///         7
///     });
///     assert_eq!(slow.await.unwrap(), 7);
/// });
/// ```
#[doc(alias = "run_in_executor")]
#[doc(alias = "to_thread")]
#[doc(alias = "unblock")]
#[doc(alias = "tp_read")]
#[doc(alias = "tp_write")]
#[doc(alias = "FileObjectThread")]
#[doc(alias = "FileObjectBlock")]
#[doc(alias = "block_in_place")]
#[track_caller]
pub fn spawn_blocking<F, T>(closure: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    assert!(event_loop::is_running(), "greenloop::spawn_blocking {}", event_loop::NEEDS_LOOP);
    spawn_with(blocking::run(closure), SpawnOptions::plain())
}
