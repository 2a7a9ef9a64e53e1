#![allow(unsafe_code, reason = "whoever has the lock has the value")]
//! Many who read, or one who writes.

use std::{
    cell::UnsafeCell,
    fmt, mem,
    ops::{Deref, DerefMut},
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use super::{
    mutex::TryLockError,
    permits::{HasPermits, Permits, Take},
};
use crate::wait_queue::{What, Who};

static WHAT: What = What::queue("RwLock");

/// What a writer takes: all that readers could take.
const ALL: u32 = Permits::MOST as u32;

/// A value that any number of tasks may read at a time, or one may write, also across its waits.
///
/// Fair: readers who come after a writer wait behind it. So a task that reads already and asks again may
/// wait for ever, if a writer came in between. There is no poisoning; see [`Mutex`](super::Mutex).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// use greenloop::sync::RwLock;
///
/// greenloop::run(async {
///     let settings = Rc::new(RwLock::new(vec!["fast"]));
///     {
///         let one = settings.read().await;
///         let other = settings.read().await;
///         assert_eq!(*one, *other);
///     }
///     settings.write().await.push("small");
///     assert_eq!(settings.read().await.len(), 2);
/// });
/// ```
pub struct RwLock<T: ?Sized> {
    permits: Permits,
    value: UnsafeCell<T>,
}

impl<T> RwLock<T> {
    /// Makes a lock around a value.
    #[must_use]
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self {
            permits: Permits::new(Permits::MOST, &WHAT, Location::caller()),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the value out.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until nobody writes, and nobody who came before waits for it.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped loses the place in line, and nothing else.
    #[inline]
    pub fn read(&self) -> Read<'_, T> {
        Read { take: Take::new(self, 1) }
    }

    /// Waits until nobody reads or writes.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped loses the place in line, and nothing else: readers who waited behind it go on.
    #[inline]
    pub fn write(&self) -> Write<'_, T> {
        Write { take: Take::new(self, ALL) }
    }

    /// Takes the lock for reading if nobody writes or waits.
    ///
    /// # Errors
    ///
    /// When that is not so.
    #[inline]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.permits.try_take(1).map_err(|_| TryLockError::new())?;
        self.permits.set_holder(Who::NOBODY);
        Ok(RwLockReadGuard { lock: self })
    }

    /// Takes the lock for writing if nobody reads, writes or waits.
    ///
    /// # Errors
    ///
    /// When that is not so.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::RwLock;
    /// let lock = RwLock::new(1);
    /// let reader = lock.try_read().unwrap();
    /// assert!(lock.try_write().is_err());
    /// drop(reader);
    /// *lock.try_write().unwrap() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[inline]
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.permits.try_take(ALL).map_err(|_| TryLockError::new())?;
        self.permits.set_holder(Who::NOBODY);
        Ok(RwLockWriteGuard { lock: self })
    }

    /// As [`read`](Self::read), for a guard that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for `read`.
    pub async fn read_owned(self: Rc<Self>) -> OwnedRwLockReadGuard<T> {
        mem::forget(self.read().await);
        OwnedRwLockReadGuard { lock: self }
    }

    /// As [`write`](Self::write), for a guard that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for `write`.
    pub async fn write_owned(self: Rc<Self>) -> OwnedRwLockWriteGuard<T> {
        mem::forget(self.write().await);
        OwnedRwLockWriteGuard { lock: self, permits: ALL }
    }

    /// As [`try_read`](Self::try_read), for a guard that borrows nothing.
    ///
    /// # Errors
    ///
    /// When somebody writes or waits.
    pub fn try_read_owned(self: Rc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        mem::forget(self.try_read()?);
        Ok(OwnedRwLockReadGuard { lock: self })
    }

    /// As [`try_write`](Self::try_write), for a guard that borrows nothing.
    ///
    /// # Errors
    ///
    /// When somebody reads, writes or waits.
    pub fn try_write_owned(self: Rc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        mem::forget(self.try_write()?);
        Ok(OwnedRwLockWriteGuard { lock: self, permits: ALL })
    }

    /// The value, for which no lock is needed: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized> HasPermits for RwLock<T> {
    #[inline]
    fn permits(&self) -> &Permits {
        &self.permits
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(value) => debug.field("value", &&*value),
            Err(_) => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish_non_exhaustive()
    }
}

