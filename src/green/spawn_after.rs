//! Starting a green thread later.

use std::time::Duration;

use super::{JoinHandle, stacks, thread::GreenThread};
use crate::{event_loop, executor::SpawnOptions, task, time};

/// Starts a closure as a green thread when `delay` has passed.
///
/// Until then it is a timer and nothing else: [`abort`](JoinHandle::abort) takes it back, and the
/// closure never runs. Dropping the handle does not.
///
/// # Panics
///
/// Outside of a loop. The task panics when there is no memory for a stack when its time has come.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::green::{self, Wait};
///
/// green::run(|| {
///     let later = green::spawn_after(Duration::from_millis(1), || 7);
///     let never = green::spawn_after(Duration::from_millis(1), || unreachable!());
///     never.abort();
///     assert_eq!(later.wait().unwrap(), 7);
///     assert!(never.wait().unwrap_err().is_cancelled());
/// });
/// ```
#[doc(alias = "spawn_later")]
#[doc(alias = "threading.Timer")]
#[doc(alias = "start_later")]
#[track_caller]
pub fn spawn_after<F, T>(delay: Duration, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    assert!(event_loop::is_running(), "greenloop::green::spawn_after {}", event_loop::NEEDS_LOOP);
    let later = async move {
        time::sleep(delay).await;
        match stacks::pool().reserve(stacks::DEFAULT_SIZE) {
            Ok(stack) => GreenThread::new(f, stack).await,
            Err(error) => panic!("there is no stack for a green thread: {error}"),
        }
    };
    task::spawn_with(later, SpawnOptions::plain())
}
