#![allow(unsafe_code, reason = "whoever has the lock has the value")]
//! One at a time.

use std::{
    cell::UnsafeCell,
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use super::permits::{HasPermits, Permits, Take};
use crate::wait_queue::{What, Who};

static WHAT: What = What::queue("Mutex");

/// A value that one task at a time can use, also across its waits.
///
/// For what is done without waiting a `Cell` or a `RefCell` will do: nothing else runs meanwhile. This
/// lock is for what must stay as it is while its holder waits.
///
/// A task that panics, or is aborted, while it holds the lock releases it; there is no poisoning, as in tokio.
/// Whoever needs to know whether the value was left half done keeps a mark in it. A task that asks for a lock
/// that it has waits for itself, for ever; in green threads there is `green::ReentrantLock`.
///
/// # Examples
///
/// ```
/// use std::{rc::Rc, time::Duration};
///
/// use greenloop::{join_all, sleep, spawn, sync::Mutex};
///
/// greenloop::run(async {
///     let balance = Rc::new(Mutex::new(0));
///     let deposit = |_| {
///         let balance = Rc::clone(&balance);
///         spawn(async move {
///             let mut balance = balance.lock().await;
///             let before = *balance;
///             sleep(Duration::from_millis(1)).await;
///             *balance = before + 1;
///         })
///     };
///     join_all((0..5).map(deposit)).await;
///     assert_eq!(*balance.lock().await, 5);
/// });
/// ```
#[doc(alias = "asyncio.Lock")]
#[doc(alias = "Lock")]
#[doc(alias = "allocate_lock")]
#[doc(alias = "LockType")]
pub struct Mutex<T: ?Sized> {
    permits: Permits,
    value: UnsafeCell<T>,
}

impl<T> Mutex<T> {
    /// Makes a lock around a value.
    #[must_use]
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self { permits: Permits::new(1, &WHAT, Location::caller()), value: UnsafeCell::new(value) }
    }

    /// Takes the value out.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped loses the place in line, and nothing else: a lock that it was granted goes to the
    /// next.
    #[inline]
    pub fn lock(&self) -> Lock<'_, T> {
        Lock { take: Take::new(self, 1) }
    }

    /// Takes the lock if it is free and nobody waits for it.
    ///
    /// # Errors
    ///
    /// When that is not so.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::Mutex;
    /// let mutex = Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// drop(guard);
    /// assert!(mutex.try_lock().is_ok());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        self.permits.try_take(1).map_err(|_| TryLockError::new())?;
        self.permits.set_holder(Who::NOBODY);
        Ok(MutexGuard { mutex: self })
    }

    /// As [`lock`](Self::lock), for a guard that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for `lock`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// use greenloop::sync::Mutex;
    ///
    /// greenloop::run(async {
    ///     let mutex = Rc::new(Mutex::new(1));
    ///     let mut guard = Rc::clone(&mutex).lock_owned().await;
    ///     greenloop::spawn(async move { *guard += 1 }).await.unwrap();
    ///     assert_eq!(*mutex.lock().await, 2);
    /// });
    /// ```
    pub async fn lock_owned(self: Rc<Self>) -> OwnedMutexGuard<T> {
        std::mem::forget(self.lock().await);
        OwnedMutexGuard { mutex: self }
    }

    /// As [`try_lock`](Self::try_lock), for a guard that borrows nothing.
    ///
    /// # Errors
    ///
    /// When somebody has the lock or waits for it.
    pub fn try_lock_owned(self: Rc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        std::mem::forget(self.try_lock()?);
        Ok(OwnedMutexGuard { mutex: self })
    }

    /// Whether somebody has the lock.
    #[doc(alias = "locked")]
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.permits.available() == 0
    }

    /// The value, for which no lock is needed: nobody else can have the mutex.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn unlock(&self) {
        self.permits.give(1);
    }
}

impl<T: ?Sized> HasPermits for Mutex<T> {
    #[inline]
    fn permits(&self) -> &Permits {
        &self.permits
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(value) => debug.field("value", &&*value),
            Err(_) => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish_non_exhaustive()
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Mutex::lock`].
    #[must_use = "a future does nothing unless awaited"]
    pub struct Lock<'a, T: ?Sized> {
        #[pin]
        take: Take<&'a Mutex<T>>,
    }
}

impl<'a, T: ?Sized> Future for Lock<'a, T> {
    type Output = MutexGuard<'a, T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mutex = *self.take.source();
        self.project().take.poll(cx).map(|_never_closed| {
            mutex.permits.set_holder(Who::of(cx.waker()));
            MutexGuard { mutex }
        })
    }
}

impl<T: ?Sized> fmt::Debug for Lock<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

/// The value of a [`Mutex`], as long as this is kept.
#[doc(alias = "release")]
#[must_use = "the lock is released when this is dropped"]
#[clippy::has_significant_drop]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The lock that this is of.
    #[must_use]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: there is one guard at a time, and it is borrowed.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: there is one guard at a time, and it is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// The value of a [`Mutex`], as long as this is kept, without borrowing the mutex.
#[must_use = "the lock is released when this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Rc<Mutex<T>>,
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// The lock that this is of.
    #[must_use]
    pub fn mutex(this: &Self) -> &Rc<Mutex<T>> {
        &this.mutex
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: there is one guard at a time, and it is borrowed.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: there is one guard at a time, and it is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for OwnedMutexGuard<T> {
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// The error of a lock that is not free.
#[derive(Debug, PartialEq, Eq)]
pub struct TryLockError(());

impl TryLockError {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is not free")
    }
}

impl std::error::Error for TryLockError {}
