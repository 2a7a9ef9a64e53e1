//! A limit on the time that a block of code may wait.

use std::{pin::pin, time::Duration};

use super::{limit::limited, thread::Record};
use crate::time::{Elapsed, sleep};

/// Runs a block of code in a green thread, for at most `duration`.
///
/// When the time is over the block ends at the place where it waits, or at the next wait: it unwinds
/// from there to here, and destructors run. A block that does not wait is not interrupted; one that
/// comes to its end has its result, whatever the time. Time-outs nest, and each block ends by its
/// own, whatever the order; [`Duration::MAX`] is no limit, and with [`Duration::ZERO`] the
/// block ends at its first wait that cannot be done at once.
///
/// # Errors
///
/// [`Elapsed`] when the time was over first.
///
/// # Panics
///
/// Outside of a green thread; see [`greenloop::timeout`](crate::timeout) for futures. It needs panics
/// that unwind: with `panic = "abort"` the end of the time ends the process.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use greenloop::green;
///
/// green::run(|| {
///     let nap = || green::sleep(Duration::from_secs(60));
///     assert!(green::timeout(Duration::from_millis(1), nap).is_err());
///     assert_eq!(green::timeout(Duration::from_secs(60), || 7), Ok(7));
/// });
/// ```
#[doc(alias = "gevent.Timeout")]
#[doc(alias = "with_timeout")]
#[track_caller]
pub fn timeout<T>(duration: Duration, block: impl FnOnce() -> T) -> Result<T, Elapsed> {
    match Record::with(|record| limited(record, pin!(sleep(duration)), block)) {
        Some(result) => result.map_err(|_cut_short| Elapsed::new()),
        None => panic!(
            "greenloop::green::timeout works in green threads only: \
             use greenloop::timeout in async code",
        ),
    }
}
