//! Blocks of code under the limits that async code has for futures.

use std::pin::pin;

use super::{limit::limited, thread::Record};
use crate::{
    task::{CancellationToken, Deadline},
    time::Elapsed,
};

impl Deadline {
    /// Runs a block of code in a green thread until the deadline has passed; as
    /// [`green::timeout`](super::timeout()), but the deadline may be moved.
    ///
    /// When it has passed, the block ends at the place where it waits, or at its next wait.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the deadline cut the block short. One that comes to its end has its result.
    ///
    /// # Panics
    ///
    /// Outside of a green thread; see [`scope`](Self::scope) for futures.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use greenloop::{green, task::Deadline};
    ///
    /// green::run(|| {
    ///     let deadline = Deadline::after(Duration::from_secs(3600));
    ///     let cut_short = deadline.run(|| {
    ///         deadline.reset(Duration::from_millis(1));
    ///         green::sleep(Duration::from_secs(60));
    ///     });
    ///     assert!(cut_short.is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn run<T>(&self, block: impl FnOnce() -> T) -> Result<T, Elapsed> {
        let mut passed = self.passed();
        let block = || self.enter(block);
        let result = Record::with(|record| limited(record, pin!(&mut passed), block));
        result.expect(GREEN_ONLY).map_err(|_cut_short| Elapsed::new())
    }
}

impl CancellationToken {
    /// Runs a block of code in a green thread until the token is cancelled; `None` when that cut the
    /// block short.
    ///
    /// That happens at the place where it waits, or at its next wait. A block that comes to its end has its
    /// result; with a token that is cancelled at first it is not begun.
    ///
    /// # Panics
    ///
    /// Outside of a green thread; see [`run_until_cancelled`](Self::run_until_cancelled) for futures.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use greenloop::{green, task::CancellationToken};
    ///
    /// green::run(|| {
    ///     let token = CancellationToken::new();
    ///     let canceller = token.clone();
    ///     green::spawn(move || canceller.cancel());
    ///     assert!(token.run(|| green::sleep(Duration::from_secs(60))).is_none());
    /// });
    /// ```
    #[track_caller]
    pub fn run<T>(&self, block: impl FnOnce() -> T) -> Option<T> {
        let run = |record: &Record| {
            if self.is_cancelled() {
                return None;
            }
            limited(record, pin!(self.cancelled()), block).ok()
        };
        Record::with(run).expect(GREEN_ONLY)
    }
}

/// What is said elsewhere.
const GREEN_ONLY: &str = "blocks of code run under limits in green threads only: \
     use the methods for futures in async code";
