//! A semaphore that notices when something is released too often.

use std::{fmt, panic::Location};

use super::semaphore::{Acquire, Semaphore, SemaphorePermit, TryAcquireError};
use crate::wait_queue::What;

static WHAT: What = What::queue("BoundedSemaphore");

/// A [`Semaphore`] that never has more permits than it was made with.
///
/// For code that gives permits back by itself, as in Python: it [forgets](SemaphorePermit::forget) the guard
/// and calls [`release`](Self::release) where it is done. To release more often than that is a mistake
/// somewhere, and here it is an error.
///
/// # Examples
///
/// ```
/// use greenloop::sync::BoundedSemaphore;
///
/// greenloop::run(async {
///     let connections = BoundedSemaphore::new(1);
///     connections.acquire().await.unwrap().forget();
///     assert!(connections.try_acquire().is_err());
///
///     connections.release().unwrap();
///     assert!(connections.release().is_err());
///     assert_eq!(connections.available_permits(), 1);
/// });
/// ```
#[doc(alias = "asyncio.BoundedSemaphore")]
#[doc(alias = "gevent.lock.BoundedSemaphore")]
pub struct BoundedSemaphore {
    semaphore: Semaphore,
}

impl BoundedSemaphore {
    /// Makes a semaphore with so many permits.
    ///
    /// # Panics
    ///
    /// When that are more than [`Semaphore::MAX_PERMITS`].
    #[must_use]
    #[track_caller]
    pub const fn new(permits: usize) -> Self {
        Self { semaphore: Semaphore::made_at(permits, &WHAT, Location::caller()) }
    }

    /// How many permits are free.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.semaphore.available_permits()
    }

    /// Waits for a permit; see [`Semaphore::acquire`].
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or closes meanwhile.
    ///
    /// # Cancel safety
    ///
    /// As for [`Semaphore::acquire`].
    #[inline]
    pub fn acquire(&self) -> Acquire<'_> {
        self.semaphore.acquire()
    }

    /// Waits for so many permits; see [`Semaphore::acquire_many`].
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or closes meanwhile.
    ///
    /// # Cancel safety
    ///
    /// As for [`Semaphore::acquire`].
    #[inline]
    pub fn acquire_many(&self, permits: u32) -> Acquire<'_> {
        self.semaphore.acquire_many(permits)
    }

    /// Takes a permit if one is free and nobody waits for it.
    ///
    /// # Errors
    ///
    /// When that is not so, or the semaphore is closed.
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.semaphore.try_acquire()
    }

    /// Gives one permit back whose guard was [forgotten](SemaphorePermit::forget).
    ///
    /// # Errors
    ///
    /// When there is none, and nothing is changed.
    pub fn release(&self) -> Result<(), ReleasedTooOften> {
        let forgotten = &self.semaphore.forgotten;
        let Some(rest) = forgotten.get().checked_sub(1) else { return Err(ReleasedTooOften(())) };
        forgotten.set(rest);
        self.semaphore.add_permits(1);
        Ok(())
    }

    /// Closes it; see [`Semaphore::close`].
    pub fn close(&self) {
        self.semaphore.close();
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.semaphore.is_closed()
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("available_permits", &self.available_permits())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The error of a release to which there was no acquire.
#[derive(Debug, PartialEq, Eq)]
pub struct ReleasedTooOften(());

impl fmt::Display for ReleasedTooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a BoundedSemaphore was released more often than acquired")
    }
}

impl std::error::Error for ReleasedTooOften {}