impl<T: Default> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

pin_project_lite::pin_project! {
    /// The future of [`RwLock::read`].
    #[must_use = "a future does nothing unless awaited"]
    pub struct Read<'a, T: ?Sized> {
        #[pin]
        take: Take<&'a RwLock<T>>,
    }
}

impl<'a, T: ?Sized> Future for Read<'a, T> {
    type Output = RwLockReadGuard<'a, T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lock = *self.take.source();
        self.project().take.poll(cx).map(|_never_closed| {
            lock.permits.set_holder(Who::NOBODY);
            RwLockReadGuard { lock }
        })
    }
}

impl<T: ?Sized> fmt::Debug for Read<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`RwLock::write`].
    #[must_use = "a future does nothing unless awaited"]
    pub struct Write<'a, T: ?Sized> {
        #[pin]
        take: Take<&'a RwLock<T>>,
    }
}

impl<'a, T: ?Sized> Future for Write<'a, T> {
    type Output = RwLockWriteGuard<'a, T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lock = *self.take.source();
        self.project().take.poll(cx).map(|_never_closed| {
            lock.permits.set_holder(Who::of(cx.waker()));
            RwLockWriteGuard { lock }
        })
    }
}

impl<T: ?Sized> fmt::Debug for Write<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").finish_non_exhaustive()
    }
}

/// The value of a [`RwLock`], to read, as long as this is kept.
#[must_use = "the lock is released when this is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// The value of a [`RwLock`], to write, as long as this is kept.
#[must_use = "the lock is released when this is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// The value of a [`RwLock`], to read, as long as this is kept, without borrowing the lock.
#[must_use = "the lock is released when this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockReadGuard<T: ?Sized> {
    lock: Rc<RwLock<T>>,
}

/// The value of a [`RwLock`], to write, as long as this is kept, without borrowing the lock.
#[must_use = "the lock is released when this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    lock: Rc<RwLock<T>>,
    /// What it gives back: all, unless a reader remains.
    permits: u32,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Goes on as a reader, without letting a writer in between. Readers who are first in line come in.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::sync::{RwLock, RwLockWriteGuard};
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.try_write().unwrap();
    /// *writer = 2;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.try_read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(this: Self) -> RwLockReadGuard<'a, T> {
        let lock = this.lock;
        mem::forget(this);
        lock.permits.set_holder(Who::NOBODY);
        lock.permits.give(ALL as usize - 1);
        RwLockReadGuard { lock }
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// As [`RwLockWriteGuard::downgrade`].
    #[must_use = "the lock is released when this is dropped"]
    pub fn downgrade(mut this: Self) -> OwnedRwLockReadGuard<T> {
        this.lock.permits.set_holder(Who::NOBODY);
        this.permits = ALL - 1;
        OwnedRwLockReadGuard { lock: Rc::clone(&this.lock) }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.give(1);
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.give(ALL as usize);
    }
}

impl<T: ?Sized> Drop for OwnedRwLockReadGuard<T> {
    fn drop(&mut self) {
        self.lock.permits.give(1);
    }
}

impl<T: ?Sized> Drop for OwnedRwLockWriteGuard<T> {
    fn drop(&mut self) {
        self.lock.permits.give(self.permits as usize);
    }
}

macro_rules! reads {
    ($($guard:ty),*) => {$(
        impl<T: ?Sized> Deref for $guard {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: while there is a guard nobody else writes.
                unsafe { &*self.lock.value.get() }
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&**self, f)
            }
        }
    )*};
}

macro_rules! writes {
    ($($guard:ty),*) => {$(
        impl<T: ?Sized> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: while there is a writer's guard there is no other, and it is borrowed mutably.
                unsafe { &mut *self.lock.value.get() }
            }
        }
    )*};
}

reads!(RwLockReadGuard<'_, T>, RwLockWriteGuard<'_, T>);
reads!(OwnedRwLockReadGuard<T>, OwnedRwLockWriteGuard<T>);
writes!(RwLockWriteGuard<'_, T>, OwnedRwLockWriteGuard<T>);
