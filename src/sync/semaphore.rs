//! So many at a time.

use std::{
    cell::Cell,
    fmt, mem,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use super::permits::{HasPermits, Permits, Refused, Take};
use crate::wait_queue::What;

static WHAT: What = What::queue("Semaphore");

/// A number of permits, for which tasks wait in their order.
///
/// A permit goes back when its [`SemaphorePermit`] is dropped, to the first who waits. Whoever wants many
/// waits until there are so many, and whoever comes later waits behind him, however little he wants.
///
/// # Examples
///
/// At most two downloads at a time:
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// use greenloop::{join_all, sleep, spawn, sync::Semaphore};
///
/// greenloop::run(async {
///     let permits = Rc::new(Semaphore::new(2));
///     let running = Rc::new(Cell::new(0));
///     let download = |_| {
///         let (permits, running) = (Rc::clone(&permits), Rc::clone(&running));
///         spawn(async move {
///             let _permit = permits.acquire().await.unwrap();
///             running.set(running.get() + 1);
///             assert!(running.get() <= 2);
///             sleep(Duration::from_millis(1)).await;
///             running.set(running.get() - 1);
///         })
///     };
///     for result in join_all((0..10).map(download)).await {
///         result.unwrap();
///     }
/// });
/// ```
#[doc(alias = "asyncio.Semaphore")]
#[doc(alias = "gevent.lock.Semaphore")]
#[doc(alias = "CapacityLimiter")]
pub struct Semaphore {
    permits: Permits,
    /// How many were taken away with their guards; for `BoundedSemaphore`.
    pub(super) forgotten: Cell<usize>,
}

impl Semaphore {
    /// How many permits there can be at most.
    pub const MAX_PERMITS: usize = Permits::MOST;

    /// Makes a semaphore with so many permits.
    ///
    /// # Panics
    ///
    /// When that are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[must_use]
    #[track_caller]
    pub const fn new(permits: usize) -> Self {
        Self::made_at(permits, &WHAT, Location::caller())
    }

    pub(super) const fn made_at(
        permits: usize,
        what: &'static What,
        created: &'static Location<'static>,
    ) -> Self {
        assert!(permits <= Permits::MOST, "more permits than Semaphore::MAX_PERMITS");
        Self { permits: Permits::new(permits, what, created), forgotten: Cell::new(0) }
    }

    /// How many permits are free.
    #[doc(alias = "locked")]
    #[doc(alias = "counter")]
    #[doc(alias = "get_value")]
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or closes meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped loses the place in line, and nothing else: a permit that it was granted goes to
    /// the next.
    #[inline]
    #[doc(alias = "wait")]
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Waits for so many permits, and takes them together.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or closes meanwhile.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::Semaphore;
    /// greenloop::run(async {
    ///     let semaphore = Semaphore::new(5);
    ///     let three = semaphore.acquire_many(3).await.unwrap();
    ///     assert_eq!(semaphore.available_permits(), 2);
    ///     drop(three);
    ///     assert_eq!(semaphore.available_permits(), 5);
    /// });
    /// ```
    #[inline]
    pub fn acquire_many(&self, permits: u32) -> Acquire<'_> {
        Acquire { take: Take::new(self, permits) }
    }

    /// Takes a permit if one is free and nobody waits for it.
    ///
    /// # Errors
    ///
    /// When that is not so, or the semaphore is closed.
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits if they are free and nobody waits for any.
    ///
    /// # Errors
    ///
    /// When that is not so, or the semaphore is closed.
    #[inline]
    pub fn try_acquire_many(&self, permits: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_take(permits)?;
        Ok(SemaphorePermit { semaphore: self, number: permits })
    }

    /// As [`acquire`](Self::acquire), for a permit that borrows nothing.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or closes meanwhile.
    ///
    /// # Cancel safety
    ///
    /// As for `acquire`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// use greenloop::sync::Semaphore;
    ///
    /// greenloop::run(async {
    ///     let semaphore = Rc::new(Semaphore::new(1));
    ///     let permit = Rc::clone(&semaphore).acquire_owned().await.unwrap();
    ///     greenloop::spawn(async move { drop(permit) }).await.unwrap();
    ///     assert_eq!(semaphore.available_permits(), 1);
    /// });
    /// ```
    pub async fn acquire_owned(self: Rc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }

    /// As [`acquire_many`](Self::acquire_many), for permits that borrow nothing.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or closes meanwhile.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    pub async fn acquire_many_owned(
        self: Rc<Self>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.permits.take(permits).await.map_err(|_| AcquireError(()))?;
        Ok(OwnedSemaphorePermit { semaphore: self, number: permits })
    }

    /// As [`try_acquire`](Self::try_acquire), for a permit that borrows nothing.
    ///
    /// # Errors
    ///
    /// When none is free, somebody waits for it, or the semaphore is closed.
    pub fn try_acquire_owned(self: Rc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), for permits that borrow nothing.
    ///
    /// # Errors
    ///
    /// When too few are free, somebody waits for them, or the semaphore is closed.
    pub fn try_acquire_many_owned(
        self: Rc<Self>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_take(permits)?;
        Ok(OwnedSemaphorePermit { semaphore: self, number: permits })
    }

    /// Adds permits.
    ///
    /// # Panics
    ///
    /// When there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[doc(alias = "release")]
    pub fn add_permits(&self, permits: usize) {
        let sum = self.available_permits().saturating_add(permits);
        assert!(sum <= Permits::MOST, "more permits than Semaphore::MAX_PERMITS");
        self.permits.give(permits);
    }

    /// Takes up to so many free permits away for good, and tells how many.
    pub fn forget_permits(&self, permits: usize) -> usize {
        self.permits.withdraw(permits)
    }

    /// Closes it: whoever waits or comes gets an error. Permits that are out stay valid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::Semaphore;
    /// greenloop::run(async {
    ///     let semaphore = Semaphore::new(1);
    ///     semaphore.close();
    ///     assert!(semaphore.acquire().await.is_err());
    /// });
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    fn forget(&self, permits: u32) {
        self.forgotten.set(self.forgotten.get() + permits as usize);
    }
}

