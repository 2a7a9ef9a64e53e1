//! The names of tasks.

use std::{
    cell::Cell,
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

/// Names a task: a number that no other task of this process ever has.
///
/// # Examples
///
/// ```
/// greenloop::run(async {
///     let first = greenloop::spawn(async {});
///     let second = greenloop::spawn(async {});
///     assert_ne!(first.id(), second.id());
/// });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(NonZeroU64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl Id {
    /// An id for a task that will be spawned later, by whichever loop.
    pub(crate) fn reserve() -> Self {
        Self::number(reserve(1))
    }

    /// The bare number.
    #[cfg(any(feature = "green", all(feature = "launcher", target_os = "linux")))]
    pub(crate) fn get(self) -> u64 {
        self.0.get()
    }

    fn number(number: u64) -> Self {
        Self(NonZeroU64::new(number).expect("2^64 tasks take centuries"))
    }
}

/// Takes so many consecutive numbers, and gives the first.
fn reserve(count: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(count, Ordering::Relaxed)
}

/// The ids that a loop has in stock, so that a spawn needs no atomic operation.
#[derive(Debug, Default)]
pub(super) struct Ids {
    next: Cell<u64>,
    end: Cell<u64>,
}

impl Ids {
    pub(super) fn next(&self) -> Id {
        const STOCK: u64 = 1024;
        if self.next.get() == self.end.get() {
            let first = reserve(STOCK);
            self.next.set(first);
            self.end.set(first + STOCK);
        }
        let number = self.next.get();
        self.next.set(number + 1);
        Id::number(number)
    }
}
