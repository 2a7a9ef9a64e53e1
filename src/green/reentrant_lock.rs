//! A lock that its holder may take again.

use std::{cell::Cell, fmt, ops::Deref, panic::Location};

use super::wait::Wait;
use crate::{
    sync::{Permits, TryLockError},
    task::{self, Id},
    wait_queue::{What, Who},
};

static WHAT: What = What::queue("ReentrantLock");

/// A value that one green thread at a time can use, which may lock it again while it does.
///
/// It is free again when the last guard of its holder is dropped. Since there may be several, a guard gives
/// no more than a `&T`: put a [`Cell`] or a [`RefCell`](std::cell::RefCell) in. Fair, and without poisoning,
/// as [`sync::Mutex`](crate::sync::Mutex).
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// use greenloop::green::{self, ReentrantLock};
///
/// struct Account {
///     balance: ReentrantLock<Cell<i32>>,
/// }
///
/// impl Account {
///     fn add(&self, amount: i32) {
///         let balance = self.balance.lock();
///         balance.set(balance.get() + amount);
///     }
///
///     fn add_twice(&self, amount: i32) {
///         let _both = self.balance.lock();
///         self.add(amount);
///         self.add(amount);
///     }
/// }
///
/// green::run(|| {
///     let account = Account { balance: ReentrantLock::new(Cell::new(0)) };
///     account.add_twice(5);
///     assert_eq!(account.balance.lock().get(), 10);
/// });
/// ```
#[doc(alias = "RLock")]
pub struct ReentrantLock<T: ?Sized> {
    permits: Permits,
    /// The task that has the lock.
    owner: Cell<Option<Id>>,
    /// How many guards it has.
    guards: Cell<usize>,
    value: T,
}

impl<T> ReentrantLock<T> {
    /// Makes a lock around a value.
    #[must_use]
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self {
            permits: Permits::new(1, &WHAT, Location::caller()),
            owner: Cell::new(None),
            guards: Cell::new(0),
            value,
        }
    }

    /// Takes the value out.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: ?Sized> ReentrantLock<T> {
    /// Waits for the lock, unless the running green thread has it.
    ///
    /// # Panics
    ///
    /// Outside of a green thread; and where [`Wait::wait`] does, if it has to wait.
    #[doc(alias = "acquire")]
    #[track_caller]
    pub fn lock(&self) -> ReentrantLockGuard<'_, T> {
        let me = task::try_id();
        if self.owner.get() != me || me.is_none() {
            self.acquire().wait();
            self.owner.set(me);
        }
        self.guard()
    }

    /// Takes the lock if it is free and nobody waits for it, or if the running green thread has it.
    ///
    /// # Errors
    ///
    /// When that is not so.
    ///
    /// # Panics
    ///
    /// Outside of a loop.
    #[track_caller]
    pub fn try_lock(&self) -> Result<ReentrantLockGuard<'_, T>, TryLockError> {
        let me = task::try_id();
        assert!(me.is_some(), "a ReentrantLock belongs to a green thread, and none is running");
        if self.owner.get() != me {
            self.permits.try_take(1).map_err(|_| TryLockError::new())?;
            self.permits.set_holder(Who::NOBODY);
            self.owner.set(me);
        }
        Ok(self.guard())
    }

    /// The value, for which no lock is needed: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    async fn acquire(&self) {
        // Nobody closes them.
        let _ = self.permits.take(1).await;
        self.permits.set_holder(Who::running().await);
    }

    fn guard(&self) -> ReentrantLockGuard<'_, T> {
        self.guards.set(self.guards.get() + 1);
        ReentrantLockGuard { lock: self }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ReentrantLock");
        if self.owner.get().is_none() || self.owner.get() == task::try_id() {
            debug.field("value", &&self.value);
        } else {
            debug.field("value", &format_args!("<locked>"));
        }
        debug.finish_non_exhaustive()
    }
}

impl<T: Default> Default for ReentrantLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// The value of a [`ReentrantLock`], as long as this is kept.
#[must_use = "the lock is released when this is dropped"]
#[clippy::has_significant_drop]
pub struct ReentrantLockGuard<'a, T: ?Sized> {
    lock: &'a ReentrantLock<T>,
}

impl<T: ?Sized> Deref for ReentrantLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.lock.value
    }
}

impl<T: ?Sized> Drop for ReentrantLockGuard<'_, T> {
    fn drop(&mut self) {
        let left = self.lock.guards.get() - 1;
        self.lock.guards.set(left);
        if left == 0 {
            self.lock.owner.set(None);
            self.lock.permits.give(1);
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for ReentrantLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