impl HasPermits for Semaphore {
    #[inline]
    fn permits(&self) -> &Permits {
        &self.permits
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct Acquire<'a> {
        #[pin]
        take: Take<&'a Semaphore>,
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<SemaphorePermit<'a>, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (semaphore, number) = (*self.take.source(), self.take.number());
        self.project().take.poll(cx).map(|taken| match taken {
            Ok(()) => Ok(SemaphorePermit { semaphore, number }),
            Err(_) => Err(AcquireError(())),
        })
    }
}

/// Permits of a [`Semaphore`], which go back when this is dropped.
#[must_use = "the permit goes back when it is dropped"]
#[clippy::has_significant_drop]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    number: u32,
}

impl SemaphorePermit<'_> {
    /// Drops it without giving the permits back. [`Semaphore::add_permits`] may do so later.
    pub fn forget(mut self) {
        self.semaphore.forget(mem::take(&mut self.number));
    }

    /// Takes over the permits of another one.
    ///
    /// # Panics
    ///
    /// When that is of another semaphore.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "permits of two semaphores cannot be merged",
        );
        self.number += mem::take(&mut other.number);
    }

    /// Makes so many of its permits one of their own; `None` if it has less.
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        let permits = u32::try_from(permits).ok()?;
        self.number = self.number.checked_sub(permits)?;
        Some(Self { semaphore: self.semaphore, number: permits })
    }

    /// How many permits it is.
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.number as usize
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.give(self.number as usize);
    }
}

/// Permits of a [`Semaphore`] that borrow nothing, which go back when this is dropped.
#[must_use = "the permit goes back when it is dropped"]
#[clippy::has_significant_drop]
#[derive(Debug)]
pub struct OwnedSemaphorePermit {
    semaphore: Rc<Semaphore>,
    number: u32,
}

impl OwnedSemaphorePermit {
    /// Drops it without giving the permits back. [`Semaphore::add_permits`] may do so later.
    pub fn forget(mut self) {
        self.semaphore.forget(mem::take(&mut self.number));
    }

    /// Takes over the permits of another one.
    ///
    /// # Panics
    ///
    /// When that is of another semaphore.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Rc::ptr_eq(&self.semaphore, &other.semaphore),
            "permits of two semaphores cannot be merged",
        );
        self.number += mem::take(&mut other.number);
    }

    /// Makes so many of its permits one of their own; `None` if it has less.
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        let permits = u32::try_from(permits).ok()?;
        self.number = self.number.checked_sub(permits)?;
        Some(Self { semaphore: Rc::clone(&self.semaphore), number: permits })
    }

    /// How many permits it is.
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.number as usize
    }

    /// The semaphore.
    #[must_use]
    pub fn semaphore(&self) -> &Rc<Semaphore> {
        &self.semaphore
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.permits.give(self.number as usize);
    }
}

/// The error of waiting for a permit of a semaphore that is closed.
#[derive(Debug, PartialEq, Eq)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl std::error::Error for AcquireError {}

/// Why there was no permit at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// Too few are free, or somebody waits for them.
    NoPermits,
}

impl From<Refused> for TryAcquireError {
    #[inline]
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => Self::Closed,
            Refused::TooFew => Self::NoPermits,
        }
    }
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the semaphore is closed",
            Self::NoPermits => "no permits are free",
        })
    }
}

impl std::error::Error for TryAcquireError {}
