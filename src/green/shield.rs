//! Work that goes on when its green thread is killed.

use super::{spawn, wait::Wait};
use crate::task::{Shield, without_deadlines};

/// Calls a closure in a green thread of its own and waits for it; when the wait is cut short, by a kill
/// or a [`timeout`](super::timeout()), the closure goes on.
///
/// As [`task::shield`](crate::task::shield()), which see.
///
/// # Panics
///
/// Outside of a green thread; with the panic of the closure.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// use greenloop::green;
///
/// green::run(|| {
///     let committed = Rc::new(Cell::new(false));
///     let seen = Rc::clone(&committed);
///     let commit = move || {
///         green::sleep(Duration::from_millis(5));
///         committed.set(true);
///     };
///     assert!(green::timeout(Duration::ZERO, || green::shield(commit)).is_err());
///     green::sleep(Duration::from_millis(20));
///     assert!(seen.get());
/// });
/// ```
#[doc(alias = "asyncio.shield")]
#[track_caller]
pub fn shield<F, T>(f: F) -> T
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Shield::new(without_deadlines(|| spawn(f))).wait()
}
